using Incidents.Domain.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>Notices in bulk; see <see cref="IncidentRows"/>.</summary>
internal static class NoticeRows
{
    public const string Columns = "id, group_key, group_id, title, severity, receivers, since, opened_at, closed_at, firing_alerts, total_alerts, revision";

    public static Notice Read(NpgsqlDataReader reader) => Notice.Restore(
        reader.GetInt64(0), reader.GetString(1), reader.GetGuid(2), reader.GetString(3), reader.GetString(4), reader.GetFieldValue<string[]>(5), reader.GetFieldValue<Instant>(6), reader.GetFieldValue<Instant>(7),
        reader.IsDBNull(8) ? null : reader.GetFieldValue<Instant>(8), reader.GetInt32(9), reader.GetInt32(10), reader.GetInt64(11));

    public static void Write(NpgsqlBatch batch, IEnumerable<Notice> notices)
    {
        var rows = notices.ToList();
        if (rows.Count == 0) return;
        batch.Add($"""
            insert into notices ({Columns})
            select i, gk, gi, ti, se, string_to_array(rc, E'\x1f'), si, oa, ca, fa, ta, rv
            from unnest($1::bigint[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::int[], $11::int[], $12::bigint[]) r(i, gk, gi, ti, se, rc, si, oa, ca, fa, ta, rv)
            on conflict (id) do update set receivers = excluded.receivers, since = excluded.since, closed_at = excluded.closed_at, firing_alerts = excluded.firing_alerts, total_alerts = excluded.total_alerts, revision = excluded.revision
            """,
            Sql.Column(rows, n => n.Id), Sql.Column(rows, n => n.GroupKey), Sql.Column(rows, n => n.GroupId), Sql.Column(rows, n => n.Title), Sql.Column(rows, n => n.Severity), Sql.Column(rows, n => Sql.Pack(n.Receivers)),
            Sql.Column(rows, n => n.Since), Sql.Column(rows, n => n.OpenedAt), Sql.Column(rows, n => n.ClosedAt), Sql.Column(rows, n => n.FiringAlerts), Sql.Column(rows, n => n.TotalAlerts), Sql.Column(rows, n => n.Revision));
    }
}
