using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>A named set of times, as Alertmanager's <c>time_intervals</c>: it holds whenever one of its windows holds.</summary>
public sealed record TimeInterval
{
    public required string Name { get; init; }

    public required ImmutableArray<TimeWindow> Windows { get; init; }

    public bool Contains(Instant at)
    {
        foreach (var window in Windows)
        {
            if (window.Contains(at)) return true;
        }

        return false;
    }
}

/// <summary>A range of whole numbers, both ends included.</summary>
public readonly record struct NumberRange(int First, int Last)
{
    public bool Contains(int number) => number >= First && number <= Last;
}

/// <summary>
/// Times on days: every field that is given must hold, and one that is empty always does. Read on the wall clock of <see cref="Zone"/>, so that
/// an hour that a clock change skips is never in it and an hour that it repeats is in it twice.
/// </summary>
public sealed record TimeWindow
{
    /// <summary>Minutes since midnight; the last minute is not included, so that 1440 is the end of the day.</summary>
    public ImmutableArray<NumberRange> Times { get; init; } = [];

    /// <summary>0 is Sunday, 6 is Saturday.</summary>
    public ImmutableArray<NumberRange> Weekdays { get; init; } = [];

    /// <summary>From 1; negative numbers count from the end of the month, -1 being its last day.</summary>
    public ImmutableArray<NumberRange> DaysOfMonth { get; init; } = [];

    public ImmutableArray<NumberRange> Months { get; init; } = [];

    public ImmutableArray<NumberRange> Years { get; init; } = [];

    public DateTimeZone Zone { get; init; } = DateTimeZone.Utc;

    public bool Contains(Instant at)
    {
        var local = at.InZone(Zone).LocalDateTime;
        return Holds(Years, local.Year)
            && Holds(Months, local.Month)
            && HoldsDay(local)
            && Holds(Weekdays, local.DayOfWeek == IsoDayOfWeek.Sunday ? 0 : (int)local.DayOfWeek)
            && HoldsTime((local.Hour * 60) + local.Minute);
    }

    private static bool Holds(ImmutableArray<NumberRange> ranges, int number)
    {
        if (ranges.IsEmpty) return true;
        foreach (var range in ranges)
        {
            if (range.Contains(number)) return true;
        }

        return false;
    }

    private bool HoldsTime(int minute)
    {
        if (Times.IsEmpty) return true;
        foreach (var range in Times)
        {
            if (minute >= range.First && minute < range.Last) return true;
        }

        return false;
    }

    private bool HoldsDay(LocalDateTime local)
    {
        if (DaysOfMonth.IsEmpty) return true;
        var length = CalendarSystem.Iso.GetDaysInMonth(local.Year, local.Month);
        foreach (var (first, last) in DaysOfMonth)
        {
            if (local.Day >= FromStart(first) && local.Day <= FromStart(last)) return true;
        }

        return false;

        int FromStart(int day) => day < 0 ? length + day + 1 : day;
    }
}
