using System.Text.Json;
using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>An alert episode as the API shows it, with the whole answer to "why".</summary>
internal sealed record AlertShown
{
    public required long Id { get; init; }

    /// <summary>Alert name and the most telling label.</summary>
    public required string Name { get; init; }

    /// <summary>Integration that reported it.</summary>
    public required string Source { get; init; }

    public required string Fingerprint { get; init; }

    /// <summary><c>firing</c> or <c>resolved</c>.</summary>
    public required string Status { get; init; }

    public required Instant StartsAt { get; init; }

    public Instant? EndsAt { get; init; }

    public required string Severity { get; init; }

    /// <summary>The severity word it carried.</summary>
    public string? SeverityWord { get; init; }

    /// <summary><c>opened</c>, <c>attached</c>, <c>suppressed</c>, <c>informed</c>, <c>duplicate</c> or <c>resolved</c>.</summary>
    public required string Outcome { get; init; }

    /// <summary>The rule that muted it, or the alert it duplicates.</summary>
    public string? OutcomeReason { get; init; }

    /// <summary>The rule that mutes it just now, by kind and name: <c>silence/12</c>, <c>inhibition/cluster-down</c>. Null while none does.</summary>
    public string? MutedRule { get; init; }

    public Instant? MutedSince { get; init; }

    /// <summary>When it is looked at again at the latest; null when the rule names no end.</summary>
    public Instant? MutedUntil { get; init; }

    public long? IncidentNumber { get; init; }

    public required JsonElement Labels { get; init; }

    public required JsonElement Annotations { get; init; }

    public required string GeneratorUrl { get; init; }

    /// <summary>What routing decided, and how it came to it.</summary>
    public required DecisionShown Decision { get; init; }

    /// <summary>The webhook that first reported it.</summary>
    public required string Receipt { get; init; }

    public required Instant ReceivedAt { get; init; }

    /// <summary>Last report, to about a minute.</summary>
    public required Instant LastSeenAt { get; init; }

    /// <summary>A payload of its group came without it; it is being settled.</summary>
    public Instant? MissingSince { get; init; }

    /// <summary>What Alertmanager said when asked about it.</summary>
    public string? UpstreamNote { get; init; }

    public Instant? ResolvedAt { get; init; }

    /// <summary>Why it is known to be over.</summary>
    public string? ResolvedReason { get; init; }

    public static AlertShown Of(AlertRow row) => new()
    {
        Id = row.Id,
        Name = row.Name,
        Source = row.Source,
        Fingerprint = row.Fingerprint,
        Status = row.Status,
        StartsAt = row.StartsAt,
        EndsAt = row.EndsAt,
        Severity = row.Severity,
        SeverityWord = row.SeverityWord,
        Outcome = row.Outcome,
        OutcomeReason = row.OutcomeReason,
        MutedRule = row.MutedRule,
        MutedSince = row.MutedSince,
        MutedUntil = row.MutedUntil,
        IncidentNumber = row.IncidentNumber,
        Labels = JsonElement.Parse(row.Labels),
        Annotations = JsonElement.Parse(row.Annotations),
        GeneratorUrl = row.GeneratorUrl,
        Decision = new DecisionShown(row.Receivers, row.GroupKey, row.RoutePath, row.Outcome == "suppressed" ? row.OutcomeReason : null, row.ConfigVersion),
        Receipt = $"rcp_{row.FirstInboxId}",
        ReceivedAt = row.ReceivedAt,
        LastSeenAt = row.LastSeenAt,
        MissingSince = row.MissingSince,
        UpstreamNote = row.UpstreamNote,
        ResolvedAt = row.ResolvedAt,
        ResolvedReason = row.ResolvedReason,
    };
}

/// <param name="Receivers">Who hears of it.</param>
/// <param name="GroupKey">Alerts with the same key share an incident.</param>
/// <param name="Path">The walk through the routing tree, a line a route.</param>
/// <param name="MutedBy">The rule that mutes it; null when none does.</param>
/// <param name="ConfigVersion">The configuration that decided.</param>
internal sealed record DecisionShown(IReadOnlyList<string> Receivers, string GroupKey, IReadOnlyList<string> Path, string? MutedBy, string ConfigVersion);
