using Mediator;
using NodaTime;

namespace Incidents.Server.Response;

/// <summary>How far the escalation of an incident is; null when it has none. Answered by the stage after this one.</summary>
internal sealed record GetEscalation(long Number) : IQuery<EscalationShown?>;

/// <summary>The escalation of an incident: what it goes by, as it was when it began, and who is told next.</summary>
internal sealed record EscalationShown
{
    /// <summary>Key of the policy in <c>oncall.yaml</c>; it may have been edited or removed since.</summary>
    public required string Policy { get; init; }

    /// <summary>The part of the policy that was taken, by severity and support hours.</summary>
    public required string Variant { get; init; }

    /// <summary><c>running</c>, <c>acknowledged</c>, <c>snoozed</c>, <c>held</c> (something hides the incident or speaks for it, which the reason says), <c>ended</c> (every step has fired and nobody has acknowledged) or <c>stopped</c>.</summary>
    public required string State { get; init; }

    /// <summary>Why it does not run, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>How many steps of this round have fired.</summary>
    public required int FiredSteps { get; init; }

    public required int Steps { get; init; }

    /// <summary>From 1.</summary>
    public required int Round { get; init; }

    public required int Rounds { get; init; }

    /// <summary>When the acknowledgement runs out, and it goes on.</summary>
    public Instant? ResumesAt { get; init; }

    /// <summary>When everybody is told that nobody came, if only that is left.</summary>
    public Instant? EndsAt { get; init; }

    /// <summary>The steps still to come, if nobody acknowledges and all find somebody; at most ten.</summary>
    public required IReadOnlyList<UpcomingStep> Upcoming { get; init; }

    /// <summary>False when it is over for good.</summary>
    public bool CanEscalate => State != "stopped";
}

/// <param name="Step">From 1.</param>
/// <param name="Round">From 1.</param>
/// <param name="At">When it fires.</param>
/// <param name="People">Names of those it would find then, as far as is known now.</param>
/// <param name="Receivers">Receivers it tells besides.</param>
/// <param name="Misses">Targets that lead to nobody, in words.</param>
internal sealed record UpcomingStep(int Step, int Round, Instant At, IReadOnlyList<string> People, IReadOnlyList<string> Receivers, IReadOnlyList<string> Misses)
{
    /// <summary>"Bo and Cy"; "nobody" when it would find nobody.</summary>
    public string Whom => string.Join(", ", People.Concat(Receivers)) is { Length: > 0 } names ? names : "nobody";
}
