using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Whoever mutes must also look again: what a rule muted and what still fires when the rule no longer mutes goes on its way then, because Alertmanager will not send it again before its repeat interval.
/// It looks when a silence begins, ends or is changed, when a wait is over, at every full minute (at which windows of local time begin and end), when a cause ended, and every ten seconds besides.
/// Every replica looks; locks and what is read under them decide who releases.
/// </summary>
internal sealed class ReleaseMuted(
    NpgsqlDataSource database, IActiveConfiguration configuration, ActiveSilences silences, Muter muter, QuietIncidents incidents, LaterStages stages, MuteSignal signal, WorkerHealth health, TimeProvider clock, ILogger<ReleaseMuted> log)
    : Worker("release-muted", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerPage = 500;
    private static readonly Duration LookAtLeastEvery = Duration.FromSeconds(10);
    private static readonly Duration LookForOthersAtMostEvery = Duration.FromSeconds(1);

    private Instant _nextLook = Instant.MinValue;
    private Instant _lastLook = Instant.MinValue;
    private Instant? _due;
    private long _seenRaises;
    private long _seenVersion = -1;
    private string? _sourcesOf;

    /// <summary>Until the very moment at which something is due, when that is sooner than a second from now.</summary>
    protected override TimeSpan Pause
    {
        get
        {
            var until = (_due is { } due ? Instant.Min(due, _nextLook) : _nextLook) - Clock.GetCurrentInstant();
            return until <= Duration.Zero ? TimeSpan.FromMilliseconds(1) : until < Duration.FromSeconds(1) ? until.ToTimeSpan() : TimeSpan.FromSeconds(1);
        }
    }

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var current = configuration.Current;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var raises = signal.Raises;
        await silences.RefreshAsync(connection, now, cancellationToken);
        var isChanged = silences.Version != _seenVersion;
        _seenVersion = silences.Version;
        _due = await NextDueAsync(connection, cancellationToken);
        if (_sourcesOf != current.Version)
        {
            await FindSourcesAsync(connection, current, cancellationToken);
            (_sourcesOf, isChanged) = (current.Version, true);
        }

        // A stream of causes that end must not make this a stream of looks.
        if (raises != _seenRaises) _nextLook = Instant.Min(_nextLook, Instant.Max(now, _lastLook + LookForOthersAtMostEvery));
        _seenRaises = raises;
        if (!isChanged && now < _nextLook && !(_due <= now)) return false;

        // Most muted alerts stay muted, so the look itself takes no locks; ids page through them.
        var after = 0L;
        while (await ReleasePageAsync(connection, current, after, now, cancellationToken) is { } last) after = last;
        await incidents.LookAsync(connection, current, now, cancellationToken);

        _lastLook = now;
        _nextLook = Instant.Min(now + LookAtLeastEvery, Minutes.After(now));
        foreach (var silence in await silences.GetAsync(connection, now, cancellationToken))
        {
            if (silence.NextLook(now) is { } look && look < _nextLook) _nextLook = look;
        }

        _due = await NextDueAsync(connection, cancellationToken);
        return false;
    }

    private static async Task<Instant?> NextDueAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select min(muted_until) from alerts where status = 'firing' and outcome = 'suppressed' and muted_until is not null", connection);
        return await command.ExecuteScalarAsync(cancellationToken) as Instant?;
    }

    private async Task<long?> ReleasePageAsync(NpgsqlConnection connection, EngineConfiguration current, long after, Instant now, CancellationToken cancellationToken)
    {
        var page = new List<Muted>();
        await using (var command = new NpgsqlCommand("select id, source, fingerprint, labels::text, muted_rule, outcome_reason, muted_since, muted_until from alerts where status = 'firing' and outcome = 'suppressed' and id > $1 order by id limit $2", connection))
        {
            command.Parameters.Add(Sql.P(after));
            command.Parameters.Add(Sql.P(MostPerPage));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                page.Add(new Muted(
                    reader.GetInt64(0), reader.GetString(1), reader.GetString(2), AlertJson.Read(reader.GetString(3)), reader.IsDBNull(4) ? null : reader.GetString(4), reader.IsDBNull(5) ? null : reader.GetString(5),
                    reader.IsDBNull(6) ? null : reader.GetFieldValue<Instant>(6), reader.IsDBNull(7) ? null : reader.GetFieldValue<Instant>(7)));
            }
        }

        var decisions = page.ConvertAll(p => current.Routing.Match(p.Labels, now));
        var mutings = await muter.FindAsync(connection, current, [.. page.Select((p, i) => new MuteCandidate(p.Id, p.Labels, decisions[i], p.Since))], now, cancellationToken);
        await ReleaseAsync(connection, current, [.. page.Where((p, i) => mutings[i] is null && incidents.MayRelease(p.Rule, current, now))], now, cancellationToken);
        await HandOverAsync(connection, [.. page.Zip(mutings, decisions).Where(p => p.Second is { } by && by != new Muting(p.First.Rule ?? "", p.First.Reason ?? "", p.First.Until)).Select(p => new Handed(p.First, p.Second!, p.Third.OpensIncident))], now, cancellationToken);
        return page.Count == MostPerPage ? page[^1].Id : null;
    }

    private async Task ReleaseAsync(NpgsqlConnection connection, EngineConfiguration current, List<Muted> released, Instant now, CancellationToken cancellationToken)
    {
        if (released.Count == 0) return;
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var batch = new IngestBatch(connection, current, now);
        var locks = new SortedSet<long>(released.Select(r => EpisodeRows.LockKey(r.Source, r.Fingerprint)));
        await using var lookUp = new NpgsqlBatch(connection);
        EpisodeRows.Lock(lookUp, locks);
        lookUp.Add($"select {EpisodeRows.Columns}, a.labels::text, a.annotations::text from alerts a where a.id = any($1) and a.status = 'firing' and a.outcome = 'suppressed'", Sql.Column(released, r => r.Id));
        await using (var reader = await lookUp.ExecuteReaderAsync(cancellationToken))
        {
            await AdvisoryLocks.SkipAsync(reader, locks.Count, cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var state = EpisodeRows.Read(reader);
                state.IsChanged = true;
                batch.Episodes.Add(state);
                batch.Fired.Add(new FiredAlert(state, AlertJson.Read(reader.GetString(EpisodeRows.ColumnCount)), AlertJson.Read(reader.GetString(EpisodeRows.ColumnCount + 1)), null));
            }
        }

        await stages.RunAsync(batch, cancellationToken);
        EpisodeRows.Write(batch);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        // This look is the answer to what it just changed.
        batch.ChangesMutes = false;
        stages.Wake(batch);
    }

    /// <summary>Alerts that stay muted, by another rule or for another time.</summary>
    private static async Task HandOverAsync(NpgsqlConnection connection, List<Handed> handed, Instant now, CancellationToken cancellationToken)
    {
        if (handed.Count == 0) return;
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("""
            with locked as materialized (select id from alerts where id = any($1) order by id for no key update skip locked),
              changed as (
                update alerts a set muted_rule = r.rule, outcome_reason = r.reason, muted_until = r.until, muted_since = coalesce(a.muted_since, $5)
                from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $6::bool[]) r(id, rule, reason, until, would_page) join locked l on l.id = r.id
                where a.id = r.id and a.status = 'firing' and a.outcome = 'suppressed' and a.muted_rule is distinct from r.rule
                returning a.id, r.rule, r.would_page),
              closed as (update mutings m set ended_at = $5, how = 'other_rule' from changed c where m.alert_id = c.id and m.ended_at is null)
            insert into mutings (rule, alert_id, would_page, began_at) select rule, id, would_page, $5 from changed
            """, Sql.Column(handed, h => h.Alert.Id), Sql.Column(handed, h => h.By.Rule), Sql.Column(handed, h => h.By.Reason), Sql.Column(handed, h => h.By.Until), Sql.P(now), Sql.Column(handed, h => h.WouldPage));
        batch.Add("""
            with locked as materialized (select id from alerts where id = any($1) order by id for no key update skip locked)
            update alerts a set outcome_reason = r.reason, muted_until = r.until from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) r(id, rule, reason, until) join locked l on l.id = r.id
            where a.id = r.id and a.status = 'firing' and a.outcome = 'suppressed' and a.muted_rule = r.rule and (a.outcome_reason is distinct from r.reason or a.muted_until is distinct from r.until)
            """, Sql.Column(handed, h => h.Alert.Id), Sql.Column(handed, h => h.By.Rule), Sql.Column(handed, h => h.By.Reason), Sql.Column(handed, h => h.By.Until));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>With a new configuration: which of the firing alerts hide others by its rules. What hides by rules that are gone is forgotten.</summary>
    private static async Task FindSourcesAsync(NpgsqlConnection connection, EngineConfiguration current, CancellationToken cancellationToken)
    {
        if (current.Inhibitions.IsEmpty) return;
        await using (var forget = new NpgsqlCommand("delete from inhibition_sources s where not exists (select 1 from alerts a where a.id = s.alert_id and a.status = 'firing')", connection))
        {
            await forget.ExecuteNonQueryAsync(cancellationToken);
        }

        var sources = new List<FiringSource>();
        await using (var command = new NpgsqlCommand("select id, name, labels::text from alerts where settle_at is not null and status = 'firing' and outcome <> 'duplicate'", connection))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken)) sources.AddRange(Muter.SourcesOf(current.Inhibitions, reader.GetInt64(0), reader.GetString(1), AlertJson.Read(reader.GetString(2))));
        }

        await using var writes = new NpgsqlBatch(connection);
        Muter.Write(writes, sources);
        if (writes.BatchCommands.Count > 0) await writes.ExecuteNonQueryAsync(cancellationToken);
    }

    private sealed record Muted(long Id, string Source, string Fingerprint, Labels Labels, string? Rule, string? Reason, Instant? Since, Instant? Until);

    private sealed record Handed(Muted Alert, Muting By, bool WouldPage);
}
