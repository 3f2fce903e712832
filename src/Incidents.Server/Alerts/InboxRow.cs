using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>
/// One webhook as received: the narrow row that is worked on. The bytes lie in <see cref="InboxBody"/>, which is never rewritten.
/// </summary>
internal sealed class InboxRow
{
    public const string Pending = "pending";
    public const string Ingested = "ingested";

    /// <summary>Nothing of it could be read; it waits for a replay.</summary>
    public const string IsQuarantined = "quarantined";

    /// <summary>Some of its alerts could not be read; the others are in.</summary>
    public const string Partial = "partial";

    public long Id { get; init; }

    public Instant ReceivedAt { get; init; }

    /// <summary>Name of the integration whose key was used; part of every alert's identity.</summary>
    public required string Source { get; init; }

    /// <summary>Key of the <see cref="IAlertSource"/> that reads it.</summary>
    public required string Kind { get; init; }

    public required string State { get; init; }

    public int Bytes { get; init; }

    public string? TraceParent { get; init; }

    public short Attempts { get; init; }

    public Instant? DoneAt { get; init; }

    public string? Reason { get; init; }

    // What became of its reports: they add up to Alerts.
    public int Alerts { get; init; }

    public int Opened { get; init; }

    public int Attached { get; init; }

    public int Suppressed { get; init; }

    public int Informed { get; init; }

    public int Duplicate { get; init; }

    public int Resolved { get; init; }

    public int Quarantined { get; init; }
}

/// <summary>The raw bytes of a webhook, exactly as they came. Written once, deleted by retention.</summary>
internal sealed class InboxBody
{
    public long Id { get; init; }

    public required byte[] Body { get; init; }
}
