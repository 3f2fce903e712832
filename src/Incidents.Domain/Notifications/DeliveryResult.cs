using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>What a channel answers after one attempt. Whether and when to try again is decided by <c>RetrySchedule</c>, never by the channel.</summary>
public abstract record DeliveryResult
{
    private DeliveryResult() { }

    /// <summary>The far side has it. <paramref name="Thread"/> replaces the channel's memory of this subject; <paramref name="Answer"/> is shown on the incident (no secrets).</summary>
    public sealed record Delivered(ThreadMemory Thread, string Answer) : DeliveryResult;

    /// <summary>Nothing had to be sent: the far side already shows this state (or must not be told any more). Counts as done.</summary>
    public sealed record NothingToSend(ThreadMemory Thread, string Why) : DeliveryResult;

    /// <summary>
    /// Worth trying again. <paramref name="After"/> is the far side's own wish (<c>Retry-After</c>), if any.
    /// <paramref name="MayHaveArrived"/>: no answer was read, so the next attempt must look before it creates something new.
    /// <paramref name="WholeChannel"/>: the far side asked everybody to wait (429), not just this message.
    /// <paramref name="Progress"/>: what was done before the failure and must not be done again (the root message was updated, a reply was not);
    /// replaces the channel's memory as <see cref="Delivered"/> does. Null: nothing new to remember.
    /// </summary>
    public sealed record RetryLater(string Reason, Duration? After = null, bool MayHaveArrived = false, bool WholeChannel = false, ThreadMemory? Progress = null) : DeliveryResult;

    /// <summary>This message will never be taken by this receiver; the fall-back receiver is told at once.</summary>
    public sealed record Rejected(string Reason) : DeliveryResult;

    /// <summary>The receiver's configuration is wrong (token revoked, key unknown): nothing will pass until a person mends it. The receiver is parked, probed, and said loudly.</summary>
    public sealed record Misconfigured(string Reason) : DeliveryResult;
}

/// <summary>
/// A channel's memory of one subject at one receiver, kept in the database between attempts.
/// </summary>
/// <param name="Reference">The channel's own key to what it created, opaque to others (Slack: channel id and ts; mail: last Message-ID). Null before the first delivery.</param>
/// <param name="ShownState">The <see cref="SubjectState"/> the far side was last told, or null.</param>
/// <param name="ShownRevision">The subject revision it was last told.</param>
/// <param name="LogCursor">Id of the last <see cref="LogLine"/> it was told; 0 when none.</param>
/// <param name="MayHaveArrived">An earlier attempt ended without a readable answer (time-out, crash): look before creating.</param>
/// <param name="FirstAttemptAt">When the first attempt for this subject began; null before it.</param>
public sealed record ThreadMemory(
    string? Reference = null,
    string? ShownState = null,
    long ShownRevision = 0,
    long LogCursor = 0,
    bool MayHaveArrived = false,
    Instant? FirstAttemptAt = null);
