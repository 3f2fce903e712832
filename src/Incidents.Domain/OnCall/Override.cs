using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Somebody else has it for a while. Wins over all layers; of several, the one made last wins.</summary>
public sealed record Override
{
    public required string Id { get; init; }

    /// <summary>Key of the schedule.</summary>
    public required string Schedule { get; init; }

    public required Instant From { get; init; }

    /// <summary>Not included.</summary>
    public required Instant Until { get; init; }

    /// <summary>Who is on call, all of them together. Without anybody it is no override: it can never make a gap.</summary>
    public required ImmutableArray<string> People { get; init; }

    /// <summary>Only this person's place is taken, wherever that person would be on call; everybody else stays. Null: the people above are on call alone, whoever would have been.</summary>
    public string? Replaces { get; init; }

    /// <summary>When it was made: the order in which overrides are laid on each other.</summary>
    public required Instant CreatedAt { get; init; }

    public string? CreatedBy { get; init; }

    /// <summary>It comes from a calendar that the schedule is read from: the base that everything made here is laid on.</summary>
    public bool IsImported { get; init; }

    internal bool Covers(Instant at) => at >= From && at < Until;

    internal ImmutableArray<OnDuty> LayOn(ImmutableArray<OnDuty> people)
    {
        if (Replaces is { } replaced && !people.Any(p => p.Person == replaced)) return people;
        var mine = People.Select(person => new OnDuty(person, IsImported ? (DutyReason)new DutyReason.ByCalendar() : new DutyReason.ByOverride(Id, Replaces)));
        return OnDuty.EachOnce(Replaces is null ? mine : people.SelectMany(p => p.Person == Replaces ? mine : [p]));
    }
}
