using Incidents.Domain.Response;
using Incidents.Server.Scheduling;
using Mediator;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Commands changed incidents. Later stages hear of it inside the same transaction, so that what they write commits or rolls back with the change.
/// </summary>
/// <param name="Changes">What changed.</param>
/// <param name="Connection">The connection that holds the transaction.</param>
/// <param name="At">When.</param>
internal sealed record IncidentsChanged(IReadOnlyList<IncidentChange> Changes, NpgsqlConnection Connection, Instant At) : INotification
{
    /// <summary>Notices that changed with them.</summary>
    public IReadOnlyList<NoticeChange> Notices { get; init; } = [];

    /// <summary>Raised after the commit: later stages add the workers they made work for.</summary>
    public HashSet<WorkSignal> Wake { get; } = [];
}
