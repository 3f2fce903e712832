using System.Collections.Immutable;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.Routing;

/// <summary>Times of day as in <c>time_intervals</c> of routing.yaml.</summary>
/// <param name="StartTime">HH:MM.</param>
/// <param name="EndTime">HH:MM, no longer in it; 24:00 is the end of the day.</param>
internal sealed record TimesText(string StartTime, string EndTime);

/// <summary>A window as in <c>time_intervals</c> of routing.yaml: all fields that are given must hold.</summary>
/// <param name="Times">Times of day.</param>
/// <param name="Weekdays"><c>saturday</c>, <c>monday:friday</c>.</param>
/// <param name="DaysOfMonth"><c>1:7</c>, <c>-1</c>.</param>
/// <param name="Months"><c>january:march</c>.</param>
/// <param name="Years"><c>2026:2028</c>.</param>
/// <param name="Location">Zone whose clock is meant; UTC when left out.</param>
internal sealed record WindowText(
    IReadOnlyList<TimesText>? Times = null, IReadOnlyList<string>? Weekdays = null, IReadOnlyList<string>? DaysOfMonth = null, IReadOnlyList<string>? Months = null, IReadOnlyList<string>? Years = null, string? Location = null)
{
    private const int Most = 50;

    private delegate bool Parse(string text, out NumberRange range, out string? error);

    /// <summary>The window; null when anything is unusable, and <paramref name="report"/> heard of each.</summary>
    public TimeWindow? Read(Action<string> report)
    {
        var isSound = true;
        var times = ImmutableArray.CreateBuilder<NumberRange>();
        if (Times?.Count > Most) Refuse("times", $"has more than {Most} entries");
        foreach (var time in (Times ?? []).Take(Most))
        {
            if (time is not { StartTime: { } from, EndTime: { } until })
            {
                Refuse("times", "needs start_time and end_time in each entry");
                continue;
            }

            if (!TimeWindowSyntax.TryParseTime(from, out var first, out var error)) Refuse(from, error);
            else if (!TimeWindowSyntax.TryParseTime(until, out var last, out error)) Refuse(until, error);
            else if (first >= last) Refuse($"{from} to {until}", "does not end after it begins; write a time over midnight as two");
            else times.Add(new NumberRange(first, last));
        }

        var zone = Location is null ? DateTimeZone.Utc : DateTimeZoneProviders.Tzdb.GetZoneOrNull(Location);
        if (zone is null) Refuse(Location!, "is not a time zone; write a name such as Europe/Berlin");
        var window = new TimeWindow
        {
            Times = times.ToImmutable(),
            Weekdays = Ranges(Weekdays, TimeWindowSyntax.TryParseWeekdays),
            DaysOfMonth = Ranges(DaysOfMonth, TimeWindowSyntax.TryParseDaysOfMonth),
            Months = Ranges(Months, TimeWindowSyntax.TryParseMonths),
            Years = Ranges(Years, TimeWindowSyntax.TryParseYears),
            Zone = zone ?? DateTimeZone.Utc,
        };
        if (isSound && window.Times.IsEmpty && window.Weekdays.IsEmpty && window.DaysOfMonth.IsEmpty && window.Months.IsEmpty && window.Years.IsEmpty) Refuse("a window", "says no time at all");
        return isSound ? window : null;

        ImmutableArray<NumberRange> Ranges(IReadOnlyList<string>? texts, Parse parse)
        {
            var ranges = ImmutableArray.CreateBuilder<NumberRange>();
            if (texts?.Count > Most) Refuse("a field", $"has more than {Most} entries");
            foreach (var text in (texts ?? []).Take(Most))
            {
                if (text is null) Refuse("null", "is no text");
                else if (parse(text, out var range, out var error)) ranges.Add(range);
                else Refuse(text, error);
            }

            return ranges.ToImmutable();
        }

        void Refuse(string text, string? why)
        {
            isSound = false;
            report($"'{(text.Length > 50 ? text[..50] + "…" : text)}' {why}.");
        }
    }

    /// <summary>In one line, for lists.</summary>
    public string Describe() => string.Join(", ", new[]
    {
        List(Weekdays), List(DaysOfMonth), List(Months), List(Years), Times is { Count: > 0 } ? string.Join(" and ", Times.Select(t => $"{t.StartTime}–{t.EndTime}")) : null, Location ?? "UTC",
    }.OfType<string>());

    private static string? List(IReadOnlyList<string>? texts) => texts is { Count: > 0 } ? string.Join(" and ", texts.Select(t => t.Replace(":", " to ", StringComparison.Ordinal))) : null;
}
