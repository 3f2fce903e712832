using System.Collections.Concurrent;
using System.Threading.Channels;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Ui.Live;

/// <summary>One timeline entry, and where the feed stands after it.</summary>
internal sealed record FeedEntry(long Id, long Incident, Instant At, string Kind, string Text, string ActorKind, string ActorName, string Position);

/// <summary>What one look at the database found. Fragments are rendered once, by whoever asks first.</summary>
internal sealed record FeedBatch(IReadOnlyList<FeedEntry> Entries, IReadOnlySet<long> Incidents, bool AlertsChanged, string Position)
{
    public ConcurrentDictionary<long, Lazy<Task<string>>> Rendered { get; } = new();
}

/// <summary>One open stream.</summary>
internal sealed class FeedReader(long? incident)
{
    public Channel<FeedBatch> Batches { get; } = Channel.CreateBounded<FeedBatch>(new BoundedChannelOptions(500) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    /// <summary>The incident whose deliveries it shows, too; null for none.</summary>
    public long? Incident { get; } = incident;

    /// <summary>Where the feed stood when this reader began to get batches.</summary>
    public TaskCompletionSource<FeedPosition> Joined { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// The one reader of changes in this process; all streams hang on it. It looks when something changed here or on another replica, and every 5 seconds in any case.
/// Without streams it does nothing.
/// </summary>
internal sealed partial class ChangeFeed(NpgsqlDataSource database, TimeProvider clock, ILogger<ChangeFeed> log) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AtMostEvery = TimeSpan.FromMilliseconds(25);
    private static readonly Duration GapAge = Duration.FromSeconds(1);
    private const int MostEntries = 500;

    private readonly WorkSignal _wake = new();
    private readonly Lock _gate = new();
    private readonly List<FeedReader> _pending = [];
    private readonly List<FeedReader> _readers = [];
    private readonly Dictionary<long, long> _deliveries = [];
    private FeedPosition? _position;
    private (long UpTo, long Xmax, Instant At)? _gap;
    private long _newestAlert;

    public void Wake() => _wake.Raise();

    public void Add(FeedReader reader)
    {
        lock (_gate) _pending.Add(reader);
        Wake();
    }

    public void Remove(FeedReader reader)
    {
        lock (_gate)
        {
            _pending.Remove(reader);
            _readers.Remove(reader);
        }
    }

    /// <summary>Entries that <paramref name="from"/> lacks and <paramref name="to"/> has, at most <paramref name="most"/>; null when there are more.</summary>
    public async Task<IReadOnlyList<FeedEntry>?> CatchUpAsync(FeedPosition from, FeedPosition to, int most, CancellationToken cancellationToken)
    {
        var position = from.Copy();
        var entries = new List<FeedEntry>();
        await using var command = database.CreateCommand("""
            select id, incident_number, at, kind, text, actor_kind, actor_name from timeline_entries
            where id > $1 and not id = any($2) and (id <= $3 or id = any($4)) order by id limit $5
            """);
        command.Parameters.Add(Sql.P(from.Low));
        command.Parameters.Add(Sql.P(from.Above.ToArray()));
        command.Parameters.Add(Sql.P(to.Low));
        command.Parameters.Add(Sql.P(to.Above.ToArray()));
        command.Parameters.Add(Sql.P(most + 1));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (entries.Count == most) return null;
            position.Add(reader.GetInt64(0));
            entries.Add(Read(reader, 0, position));
        }

        return entries;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        var watch = _wake.StartWatch();
        var failing = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await LookAsync(stoppingToken))
                {
                }

                failing = false;
                await Task.Delay(AtMostEvery, clock, stoppingToken);
                await watch.WaitAsync(_gap is null ? Look : TimeSpan.FromSeconds(1), clock, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException error)
            {
                // A stream that went on would beat, and a beat says that a page is true. New ones wait for a look that succeeds, in silence.
                CutOff();
                if (!failing) LogFailed(error);
                failing = true;
                await Task.Delay(TimeSpan.FromSeconds(1), clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Ends every stream that has begun; whoever comes back says where it was and misses nothing.</summary>
    private void CutOff()
    {
        lock (_gate)
        {
            foreach (var reader in _readers) reader.Batches.Writer.TryComplete();
            _readers.Clear();
        }
    }

    /// <summary>True when there may be more at once.</summary>
    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        List<FeedReader> joining, readers;
        lock (_gate)
        {
            joining = [.. _pending];
            readers = [.. _readers];
        }

        if (joining.Count + readers.Count == 0)
        {
            (_position, _gap) = (null, null);
            _deliveries.Clear();
            return false;
        }

        var first = _position is null;
        var (entries, more) = await ReadEntriesAsync(cancellationToken);
        var (touched, alerts) = await ReadOthersAsync(readers.Concat(joining), cancellationToken);
        if (!first && (entries.Count > 0 || touched.Count > 0 || alerts))
        {
            var batch = new FeedBatch(entries, entries.Select(e => e.Incident).Concat(touched).ToHashSet(), alerts, _position!.ToString());
            foreach (var reader in readers)
            {
                // Whoever cannot keep up is cut off; it comes back and says where it was.
                if (!reader.Batches.Writer.TryWrite(batch)) reader.Batches.Writer.TryComplete();
            }
        }

        lock (_gate)
        {
            foreach (var reader in joining)
            {
                if (_pending.Remove(reader)) _readers.Add(reader);
            }
        }

        foreach (var reader in joining) reader.Joined.TrySetResult(_position!.Copy());
        return more;
    }

    private async Task<(IReadOnlyList<FeedEntry> Entries, bool More)> ReadEntriesAsync(CancellationToken cancellationToken)
    {
        // Entries just before the newest may still be uncommitted; a new feed begins a little before them and passes over those it sees.
        var first = _position is null;
        var position = _position ?? new FeedPosition(Math.Max(0, await ScalarAsync("select coalesce(max(id), 0) from timeline_entries", cancellationToken) - 200), []);
        var entries = new List<FeedEntry>();
        long xmin = 0, xmax = 0;
        var rows = 0;
        await using (var command = database.CreateCommand("""
            select s.xmin, s.xmax, e.* from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) s
            left join lateral (select id, incident_number, at, kind, text, actor_kind, actor_name from timeline_entries where id > $1 and not id = any($2) order by id limit $3) e on true
            """))
        {
            command.Parameters.Add(Sql.P(position.Low));
            command.Parameters.Add(Sql.P(position.Above.ToArray()));
            command.Parameters.Add(Sql.P(MostEntries));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                (xmin, xmax) = (reader.GetInt64(0), reader.GetInt64(1));
                if (reader.IsDBNull(2)) continue;
                rows++;
                position.Add(reader.GetInt64(2));
                entries.Add(Read(reader, 2, position));
            }
        }

        _position = position;
        var now = clock.GetCurrentInstant();
        if (rows < MostEntries && _gap is { } gap && xmin >= gap.Xmax && now - gap.At >= GapAge)
        {
            // Every transaction that could hold a missing id has ended, and its entry is not there: it never will be.
            position.Settle(gap.UpTo);
            _gap = null;
        }

        if (position.Above.Count == 0) _gap = null;
        else _gap ??= (position.Above.Max, xmax, now);
        return (first ? [] : entries, rows == MostEntries);
    }

    private async Task<(List<long> Incidents, bool Alerts)> ReadOthersAsync(IEnumerable<FeedReader> readers, CancellationToken cancellationToken)
    {
        var newest = await ScalarAsync("select coalesce(max(id), 0) from alerts", cancellationToken);
        var alerts = newest != _newestAlert;
        _newestAlert = newest;

        var touched = new List<long>();
        var watched = readers.Select(r => r.Incident).OfType<long>().Distinct().ToArray();
        if (watched.Length == 0) return (touched, alerts);
        await using var command = database.CreateCommand("select incident_number, sum(hashtextextended(id || state || coalesce(detail, ''), 0))::text from deliveries where incident_number = any($1) group by incident_number");
        command.Parameters.Add(Sql.P(watched));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (number, sum) = (reader.GetInt64(0), (long)StringComparer.Ordinal.GetHashCode(reader.GetString(1)));
            if (_deliveries.TryGetValue(number, out var before) && before != sum) touched.Add(number);
            _deliveries[number] = sum;
        }

        return (touched, alerts);
    }

    private async Task<long> ScalarAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static FeedEntry Read(NpgsqlDataReader reader, int at, FeedPosition position) => new(
        reader.GetInt64(at), reader.GetInt64(at + 1), reader.GetFieldValue<Instant>(at + 2), reader.GetString(at + 3), reader.GetString(at + 4), reader.GetString(at + 5), reader.GetString(at + 6), position.ToString());

    [LoggerMessage(Level = LogLevel.Warning, Message = "Changes could not be read; open pages are cut off and come back")]
    private partial void LogFailed(Exception exception);
}
