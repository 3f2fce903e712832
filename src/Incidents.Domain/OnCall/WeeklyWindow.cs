using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// The same hours on some days of every week, read on the duty clock of a zone. A window whose end is not after its start ends on the next day
/// and belongs to the weekday on which it begins; equal start and end are a whole day.
/// </summary>
public sealed record WeeklyWindow
{
    /// <summary>Days on which it begins; empty means every day.</summary>
    public ImmutableArray<IsoDayOfWeek> Weekdays { get; init; } = [];

    public required LocalTime From { get; init; }

    /// <summary>Not included; 00:00 is midnight at the end of the day.</summary>
    public required LocalTime Until { get; init; }

    public static bool AnyContains(ImmutableArray<WeeklyWindow> windows, DateTimeZone zone, Instant at) => Spans(windows, zone, at, at + Duration.Epsilon).Count > 0;

    /// <summary>When any of the windows holds between two moments: ordered, disjoint, cut to them. None begins on a day of <paramref name="except"/>.</summary>
    internal static List<Span> Spans(ImmutableArray<WeeklyWindow> windows, DateTimeZone zone, Instant from, Instant until, IReadOnlyCollection<LocalDate>? except = null)
    {
        if (windows.IsEmpty || from >= until) return [];

        // Yesterday's window may still hold, and a clock set back by up to a day may read the day before; one day more each way costs nothing.
        var last = until.InZone(zone).Date.PlusDays(1);
        var spans = new List<Span>();
        for (var day = from.InZone(zone).Date.PlusDays(-2); day <= last; day = day.PlusDays(1))
        {
            if (except?.Contains(day) == true) continue;
            foreach (var window in windows)
            {
                if (!window.Weekdays.IsEmpty && !window.Weekdays.Contains(day.DayOfWeek)) continue;
                var ends = window.Until > window.From ? day : day.PlusDays(1);
                spans.Add(new Span(DutyClock.At(day + window.From, zone), DutyClock.At(ends + window.Until, zone)));
            }
        }

        return Span.Unite(spans, from, until);
    }
}
