using NodaTime;

namespace Incidents.Server.Notifications;

/// <summary>What one receiver was told of one subject: the channel's memory between deliveries.</summary>
internal sealed class ThreadRow
{
    public long Id { get; init; }

    public long? IncidentNumber { get; init; }

    public long? NoticeId { get; init; }

    public required string Receiver { get; init; }

    public string? Reference { get; init; }

    public string? ShownState { get; init; }

    public long ShownRevision { get; init; }

    public long LogCursor { get; init; }

    public bool MayHaveArrived { get; init; }

    public Instant? FirstAttemptAt { get; init; }
}

/// <summary>One chain of attempts to bring one receiver up to date. At most one is queued and one is under way for each thread.</summary>
internal sealed class DeliveryRow
{
    public const string Queued = "queued";
    public const string Sending = "sending";
    public const string Delivered = "delivered";

    /// <summary>The receiver will never take it; its fall-back was told.</summary>
    public const string Rejected = "rejected";

    /// <summary>A later delivery of the same thread says all that this one would have said.</summary>
    public const string Superseded = "superseded";

    public long Id { get; init; }

    public long ThreadId { get; init; }

    public long? IncidentNumber { get; init; }

    public long? NoticeId { get; init; }

    public required string Receiver { get; init; }

    public required string Occasion { get; init; }

    public short OccasionWeight { get; init; }

    public required string State { get; init; }

    public Instant CreatedAt { get; init; }

    /// <summary>Not before.</summary>
    public Instant DueAt { get; init; }

    public int Attempts { get; init; }

    public Instant? FirstAttemptAt { get; init; }

    /// <summary>While it is under way: when another worker may take it over, because this one must be dead.</summary>
    public Instant? LeaseUntil { get; init; }

    public Instant? DoneAt { get; init; }

    /// <summary>When the fall-back receiver must be told if this is not delivered; null when it need not, or was told.</summary>
    public Instant? FailOverAt { get; init; }

    /// <summary>The delivery this one stands in for.</summary>
    public long? FallbackOf { get; init; }

    /// <summary>Last error or answer, in words.</summary>
    public string? Detail { get; init; }

    public string? TraceParent { get; init; }
}

/// <summary>One attempt and what came back; shown on the incident.</summary>
internal sealed class AttemptRow
{
    public long Id { get; init; }

    public long DeliveryId { get; init; }

    public int Number { get; init; }

    public Instant StartedAt { get; init; }

    public Instant EndedAt { get; init; }

    /// <summary><c>delivered</c>, <c>nothing_to_send</c>, <c>retry</c>, <c>rejected</c>, <c>misconfigured</c> or <c>lost</c> (the process died; the outcome is unknown).</summary>
    public required string Result { get; init; }

    public required string Detail { get; init; }
}

/// <summary>Whether a receiver takes messages at all.</summary>
internal sealed class ReceiverStateRow
{
    public required string Receiver { get; init; }

    /// <summary>True after a misconfiguration: only probes are sent until one passes.</summary>
    public bool IsParked { get; init; }

    /// <summary>Nothing is sent before; set by 429 answers and by parking.</summary>
    public Instant? BlockedUntil { get; init; }

    public string Reason { get; init; } = "";

    public Instant Since { get; init; }

    public int Probes { get; init; }
}
