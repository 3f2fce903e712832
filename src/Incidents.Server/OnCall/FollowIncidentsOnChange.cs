using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Mediator;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>What a person did to an incident means the same for its escalation as what alerts did.</summary>
internal sealed class FollowIncidentsOnChange(FollowIncidents follow, IActiveConfiguration configuration) : INotificationHandler<IncidentsChanged>
{
    public async ValueTask Handle(IncidentsChanged notification, CancellationToken cancellationToken)
    {
        await using var writes = new NpgsqlBatch(notification.Connection);
        await follow.AddAsync(notification.Connection, writes, notification.Changes, configuration.Current, notification.Wake, notification.At, cancellationToken);
        if (writes.BatchCommands.Count > 0) await writes.ExecuteNonQueryAsync(cancellationToken);
    }
}
