using System.Globalization;
using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>An alert of a subject, as far as messages show it.</summary>
public sealed record SubjectAlert
{
    public required string Name { get; init; }

    public required string Fingerprint { get; init; }

    public required bool IsFiring { get; init; }

    public required string Severity { get; init; }

    public required Labels Labels { get; init; }

    public required Labels Annotations { get; init; }

    public required string GeneratorUrl { get; init; }

    public required Instant StartsAt { get; init; }

    public Instant? ResolvedAt { get; init; }
}

/// <summary>
/// Makes the channel-neutral message of a subject as it is now. What is announced is decided here, once, for every channel;
/// how it looks is each channel's own business.
/// </summary>
public static class NotificationComposer
{
    private const int MostAlerts = 20;

    private static readonly string[] ServiceLabels = ["service", "app", "application", "job"];
    private static readonly string[] EnvironmentLabels = ["environment", "env", "stage"];

    /// <param name="incident">As stored now.</param>
    /// <param name="alerts">Some of its alerts, firing first, newest first; facts are taken from the first.</param>
    /// <param name="log">Timeline entries that the thread has not heard, oldest first.</param>
    /// <param name="occasion">Why it is sent.</param>
    /// <param name="publicUrl">Address of this server as people reach it, or null.</param>
    /// <param name="now">When.</param>
    public static Notification Compose(Incident incident, IReadOnlyList<SubjectAlert> alerts, IReadOnlyList<LogLine> log, string occasion, Uri? publicUrl, Instant now) =>
        WithFacts(alerts, new Notification
        {
            IncidentNumber = incident.Number,
            SubjectKey = SubjectKeyOf(incident),
            State = incident.State switch
            {
                IncidentState.Triggered => SubjectState.Triggered,
                IncidentState.Acknowledged => SubjectState.Acknowledged,
                _ => SubjectState.Resolved,
            },
            Occasion = occasion,
            Severity = incident.Severity,
            Title = incident.Title,
            Since = incident.Since,
            Url = publicUrl is null ? null : new Uri(publicUrl, string.Create(CultureInfo.InvariantCulture, $"/i/{incident.Number}")).ToString(),
            FiringAlerts = incident.FiringAlerts,
            TotalAlerts = incident.TotalAlerts,
            AssignedTo = incident.AssignedTo,
            AcknowledgedBy = incident.AcknowledgedBy,
            AcknowledgedAt = incident.AcknowledgedAt,
            ResolvedBy = incident.ResolvedAt is null ? null : incident.ResolvedBy,
            ResolvedAt = incident.ResolvedAt,
            ManualReviewRequired = incident.ManualReviewRequired && incident.IsOpen,
            IsQuiet = incident.IsQuiet,
            Log = [.. log],
            Revision = incident.Revision,
            At = now,
        });

    /// <summary>As the other, for a group of informational alerts.</summary>
    public static Notification Compose(Notice notice, IReadOnlyList<SubjectAlert> alerts, string occasion, Uri? publicUrl, Instant now) =>
        WithFacts(alerts, new Notification
        {
            SubjectKey = string.Create(CultureInfo.InvariantCulture, $"notice-{notice.Id}"),
            State = notice.ClosedAt is null ? SubjectState.Informed : SubjectState.Resolved,
            Occasion = occasion,
            Severity = notice.Severity,
            Title = notice.Title,
            Since = notice.Since,
            Url = publicUrl is null ? null : new Uri(publicUrl, "/alerts").ToString(),
            FiringAlerts = notice.FiringAlerts,
            TotalAlerts = notice.TotalAlerts,
            ResolvedAt = notice.ClosedAt,
            Revision = notice.Revision,
            At = now,
        });

    /// <summary>PagerDuty's dedup key and the root of the mail thread; the same for the incident's whole life.</summary>
    public static string SubjectKeyOf(Incident incident) => string.Create(CultureInfo.InvariantCulture, $"inc-{incident.Number}");

    private static Notification WithFacts(IReadOnlyList<SubjectAlert> alerts, Notification notification)
    {
        if (alerts.Count == 0) return notification;

        var first = alerts[0];
        var common = Common(alerts.Select(a => a.Labels));
        return notification with
        {
            Service = FirstOf(common, ServiceLabels) ?? FirstOf(first.Labels, ServiceLabels),
            Environment = FirstOf(common, EnvironmentLabels),
            Cluster = FirstOf(common, ["cluster", "region"]),
            Value = FirstOf(first.Annotations, ["value", "current_value"]),
            Threshold = FirstOf(first.Annotations, ["threshold"]),
            Summary = first.Annotations["summary"],
            Description = FirstOf(first.Annotations, ["description", "message"]) ?? "",
            RunbookUrl = Link(first.Annotations, ["runbook_url", "runbook"]),
            DashboardUrl = Link(first.Annotations, ["dashboard_url", "dashboardURL"]),
            SourceUrl = Link(first.GeneratorUrl),
            CommonLabels = common,
            Alerts = [.. alerts.Take(MostAlerts).Select(a => new AlertLine(a.Name, a.Fingerprint, a.IsFiring, a.Severity, a.Labels, a.Annotations["summary"], a.StartsAt, a.ResolvedAt))],
        };
    }

    /// <summary>Only web links: an annotation is hostile input, and <c>javascript:</c> has no place in a page or a mail.</summary>
    private static string? Link(string? text) =>
        text is { Length: > 0 and <= 3000 } && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri.AbsoluteUri : null;

    /// <summary>Whole, as it was given: half a link leads nowhere.</summary>
    private static string? Link(Labels labels, ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (labels.TryGet(name, out var value)) return Link(value);
        }

        return null;
    }

    private static string? FirstOf(Labels labels, ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (labels.TryGet(name, out var value)) return AlertText.OneLine(value, 200);
        }

        return null;
    }

    private static Labels Common(IEnumerable<Labels> all)
    {
        HashSet<KeyValuePair<string, string>>? common = null;
        foreach (var labels in all)
        {
            if (common is null) common = [.. labels];
            else common.IntersectWith(labels);
        }

        return Labels.From(common ?? []);
    }
}
