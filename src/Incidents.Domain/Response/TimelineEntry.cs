using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>One thing that happened to an incident: append-only, in words a person reads, with a kind a program reads.</summary>
public sealed class TimelineEntry
{
    private TimelineEntry() { }

    public TimelineEntry(long incidentNumber, Instant at, string kind, string text, Actor actor)
    {
        (IncidentNumber, At, Kind, Text) = (incidentNumber, at, kind, text);
        (ActorKind, ActorName) = (actor.Kind, actor.Name);
    }

    /// <summary>Given by the database; grows within one incident.</summary>
    public long Id { get; private init; }

    public long IncidentNumber { get; private init; }

    public Instant At { get; private init; }

    /// <summary>One of <see cref="EntryKind"/>.</summary>
    public string Kind { get; private init; } = "";

    public string Text { get; private init; } = "";

    public string ActorKind { get; private init; } = "";

    public string ActorName { get; private init; } = "";
}

/// <summary>Who did something. <paramref name="Kind"/>: <c>user</c>, <c>api_key</c>, <c>slack</c>, <c>email</c>, <c>pagerduty</c>, <c>alertmanager</c> or <c>engine</c>.</summary>
public sealed record Actor(string Kind, string Name)
{
    public static readonly Actor Engine = new("engine", "Incidents");
    public static readonly Actor Alertmanager = new("alertmanager", "Alertmanager");

    /// <summary>As timelines say it: <c>by Ana</c>, <c>in Slack by Ana</c>, <c>by e-mail by ana@example.org</c>, <c>in PagerDuty by Ana</c>.</summary>
    public string InWords => Kind switch
    {
        "slack" => $"in Slack by {Name}",
        "email" => $"by e-mail by {Name}",
        "pagerduty" => $"in PagerDuty by {Name}",
        _ => $"by {Name}",
    };
}

/// <summary>Kinds of timeline entries. Text keys; more are added by later stages.</summary>
public static class EntryKind
{
    public const string Opened = "opened";
    public const string AlertJoined = "alert_joined";
    public const string AlertResolved = "alert_resolved";
    public const string AlertMissing = "alert_missing";
    public const string AlertSettled = "alert_settled";
    public const string SeverityChanged = "severity_changed";
    public const string Acknowledged = "acknowledged";
    public const string Unacknowledged = "unacknowledged";
    public const string Assigned = "assigned";
    public const string Note = "note";
    public const string Snoozed = "snoozed";
    public const string SnoozeEnded = "snooze_ended";
    public const string Escalated = "escalated";
    public const string AckTimedOut = "ack_timed_out";

    /// <summary>Somebody's pages are put into one message: too many went to them in a short time.</summary>
    public const string PageBundled = "page_bundled";

    /// <summary>Somebody was not reached in one way and is tried in the next, or in vain.</summary>
    public const string ContactFailed = "contact_failed";

    /// <summary>The way of reaching somebody that comes next is tried, because nobody has acknowledged.</summary>
    public const string ContactTried = "contact_tried";

    public const string Merged = "merged";
    public const string Resolved = "resolved";
    public const string Reopened = "reopened";
    public const string Closed = "closed";
    public const string DeliveryFailed = "delivery_failed";
    public const string DeliveryFellOver = "delivery_fell_over";
    public const string DeliveryRecovered = "delivery_recovered";
    public const string ManualReview = "manual_review";
    public const string Hidden = "hidden";
    public const string HiddenEnded = "hidden_ended";
    public const string Flapping = "flapping";
    public const string Settled = "settled";
    public const string Storm = "storm";
}
