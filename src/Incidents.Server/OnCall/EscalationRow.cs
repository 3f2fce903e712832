using NodaTime;

namespace Incidents.Server.OnCall;

/// <summary>The escalation of one incident: see <see cref="Domain.OnCall.Escalation"/>. Read and written in bulk by <see cref="EscalationRows"/>.</summary>
internal sealed class EscalationRow
{
    public long Number { get; init; }

    /// <summary>Key of the policy in <c>oncall.yaml</c> when it began.</summary>
    public required string Policy { get; init; }

    /// <summary>The steps as they were when it began, as JSON.</summary>
    public required string Snapshot { get; init; }

    public required string Status { get; init; }

    public int Step { get; init; }

    public int Round { get; init; }

    public int Run { get; init; }

    /// <summary>When a worker must look at it. Null while snoozed, too: the incident's own snooze ends that.</summary>
    public Instant? DueAt { get; init; }

    public long? RemainingMs { get; init; }

    public string? StoppedReason { get; init; }

    public bool RoundReached { get; init; }

    /// <summary>Grows with each change.</summary>
    public long Revision { get; init; }
}

/// <summary>One person paged for one incident by one step: see <see cref="Domain.OnCall.PersonPage"/>.</summary>
internal sealed class PageRow
{
    public long IncidentNumber { get; init; }

    public required string Person { get; init; }

    public int Run { get; init; }

    public int Round { get; init; }

    public int Step { get; init; }

    public Instant StartedAt { get; init; }

    /// <summary>Channels and when they begin, as JSON.</summary>
    public required string Contacts { get; init; }

    public required string Status { get; init; }

    public int Begun { get; init; }

    public required string[] Failed { get; init; }

    public Instant? DueAt { get; init; }

    public long? RemainingMs { get; init; }

    /// <summary>The notice whose message tells of it, when it does not ring by itself.</summary>
    public long? BundledIn { get; init; }
}
