using Incidents.Server.Response;
using Mediator;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>What a person changed is told to the same receivers as what alerts changed.</summary>
internal sealed class QueueDeliveriesOnChange(QueueDeliveries queue) : INotificationHandler<IncidentsChanged>
{
    public async ValueTask Handle(IncidentsChanged notification, CancellationToken cancellationToken)
    {
        await using var writes = new NpgsqlBatch(notification.Connection);
        await queue.AddAsync(writes, notification.Changes, notification.Notices, notification.At, cancellationToken);
        if (writes.BatchCommands.Count > 0) await writes.ExecuteNonQueryAsync(cancellationToken);
    }
}
