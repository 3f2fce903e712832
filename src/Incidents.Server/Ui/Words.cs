using System.Globalization;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Server.Ui;

/// <summary>States and numbers as people say them.</summary>
internal static class Words
{
    public static string Ago(Instant at, Instant now)
    {
        var seconds = (long)(now - at).TotalSeconds;
        return seconds switch
        {
            < 0 => "soon",
            < 60 => "just now",
            < 3600 => Text(seconds / 60, "min"),
            < 86_400 => Text(seconds / 3600, "h"),
            _ => Text(seconds / 86_400, "d"),
        };

        static string Text(long count, string unit) => string.Create(CultureInfo.InvariantCulture, $"{count} {unit} ago");
    }

    /// <summary>Time that is left, as a clock shows it: <c>4:30</c>, <c>1:04:30</c>.</summary>
    public static string Left(Duration time)
    {
        var left = Duration.Max(time, Duration.Zero);
        return left.ToString(left.TotalHours >= 1 ? "H:mm:ss" : "M:ss", CultureInfo.InvariantCulture);
    }

    public static string Capital(string word) => word.Length == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..];

    public static string Firing(int count) => count == 0 ? "no alert firing" : count == 1 ? "1 alert firing" : string.Create(CultureInfo.InvariantCulture, $"{count} alerts firing");

    public static string State(Incident incident) => incident.State switch
    {
        IncidentState.Triggered => incident.AssignedTo is { } to ? $"Nobody has acknowledged it; assigned to {to}" : "Nobody has it",
        IncidentState.Acknowledged => $"{incident.AcknowledgedBy} has it",
        IncidentState.Resolved => $"Resolved by {incident.ResolvedBy}",
        _ => "Closed",
    };

    public static string Outcome(AlertLine alert) => alert.Outcome switch
    {
        "suppressed" => $"suppressed by {alert.Reason}",
        "informed" => "told, no incident",
        _ => alert.Outcome,
    };

    /// <summary>Only what a browser fetches: an alert may carry any text as its address.</summary>
    public static string? Link(string? url) => Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https") ? uri!.AbsoluteUri : null;
}
