using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>
/// Does what people did elsewhere, in the order it happened. The change and the mark that it was made commit together, so a process that dies at any moment neither loses it nor does it twice.
/// </summary>
internal sealed partial class ActOnInbound(NpgsqlDataSource database, IServiceScopeFactory scopes, InboundSignal signal, ReplySignal replies, WorkerHealth health, TimeProvider clock, ILogger<ActOnInbound> log)
    : Worker("inbound", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerClaim = 50;
    private const int MostAttempts = 8;

    private static readonly Duration Lease = Duration.FromSeconds(30);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var claimed = await ClaimAsync(cancellationToken);
        foreach (var action in claimed)
        {
            try
            {
                await ActAsync(action, cancellationToken);
            }
            catch (Exception error) when (error is not OperationCanceledException && !DatabaseTrouble.IsUnavailable(error))
            {
                // One that cannot be done must not hold up the others. When the database is away nothing can, and the worker waits.
                await PostponeAsync(action, error, cancellationToken);
            }
        }

        return claimed.Count > 0;
    }

    private async Task<List<InboundAction>> ClaimAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var command = database.CreateCommand("""
            update inbound_actions set due_at = $2, attempts = attempts + 1
            where id in (select id from inbound_actions where state = 'waiting' and due_at <= $1 order by coalesce(occurred_at, received_at), id limit $3 for update skip locked)
            returning id, channel, key, kind, payload, occurred_at, reply_to, attempts, received_at
            """);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(now + Lease));
        command.Parameters.Add(Sql.P(MostPerClaim));
        var claimed = new List<InboundAction>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            claimed.Add(new InboundAction
            {
                Id = reader.GetInt64(0),
                Channel = reader.GetString(1),
                Key = reader.GetString(2),
                Kind = reader.GetString(3),
                Payload = reader.GetString(4),
                OccurredAt = reader.IsDBNull(5) ? null : reader.GetFieldValue<Instant>(5),
                ReplyTo = reader.IsDBNull(6) ? null : reader.GetString(6),
                Attempts = reader.GetInt32(7),
                ReceivedAt = reader.GetFieldValue<Instant>(8),
            });
        }

        claimed.Sort((a, b) => (a.OccurredAt ?? a.ReceivedAt, a.Id).CompareTo((b.OccurredAt ?? b.ReceivedAt, b.Id)));
        return claimed;
    }

    private async Task ActAsync(InboundAction action, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var handler = scope.ServiceProvider.GetServices<IInboundHandler>().Single(h => h.Channel == action.Channel);
        var found = await handler.LookUpAsync(action, cancellationToken);

        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        await using (var mine = new NpgsqlCommand("select 1 from inbound_actions where id = $1 and state = 'waiting' for update", connection))
        {
            mine.Parameters.Add(Sql.P(action.Id));

            // Somebody took it over because this process was slow.
            if (await mine.ExecuteScalarAsync(cancellationToken) is null) return;
        }

        var result = await handler.ActAsync(action, found, connection, cancellationToken);
        await FinishAsync(connection, action, result, InboundRow.Done, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        scope.ServiceProvider.GetRequiredService<IncidentWork>().Wake();
        if (result.Reply is not null && action.ReplyTo is not null) replies.Raise();
        LogActed(action.Id, action.Channel, action.Kind, result.Incident);
    }

    private async Task FinishAsync(NpgsqlConnection connection, InboundAction action, InboundResult result, string state, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var replies = result.Reply is not null && action.ReplyTo is not null;
        await using var command = new NpgsqlCommand("""
            update inbound_actions set state = $2, acted_at = $3, done_at = case when $2 = 'replying' then null else $3 end, due_at = $3, attempts = 0, incident_number = $4, actor = $5, outcome = $6, reply = $7,
              reply_to = case when $2 = 'replying' then reply_to end where id = $1 and state = 'waiting'
            """, connection);
        command.Parameters.Add(Sql.P(action.Id));
        command.Parameters.Add(Sql.P(replies ? InboundRow.Replying : state));
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.Nullable(result.Incident));
        command.Parameters.Add(InboundActions.Text(result.Actor));
        command.Parameters.Add(Sql.P(result.Outcome));
        command.Parameters.Add(InboundActions.Text(replies ? result.Reply : null));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task PostponeAsync(InboundAction action, Exception error, CancellationToken cancellationToken)
    {
        if (action.Attempts < MostAttempts)
        {
            if (DatabaseTrouble.IsConflict(error)) LogMet(action.Id, action.Attempts);
            else LogPostponed(error, action.Id, action.Channel, action.Attempts);
            await using var later = database.CreateCommand("update inbound_actions set due_at = $2 where id = $1 and state = 'waiting'");
            later.Parameters.Add(Sql.P(action.Id));
            later.Parameters.Add(Sql.P(Clock.GetCurrentInstant() + (DatabaseTrouble.IsConflict(error) ? Duration.Zero : Duration.FromSeconds(Math.Pow(2, action.Attempts - 1)))));
            await later.ExecuteNonQueryAsync(cancellationToken);
            return;
        }

        LogGivenUp(error, action.Id, action.Channel);
        await using var scope = scopes.CreateAsyncScope();
        var apology = scope.ServiceProvider.GetServices<IInboundHandler>().Single(h => h.Channel == action.Channel).Apology;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await FinishAsync(connection, action, new InboundResult($"The engine failed to do it, {MostAttempts} times: {error.GetType().Name}", Reply: apology), InboundRow.Failed, cancellationToken);
        replies.Raise();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Inbound action {InboundId} of {Channel} ({Kind}) was done, incident {IncidentNumber}")]
    private partial void LogActed(long inboundId, string channel, string kind, long? incidentNumber);

    [LoggerMessage(Level = LogLevel.Information, Message = "Inbound action {InboundId} met another writer at attempt {Attempt} and is done again")]
    private partial void LogMet(long inboundId, int attempt);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Inbound action {InboundId} of {Channel} failed at attempt {Attempt} and is tried again")]
    private partial void LogPostponed(Exception error, long inboundId, string channel, int attempt);

    [LoggerMessage(Level = LogLevel.Error, Message = "Inbound action {InboundId} of {Channel} could not be done")]
    private partial void LogGivenUp(Exception error, long inboundId, string channel);
}
