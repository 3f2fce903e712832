using System.ComponentModel.DataAnnotations;
using System.Threading.Channels;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Alerts;

/// <summary>The <c>Receive</c> section of the settings: how webhooks are taken in.</summary>
internal sealed class ReceiveOptions
{
    /// <summary>Largest body taken, in bytes; larger ones are refused with 413 and come again. Default 32 MiB.</summary>
    [Range(1_024, 1_073_741_824)]
    public int MostBodyBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>Webhooks that may wait for their commit; beyond it the answer is 503. Default 4096.</summary>
    [Range(1, 1_000_000)]
    public int MostWaiting { get; set; } = 4096;

    /// <summary>Bytes that may wait for their commit; beyond it the answer is 503. Default 256 MiB.</summary>
    [Range(1_048_576, long.MaxValue)]
    public long MostWaitingBytes { get; set; } = 256L * 1024 * 1024;

    /// <summary>Longest wait for the commit, in milliseconds; then the answer is 503 and Alertmanager tries again. Default 900, so that 503 comes within a second.</summary>
    [Range(10, 60_000)]
    public int DeadlineMilliseconds { get; set; } = 900;

    /// <summary>Workers in this process that ingest what was received. Default 2. 0: this replica only receives, others ingest.</summary>
    [Range(0, 64)]
    public int IngestWorkers { get; set; } = 2;
}

/// <summary>What became of an attempt to store a webhook.</summary>
internal abstract record InboxReceipt
{
    private InboxReceipt() { }

    /// <summary>Committed: it can no longer be lost.</summary>
    public sealed record Stored(long Id) : InboxReceipt;

    /// <summary>Not known to be committed; the sender must come again.</summary>
    public sealed record Refused(string Code, string Detail) : InboxReceipt;
}

/// <summary>
/// Stores webhooks with group commit: all that arrive while one commit is under way share the next one. There is no timer; a lone webhook waits for nothing.
/// An answer is given only after the commit that holds it (P1).
/// </summary>
internal sealed partial class InboxWriter(WorkPool database, IdBlocks ids, InboxSignal signal, IOptions<ReceiveOptions> options, TimeProvider clock, ILogger<InboxWriter> log) : BackgroundService
{
    private const int MostRows = 256;
    private const int MostBytes = 8 * 1024 * 1024;

    private readonly Channel<Waiting> _queue = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(options.Value.MostWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly TimeSpan _deadline = TimeSpan.FromMilliseconds(options.Value.DeadlineMilliseconds);
    private long _waitingBytes;
    private bool _databaseIsDown;

    /// <summary>Returns after the webhook is committed, or when that cannot be known in time.</summary>
    public async ValueTask<InboxReceipt> StoreAsync(string source, string kind, byte[] body, string? traceParent)
    {
        if (Interlocked.Add(ref _waitingBytes, body.Length) > options.Value.MostWaitingBytes)
        {
            Interlocked.Add(ref _waitingBytes, -body.Length);
            return new InboxReceipt.Refused("overloaded", "Too many bytes wait to be stored. Come again; nothing of this request was kept.");
        }

        var waiting = new Waiting(source, kind, body, traceParent, clock.GetCurrentInstant());
        if (!_queue.Writer.TryWrite(waiting))
        {
            Interlocked.Add(ref _waitingBytes, -body.Length);
            return new InboxReceipt.Refused("overloaded", "Too many requests wait to be stored. Come again; nothing of this request was kept.");
        }

        try
        {
            return await waiting.Receipt.Task.WaitAsync(_deadline, clock);
        }
        catch (TimeoutException)
        {
            return new InboxReceipt.Refused("database_slow", "The database did not commit in time. Come again; a repeat of a request that was stored after all changes nothing.");
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new List<Waiting>(MostRows);
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                var bytes = 0;
                while (batch.Count < MostRows && bytes < MostBytes && _queue.Reader.TryRead(out var waiting))
                {
                    // Also what nobody waits for any more: its sender was told to come again, and a repeat changes nothing.
                    batch.Add(waiting);
                    bytes += waiting.Body.Length;
                }

                await CommitAsync(batch, stoppingToken);
                Interlocked.Add(ref _waitingBytes, -bytes);
                batch.Clear();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: requests that still wait are answered 503 by their deadline.
        }
    }

    private async Task CommitAsync(List<Waiting> batch, CancellationToken cancellationToken)
    {
        try
        {
            using var limit = new CancellationTokenSource(_deadline * 2, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            await using var connection = await database.OpenConnectionAsync(either.Token);
            var run = await ids.TakeAsync(connection, batch.Count, either.Token);
            var rows = batch.ConvertAll(w => (Id: run.Next(), Webhook: w));

            // One batch without an explicit transaction is one transaction and one round trip.
            await using var insert = new NpgsqlBatch(connection);
            insert.Add("""
                insert into inbox (id, received_at, source, kind, state, bytes, trace_parent, attempts, alerts, opened, attached, suppressed, informed, duplicate, resolved, quarantined)
                select id, received_at, source, kind, 'pending', bytes, trace_parent, 0, 0, 0, 0, 0, 0, 0, 0, 0 from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::text[]) r(id, received_at, source, kind, bytes, trace_parent)
                """,
                Sql.Column(rows, r => r.Id), Sql.Column(rows, r => r.Webhook.ReceivedAt), Sql.Column(rows, r => r.Webhook.Source), Sql.Column(rows, r => r.Webhook.Kind), Sql.Column(rows, r => r.Webhook.Body.Length), Sql.Column(rows, r => r.Webhook.TraceParent));
            insert.Add("insert into inbox_bodies (id, body) select * from unnest($1::bigint[], $2::bytea[])", Sql.Column(rows, r => r.Id), Sql.Column(rows, r => r.Webhook.Body));
            await insert.ExecuteNonQueryAsync(either.Token);

            foreach (var (id, webhook) in rows) webhook.Receipt.TrySetResult(new InboxReceipt.Stored(id));
            signal.Raise();
            AlertMetrics.Committed(batch.Count);
            if (_databaseIsDown) LogDatabaseBack();
            _databaseIsDown = false;
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or OperationCanceledException or IOException or System.Net.Sockets.SocketException)
        {
            // A broken commit is no bug but an outage: every request of the batch is told to come again.
            if (!_databaseIsDown) LogDatabaseGone(error);
            _databaseIsDown = true;
            foreach (var webhook in batch) webhook.Receipt.TrySetResult(new InboxReceipt.Refused("database_unavailable", "The database cannot be reached, and it is not known whether this request was kept. Come again; a repeat of one that was kept changes nothing."));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private sealed record Waiting(string Source, string Kind, byte[] Body, string? TraceParent, Instant ReceivedAt)
    {
        public TaskCompletionSource<InboxReceipt> Receipt { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Webhooks could not be stored; senders are told to come again (503)")]
    private partial void LogDatabaseGone(Exception error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Webhooks are stored again")]
    private partial void LogDatabaseBack();
}
