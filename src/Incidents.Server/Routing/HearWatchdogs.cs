using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Storage;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>
/// Before routing: an alert that is a watchdog (see <c>watchdogs:</c> in <c>routing.yaml</c>) goes no further. Each of its reports is a beat of its heartbeat, one for each source and fingerprint,
/// which begins to be expected when it is first seen; a resolve is the end of it. The batch holds the locks of its fingerprints, so beats of one heartbeat take turns.
/// </summary>
internal sealed class HearWatchdogs : IIngestStage
{
    public const string Reason = "heartbeat: a watchdog that fires is healthy; its silence opens an incident";

    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var watchdogs = batch.Configuration.Watchdogs;
        if (watchdogs.Count == 0) return;
        for (var i = batch.Fired.Count - 1; i >= 0; i--)
        {
            if (!IsWatchdog(batch.Fired[i].Labels, out var watchdog)) continue;
            TakeOut(batch, batch.Fired[i], watchdog);
            batch.Fired.RemoveAt(i);
        }

        List<(InboxItem Item, Observation Report, Watchdog Watchdog)>? heard = null;
        foreach (var item in batch.Items)
        {
            foreach (var report in item.Read.Observations)
            {
                if (IsWatchdog(report.Labels, out var watchdog)) (heard ??= []).Add((item, report, watchdog));
            }
        }

        if (heard is not null) await RecordAsync(batch, heard, cancellationToken);

        bool IsWatchdog(Labels labels, out Watchdog found)
        {
            foreach (var candidate in watchdogs)
            {
                if (!candidate.Matches(labels)) continue;
                found = candidate;
                return true;
            }

            found = null!;
            return false;
        }
    }

    private static void TakeOut(IngestBatch batch, FiredAlert alert, Watchdog watchdog)
    {
        var (severity, word) = batch.Configuration.Routing.Severities.Read(alert.Labels);
        var state = alert.State;
        state.Decision = new RoutingDecision { Severity = severity, SeverityWord = word, Receivers = [], GroupKey = $"watchdog/{state.Source}/{state.Fingerprint}", OpensIncident = false, Path = [$"watchdogs: {watchdog} → a heartbeat; nobody is told while it fires"] };
        (state.Outcome, state.OutcomeReason, state.IncidentNumber, state.NoticeId) = (AlertOutcome.Informed, Reason, null, null);
        alert.Item?.Count(AlertOutcome.Informed);
    }

    private static async Task RecordAsync(IngestBatch batch, List<(InboxItem Item, Observation Report, Watchdog Watchdog)> heard, CancellationToken cancellationToken)
    {
        var keys = heard.Select(h => (h.Item.Source, h.Report.Fingerprint)).Distinct().ToList();
        var known = await HeartbeatRows.LockAsync(batch.Connection, HeartbeatKind.Watchdog, keys, cancellationToken);
        var before = new Dictionary<(string, string), Heartbeat>(known);
        foreach (var (item, report, watchdog) in heard.OrderBy(h => h.Item.ReceivedAt).ThenBy(h => h.Item.Id))
        {
            var key = (item.Source, report.Fingerprint);
            if (!known.TryGetValue(key, out var heartbeat))
            {
                // The end of something that was never seen alive is no silence.
                if (!report.IsFiring) continue;
                heartbeat = Heartbeat.Begin(HeartbeatKind.Watchdog, item.Source, report.Fingerprint, AlertText.Name(report.Labels), watchdog.ExpectEvery, watchdog.Grace, watchdog.Severity, report.Labels, item.ReceivedAt);
            }

            known[key] = report.IsFiring
                ? heartbeat.Change(AlertText.Name(report.Labels), watchdog.ExpectEvery, watchdog.Grace, watchdog.Severity, report.Labels).Beat(item.ReceivedAt)
                : heartbeat.End(item.ReceivedAt, "was resolved");
        }

        foreach (var (key, heartbeat) in known.OrderBy(k => k.Key))
        {
            if (!before.TryGetValue(key, out var old)) HeartbeatRows.Insert(batch.Writes, heartbeat);
            else if (!ReferenceEquals(old, heartbeat)) HeartbeatRows.Update(batch.Writes, heartbeat);
        }
    }
}

/// <summary>Heartbeats on the way through ingest, in plain SQL as all of it.</summary>
internal static class HeartbeatRows
{
    /// <summary>Locks and reads those that are known.</summary>
    public static async Task<Dictionary<(string Source, string Key), Heartbeat>> LockAsync(NpgsqlConnection connection, string kind, IReadOnlyList<(string Source, string Key)> keys, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            select h.id, h.source, h.key, h.name, h.is_configured, h.expect_every, h.grace, h.severity, h.labels::text, h.since, h.last_at, h.heard_at, h.due_at, h.state, h.missed_at, h.why, h.gaps, h.incident_number
            from heartbeats h join unnest($2::text[], $3::text[]) k(source, key) on h.source = k.source and h.key = k.key where h.kind = $1 order by h.source, h.key for no key update of h
            """, connection);
        command.Parameters.Add(Sql.P(kind));
        command.Parameters.Add(Sql.Column(keys, k => k.Source));
        command.Parameters.Add(Sql.Column(keys, k => k.Key));
        var found = new Dictionary<(string, string), Heartbeat>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            T? At<T>(int column) where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
            found[(reader.GetString(1), reader.GetString(2))] = new Heartbeat
            {
                Id = reader.GetInt64(0),
                Kind = kind,
                Source = reader.GetString(1),
                Key = reader.GetString(2),
                Name = reader.GetString(3),
                IsConfigured = reader.GetBoolean(4),
                ExpectEvery = At<NodaTime.Duration>(5),
                Grace = At<NodaTime.Duration>(6),
                Severity = reader.GetString(7),
                Labels = AlertJson.Read(reader.GetString(8)),
                Since = reader.GetFieldValue<NodaTime.Instant>(9),
                LastAt = At<NodaTime.Instant>(10),
                HeardAt = reader.GetFieldValue<NodaTime.Instant>(11),
                DueAt = reader.GetFieldValue<NodaTime.Instant>(12),
                State = reader.GetString(13),
                MissedAt = At<NodaTime.Instant>(14),
                Why = reader.IsDBNull(15) ? null : reader.GetString(15),
                Gaps = reader.GetFieldValue<int[]>(16),
                IncidentNumber = At<long>(17),
            };
        }

        return found;
    }

    public static void Insert(NpgsqlBatch batch, Heartbeat h) => batch.Add("""
        insert into heartbeats (kind, source, key, name, is_configured, expect_every, grace, severity, labels, since, last_at, heard_at, due_at, state, why, gaps)
        values ($1, $2, $3, $4, false, $5::interval, $6::interval, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15)
        """,
        Sql.P(h.Kind), Sql.P(h.Source), Sql.P(h.Key), Sql.P(h.Name), Sql.Nullable(h.ExpectEvery), Sql.Nullable(h.Grace), Sql.P(h.Severity), Sql.P(AlertJson.Write(h.Labels)),
        Sql.P(h.Since), Sql.Nullable(h.LastAt), Sql.P(h.HeardAt), Sql.P(h.DueAt), Sql.P(h.State), Text(h.Why), Sql.P(h.Gaps));

    public static void Update(NpgsqlBatch batch, Heartbeat h) => batch.Add("""
        update heartbeats set name = $2, expect_every = $3::interval, grace = $4::interval, severity = $5, labels = $6::jsonb, last_at = $7, heard_at = $8, due_at = $9, state = $10, why = $11, gaps = $12 where id = $1
        """,
        Sql.P(h.Id), Sql.P(h.Name), Sql.Nullable(h.ExpectEvery), Sql.Nullable(h.Grace), Sql.P(h.Severity), Sql.P(AlertJson.Write(h.Labels)),
        Sql.Nullable(h.LastAt), Sql.P(h.HeardAt), Sql.P(h.DueAt), Sql.P(h.State), Text(h.Why), Sql.P(h.Gaps));

    private static NpgsqlParameter Text(string? text) => text is null ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text } : Sql.P(text);
}
