using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>Every stored value of an <see cref="Incident"/>, for <see cref="Incident.Restore"/>. The meaning of each stands there.</summary>
public sealed record StoredIncident
{
    public required long Number { get; init; }

    public required string GroupKey { get; init; }

    public required Guid GroupId { get; init; }

    public required string Title { get; init; }

    public required string Severity { get; init; }

    public required string State { get; init; }

    public required Instant Since { get; init; }

    public required Instant OpenedAt { get; init; }

    public required string? AcknowledgedBy { get; init; }

    public required Instant? AcknowledgedAt { get; init; }

    public required string? AssignedTo { get; init; }

    public required Instant? SnoozedUntil { get; init; }

    public required string? ResolvedBy { get; init; }

    public required Instant? ResolvedAt { get; init; }

    public required bool ResolvedByAlerts { get; init; }

    public required Instant? VerifyResolveAt { get; init; }

    public required Instant? ClosedAt { get; init; }

    public required long? MergedInto { get; init; }

    public required int FiringAlerts { get; init; }

    public required int TotalAlerts { get; init; }

    public required int Reopened { get; init; }

    public required string[] Receivers { get; init; }

    public required string? EscalationPolicy { get; init; }

    public required string[] Playbooks { get; init; }

    public required bool ManualReviewRequired { get; init; }

    public required bool AboutEngine { get; init; }

    public required long Revision { get; init; }

    public required Instant UpdatedAt { get; init; }

    public required string? TraceParent { get; init; }

    public required string? Team { get; init; }

    public string? QuietRule { get; init; }

    public string? QuietBy { get; init; }

    public Instant? QuietSince { get; init; }

    public string? Flaps { get; init; }

    public Instant? FlappingSince { get; init; }

    public Instant? SettleFlappingAt { get; init; }

    public long? StormNumber { get; init; }

    public string? LoudDespite { get; init; }
}
