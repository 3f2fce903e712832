using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Alerts.Sources;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Settles alerts that were not heard of: those that payloads of their group no longer hold, and those that nobody reported for long. Alertmanager is asked outside any transaction;
/// what it said is then applied to the alerts that are still due, so that a report that came meanwhile wins.
/// </summary>
internal sealed partial class SettleAlerts(
    NpgsqlDataSource database, IAlertmanagerApi alertmanager, IActiveConfiguration configuration, LaterStages stages, WorkerHealth health, TimeProvider clock, ILogger<SettleAlerts> log)
    : Worker("settle", null, TimeSpan.FromSeconds(5), health, clock, log)
{
    private const int MostPerRun = 500;

    /// <summary>Looks further apart than this: the process was stopped, or the database was away, and nothing could be received.</summary>
    private static readonly Duration LongestPauseOfLooks = Duration.FromMinutes(1);

    private Instant _receivingSince = clock.GetCurrentInstant();
    private Instant _lastLook = clock.GetCurrentInstant();
    private bool _comeFromSeveral;
    private Instant? _severalAskedAt;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var due = await DueAsync(now, cancellationToken);
        if (now - _lastLook > LongestPauseOfLooks) _receivingSince = now;
        if (due.Count == 0)
        {
            _lastLook = now;
            return false;
        }

        var answer = due.Any(d => alertmanager.Knows(d.Kind, d.Source)) ? await alertmanager.ListAsync(cancellationToken) : default;
        var speaksForAll = alertmanager.KnowsAllOfItsSources || !await ComeFromSeveralAsync(now, cancellationToken);
        UpstreamView View(EpisodeState state) =>
            !alertmanager.Knows(state.Kind, state.Source) ? new UpstreamView.Unknown("no Alertmanager is configured for it")
            : answer.Alerts is null ? new UpstreamView.Unknown(answer.Why ?? "no answer")
            : answer.Alerts.TryGetValue(state.Fingerprint, out var view) ? view
            : speaksForAll ? new UpstreamView.Absent() : new UpstreamView.Unknown("several sources send alerts, and Alertmanager__Sources does not say which of them this Alertmanager serves");

        await ApplyAsync(due, View, now, cancellationToken);

        // After what was written: a database that can only be read takes no webhooks either.
        _lastLook = now;
        return due.Count == MostPerRun;
    }

    /// <summary>Also of sources of which nothing fires just now: the Alertmanager that is asked may be theirs.</summary>
    private async Task<bool> ComeFromSeveralAsync(Instant now, CancellationToken cancellationToken)
    {
        if (_severalAskedAt is { } asked && now - asked < Duration.FromMinutes(1)) return _comeFromSeveral;
        await using var command = database.CreateCommand("select count(distinct source) > 1 from alerts where kind = $1 and received_at >= $2");
        command.Parameters.Add(Sql.P(AlertmanagerSource.Key));
        command.Parameters.Add(Sql.P(now - Duration.FromDays(30)));
        (_comeFromSeveral, _severalAskedAt) = ((bool)(await command.ExecuteScalarAsync(cancellationToken))!, now);
        return _comeFromSeveral;
    }

    private async Task<List<(long Id, string Kind, string Source, string Fingerprint)>> DueAsync(Instant now, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select id, kind, source, fingerprint from alerts where settle_at <= $1 and status = 'firing' order by settle_at limit $2");
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(MostPerRun));
        var due = new List<(long, string, string, string)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) due.Add((reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3)));
        return due;
    }

    private async Task ApplyAsync(List<(long Id, string Kind, string Source, string Fingerprint)> due, Func<EpisodeState, UpstreamView> view, Instant now, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var rules = configuration.Current.Incidents;
        var batch = new IngestBatch(connection, configuration.Current, now);
        var locks = new SortedSet<long>(due.Select(d => EpisodeRows.LockKey(d.Source, d.Fingerprint)));
        await using var lookUp = new NpgsqlBatch(connection);
        EpisodeRows.Lock(lookUp, locks);
        lookUp.Add($"select {EpisodeRows.Columns}, a.absences, a.upstream_note from alerts a where a.id = any($1) and a.settle_at <= $2 and a.status = 'firing'", Sql.Column(due, d => d.Id), Sql.P(now));
        var waiting = new List<(long Id, Settlement.StillFires Settled)>();
        var notes = new List<(EpisodeState State, string Note)>();
        await using (var reader = await lookUp.ExecuteReaderAsync(cancellationToken))
        {
            await AdvisoryLocks.SkipAsync(reader, locks.Count, cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var state = EpisodeRows.Read(reader);
                var told = reader.IsDBNull(EpisodeRows.ColumnCount + 1) ? null : reader.GetString(EpisodeRows.ColumnCount + 1);
                switch (SettleRules.Decide(view(state), state.Episode.LastSeenAt, reader.GetInt16(EpisodeRows.ColumnCount), _receivingSince, now, rules.SettleEvery, rules.StaleAfter))
                {
                    case Settlement.StillFires still:
                        waiting.Add((state.Episode.Id, still));
                        if (still.Note is { } note && note != told) notes.Add((state, note));
                        break;
                    case Settlement.IsOver(var how):
                        // ObservedAt stays: this end rests on no report, so any report that comes is newer than what we know.
                        state.Episode = state.Episode with { IsFiring = false };
                        (state.EndsAt, state.ResolvedAt, state.ResolvedReason, state.SettleAt, state.IsChanged) = (now, now, how, null, true);
                        batch.Episodes.Add(state);
                        batch.Ended.Add(new EndedAlert(state, how, Actor.Engine, null));
                        state.EndMute();
                        LogSettled(state.Episode.Id, state.Name, how);
                        break;
                }
            }
        }

        await stages.RunAsync(batch, cancellationToken);
        var entries = notes.Where(n => n.State.IncidentNumber is not null).Select(n => new TimelineEntry(n.State.IncidentNumber!.Value, now, EntryKind.AlertMissing, $"{n.State.Name} is no longer sent: {n.Note} in Alertmanager. It still fires.", Actor.Engine)).ToList();

        // Incidents before their alerts, as everywhere.
        if (entries.Count > 0) batch.Writes.Add("select number from incidents where number = any($1) order by number for no key update", Sql.P(entries.Select(e => e.IncidentNumber).Distinct().ToArray()));
        EpisodeRows.Write(batch);
        if (waiting.Count > 0)
        {
            batch.Writes.Add("""
                update alerts a set settle_at = r.settle_at, absences = r.absences, upstream_note = coalesce(r.note, a.upstream_note), missing_since = case when r.active then null else a.missing_since end
                from unnest($1::bigint[], $2::timestamptz[], $3::smallint[], $4::text[], $5::bool[]) r(id, settle_at, absences, note, active) where a.id = r.id
                """,
                Sql.Column(waiting, w => w.Id), Sql.Column(waiting, w => w.Settled.At), Sql.Column(waiting, w => (short)w.Settled.Absences), Sql.Column(waiting, w => w.Settled.Note),
                Sql.Column(waiting, w => w.Settled.IsSent));
        }

        if (entries.Count > 0) IncidentRows.AppendEntries(batch.Writes, entries);

        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Alert {AlertId} ({Name}) {How}")]
    private partial void LogSettled(long alertId, string name, string how);
}
