using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Who is told of an incident, and who next when nobody takes it.</summary>
public sealed record EscalationPolicy
{
    /// <summary>Unique key in <c>oncall.yaml</c>; routes name it.</summary>
    public required string Key { get; init; }

    public required string Name { get; init; }

    /// <summary>Tried in order; the first that fits the incident's severity and the hour is taken. The last should fit everything.</summary>
    public required ImmutableArray<PolicyVariant> Variants { get; init; }

    /// <summary>
    /// What an incident that begins now gets and keeps, whatever becomes of the policy (P6). Null: no variant fits, which is a mistake in the configuration that the caller must say aloud.
    /// </summary>
    public EscalationSnapshot? Select(string severity, Instant now) =>
        Variants.FirstOrDefault(v => v.Fits(severity, now)) is not { } variant ? null : new EscalationSnapshot
        {
            Policy = Key,
            Variant = variant.Name,
            Severity = severity,
            TakenAt = now,
            Steps = variant.Steps,
            Repeat = variant.Repeat,
            AckTimeout = variant.AckTimeout,
            ReachWithin = variant.ReachWithin,
        };
}

/// <summary>The steps of a policy for some severities, inside or outside support hours.</summary>
public sealed record PolicyVariant
{
    public required string Name { get; init; }

    /// <summary>Empty means every severity.</summary>
    public ImmutableArray<string> Severities { get; init; } = [];

    /// <summary>Only for incidents that begin inside these hours.</summary>
    public SupportHours? Within { get; init; }

    /// <summary>Only for incidents that begin outside these hours.</summary>
    public SupportHours? Outside { get; init; }

    public required ImmutableArray<PolicyStep> Steps { get; init; }

    /// <summary>How many more times all steps are gone through after the first. Default 0.</summary>
    public int Repeat { get; init; }

    /// <summary>Who acknowledged has this long before escalation goes on with what was left. Null: no limit.</summary>
    public Duration? AckTimeout { get; init; }

    /// <summary>A person must be reached within this time of the incident's beginning; coverage is checked against it. Default 15 minutes.</summary>
    public Duration ReachWithin { get; init; } = Duration.FromMinutes(15);

    public bool Fits(string severity, Instant now) =>
        (Severities.IsEmpty || Severities.Contains(severity)) && Within?.Contains(now) != false && Outside?.Contains(now) != true;
}

/// <summary>One step: everybody it targets is told at once.</summary>
public sealed record PolicyStep
{
    public required ImmutableArray<EscalationTarget> Targets { get; init; }

    /// <summary>How long they have before the next step, or the end of the policy. A step that finds nobody does not wait.</summary>
    public required Duration EscalateAfter { get; init; }
}

/// <summary>Whom or what a step addresses. <paramref name="Kind"/> is one of <see cref="TargetKind"/>, <paramref name="Key"/> names it.</summary>
public sealed record EscalationTarget(string Kind, string Key)
{
    public override string ToString() => $"{Kind} \"{Key}\"";
}

/// <summary>Kinds of targets; text keys, as in the configuration.</summary>
public static class TargetKind
{
    public const string Person = "person";

    /// <summary>Whoever is on call when the step fires.</summary>
    public const string Schedule = "schedule";

    /// <summary>All members.</summary>
    public const string Team = "team";

    /// <summary>A receiver of <c>routing.yaml</c>, such as a Slack channel.</summary>
    public const string Receiver = "receiver";

    /// <summary>A playbook to start. It is something, but it is not somebody.</summary>
    public const string Playbook = "playbook";

    public static readonly ImmutableArray<string> All = [Person, Schedule, Team, Receiver, Playbook];
}

/// <summary>The steps an incident goes by, as they were when it began. Plain data: stored with the incident as JSON.</summary>
public sealed record EscalationSnapshot
{
    public required string Policy { get; init; }

    public required string Variant { get; init; }

    public required string Severity { get; init; }

    public required Instant TakenAt { get; init; }

    public required ImmutableArray<PolicyStep> Steps { get; init; }

    public int Repeat { get; init; }

    public Duration? AckTimeout { get; init; }

    public Duration ReachWithin { get; init; }
}
