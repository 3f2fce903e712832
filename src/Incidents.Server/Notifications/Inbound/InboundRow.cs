using NodaTime;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>
/// Something a person did elsewhere (a Slack button, an acknowledgement in PagerDuty), stored before the far side is answered and done after. One row for each, however often it is sent.
/// </summary>
internal sealed class InboundRow
{
    /// <summary>Stored, not yet done.</summary>
    public const string Waiting = "waiting";

    /// <summary>Done; the person has not been told yet.</summary>
    public const string Replying = "replying";

    public const string Done = "done";

    /// <summary>It could not be done, and is not tried any more; <see cref="Outcome"/> says why.</summary>
    public const string Failed = "failed";

    public long Id { get; init; }

    /// <summary><c>slack</c> or <c>pagerduty</c>.</summary>
    public required string Channel { get; init; }

    /// <summary>The far side's own id of it; unique within the channel.</summary>
    public required string Key { get; init; }

    /// <summary>The signature it came with, so that the same request is never taken twice; null where the connection vouches for it (Socket Mode).</summary>
    public string? Signature { get; init; }

    /// <summary><c>button</c>, <c>command</c>, <c>shortcut</c>; of PagerDuty the event type.</summary>
    public required string Kind { get; init; }

    /// <summary>JSON: what is needed to do it. No secrets.</summary>
    public required string Payload { get; init; }

    /// <summary>When the far side says that it happened; null when it does not say.</summary>
    public Instant? OccurredAt { get; init; }

    public Instant ReceivedAt { get; init; }

    public required string State { get; init; }

    /// <summary>Not before. While somebody works on it: when another may take it over.</summary>
    public Instant DueAt { get; init; }

    /// <summary>Of the step it is in.</summary>
    public int Attempts { get; init; }

    public Instant? ActedAt { get; init; }

    public Instant? DoneAt { get; init; }

    public long? IncidentNumber { get; init; }

    /// <summary>Who did it, by name.</summary>
    public string? Actor { get; init; }

    /// <summary>What it came to, in words.</summary>
    public string? Outcome { get; init; }

    /// <summary>Where the answer goes; a capability, so it is removed once the answer was given.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>The answer, as it is sent; it may hold a link that is the reader's alone, so it is removed with <see cref="ReplyTo"/>.</summary>
    public string? Reply { get; init; }
}

/// <summary>Who somebody is elsewhere.</summary>
internal sealed class AccountLinkRow
{
    /// <summary><c>slack</c> or <c>pagerduty</c>.</summary>
    public required string Provider { get; init; }

    /// <summary>The far side's id of the account: <c>U0123ABCD</c>.</summary>
    public required string ExternalId { get; init; }

    /// <summary>As timelines show them.</summary>
    public required string Name { get; init; }

    /// <summary>The API key that the person was signed in with: the link ends with it. Null for a link that an administrator made.</summary>
    public Guid? KeyId { get; init; }

    /// <summary>The user whom the account belongs to: their roles count, as long as they have them. Null for a link that stands on a key, or that an administrator made without naming one.</summary>
    public Guid? UserId { get; init; }

    public Instant CreatedAt { get; init; }

    public required string CreatedBy { get; init; }
}

/// <summary>A token that may be used once and was.</summary>
internal sealed class SpentTokenRow
{
    public required string Key { get; init; }

    /// <summary>From then on the token is refused for its age, and this row is not needed.</summary>
    public Instant ExpiresAt { get; init; }
}

/// <summary>An incident at PagerDuty, as its webhooks last told of it.</summary>
internal sealed class PagerDutyIncidentRow
{
    /// <summary>PagerDuty's id: <c>PGR0VU2</c>.</summary>
    public required string Id { get; init; }

    public long IncidentNumber { get; init; }

    public required string ServiceId { get; init; }

    /// <summary><c>triggered</c>, <c>acknowledged</c> or <c>resolved</c>.</summary>
    public required string State { get; init; }

    /// <summary>When it came into this state, by PagerDuty's clock.</summary>
    public Instant StateAt { get; init; }
}
