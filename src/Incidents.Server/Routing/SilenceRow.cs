using System.Collections.Immutable;
using System.Text.Json;
using Incidents.Domain.Routing;
using Incidents.Server.Web;
using NodaTime;

namespace Incidents.Server.Routing;

/// <summary>A silence or a maintenance window as it is stored. Ending one keeps it, so that what it hid can still be explained.</summary>
internal sealed class SilenceRow
{
    public long Id { get; init; }

    /// <summary>One of <see cref="SilenceKind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>In Alertmanager's syntax, one condition each.</summary>
    public required string[] Matchers { get; set; }

    public required string Owner { get; init; }

    /// <summary>See <see cref="Silence.Team"/>.</summary>
    public string? Team { get; init; }

    public required string Reason { get; set; }

    public Instant StartsAt { get; set; }

    public Instant? EndsAt { get; set; }

    /// <summary>JSON array of <see cref="WindowText"/>; null when it holds the whole time.</summary>
    public string? Windows { get; set; }

    public Instant CreatedAt { get; init; }

    public Instant? EndedAt { get; set; }

    /// <summary>Who ended it early; null while nobody did.</summary>
    public string? EndedBy { get; set; }

    public long Revision { get; set; }

    /// <summary>Its id in Alertmanager, once it is there.</summary>
    public string? UpstreamId { get; set; }

    /// <summary>One of <see cref="Routing.MirrorState"/>; null when it is not mirrored.</summary>
    public string? MirrorState { get; set; }

    /// <summary>When the mirror must act next; null when nothing is to be done.</summary>
    public Instant? MirrorDueAt { get; set; }

    public int MirrorAttempts { get; set; }

    /// <summary>What Alertmanager answered last, when it refused.</summary>
    public string? MirrorDetail { get; set; }

    /// <summary>The rule it is.</summary>
    public Silence ToRule() => new()
    {
        Id = Id,
        Kind = Kind,
        Team = Team,
        Matchers = [.. Matchers.SelectMany(m => MatcherSyntax.Parse(m).Matchers)],
        Owner = Owner,
        Reason = Reason,
        StartsAt = StartsAt,
        EndsAt = EndedAt is { } ended && (EndsAt is null || ended < EndsAt) ? ended : EndsAt,
        Windows = Windows is null ? [] : [.. ReadWindows(Windows).Select(w => w.Read(_ => { })!)],
    };

    public static ImmutableArray<WindowText> ReadWindows(string? json) => json is null ? [] : JsonSerializer.Deserialize<ImmutableArray<WindowText>>(json, ApiJson.Options);

    public static string? WriteWindows(IReadOnlyCollection<WindowText>? windows) => windows is not { Count: > 0 } ? null : JsonSerializer.Serialize(windows, ApiJson.Options);

    /// <summary><c>pending</c>, <c>active</c>, <c>ended</c>.</summary>
    public string StateAt(Instant now) => EndedAt is not null || EndsAt <= now ? "ended" : StartsAt > now ? "pending" : "active";
}

/// <summary>How far Alertmanager has heard of a silence.</summary>
internal static class MirrorState
{
    /// <summary>Alertmanager does not know of it, or not of its newest change.</summary>
    public const string Pending = "pending";

    public const string Mirrored = "mirrored";

    /// <summary>Ended here and there.</summary>
    public const string Ended = "ended";

    /// <summary>Alertmanager will never take it; the detail says why.</summary>
    public const string Refused = "refused";
}

/// <summary>A silence that Alertmanager has, as it was when last asked. Replaced whole at each reading.</summary>
internal sealed class UpstreamSilenceRow
{
    public required string Id { get; init; }

    public required string[] Matchers { get; init; }

    public required string Owner { get; init; }

    public required string Comment { get; init; }

    public Instant StartsAt { get; init; }

    public Instant EndsAt { get; init; }

    /// <summary>Fingerprints of the alerts that it hides there.</summary>
    public required string[] Hidden { get; init; }

    /// <summary>Whether the alerts could be asked for; without them nothing is known of what it hides.</summary>
    public Instant ReadAt { get; init; }
}

/// <summary>One alert or incident that one rule hid, from when to when: what muting debt is counted from.</summary>
internal sealed class MutingRow
{
    public long Id { get; init; }

    /// <summary>As in <see cref="Muting.Rule"/>.</summary>
    public required string Rule { get; init; }

    /// <summary>Null when a whole incident was hidden.</summary>
    public long? AlertId { get; init; }

    /// <summary>Null when the alert had none yet.</summary>
    public long? IncidentNumber { get; init; }

    /// <summary>False for what would only have informed.</summary>
    public bool WouldPage { get; init; }

    public Instant BeganAt { get; init; }

    public Instant? EndedAt { get; init; }

    /// <summary><c>released</c> (it paged then), <c>resolved</c> (its alert ended meanwhile) or <c>other_rule</c>.</summary>
    public string? How { get; init; }
}

/// <summary>A firing alert that hides others by an inhibition rule or a dependency. Only kept while such rules are configured.</summary>
internal sealed class InhibitionSourceRow
{
    /// <summary>Digest of the rule's text: replicas with different files do not disturb each other.</summary>
    public Guid RuleId { get; init; }

    /// <summary>Digest of the labels that must be equal.</summary>
    public Guid EqualId { get; init; }

    public long AlertId { get; init; }

    /// <summary>It matches the rule's target, too.</summary>
    public bool IsTarget { get; init; }
}

/// <summary>A time in which very many incidents opened.</summary>
internal sealed class StormRow
{
    /// <summary>Number of the incident that speaks for those opened in it.</summary>
    public long IncidentNumber { get; init; }

    public Instant BeganAt { get; init; }

    /// <summary>When it is over if it stays calm until then.</summary>
    public Instant CalmAt { get; init; }

    public Instant? EndedAt { get; init; }

    /// <summary>How many incidents people were told of.</summary>
    public long Told { get; init; }
}
