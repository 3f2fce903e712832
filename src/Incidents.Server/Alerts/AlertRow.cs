using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>One alert episode: (source, fingerprint, startsAt), with its outcome and the decision that led there.</summary>
internal sealed class AlertRow
{
    public long Id { get; init; }

    public required string Source { get; init; }

    /// <summary>Key of the <see cref="IAlertSource"/> that read it.</summary>
    public required string Kind { get; init; }

    public required string Fingerprint { get; init; }

    public Instant StartsAt { get; init; }

    /// <summary><c>firing</c> or <c>resolved</c>.</summary>
    public required string Status { get; init; }

    public Instant? EndsAt { get; init; }

    /// <summary>Alert name and the most telling label.</summary>
    public required string Name { get; init; }

    /// <summary>JSON object, values are strings.</summary>
    public required string Labels { get; init; }

    public required string Annotations { get; init; }

    public string GeneratorUrl { get; init; } = "";

    public required string Severity { get; init; }

    public string? SeverityWord { get; init; }

    /// <summary>One of <see cref="Domain.Alerts.AlertOutcome"/>.</summary>
    public required string Outcome { get; init; }

    /// <summary>The rule that muted it, or the episode it duplicates.</summary>
    public string? OutcomeReason { get; init; }

    /// <summary>Kind and name of the rule that mutes it; null while none does.</summary>
    public string? MutedRule { get; init; }

    /// <summary>Since when it has been muted without a break, by whatever.</summary>
    public Instant? MutedSince { get; init; }

    /// <summary>When it must be looked at again; null when the next look at all that is muted will do.</summary>
    public Instant? MutedUntil { get; init; }

    public long? IncidentNumber { get; init; }

    public long? NoticeId { get; init; }

    public string GroupKey { get; init; } = "";

    public string[] Receivers { get; init; } = [];

    /// <summary>The walk through the routing tree, in words.</summary>
    public string[] RoutePath { get; init; } = [];

    /// <summary>Configuration version that decided.</summary>
    public string ConfigVersion { get; init; } = "";

    public long FirstInboxId { get; init; }

    public Instant ReceivedAt { get; init; }

    /// <summary>Receive time of the report that its status rests on.</summary>
    public Instant ObservedAt { get; init; }

    public Instant LastSeenAt { get; init; }

    /// <summary>Alertmanager's group it was last seen in (hash of source, receiver and groupKey); null when the sender told none.</summary>
    public long? UpstreamGroup { get; init; }

    /// <summary>A payload of its group came without it.</summary>
    public Instant? MissingSince { get; init; }

    /// <summary>What Alertmanager last said of an alert that is missing from payloads: "silenced by …"; told once on the incident.</summary>
    public string? UpstreamNote { get; init; }

    /// <summary>Checks in a row in which Alertmanager did not have it.</summary>
    public short Absences { get; init; }

    /// <summary>When it must be settled: asked for in Alertmanager, or closed as stale. Null once it is resolved.</summary>
    public Instant? SettleAt { get; init; }

    public Instant? ResolvedAt { get; init; }

    /// <summary>Why it is known to be over.</summary>
    public string? ResolvedReason { get; init; }
}
