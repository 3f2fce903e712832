using System.Collections.Concurrent;
using System.Text.Json;
using Incidents.Domain.OnCall;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>Pages in bulk. Whoever writes one holds the row lock of its incident.</summary>
internal static class PageRows
{
    /// <summary>In the order of <see cref="Read"/>; <c>p</c> is the table.</summary>
    public const string Columns = "p.incident_number, p.person, p.run, p.round, p.step, p.started_at, p.contacts::text, p.status, p.begun, p.failed, p.due_at, p.bundled_in";

    private static readonly ConcurrentDictionary<string, PageContacts> Known = new(StringComparer.Ordinal);

    public static (PersonPage Page, long? BundledIn) Read(NpgsqlDataReader reader, int at = 0) => (new PersonPage
    {
        Incident = reader.GetInt64(at),
        Person = reader.GetString(at + 1),
        Run = reader.GetInt32(at + 2),
        Round = reader.GetInt32(at + 3),
        Step = reader.GetInt32(at + 4),
        StartedAt = reader.GetFieldValue<Instant>(at + 5),
        Contacts = [.. Contacts(reader.GetString(at + 6)).Items],
        Status = reader.GetString(at + 7),
        Begun = reader.GetInt32(at + 8),
        Failed = [.. reader.GetFieldValue<string[]>(at + 9)],
        DueAt = reader.IsDBNull(at + 10) ? null : reader.GetFieldValue<Instant>(at + 10),
    }, reader.IsDBNull(at + 11) ? null : reader.GetInt64(at + 11));

    public static void Insert(NpgsqlBatch batch, IReadOnlyList<(PersonPage Page, long? BundledIn)> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            insert into pages (incident_number, person, run, round, step, started_at, contacts, status, begun, failed, due_at, bundled_in)
            select n, pe, ru, ro, sp, sa, co::jsonb, st, be, '{}', du, bu
            from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::timestamptz[], $7::text[], $8::text[], $9::int[], $10::timestamptz[], $11::bigint[]) r(n, pe, ru, ro, sp, sa, co, st, be, du, bu)
            """,
            Sql.Column(rows, r => r.Page.Incident), Sql.Column(rows, r => r.Page.Person), Sql.Column(rows, r => r.Page.Run), Sql.Column(rows, r => r.Page.Round), Sql.Column(rows, r => r.Page.Step),
            Sql.Column(rows, r => r.Page.StartedAt), Sql.Column(rows, r => JsonSerializer.Serialize(new PageContacts([.. r.Page.Contacts]), ApiJson.Options)), Sql.Column(rows, r => r.Page.Status), Sql.Column(rows, r => r.Page.Begun),
            Sql.Column(rows, r => r.Page.DueAt), Sql.Column(rows, r => r.BundledIn));
    }

    public static void Update(NpgsqlBatch batch, IReadOnlyList<PersonPage> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            update pages p set status = r.st, begun = r.be, due_at = r.du from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::text[], $7::int[], $8::timestamptz[]) r(n, pe, ru, ro, sp, st, be, du)
            where p.incident_number = r.n and p.person = r.pe and p.run = r.ru and p.round = r.ro and p.step = r.sp
            """,
            Sql.Column(rows, p => p.Incident), Sql.Column(rows, p => p.Person), Sql.Column(rows, p => p.Run), Sql.Column(rows, p => p.Round), Sql.Column(rows, p => p.Step), Sql.Column(rows, p => p.Status),
            Sql.Column(rows, p => p.Begun), Sql.Column(rows, p => p.DueAt));
    }

    /// <summary>Nobody of these incidents is tried any further. What waits in one message with others is due, so that the message says how many still wait.</summary>
    public static void Stop(NpgsqlBatch batch, long[] incidents, Instant now)
    {
        if (incidents.Length == 0) return;
        batch.Add("update pages set status = 'stopped', due_at = case when bundled_in is not null then $2 end where incident_number = any($1) and status = 'running'", Sql.P(incidents), Sql.P(now));
    }

    /// <summary>
    /// A person was not reached over a channel: see <see cref="PersonPage.Fail"/>. The caller holds the lock of the incident, or of the notice that tells of several.
    /// </summary>
    public static void Fail(NpgsqlBatch batch, long? incident, long? notice, string person, string channel, Instant now) => batch.Add("""
        update pages p set failed = array_append(p.failed, $4), due_at = case when exists (
            select from jsonb_array_elements(p.contacts -> 'items') with ordinality c(item, place) where c.place <= p.begun and c.item ->> 'channel' <> $4 and not c.item ->> 'channel' = any(p.failed)) then p.due_at else $5 end
        where (p.incident_number = $1 or p.bundled_in = $2) and p.person = $3 and p.status = 'running' and not $4 = any(p.failed)
          and exists (select from jsonb_array_elements(p.contacts -> 'items') with ordinality c(item, place) where c.place <= p.begun and c.item ->> 'channel' = $4)
        """, Sql.Nullable(incident), Sql.Nullable(notice), Sql.P(person), Sql.P(channel), Sql.P(now));

    private static PageContacts Contacts(string text)
    {
        if (Known.Count > 2000) Known.Clear();
        return Known.GetOrAdd(text, static t => JsonSerializer.Deserialize<PageContacts>(t, ApiJson.Options)!);
    }

    /// <summary>An object and not a bare list, so that more can stand beside it one day.</summary>
    internal sealed record PageContacts(PageContact[] Items);
}
