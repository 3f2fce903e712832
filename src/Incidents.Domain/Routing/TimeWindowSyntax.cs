using System.Globalization;

namespace Incidents.Domain.Routing;

/// <summary>The texts inside <c>time_intervals</c>: <c>09:00</c>, <c>monday:friday</c>, <c>1:5</c>, <c>-3:-1</c>, <c>january:march</c>, <c>2026:2028</c>. Errors are words for the operator.</summary>
public static class TimeWindowSyntax
{
    private static readonly string[] Weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    private static readonly string[] Months = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

    /// <summary>Minutes since midnight; <c>24:00</c> is the end of the day.</summary>
    public static bool TryParseTime(string text, out int minutes, out string? error)
    {
        minutes = 0;
        error = null;
        if (text.Length == 5 && text[2] == ':'
            && int.TryParse(text.AsSpan(0, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var hour)
            && int.TryParse(text.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out var minute)
            && minute < 60 && (hour * 60) + minute <= 1440)
        {
            minutes = (hour * 60) + minute;
            return true;
        }

        error = "is not a time of day; write HH:MM from 00:00 to 24:00";
        return false;
    }

    public static bool TryParseWeekdays(string text, out NumberRange range, out string? error) =>
        TryParse(text, part => Array.IndexOf(Weekdays, part.ToLowerInvariant()) is var day and >= 0 ? day : null,
            "is not a weekday; write monday or monday:friday (the week begins with sunday)", out range, out error);

    public static bool TryParseMonths(string text, out NumberRange range, out string? error) =>
        TryParse(text, part => Array.IndexOf(Months, part.ToLowerInvariant()) is var month and >= 0 ? month + 1 : Number(part) is >= 1 and <= 12 and var number ? number : null,
            "is not a month; write january, january:march or 1:3", out range, out error);

    public static bool TryParseYears(string text, out NumberRange range, out string? error) =>
        TryParse(text, part => Number(part) is >= 1970 and <= 9999 and var year ? year : null,
            "is not a year; write 2026 or 2026:2028", out range, out error);

    public static bool TryParseDaysOfMonth(string text, out NumberRange range, out string? error)
    {
        if (!TryParse(text, part => Number(part) is not 0 and >= -31 and <= 31 and var day ? day : null,
            "is not a day of the month; write 1 to 31, -1 for the last day, or a range such as 1:5 or -3:-1", out range, out error, ordered: false)) return false;

        // With signs mixed the order depends on the month; a day that some month puts in order is allowed, as 25:-1.
        var first = range.First < 0 ? 31 + range.First + 1 : range.First;
        var last = range.Last < 0 ? 31 + range.Last + 1 : range.Last;
        if (first <= last && !(range.First < 0 && range.Last > 0)) return true;
        error = range.First < 0 && range.Last > 0 ? "begins at the end of the month and ends at its start; write two ranges" : "ends before it begins";
        return false;
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static bool TryParse(string text, Func<string, int?> read, string expectation, out NumberRange range, out string? error, bool ordered = true)
    {
        range = default;
        error = null;
        var parts = text.Split(':');
        if (parts.Length <= 2 && read(parts[0].Trim()) is { } first && read(parts[^1].Trim()) is { } last)
        {
            range = new NumberRange(first, last);
            if (!ordered || first <= last) return true;
            error = "ends before it begins; write two ranges";
            return false;
        }

        error = expectation;
        return false;
    }
}
