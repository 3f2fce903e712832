using System.Collections.Concurrent;
using System.Text.Json;
using Incidents.Domain.OnCall;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>Escalations in bulk. Whoever writes one holds the row lock of its incident.</summary>
internal static class EscalationRows
{
    /// <summary>In the order of <see cref="Read"/>; <c>e</c> is the table.</summary>
    public const string Columns = "e.snapshot::text, e.status, e.step, e.round, e.run, e.due_at, e.remaining_ms, e.stopped_reason, e.round_reached";

    public static readonly int ColumnCount = Columns.Count(c => c == ',') + 1;

    private const int MostRemembered = 2000;

    // Incidents of one batch share one text, so that a storm is not parsed ten thousand times.
    private static readonly ConcurrentDictionary<string, EscalationSnapshot> Snapshots = new(StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<EscalationSnapshot, string> Texts = new(ReferenceEqualityComparer.Instance);

    public static Escalation Read(NpgsqlDataReader reader, int at) => new()
    {
        Policy = Snapshot(reader.GetString(at)),
        Status = reader.GetString(at + 1),
        Step = reader.GetInt32(at + 2),
        Round = reader.GetInt32(at + 3),
        Run = reader.GetInt32(at + 4),
        DueAt = reader.IsDBNull(at + 5) ? null : reader.GetFieldValue<Instant>(at + 5),
        Remaining = reader.IsDBNull(at + 6) ? null : Duration.FromMilliseconds(reader.GetInt64(at + 6)),
        StoppedReason = reader.IsDBNull(at + 7) ? null : reader.GetString(at + 7),
        RoundReachedSomebody = reader.GetBoolean(at + 8),
    };

    /// <summary>Escalations of these incidents, by number.</summary>
    /// <param name="connection">Whose transaction holds the incidents' locks.</param>
    /// <param name="incidents">Numbers.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<Dictionary<long, Escalation>> LoadAsync(NpgsqlConnection connection, long[] incidents, CancellationToken cancellationToken)
    {
        var found = new Dictionary<long, Escalation>();
        if (incidents.Length == 0) return found;
        await using var command = new NpgsqlCommand($"select {Columns}, e.number from escalations e where e.number = any($1)", connection);
        command.Parameters.Add(Sql.P(incidents));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) found[reader.GetInt64(9)] = Read(reader, 0);
        return found;
    }

    /// <summary>Writes those that began.</summary>
    public static void Insert(NpgsqlBatch batch, IReadOnlyList<(long Incident, Escalation Escalation)> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            insert into escalations (number, policy, snapshot, status, step, round, run, due_at, remaining_ms, stopped_reason, round_reached, revision)
            select n, po, sn::jsonb, st, sp, ro, ru, du, re, wh, rr, 1
            from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::int[], $8::timestamptz[], $9::bigint[], $10::text[], $11::bool[]) r(n, po, sn, st, sp, ro, ru, du, re, wh, rr)
            on conflict (number) do update set policy = excluded.policy, snapshot = excluded.snapshot, status = excluded.status, step = excluded.step, round = excluded.round, run = excluded.run, due_at = excluded.due_at,
              remaining_ms = excluded.remaining_ms, stopped_reason = excluded.stopped_reason, round_reached = excluded.round_reached, revision = escalations.revision + 1
            """,
            Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Escalation.Policy.Policy), Sql.Column(rows, r => Text(r.Escalation.Policy)), Sql.Column(rows, r => r.Escalation.Status),
            Sql.Column(rows, r => r.Escalation.Step), Sql.Column(rows, r => r.Escalation.Round), Sql.Column(rows, r => r.Escalation.Run), Sql.Column(rows, r => DueAt(r.Escalation)),
            Sql.Column(rows, r => Remaining(r.Escalation)), Sql.Column(rows, r => r.Escalation.StoppedReason), Sql.Column(rows, r => r.Escalation.RoundReachedSomebody));
    }

    /// <summary>Writes those that went on; what they go by stays as it was.</summary>
    public static void Update(NpgsqlBatch batch, IReadOnlyList<(long Incident, Escalation Escalation)> rows)
    {
        if (rows.Count == 0) return;
        batch.Add("""
            update escalations e set status = r.st, step = r.sp, round = r.ro, run = r.ru, due_at = r.du, remaining_ms = r.re, stopped_reason = r.wh, round_reached = r.rr, revision = e.revision + 1
            from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::timestamptz[], $7::bigint[], $8::text[], $9::bool[]) r(n, st, sp, ro, ru, du, re, wh, rr) where e.number = r.n
            """,
            Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Escalation.Status), Sql.Column(rows, r => r.Escalation.Step), Sql.Column(rows, r => r.Escalation.Round), Sql.Column(rows, r => r.Escalation.Run),
            Sql.Column(rows, r => DueAt(r.Escalation)), Sql.Column(rows, r => Remaining(r.Escalation)), Sql.Column(rows, r => r.Escalation.StoppedReason), Sql.Column(rows, r => r.Escalation.RoundReachedSomebody));
    }

    // The incident's own snooze has its due time and ends the escalation's, so that both end in one transaction.
    private static Instant? DueAt(Escalation escalation) => escalation.Status == EscalationStatus.Snoozed ? null : escalation.DueAt;

    // Up, so that nothing fires early.
    private static long? Remaining(Escalation escalation) => escalation.Remaining is { } left ? (long)Math.Ceiling(left.TotalMilliseconds) : null;

    private static EscalationSnapshot Snapshot(string text)
    {
        if (Snapshots.Count > MostRemembered) Snapshots.Clear();
        return Snapshots.GetOrAdd(text, static t => JsonSerializer.Deserialize<EscalationSnapshot>(t, ApiJson.Options)!);
    }

    private static string Text(EscalationSnapshot snapshot)
    {
        if (Texts.Count > MostRemembered) Texts.Clear();
        return Texts.GetOrAdd(snapshot, static s => JsonSerializer.Serialize(s, ApiJson.Options));
    }
}
