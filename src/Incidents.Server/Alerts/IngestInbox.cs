using System.Diagnostics;
using Incidents.Domain.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Alerts;

/// <summary>
/// Takes waiting webhooks through all stages. Any number of workers in any number of replicas may run it at once: rows are claimed with SKIP LOCKED and stay locked
/// until their outcome is committed, so a process that dies frees them at that moment.
/// </summary>
internal sealed partial class IngestInbox(
    WorkPool database, IEnumerable<IAlertSource> sources, IEnumerable<IIngestStage> stages, IActiveConfiguration configuration,
    BacklogSignal backlog, DeliverySignal deliveries, ChangeSignal changes, MuteSignal mutes, TimeProvider clock, ILogger<IngestInbox> log)
{
    /// <summary>About a hundred rows a commit is where throughput levels off; more only adds latency.</summary>
    private const int MostRows = 128;

    /// <summary>A few huge payloads make a batch of their own.</summary>
    private const int MostBytes = 2_000_000;

    private const int AttemptsBeforeQuarantine = 3;

    /// <summary>How the reason of a webhook begins that is readable and yet could not be ingested.</summary>
    public const string EngineFailed = "The engine failed on it:";

    private readonly Dictionary<string, IAlertSource> _sources = sources.ToDictionary(s => s.Kind, StringComparer.Ordinal);
    private readonly IIngestStage[] _stages = [.. stages];

    /// <summary>How often everything that waits is looked for, and not only what is newer than the last claim.</summary>
    private static readonly TimeSpan WholeLookEvery = TimeSpan.FromMilliseconds(500);

    private long _from;
    private long _wholeLookAt = long.MinValue;

    /// <summary>Ingests one batch.</summary>
    public async Task<Ingested> RunOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await RunBatchAsync(MostRows, [], cancellationToken);
        }
        catch (Exception error) when (IsAboutData(error))
        {
            // One webhook of the batch cannot be digested: take them one by one, so that it is found and the others pass.
            LogBatchFailed(error);
            return new(await RunSinglesAsync(cancellationToken), MayBeMore: true);
        }
    }

    private async Task<int> RunSinglesAsync(CancellationToken cancellationToken)
    {
        var done = 0;
        for (var i = 0; i < MostRows; i++)
        {
            var claimed = new List<long>();
            try
            {
                var rows = (await RunBatchAsync(1, claimed, cancellationToken)).Webhooks;
                if (rows == 0) break;
                done += rows;
            }
            catch (Exception error) when (IsAboutData(error) && claimed.Count > 0)
            {
                await BlameAsync(claimed[0], error, cancellationToken);
                done++;
            }
        }

        return done;
    }

    private async Task<Ingested> RunBatchAsync(int mostRows, List<long> claimed, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        var now = clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var batch = new IngestBatch(connection, configuration.Current, now);
        await ClaimAsync(batch, mostRows, claimed, cancellationToken);
        if (batch.Items.Count == 0) return default;

        // As many as it may hold, by number or by size: others should help.
        var mayBeMore = batch.Items.Count >= mostRows || batch.Items.Sum(i => (long)i.Bytes) >= MostBytes / 2;
        if (mayBeMore) backlog.Raise();

        using var activity = StartActivity(batch);
        foreach (var stage in _stages) await stage.RunAsync(batch, cancellationToken);
        EpisodeRows.Write(batch);
        WriteOutcomes(batch);
        await batch.Writes.ExecuteAndCommitAsync(cancellationToken);

        foreach (var signal in batch.Wake) signal.Raise();
        if (batch.IncidentChanges.Count + batch.NoticeChanges.Count > 0)
        {
            deliveries.Raise();
            changes.Raise();
        }

        if (batch.ChangesMutes) mutes.Raise();
        AlertMetrics.Ingested(batch, clock.GetElapsedTime(started));
        return new(batch.Items.Count, mayBeMore);
    }

    private async Task ClaimAsync(IngestBatch batch, int mostRows, List<long> claimed, CancellationToken cancellationToken)
    {
        // What was ingested since the last vacuum still lies in front of what waits, in the index too; a search from the beginning would step over all of it each time.
        // Nothing depends on the place to begin: what another replica or a failed batch left before it is found by the next whole look.
        var from = Volatile.Read(ref _from);
        if (clock.GetTimestamp() >= Volatile.Read(ref _wholeLookAt))
        {
            from = 0;
            Volatile.Write(ref _wholeLookAt, clock.GetTimestamp() + (long)(WholeLookEvery.TotalSeconds * clock.TimestampFrequency));
        }

        await ClaimAsync(batch, mostRows, from, claimed, cancellationToken);
        if (claimed.Count == 0 && from > 0) await ClaimAsync(batch, mostRows, 0, claimed, cancellationToken);
        if (claimed.Count > 0) Volatile.Write(ref _from, claimed.Min());
    }

    private async Task ClaimAsync(IngestBatch batch, int mostRows, long from, List<long> claimed, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            with c as (select id, received_at, source, kind, trace_parent, bytes from inbox where state = 'pending' and id >= $3 order by id limit $1 for update skip locked),
                 w as (select *, sum(bytes) over (order by id) - bytes as before from c)
            select w.id, w.received_at, w.source, w.kind, w.trace_parent, b.body from w join inbox_bodies b on b.id = w.id where w.before < $2
            """, batch.Connection);
        command.Parameters.Add(Sql.P(mostRows));
        command.Parameters.Add(Sql.P((long)MostBytes));
        command.Parameters.Add(Sql.P(from));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            claimed.Add(reader.GetInt64(0));
            var receivedAt = reader.GetFieldValue<Instant>(1);
            var kind = reader.GetString(3);
            var body = reader.GetFieldValue<byte[]>(5);
            var item = new InboxItem
            {
                Id = reader.GetInt64(0),
                ReceivedAt = receivedAt,
                Source = reader.GetString(2),
                Kind = kind,
                Bytes = body.Length,
                TraceParent = reader.IsDBNull(4) ? null : reader.GetString(4),
                Read = _sources.TryGetValue(kind, out var source) ? source.Read(body, receivedAt) : ReadWebhook.Nothing($"No alert source \"{kind}\" is known to this version."),
            };
            foreach (var _ in item.Read.Unreadable) item.Count(AlertOutcome.Quarantined);
            batch.Items.Add(item);
        }
    }

    private static void WriteOutcomes(IngestBatch batch)
    {
        var rows = batch.Items;
        int Of(InboxItem item, string outcome) => item.Outcomes[AlertOutcome.All.IndexOf(outcome)];
        batch.Writes.Add("""
            update inbox i set state = r.state, done_at = $3, reason = r.reason, alerts = r.alerts, opened = r.opened, attached = r.attached, suppressed = r.suppressed, informed = r.informed, duplicate = r.duplicate, resolved = r.resolved, quarantined = r.quarantined
            from unnest($1::bigint[], $2::text[], $4::text[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[]) r(id, state, reason, alerts, opened, attached, suppressed, informed, duplicate, resolved, quarantined)
            where i.id = r.id
            """,
            Sql.Column(rows, i => i.Id), Sql.Column(rows, StateOf), Sql.P(batch.Now), Sql.Column(rows, ReasonOf),
            Sql.Column(rows, i => i.Read.Observations.Count + i.Read.Unreadable.Count),
            Sql.Column(rows, i => Of(i, AlertOutcome.Opened)), Sql.Column(rows, i => Of(i, AlertOutcome.Attached)), Sql.Column(rows, i => Of(i, AlertOutcome.Suppressed)), Sql.Column(rows, i => Of(i, AlertOutcome.Informed)),
            Sql.Column(rows, i => Of(i, AlertOutcome.Duplicate)), Sql.Column(rows, i => Of(i, AlertOutcome.Resolved)), Sql.Column(rows, i => Of(i, AlertOutcome.Quarantined)));
    }

    private static string StateOf(InboxItem item) =>
        item.Read.Unreadable.Count == 0 ? InboxRow.Ingested : item.Read.Observations.Count == 0 ? InboxRow.IsQuarantined : InboxRow.Partial;

    private static string? ReasonOf(InboxItem item) =>
        item.Read.Unreadable.Count == 0 ? null : AlertText.OneLine(string.Join("; ", item.Read.Unreadable.Take(20)), 2000);

    /// <summary>This webhook made the engine fail. After a few tries it is set aside, loudly, so that those behind it pass.</summary>
    private async Task BlameAsync(long id, Exception error, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            update inbox i set attempts = i.attempts + 1,
              state = case when i.attempts + 1 >= $1 then 'quarantined' else 'pending' end,
              quarantined = case when i.attempts + 1 >= $1 then 1 else 0 end, alerts = case when i.attempts + 1 >= $1 then 1 else 0 end,
              reason = $2, done_at = case when i.attempts + 1 >= $1 then $3 end
            where i.id = $4 and i.state = 'pending' returning i.id, i.state
            """);
        command.Parameters.Add(Sql.P(AttemptsBeforeQuarantine));
        command.Parameters.Add(Sql.P(AlertText.OneLine($"{EngineFailed} {error.GetType().Name}: {error.Message}", 2000)));
        command.Parameters.Add(Sql.P(clock.GetCurrentInstant()));
        command.Parameters.Add(Sql.P(id));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (await reader.ReadAsync(cancellationToken)) LogWebhookFailed(error, reader.GetInt64(0), reader.GetString(1));
    }

    /// <summary>True for what the same data would do again; false for a lost connection, a deadlock, a full disk, a schema of another version (a replica that is being replaced), which are no fault of the webhook.</summary>
    private static bool IsAboutData(Exception error) => error switch
    {
        OperationCanceledException => false,
        PostgresException { SqlState: var state } => state[..2] is "21" or "22" or "23",
        NpgsqlException or System.Net.Sockets.SocketException or TimeoutException or IOException => false,
        _ => true,
    };

    private static Activity? StartActivity(IngestBatch batch)
    {
        var first = batch.Items.FirstOrDefault(i => i.TraceParent is not null);
        var activity = first is not null && ActivityContext.TryParse(first.TraceParent, null, out var parent)
            ? AlertMetrics.Activities.StartActivity("ingest", ActivityKind.Consumer, parent, links: batch.Items.Skip(1).Take(32).Where(i => i.TraceParent is not null).Select(i => new ActivityLink(ActivityContext.Parse(i.TraceParent!, null))))
            : AlertMetrics.Activities.StartActivity("ingest", ActivityKind.Consumer);
        activity?.SetTag("incidents.webhooks", batch.Items.Count);
        return activity;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "An ingest batch failed and was taken apart to find the webhook at fault")]
    private partial void LogBatchFailed(Exception error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Webhook {InboxId} made the engine fail; it is now {State}")]
    private partial void LogWebhookFailed(Exception error, long inboxId, string state);
}

/// <param name="Webhooks">How many the batch held; 0 when none waited.</param>
/// <param name="MayBeMore">Whether more may wait than it could hold.</param>
internal readonly record struct Ingested(int Webhooks, bool MayBeMore);
