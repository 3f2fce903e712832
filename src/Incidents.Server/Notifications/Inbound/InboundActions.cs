using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Something that was done elsewhere waits to be done here.</summary>
internal sealed class InboundSignal : WorkSignal;

/// <summary>People wait for the answer to what they did.</summary>
internal sealed class ReplySignal : WorkSignal;

/// <summary>What is stored of one action; the members are those of <see cref="InboundRow"/>.</summary>
internal sealed record InboundAction
{
    /// <summary>0 before it is stored.</summary>
    public long Id { get; init; }

    public required string Channel { get; init; }

    public required string Key { get; init; }

    public string? Signature { get; init; }

    public required string Kind { get; init; }

    public required string Payload { get; init; }

    public Instant? OccurredAt { get; init; }

    public string? ReplyTo { get; init; }

    public int Attempts { get; init; }

    public Instant ReceivedAt { get; init; }
}

/// <summary>Takes actions in: durable when it returns, done soon after by whichever replica comes first.</summary>
internal sealed class InboundActions(NpgsqlDataSource database, InboundSignal signal, TimeProvider clock)
{
    /// <summary>Slack gives us three seconds, PagerDuty five; what cannot be stored by then is refused while somebody still listens.</summary>
    public static readonly TimeSpan LongestStore = TimeSpan.FromSeconds(2);

    /// <returns>False when it was taken before; nothing happens then.</returns>
    public async Task<bool> StoreAsync(InboundAction action, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        await using var command = database.CreateCommand("""
            insert into inbound_actions (channel, key, signature, kind, payload, occurred_at, received_at, state, due_at, attempts, reply_to)
            values ($1, $2, $3, $4, $5, $6, $7, 'waiting', $7, 0, $8) on conflict do nothing
            """);
        command.Parameters.Add(Sql.P(action.Channel));
        command.Parameters.Add(Sql.P(action.Key));
        command.Parameters.Add(Text(action.Signature));
        command.Parameters.Add(Sql.P(action.Kind));
        command.Parameters.Add(Sql.P(action.Payload));
        command.Parameters.Add(Sql.Nullable(action.OccurredAt));
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Text(action.ReplyTo));
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0) return false;
        signal.Raise();
        return true;
    }

    public static NpgsqlParameter Text(string? value) => value is null ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text } : Sql.P(value);
}

/// <summary>What an action came to.</summary>
/// <param name="Outcome">In words, for the record.</param>
/// <param name="Incident">Number of the incident it was about; null for none.</param>
/// <param name="Actor">Who did it, by name; null when nobody is known.</param>
/// <param name="Reply">What the person is told, as the far side takes it; null for nothing.</param>
internal sealed record InboundResult(string Outcome, long? Incident = null, string? Actor = null, string? Reply = null);

/// <summary>One channel's way of doing what people did there.</summary>
internal interface IInboundHandler
{
    /// <summary>Key of the channel.</summary>
    string Channel { get; }

    /// <summary>What must be asked of others first: outside of any transaction.</summary>
    ValueTask<object?> LookUpAsync(InboundAction action, CancellationToken cancellationToken) => ValueTask.FromResult<object?>(null);

    /// <summary>Does it, within a transaction that its scope has begun: all of it counts, with the mark that it is done, or nothing.</summary>
    /// <param name="action">What.</param>
    /// <param name="found">What <see cref="LookUpAsync"/> gave.</param>
    /// <param name="connection">Holds the transaction.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<InboundResult> ActAsync(InboundAction action, object? found, NpgsqlConnection connection, CancellationToken cancellationToken);

    /// <summary>What the person is told when it was tried often enough and cannot be done; null for nothing.</summary>
    string? Apology { get; }
}
