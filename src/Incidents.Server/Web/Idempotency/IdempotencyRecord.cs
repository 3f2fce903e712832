using NodaTime;

namespace Incidents.Server.Web;

/// <summary>What was answered to a POST that carried an <c>Idempotency-Key</c>; kept for 24 hours so that a repeat gets the same answer.</summary>
internal sealed class IdempotencyRecord
{
    public const string Running = "running";
    public const string Done = "done";

    /// <summary>Whose key it is (API key id or user), so that two callers cannot meet.</summary>
    public required string Caller { get; init; }

    /// <summary>Method and path.</summary>
    public required string Endpoint { get; init; }

    public required string Key { get; init; }

    /// <summary>SHA-256 of query and body.</summary>
    public required byte[] RequestHash { get; init; }

    /// <summary><see cref="Running"/> or <see cref="Done"/>.</summary>
    public required string State { get; init; }

    /// <summary>While running: who holds it. A request that took over has another one, so a late finisher cannot overwrite it.</summary>
    public required Guid Holder { get; init; }

    /// <summary>While running: from then on the holder counts as crashed.</summary>
    public required Instant LeasedUntil { get; init; }

    public int? Status { get; init; }

    /// <summary>JSON object of the headers that are replayed.</summary>
    public string? Headers { get; init; }

    public byte[]? Body { get; init; }

    public required Instant CreatedAt { get; init; }

    public required Instant ExpiresAt { get; init; }
}
