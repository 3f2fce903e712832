using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>When the team is at work: policies may page differently inside and outside.</summary>
public sealed record SupportHours
{
    public required string Name { get; init; }

    public required DateTimeZone Zone { get; init; }

    /// <summary>None means never.</summary>
    public required ImmutableArray<WeeklyWindow> Windows { get; init; }

    /// <summary>Days on which no window begins.</summary>
    public ImmutableArray<LocalDate> Holidays { get; init; } = [];

    public bool Contains(Instant at) => Spans(at, at + Duration.Epsilon).Count > 0;

    internal List<Span> Spans(Instant from, Instant until) => WeeklyWindow.Spans(Windows, Zone, from, until, Holidays);
}
