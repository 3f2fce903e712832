using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>A stretch of the final schedule in which the same people are on call for the same reasons.</summary>
public sealed record Shift
{
    public required Instant From { get; init; }

    /// <summary>Not included.</summary>
    public required Instant Until { get; init; }

    /// <summary>Empty: a gap, nobody is on call.</summary>
    public required ImmutableArray<OnDuty> People { get; init; }

    public bool IsGap => People.IsEmpty;

    /// <summary>True when there is no hand-over between the two: the same people, whatever their order and reasons.</summary>
    public bool HasSamePeopleAs(Shift other) => People.Length == other.People.Length && People.All(p => other.People.Any(o => o.Person == p.Person));
}

/// <summary>Somebody on call, and why.</summary>
/// <param name="Person">Key of the person.</param>
/// <param name="Reason">The layer or the override that says so.</param>
public sealed record OnDuty(string Person, DutyReason Reason)
{
    /// <summary>A person named twice is on call once, for the first reason.</summary>
    internal static ImmutableArray<OnDuty> EachOnce(IEnumerable<OnDuty> people) => [.. people.DistinctBy(p => p.Person)];
}

/// <summary>Why somebody is on call.</summary>
public abstract record DutyReason
{
    private DutyReason() { }

    /// <summary>It is their turn in a layer.</summary>
    public sealed record ByLayer(string Layer) : DutyReason
    {
        public override string ToString() => $"layer \"{Layer}\"";
    }

    /// <summary>The calendar that the schedule is read from names them.</summary>
    public sealed record ByCalendar : DutyReason
    {
        public override string ToString() => "the imported calendar";
    }

    /// <summary>An override names them, in the place of <paramref name="Replaces"/> or of everybody.</summary>
    public sealed record ByOverride(string Id, string? Replaces) : DutyReason
    {
        public override string ToString() => $"override {Id}{(Replaces is null ? "" : $" for {Replaces}")}";
    }
}

/// <summary>The moment at which the people on call change. Either side may be nobody.</summary>
public sealed record HandOver
{
    public required Instant At { get; init; }

    public required ImmutableArray<OnDuty> From { get; init; }

    public required ImmutableArray<OnDuty> To { get; init; }
}
