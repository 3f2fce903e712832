using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>
/// A group of alerts that only inform: people and logs are told, nobody must act, there is no incident.
/// It lives from its first alert to the end of its last; the next alert of the group makes a new one.
/// </summary>
public sealed class Notice
{
    private string[] _joined = [];

    private Notice() { }

    public long Id { get; private init; }

    public string GroupKey { get; private init; } = "";

    public Guid GroupId { get; private init; }

    public string Title { get; private init; } = "";

    public string Severity { get; private init; } = "";

    public string[] Receivers { get; private set; } = [];

    public Instant Since { get; private set; }

    public Instant OpenedAt { get; private init; }

    public Instant? ClosedAt { get; private set; }

    public int FiringAlerts { get; private set; }

    public int TotalAlerts { get; private set; }

    public long Revision { get; private set; }

    /// <summary>As <see cref="Incident.TakeJoined"/>.</summary>
    public IReadOnlyList<string> TakeJoined()
    {
        var taken = _joined;
        _joined = [];
        return taken;
    }

    /// <summary>A notice as it was stored.</summary>
    public static Notice Restore(long id, string groupKey, Guid groupId, string title, string severity, string[] receivers, Instant since, Instant openedAt, Instant? closedAt, int firingAlerts, int totalAlerts, long revision) => new()
    {
        Id = id,
        GroupKey = groupKey,
        GroupId = groupId,
        Title = title,
        Severity = severity,
        Receivers = receivers,
        Since = since,
        OpenedAt = openedAt,
        ClosedAt = closedAt,
        FiringAlerts = firingAlerts,
        TotalAlerts = totalAlerts,
        Revision = revision,
    };

    public static Notice Open(long id, Guid groupId, string title, FiringAlert first, Instant now) => new()
    {
        Id = id,
        GroupKey = first.Decision.GroupKey,
        GroupId = groupId,
        Title = title,
        Severity = first.Decision.Severity,
        Receivers = [.. first.Decision.Receivers],
        Since = first.Since,
        OpenedAt = now,
        FiringAlerts = 1,
        TotalAlerts = 1,
        Revision = 1,
    };

    /// <summary>Something that is said once, without an alert behind it; its group has nothing else in it.</summary>
    public static Notice Say(long id, string groupKey, string title, string severity, IReadOnlyList<string> receivers, Instant now) => new()
    {
        Id = id,
        GroupKey = groupKey,
        GroupId = Guid.NewGuid(),
        Title = title,
        Severity = severity,
        Receivers = [.. receivers],
        Since = now,
        OpenedAt = now,
        Revision = 1,
    };

    /// <summary>
    /// One message to one person that is of no single incident: several that wait, or a test. Its group key begins with <c>@</c>, as that of no route does.
    /// What counts in it are incidents, not alerts.
    /// </summary>
    public static Notice ForPerson(long id, Guid groupId, string groupKey, string title, string severity, Instant now) => new()
    {
        Id = id,
        GroupKey = groupKey,
        GroupId = groupId,
        Title = title,
        Severity = severity,
        Since = now,
        OpenedAt = now,
        Revision = 1,
    };

    public bool IsForPerson => GroupKey.StartsWith('@');

    /// <summary>More incidents wait in this message, or it goes out by one more way.</summary>
    public string Tell(IEnumerable<string> receivers, int more)
    {
        var joining = receivers.Except(Receivers, StringComparer.Ordinal).ToList();
        _joined = [.. _joined, .. joining];
        Receivers = [.. Receivers, .. joining];
        (FiringAlerts, TotalAlerts) = (FiringAlerts + more, TotalAlerts + more);
        Revision++;
        return Occasion.Updated;
    }

    /// <summary>Only so many of its incidents still wait. With the last one it is over.</summary>
    public string Settle(int waiting, Instant now)
    {
        FiringAlerts = waiting;
        Revision++;
        if (waiting > 0) return Occasion.Updated;
        ClosedAt = now;
        return Occasion.Resolved;
    }

    public string Join(IReadOnlyList<FiringAlert> alerts)
    {
        FiringAlerts += alerts.Count;
        TotalAlerts += alerts.Count(a => !a.IsKnown);
        Since = alerts.Aggregate(Since, (since, alert) => Instant.Min(since, alert.Since));
        var joining = alerts.SelectMany(a => a.Decision.Receivers).Except(Receivers, StringComparer.Ordinal).ToList();
        _joined = [.. _joined, .. joining];
        Receivers = [.. Receivers, .. joining];
        Revision++;
        return Occasion.Updated;
    }

    public string Leave(int alerts, Instant now)
    {
        FiringAlerts = Math.Max(0, FiringAlerts - alerts);
        Revision++;
        if (FiringAlerts > 0) return Occasion.Updated;
        ClosedAt = now;
        return Occasion.Resolved;
    }
}
