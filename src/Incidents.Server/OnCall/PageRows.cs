using System.Collections.Concurrent;
using System.Text.Json;
using Incidents.Domain.OnCall;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>Pages in bulk. Whoever writes one holds the row lock of its incident, or of the notice that tells of it; several are locked in the order of their keys.</summary>
internal static class PageRows
{
    /// <summary>In the order of <see cref="Read"/>; <c>p</c> is the table.</summary>
    public const string Columns = "p.incident_number, p.person, p.run, p.round, p.step, p.started_at, p.contacts::text, p.status, p.begun, p.failed, p.due_at, p.remaining_ms, p.bundled_in";

    private const string InOrder = "order by p.incident_number, p.run, p.round, p.step, p.person for no key update of p";

    private static readonly ConcurrentDictionary<string, PageContacts> Known = new(StringComparer.Ordinal);

    public static StoredPage Read(NpgsqlDataReader reader, int at = 0) => new(new PersonPage
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
        Remaining = reader.IsDBNull(at + 11) ? null : Duration.FromMilliseconds(reader.GetInt64(at + 11)),
    }, reader.IsDBNull(at + 12) ? null : reader.GetInt64(at + 12));

    /// <summary>Locked.</summary>
    /// <param name="connection">Whose transaction holds the locks of the incidents, or of the notices.</param>
    /// <param name="condition">Which; <c>p</c> is the table, <c>$1</c> and so on are <paramref name="values"/>.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="values">What the condition asks for.</param>
    public static async Task<List<StoredPage>> LockAsync(NpgsqlConnection connection, string condition, CancellationToken cancellationToken, params IEnumerable<NpgsqlParameter> values)
    {
        var found = new List<StoredPage>();
        await using var command = new NpgsqlCommand($"select {Columns} from pages p where {condition} {InOrder}", connection);
        foreach (var value in values) command.Parameters.Add(value);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) found.Add(Read(reader));
        return found;
    }

    public static void Insert(NpgsqlBatch batch, IReadOnlyList<StoredPage> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            insert into pages (incident_number, person, run, round, step, started_at, contacts, status, begun, failed, due_at, bundled_in)
            select n, pe, ru, ro, sp, sa, co::jsonb, st, be, string_to_array(fa, E'\x1f'), du, bu
            from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::timestamptz[], $7::text[], $8::text[], $9::int[], $10::text[], $11::timestamptz[], $12::bigint[]) r(n, pe, ru, ro, sp, sa, co, st, be, fa, du, bu)
            """,
            Sql.Column(rows, r => r.Page.Incident), Sql.Column(rows, r => r.Page.Person), Sql.Column(rows, r => r.Page.Run), Sql.Column(rows, r => r.Page.Round), Sql.Column(rows, r => r.Page.Step),
            Sql.Column(rows, r => r.Page.StartedAt), Sql.Column(rows, r => JsonSerializer.Serialize(new PageContacts([.. r.Page.Contacts]), ApiJson.Options)), Sql.Column(rows, r => r.Page.Status), Sql.Column(rows, r => r.Page.Begun),
            Sql.Column(rows, r => Sql.Pack(r.Page.Failed)), Sql.Column(rows, r => r.Page.DueAt), Sql.Column(rows, r => r.BundledIn));
    }

    public static void Update(NpgsqlBatch batch, IReadOnlyList<StoredPage> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            update pages p set status = r.st, begun = r.be, failed = string_to_array(r.fa, E'\x1f'), due_at = r.du, remaining_ms = r.re, bundled_in = r.bu
            from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::text[], $7::int[], $8::text[], $9::timestamptz[], $10::bigint[], $11::bigint[]) r(n, pe, ru, ro, sp, st, be, fa, du, re, bu)
            where p.incident_number = r.n and p.person = r.pe and p.run = r.ru and p.round = r.ro and p.step = r.sp
            """,
            Sql.Column(rows, p => p.Page.Incident), Sql.Column(rows, p => p.Page.Person), Sql.Column(rows, p => p.Page.Run), Sql.Column(rows, p => p.Page.Round), Sql.Column(rows, p => p.Page.Step), Sql.Column(rows, p => p.Page.Status),
            Sql.Column(rows, p => p.Page.Begun), Sql.Column(rows, p => Sql.Pack(p.Page.Failed)), Sql.Column(rows, p => p.Page.DueAt), Sql.Column(rows, p => Remaining(p.Page)), Sql.Column(rows, p => p.BundledIn));
    }

    /// <summary>What becomes of the pages of these incidents when their escalations go on or stop. What waits in one message with others is due, so that the message says how many still wait.</summary>
    public static async Task MoveAsync(NpgsqlConnection connection, NpgsqlBatch writes, IReadOnlyCollection<(long Incident, PagesMove Move)> moves, Instant now, CancellationToken cancellationToken)
    {
        var (stop, hold, goOn) = (Of(PagesMove.Stop), Of(PagesMove.Hold), Of(PagesMove.GoOn));
        if (hold.Length > 0)
        {
            var held = await LockAsync(connection, "p.incident_number = any($1) and p.status = 'running'", cancellationToken, Sql.P(hold));
            Update(writes, held.ConvertAll(p => p with { Page = p.Page.Hold(now) with { DueAt = p.BundledIn is null ? null : now } }));
        }

        if (stop.Length > 0) writes.Add($"{InLockOrder} set status = 'stopped', remaining_ms = null, due_at = case when p.bundled_in is not null then $3 end {OfLocked}", Sql.P(stop), Sql.P(Going), Sql.P(now));

        // How each goes on is seen when it is looked at, which is now.
        if (goOn.Length > 0) writes.Add($"{InLockOrder} set due_at = $3 {OfLocked}", Sql.P(goOn), Sql.P(OnlyHeld), Sql.P(now));

        long[] Of(PagesMove move) => [.. moves.Where(m => m.Move == move).Select(m => m.Incident).Distinct()];
    }

    private const string InLockOrder = $"with l as materialized (select p.incident_number, p.run, p.round, p.step, p.person from pages p where p.incident_number = any($1) and p.status = any($2) {InOrder}) update pages p";

    private const string OfLocked = "from l where p.incident_number = l.incident_number and p.run = l.run and p.round = l.round and p.step = l.step and p.person = l.person";

    private static readonly string[] Going = [PageStatus.Running, PageStatus.Held];

    private static readonly string[] OnlyHeld = [PageStatus.Held];

    // Up, so that nothing begins early.
    private static long? Remaining(PersonPage page) => page.Remaining is { } left ? (long)Math.Ceiling(left.TotalMilliseconds) : null;

    private static PageContacts Contacts(string text)
    {
        if (Known.Count > 2000) Known.Clear();
        return Known.GetOrAdd(text, static t => JsonSerializer.Deserialize<PageContacts>(t, ApiJson.Options)!);
    }

    /// <summary>An object and not a bare list, so that more can stand beside it one day.</summary>
    internal sealed record PageContacts(PageContact[] Items);
}

/// <summary>A page as it is stored. <paramref name="BundledIn"/>: the message with others that tells of it; null when it rings by itself.</summary>
internal sealed record StoredPage(PersonPage Page, long? BundledIn);
