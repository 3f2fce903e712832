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
/// It looks at everything when a silence begins, ends or is changed, at every full minute (at which windows of local time begin and end), and every ten seconds besides; at those whose time has come when a wait is over;
/// and at those that a cause hides when one began or ended.
/// Every replica looks; locks and what is read under them decide who releases.
/// </summary>
internal sealed class ReleaseMuted(
    NpgsqlDataSource database, IActiveConfiguration configuration, ActiveSilences silences, Muter muter, QuietIncidents incidents, MirroredEnds mirrored, LaterStages stages, MuteSignal signal, WorkerHealth health, TimeProvider clock, ILogger<ReleaseMuted> log)
    : Worker("release-muted", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerPage = 500;
    private static readonly Duration LookAtLeastEvery = Duration.FromSeconds(10);
    private static readonly Duration LookForCausesAtMostEvery = Duration.FromSeconds(1);

    private Instant _nextLook = Instant.MinValue;
    private Instant _lastLookForCauses = Instant.MinValue;
    private bool _causesChanged;
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
        _causesChanged |= raises != _seenRaises;
        _seenRaises = raises;
        if (isChanged || now >= _nextLook)
        {
            await LookAsync(connection, current, Hidden.All, now, cancellationToken);
            await incidents.LookAsync(connection, current, now, cancellationToken);
            (_lastLookForCauses, _causesChanged) = (now, false);
            _nextLook = Instant.Min(now + LookAtLeastEvery, Minutes.After(now));
            foreach (var silence in await silences.GetAsync(connection, now, cancellationToken))
            {
                if (silence.NextLook(now) is { } look && look < _nextLook) _nextLook = look;
            }
        }
        else
        {
            // What hides the others is as it was.
            var isDue = _due <= now;
            if (isDue) await LookAsync(connection, current, Hidden.Due, now, cancellationToken);
            if (_causesChanged && now >= _lastLookForCauses + LookForCausesAtMostEvery)
            {
                await LookAsync(connection, current, Hidden.ByCauses, now, cancellationToken);
                await incidents.LookAsync(connection, current, now, cancellationToken);
                (_lastLookForCauses, _causesChanged) = (now, false);
            }
            else if (!isDue) return false;
        }

        _due = await NextDueAsync(connection, cancellationToken);
        return false;
    }

    /// <summary>Most muted alerts stay muted, so the look itself takes no locks; ids page through them.</summary>
    private async Task LookAsync(NpgsqlConnection connection, EngineConfiguration current, string which, Instant now, CancellationToken cancellationToken)
    {
        var ends = await mirrored.ReadAsync(connection, now, cancellationToken);
        var after = 0L;
        while (await ReleasePageAsync(connection, current, which, ends, after, now, cancellationToken) is { } last) after = last;
    }

    private static async Task<Instant?> NextDueAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select min(muted_until) from alerts where status = 'firing' and outcome = 'suppressed' and muted_until is not null", connection);
        return await command.ExecuteScalarAsync(cancellationToken) as Instant?;
    }

    private async Task<long?> ReleasePageAsync(NpgsqlConnection connection, EngineConfiguration current, string which, IReadOnlyDictionary<string, Instant> ends, long after, Instant now, CancellationToken cancellationToken)
    {
        var page = new List<Muted>();
        await using (var command = new NpgsqlCommand($"select id, source, fingerprint, labels::text, muted_rule, outcome_reason, muted_since, muted_until, absences from alerts where status = 'firing' and outcome = 'suppressed' and id > $1{which} order by id limit $2", connection))
        {
            command.Parameters.Add(Sql.P(after));
            command.Parameters.Add(Sql.P(MostPerPage));
            if (which == Hidden.Due) command.Parameters.Add(Sql.P(now));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                page.Add(new Muted(
                    reader.GetInt64(0), reader.GetString(1), reader.GetString(2), AlertJson.Read(reader.GetString(3)), reader.IsDBNull(4) ? null : reader.GetString(4), reader.IsDBNull(5) ? null : reader.GetString(5),
                    reader.IsDBNull(6) ? null : reader.GetFieldValue<Instant>(6), reader.IsDBNull(7) ? null : reader.GetFieldValue<Instant>(7), reader.GetInt16(8)));
            }
        }

        var decisions = page.ConvertAll(p => current.Routing.Match(p.Labels, now));
        var mutings = await muter.FindAsync(connection, current, [.. page.Select((p, i) => new MuteCandidate(p.Id, p.Labels, decisions[i], p.Since, decisions[i].Team))], now, cancellationToken);
        for (var i = 0; i < mutings.Length; i++)
        {
            if (mutings[i] is null && page[i].Rule is { } rule && ends.TryGetValue(rule, out var ended) && SettleRules.IsBeingAsked(page[i].Absences, ended, now, current.Incidents.SettleEvery))
                mutings[i] = new Muting(rule, "Alertmanager, which did not have it when asked and is asked again whether it still fires", null);
        }

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

    private sealed record Muted(long Id, string Source, string Fingerprint, Labels Labels, string? Rule, string? Reason, Instant? Since, Instant? Until, int Absences);

    /// <summary>Which of the hidden alerts are looked at: what their query says besides.</summary>
    private static class Hidden
    {
        public const string All = "";

        /// <summary>Those whose time has come, by ix_alerts_muted_until.</summary>
        public const string Due = " and muted_until is not null and muted_until <= $3";

        /// <summary>Those that other alerts hide, by the words of ix_alerts_caused.</summary>
        public const string ByCauses = " and (muted_rule like 'inhibition/%' or muted_rule like 'dependency/%')";
    }

    private sealed record Handed(Muted Alert, Muting By, bool WouldPage);
}
