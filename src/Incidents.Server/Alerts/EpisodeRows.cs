using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Alerts;

/// <summary>Writes the episodes of a batch: new ones inserted with their decision, known ones changed.</summary>
internal static class EpisodeRows
{
    /// <summary>What merging needs of an alert, with the table called <c>a</c>; see <see cref="Read"/>.</summary>
    public const string Columns = "a.id, a.source, a.fingerprint, a.starts_at, a.status, a.observed_at, a.last_seen_at, a.outcome, a.missing_since, a.incident_number, a.notice_id, a.name, a.upstream_group, a.ends_at, a.settle_at, a.outcome_reason, a.kind, a.muted_rule, a.muted_since, a.muted_until";

    /// <summary>Ordinal of the first column that a query has behind <see cref="Columns"/>.</summary>
    public const int ColumnCount = 20;

    /// <summary>Tells our advisory locks on fingerprints from those on groups.</summary>
    private const long LockSpace = 1L << 62;

    /// <summary>Beyond so many locks a batch takes the one lock of all, to keep PostgreSQL's lock table small.</summary>
    private const int MostLocks = 400;

    /// <summary>Holds these fingerprints until the transaction ends: whoever changes episodes takes turns.</summary>
    public static void Lock(NpgsqlBatch batch, SortedSet<long> keys) => AdvisoryLocks.Add(batch, LockSpace, keys, MostLocks);

    public static long LockKey(string source, string fingerprint)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{source}\0{fingerprint}"), hash);
        return BinaryPrimitives.ReadInt64LittleEndian(hash) & 0xFFFF;
    }

    public static EpisodeState Read(NpgsqlDataReader reader) => new()
    {
        Episode = new Episode
        {
            Id = reader.GetInt64(0),
            StartsAt = reader.GetFieldValue<Instant>(3),
            IsFiring = reader.GetString(4) == "firing",
            ObservedAt = reader.GetFieldValue<Instant>(5),
            LastSeenAt = reader.GetFieldValue<Instant>(6),
            IsDuplicate = reader.GetString(7) == AlertOutcome.Duplicate,
            IsMissing = !reader.IsDBNull(8),
        },
        Source = reader.GetString(1),
        Fingerprint = reader.GetString(2),
        Outcome = reader.GetString(7),
        MissingSince = reader.IsDBNull(8) ? null : reader.GetFieldValue<Instant>(8),
        IncidentNumber = reader.IsDBNull(9) ? null : reader.GetInt64(9),
        NoticeId = reader.IsDBNull(10) ? null : reader.GetInt64(10),
        Name = reader.GetString(11),
        UpstreamGroup = reader.IsDBNull(12) ? null : reader.GetInt64(12),
        EndsAt = reader.IsDBNull(13) ? null : reader.GetFieldValue<Instant>(13),
        SettleAt = reader.IsDBNull(14) ? null : reader.GetFieldValue<Instant>(14),
        OutcomeReason = reader.IsDBNull(15) ? null : reader.GetString(15),
        Kind = reader.GetString(16),
        MutedRule = reader.IsDBNull(17) ? null : reader.GetString(17),
        MutedSince = reader.IsDBNull(18) ? null : reader.GetFieldValue<Instant>(18),
        MutedUntil = reader.IsDBNull(19) ? null : reader.GetFieldValue<Instant>(19),
    };

    public static void Write(IngestBatch batch)
    {
        var added = batch.Episodes.Where(e => e.IsNew).ToList();
        if (added.Count > 0) Insert(batch, added);
        var changed = batch.Episodes.Where(e => !e.IsNew).ToList();
        if (changed.Count > 0) Update(batch, changed);
        if (batch.Missing.Count > 0) MarkMissing(batch, batch.Missing);
    }

    private static void MarkMissing(IngestBatch batch, List<EpisodeState> rows) =>
        // Whoever holds such a row is changing the alert right now, nearly always with newer knowledge than ours, and nobody waits for anybody here.
        // A mark that is left out so is made by the group's next payload; without one, stale_after finds the alert.
        batch.Writes.Add("""
            update alerts a set missing_since = r.missing_since, settle_at = r.settle_at
            from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) r(id, missing_since, settle_at)
            where a.id = r.id and a.id in (select id from alerts where id = any($1) and status = 'firing' and missing_since is null order by id for no key update skip locked) and a.last_seen_at <= r.missing_since
            """, Sql.Column(rows, r => r.Episode.Id), Sql.Column(rows, r => r.MissingSince), Sql.Column(rows, r => r.SettleAt));

    private static void Insert(IngestBatch batch, List<EpisodeState> rows)
    {
        foreach (var row in rows.Where(r => r.DuplicateOf is not null && r.Outcome == AlertOutcome.Duplicate))
        {
            (row.IncidentNumber, row.NoticeId) = (row.DuplicateOf!.IncidentNumber, row.DuplicateOf.NoticeId);
            row.OutcomeReason = $"the same alert is open with another start time, as alert {row.DuplicateOf.Episode.Id}";
        }

        // Resolves of the unknown and duplicates were not routed; they are shown with what routing would say.
        RoutingDecision DecisionOf(EpisodeState row) => row.Decision ?? row.DuplicateOf?.Decision ?? batch.Configuration.Routing.Match(row.Report!.Labels, batch.Now);
        foreach (var row in rows) row.Decision = DecisionOf(row);

        batch.Writes.Add("""
            insert into alerts (id, source, fingerprint, starts_at, status, ends_at, name, labels, annotations, generator_url, severity, severity_word, outcome, outcome_reason, incident_number, notice_id,
              group_key, receivers, route_path, config_version, first_inbox_id, received_at, observed_at, last_seen_at, upstream_group, missing_since, absences, settle_at, resolved_at, resolved_reason, kind, muted_rule, muted_since, muted_until)
            select id, source, fingerprint, starts_at, status, ends_at, name, labels::jsonb, annotations::jsonb, generator_url, severity, severity_word, outcome, outcome_reason, incident_number, notice_id,
              group_key, string_to_array(receivers, E'\x1f'), string_to_array(route_path, E'\x1f'), $27, inbox_id, received_at, observed_at, last_seen_at, upstream_group, missing_since, 0, settle_at, resolved_at, resolved_reason, kind, muted_rule, muted_since, muted_until
            from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
              $17::text[], $18::text[], $19::text[], $20::bigint[], $21::timestamptz[], $22::timestamptz[], $23::timestamptz[], $24::bigint[], $25::timestamptz[], $26::timestamptz[], $28::timestamptz[], $29::text[], $30::text[], $31::text[], $32::timestamptz[], $33::timestamptz[])
              r(id, source, fingerprint, starts_at, status, ends_at, name, labels, annotations, generator_url, severity, severity_word, outcome, outcome_reason, incident_number, notice_id,
                group_key, receivers, route_path, inbox_id, received_at, observed_at, last_seen_at, upstream_group, missing_since, settle_at, resolved_at, resolved_reason, kind, muted_rule, muted_since, muted_until)
            """,
            Sql.Column(rows, r => r.Episode.Id), Sql.Column(rows, r => r.Source), Sql.Column(rows, r => r.Fingerprint), Sql.Column(rows, r => r.Episode.StartsAt), Sql.Column(rows, StatusOf), Sql.Column(rows, r => r.EndsAt),
            Sql.Column(rows, r => r.Name), Sql.Column(rows, r => AlertJson.Write(r.Report!.Labels)), Sql.Column(rows, r => AlertJson.Write(r.Report!.Annotations)), Sql.Column(rows, r => r.Report!.GeneratorUrl),
            Sql.Column(rows, r => r.Decision!.Severity), Sql.Column(rows, r => r.Decision!.SeverityWord), Sql.Column(rows, r => r.Outcome), Sql.Column(rows, r => r.OutcomeReason), Sql.Column(rows, r => r.IncidentNumber), Sql.Column(rows, r => r.NoticeId),
            Sql.Column(rows, r => r.Decision!.GroupKey), Sql.Column(rows, r => Sql.Pack(r.Decision!.Receivers)), Sql.Column(rows, r => Sql.Pack(r.Decision!.Path)), Sql.Column(rows, r => r.Item!.Id), Sql.Column(rows, r => r.Item!.ReceivedAt),
            Sql.Column(rows, r => r.Episode.ObservedAt), Sql.Column(rows, r => r.Episode.LastSeenAt), Sql.Column(rows, r => r.UpstreamGroup), Sql.Column(rows, r => r.MissingSince), Sql.Column(rows, r => r.SettleAt),
            Sql.P(batch.Configuration.Version), Sql.Column(rows, r => r.ResolvedAt), Sql.Column(rows, r => r.ResolvedReason), Sql.Column(rows, r => r.Kind), Sql.Column(rows, r => r.MutedRule), Sql.Column(rows, r => r.MutedSince), Sql.Column(rows, r => r.MutedUntil));
    }

    private static void Update(IngestBatch batch, List<EpisodeState> rows)
    {
        // A column that this batch has nothing new for keeps its value: annotations and decision change only with a report or a new routing.
        batch.Writes.Add("""
            update alerts a set status = r.status, ends_at = r.ends_at, observed_at = r.observed_at, last_seen_at = r.last_seen_at, missing_since = r.missing_since, absences = 0, settle_at = r.settle_at,
              resolved_at = r.resolved_at, resolved_reason = r.resolved_reason, upstream_group = r.upstream_group, outcome = r.outcome, outcome_reason = r.outcome_reason, muted_rule = r.muted_rule, muted_since = r.muted_since, muted_until = r.muted_until,
              incident_number = case when r.severity is null then a.incident_number else r.incident_number end, notice_id = r.notice_id, annotations = coalesce(r.annotations::jsonb, a.annotations),
              severity = coalesce(r.severity, a.severity), group_key = coalesce(r.group_key, a.group_key), receivers = coalesce(string_to_array(r.receivers, E'\x1f'), a.receivers),
              route_path = coalesce(string_to_array(r.route_path, E'\x1f'), a.route_path), config_version = case when r.severity is null then a.config_version else $20 end
            from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[],
              $16::text[], $17::text[], $18::text[], $19::text[], $21::text[], $22::timestamptz[], $23::timestamptz[])
              r(id, status, ends_at, observed_at, last_seen_at, missing_since, settle_at, resolved_at, resolved_reason, upstream_group, outcome, outcome_reason, incident_number, notice_id, annotations, severity, group_key, receivers, route_path, muted_rule, muted_since, muted_until)
            where a.id = r.id
            """,
            Sql.Column(rows, r => r.Episode.Id), Sql.Column(rows, StatusOf), Sql.Column(rows, r => r.EndsAt), Sql.Column(rows, r => r.Episode.ObservedAt), Sql.Column(rows, r => r.Episode.LastSeenAt), Sql.Column(rows, r => r.MissingSince),
            Sql.Column(rows, r => r.SettleAt), Sql.Column(rows, r => r.ResolvedAt), Sql.Column(rows, r => r.ResolvedReason), Sql.Column(rows, r => r.UpstreamGroup), Sql.Column(rows, r => r.Outcome), Sql.Column(rows, r => r.OutcomeReason),
            Sql.Column(rows, r => r.IncidentNumber), Sql.Column(rows, r => r.NoticeId), Sql.Column(rows, r => r.Report is null ? null : AlertJson.Write(r.Report.Annotations)),
            Sql.Column(rows, r => r.Decision?.Severity), Sql.Column(rows, r => r.Decision?.GroupKey), Sql.Column(rows, r => r.Decision is null ? null : Sql.Pack(r.Decision.Receivers)), Sql.Column(rows, r => r.Decision is null ? null : Sql.Pack(r.Decision.Path)),
            Sql.P(batch.Configuration.Version), Sql.Column(rows, r => r.MutedRule), Sql.Column(rows, r => r.MutedSince), Sql.Column(rows, r => r.MutedUntil));
    }

    private static string StatusOf(EpisodeState row) => row.Episode.IsFiring ? "firing" : "resolved";
}
