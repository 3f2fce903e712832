using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>
/// Reads one kind of webhook. Pure: bytes and receive time in, reports out; no IO, no clock. It never throws for what a sender may send:
/// what cannot be read is said in <see cref="ReadWebhook.Unreadable"/>.
/// A new source is one class and one registration line in <see cref="AlertsModule"/>.
/// </summary>
internal interface IAlertSource
{
    /// <summary>Stored with each webhook, so that it is read by the same source again after a restart or on replay: <c>alertmanager</c>.</summary>
    string Kind { get; }

    ReadWebhook Read(ReadOnlySpan<byte> body, Instant receivedAt);
}

/// <summary>What one webhook says.</summary>
internal sealed record ReadWebhook
{
    public required IReadOnlyList<Observation> Observations { get; init; }

    /// <summary>What could not be read, one reason an alert (or one for the whole body); these are quarantined.</summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];

    /// <summary>
    /// Identity of the sender's alert group, when every open alert of that group should be in this body: an alert seen in the group before and not now is missing.
    /// Null when the body was truncated or names no group.
    /// </summary>
    public long? CompleteGroup { get; init; }

    /// <summary>Identity of the sender's alert group, or null.</summary>
    public long? Group { get; init; }

    public static ReadWebhook Nothing(string why) => new() { Observations = [], Unreadable = [why] };
}
