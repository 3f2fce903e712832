using System.Diagnostics.CodeAnalysis;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Web;

/// <summary>Times as the wire has them.</summary>
internal static class Rfc3339
{
    /// <summary>False for what is no RFC 3339 time, and for one that is none in UTC: the last hours of the year 9999 west of Greenwich.</summary>
    public static bool TryRead(string? text, out Instant time)
    {
        time = default;
        if (text is null || OffsetDateTimePattern.Rfc3339.Parse(text) is not { Success: true } parsed) return false;
        try
        {
            time = parsed.Value.ToInstant();
            return true;
        }
        catch (OverflowException)
        {
            return false;
        }
    }
}

/// <summary>Reads query parameters that hold words or times, with a problem that names what would be right.</summary>
internal static class Words
{
    /// <summary>Comma-separated words, each one of <paramref name="allowed"/>; absent means none.</summary>
    public static bool TryRead(string name, string? text, IReadOnlyList<string> allowed, out IReadOnlyList<string> words, [NotNullWhen(false)] out ApiProblem? problem)
    {
        words = text?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        var wrong = words.FirstOrDefault(w => !allowed.Contains(w, StringComparer.Ordinal));
        problem = wrong is null ? null : ApiProblem.Validation($"?{name}", "unknown_value", $"{name} may be {string.Join(", ", allowed)}; \"{wrong}\" is none of them.");
        return problem is null;
    }

    /// <summary>An RFC 3339 time; absent means null.</summary>
    public static bool TryReadTime(string name, string? text, out Instant? time, [NotNullWhen(false)] out ApiProblem? problem)
    {
        (time, problem) = (null, null);
        if (string.IsNullOrEmpty(text)) return true;
        if (Rfc3339.TryRead(text, out var read))
        {
            time = read;
            return true;
        }

        problem = ApiProblem.Validation($"?{name}", "invalid_time", $"{name} must be an RFC 3339 time, such as 2026-01-31T08:30:00Z.");
        return false;
    }
}
