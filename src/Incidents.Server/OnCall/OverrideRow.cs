using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Server.OnCall;

/// <summary>An override made through the API. Rows are never deleted: who was on call at a past moment stays answerable.</summary>
internal sealed class OverrideRow
{
    public Guid Id { get; init; }

    /// <summary>Key of the schedule.</summary>
    public required string Schedule { get; init; }

    public Instant StartsAt { get; init; }

    /// <summary>As it was made; see <see cref="CancelledAt"/>.</summary>
    public Instant EndsAt { get; init; }

    /// <summary>Keys of people.</summary>
    public required string[] People { get; init; }

    public string? Replaces { get; init; }

    public string? Reason { get; init; }

    public Instant CreatedAt { get; init; }

    /// <summary>Who made it, as the audit log names them.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>It counts no longer from then on; what was before stays as it was. Null: it runs its course.</summary>
    public Instant? CancelledAt { get; set; }

    public string? CancelledBy { get; set; }

    /// <summary>What it does to the schedule; nothing when it was cancelled before it began.</summary>
    public Override ToOverride() => new()
    {
        Id = Id.ToString(),
        Schedule = Schedule,
        From = StartsAt,
        Until = CancelledAt is { } at && at < EndsAt ? Instant.Max(at, StartsAt) : EndsAt,
        People = [.. People],
        Replaces = Replaces,
        CreatedAt = CreatedAt,
        CreatedBy = CreatedBy,
    };
}
