using Incidents.Domain.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Incidents and their timeline in bulk: how the hot path reads and writes what commands read and write through EF Core.
/// The columns stand here once, in one order.
/// </summary>
internal static class IncidentRows
{
    public const string Columns = "number, group_key, group_id, title, severity, state, since, opened_at, acknowledged_by, acknowledged_at, assigned_to, snoozed_until, resolved_by, resolved_at, resolved_by_alerts, verify_resolve_at, closed_at, merged_into, firing_alerts, total_alerts, reopened, receivers, escalation_policy, playbooks, manual_review_required, about_engine, revision, updated_at, trace_parent, quiet_rule, quiet_by, quiet_since, flaps, flapping_since, settle_flapping_at, storm_number, team, loud_despite";

    public static readonly int ColumnCount = Columns.Count(c => c == ',') + 1;

    /// <summary>The columns of a table called so, for statements that join others to it.</summary>
    public static string ColumnsOf(string table) => string.Join(", ", Columns.Split(", ").Select(c => $"{table}.{c}"));

    public static Incident Read(NpgsqlDataReader reader)
    {
        var values = new StoredIncident
        {
            Number = reader.GetInt64(0),
            GroupKey = reader.GetString(1),
            GroupId = reader.GetGuid(2),
            Title = reader.GetString(3),
            Severity = reader.GetString(4),
            State = reader.GetString(5),
            Since = reader.GetFieldValue<Instant>(6),
            OpenedAt = reader.GetFieldValue<Instant>(7),
            AcknowledgedBy = Text(8),
            AcknowledgedAt = Time(9),
            AssignedTo = Text(10),
            SnoozedUntil = Time(11),
            ResolvedBy = Text(12),
            ResolvedAt = Time(13),
            ResolvedByAlerts = reader.GetBoolean(14),
            VerifyResolveAt = Time(15),
            ClosedAt = Time(16),
            MergedInto = reader.IsDBNull(17) ? null : reader.GetInt64(17),
            FiringAlerts = reader.GetInt32(18),
            TotalAlerts = reader.GetInt32(19),
            Reopened = reader.GetInt32(20),
            Receivers = reader.GetFieldValue<string[]>(21),
            EscalationPolicy = Text(22),
            Playbooks = reader.GetFieldValue<string[]>(23),
            ManualReviewRequired = reader.GetBoolean(24),
            AboutEngine = reader.GetBoolean(25),
            Revision = reader.GetInt64(26),
            UpdatedAt = reader.GetFieldValue<Instant>(27),
            TraceParent = Text(28),
            QuietRule = Text(29),
            QuietBy = Text(30),
            QuietSince = Time(31),
            Flaps = Text(32),
            FlappingSince = Time(33),
            SettleFlappingAt = Time(34),
            StormNumber = reader.IsDBNull(35) ? null : reader.GetInt64(35),
            Team = Text(36),
            LoudDespite = Text(37),
        };
        return Incident.Restore(values);

        string? Text(int i) => reader.IsDBNull(i) ? null : reader.GetString(i);
        Instant? Time(int i) => reader.IsDBNull(i) ? null : reader.GetFieldValue<Instant>(i);
    }

    /// <summary>Writes what changed: new rows are inserted, known ones replaced (their locks are held), entries appended.</summary>
    public static void Write(NpgsqlBatch batch, IEnumerable<Incident> incidents)
    {
        var changed = incidents.Where(i => i.TakeChanged()).Select(i => (Incident: i, Entries: i.TakeEntries())).ToList();
        if (changed.Count == 0) return;

        var rows = changed.ConvertAll(c => c.Incident);
        batch.Add($"""
            insert into incidents ({Columns})
            select n, gk, gi, ti, se, st, si, oa, ab, aa, at, su, rb, ra, rba, vr, ca, mi, fa, ta, re, string_to_array(rc, E'\x1f'), ep, string_to_array(pb, E'\x1f'), mr, ae, rv, ua, tp, qr, qb, qs, fl, fs, sf, sn, tm, ld
            from unnest($1::bigint[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::timestamptz[], $11::text[], $12::timestamptz[], $13::text[], $14::timestamptz[], $15::bool[],
              $16::timestamptz[], $17::timestamptz[], $18::bigint[], $19::int[], $20::int[], $21::int[], $22::text[], $23::text[], $24::text[], $25::bool[], $26::bool[], $27::bigint[], $28::timestamptz[], $29::text[], $30::text[], $31::text[], $32::timestamptz[], $33::text[], $34::timestamptz[], $35::timestamptz[], $36::bigint[], $37::text[], $38::text[])
              r(n, gk, gi, ti, se, st, si, oa, ab, aa, at, su, rb, ra, rba, vr, ca, mi, fa, ta, re, rc, ep, pb, mr, ae, rv, ua, tp, qr, qb, qs, fl, fs, sf, sn, tm, ld)
            on conflict (number) do update set severity = excluded.severity, state = excluded.state, since = excluded.since, acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
              assigned_to = excluded.assigned_to, snoozed_until = excluded.snoozed_until, resolved_by = excluded.resolved_by, resolved_at = excluded.resolved_at, resolved_by_alerts = excluded.resolved_by_alerts,
              verify_resolve_at = excluded.verify_resolve_at, closed_at = excluded.closed_at, merged_into = excluded.merged_into, firing_alerts = excluded.firing_alerts, total_alerts = excluded.total_alerts, reopened = excluded.reopened,
              receivers = excluded.receivers, escalation_policy = excluded.escalation_policy, playbooks = excluded.playbooks, manual_review_required = excluded.manual_review_required, revision = excluded.revision, updated_at = excluded.updated_at,
              quiet_rule = excluded.quiet_rule, quiet_by = excluded.quiet_by, quiet_since = excluded.quiet_since, flaps = excluded.flaps, flapping_since = excluded.flapping_since, settle_flapping_at = excluded.settle_flapping_at, storm_number = excluded.storm_number, loud_despite = excluded.loud_despite
            """,
            Sql.Column(rows, i => i.Number), Sql.Column(rows, i => i.GroupKey), Sql.Column(rows, i => i.GroupId), Sql.Column(rows, i => i.Title), Sql.Column(rows, i => i.Severity), Sql.Column(rows, i => i.State),
            Sql.Column(rows, i => i.Since), Sql.Column(rows, i => i.OpenedAt), Sql.Column(rows, i => i.AcknowledgedBy), Sql.Column(rows, i => i.AcknowledgedAt), Sql.Column(rows, i => i.AssignedTo), Sql.Column(rows, i => i.SnoozedUntil),
            Sql.Column(rows, i => i.ResolvedBy), Sql.Column(rows, i => i.ResolvedAt), Sql.Column(rows, i => i.ResolvedByAlerts), Sql.Column(rows, i => i.VerifyResolveAt), Sql.Column(rows, i => i.ClosedAt), Sql.Column(rows, i => i.MergedInto),
            Sql.Column(rows, i => i.FiringAlerts), Sql.Column(rows, i => i.TotalAlerts), Sql.Column(rows, i => i.Reopened), Sql.Column(rows, i => Sql.Pack(i.Receivers)), Sql.Column(rows, i => i.EscalationPolicy),
            Sql.Column(rows, i => Sql.Pack(i.Playbooks)), Sql.Column(rows, i => i.ManualReviewRequired), Sql.Column(rows, i => i.AboutEngine), Sql.Column(rows, i => i.Revision), Sql.Column(rows, i => i.UpdatedAt), Sql.Column(rows, i => i.TraceParent),
            Sql.Column(rows, i => i.QuietRule), Sql.Column(rows, i => i.QuietBy), Sql.Column(rows, i => i.QuietSince), Sql.Column(rows, i => i.Flaps), Sql.Column(rows, i => i.FlappingSince), Sql.Column(rows, i => i.SettleFlappingAt), Sql.Column(rows, i => i.StormNumber), Sql.Column(rows, i => i.Team), Sql.Column(rows, i => i.LoudDespite));

        AppendEntries(batch, changed.SelectMany(c => c.Entries));
    }

    public static void AppendEntries(NpgsqlBatch batch, IEnumerable<TimelineEntry> entries)
    {
        var rows = entries.ToList();
        if (rows.Count == 0) return;
        batch.Add("""
            insert into timeline_entries (incident_number, at, kind, text, actor_kind, actor_name)
            select * from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[])
            """,
            Sql.Column(rows, e => e.IncidentNumber), Sql.Column(rows, e => e.At), Sql.Column(rows, e => e.Kind), Sql.Column(rows, e => e.Text), Sql.Column(rows, e => e.ActorKind), Sql.Column(rows, e => e.ActorName));
    }
}
