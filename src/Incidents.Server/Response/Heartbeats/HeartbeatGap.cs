using NodaTime;

namespace Incidents.Server.Response.Heartbeats;

/// <summary>One silence of a heartbeat: its history.</summary>
internal sealed class HeartbeatGap
{
    public long Id { get; init; }

    public long HeartbeatId { get; init; }

    /// <summary>When it counted as missed.</summary>
    public Instant MissedAt { get; init; }

    /// <summary>When it was heard again; null while it is not.</summary>
    public Instant? BackAt { get; set; }

    public long IncidentNumber { get; init; }
}

/// <summary>
/// The one row that says when a replica last looked after heartbeats. A look that comes late shows that none worked meanwhile, so nothing could be heard:
/// it is kept in the database, because a process that was stopped remembers nothing.
/// </summary>
internal sealed class HeartbeatWatch
{
    public int Id { get; init; }

    public Instant LookedAt { get; init; }

    public Instant? OutageFrom { get; init; }

    public Instant? OutageTo { get; init; }
}
