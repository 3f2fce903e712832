using Incidents.Domain.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>One receiver that must be brought up to date about one subject.</summary>
internal sealed record WantedDelivery
{
    /// <summary>The incident; null when the subject is a notice.</summary>
    public required long? Incident { get; init; }

    public required long? Notice { get; init; }

    public required string Receiver { get; init; }

    public required string Occasion { get; init; }

    public required Instant DueAt { get; init; }

    /// <summary>When another receiver must be told if this one does not take it; null: never.</summary>
    public Instant? FailOverAt { get; init; }

    /// <summary>The delivery it stands in for.</summary>
    public long? FallbackOf { get; init; }

    public string? TraceParent { get; init; }
}

/// <summary>How deliveries come into the queue; the one place that knows. The caller holds the locks of their incidents and notices.</summary>
internal static class DeliveryRows
{
    /// <summary>
    /// Adds the commands that queue these, at most one for each subject and receiver. A delivery of the thread that waits already takes the new one in: the weightier occasion,
    /// the earlier times. One that is in back-off keeps its wait.
    /// </summary>
    public static async Task QueueAsync(NpgsqlBatch writes, IReadOnlyList<WantedDelivery> rows, IdBlocks ids, Instant now, CancellationToken cancellationToken)
    {
        if (rows.Count == 0) return;
        var run = await ids.TakeAsync(writes.Connection!, rows.Count * 2, cancellationToken);
        writes.Add("""
            insert into notification_threads (id, incident_number, notice_id, receiver, shown_revision, log_cursor, may_have_arrived)
            select id, incident, notice, receiver, 0, 0, false from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) r(id, incident, notice, receiver)
            on conflict do nothing
            """, Sql.Column(rows, _ => run.Next()), Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Notice), Sql.Column(rows, r => r.Receiver));

        // A thread is of an incident or of a notice: each half finds it by its own unique index.
        writes.Add("""
            insert into deliveries (id, thread_id, incident_number, notice_id, receiver, occasion, occasion_weight, state, created_at, due_at, attempts, fail_over_at, fallback_of, trace_parent)
            select r.id, t.id, r.incident, r.notice, r.receiver, r.occasion, r.weight, 'queued', $1, r.due, 0, r.fail_over, r.fallback_of, r.trace
            from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::smallint[], $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::text[]) r(id, incident, notice, receiver, occasion, weight, due, fail_over, fallback_of, trace)
            cross join lateral (
              select i.id from notification_threads i where i.incident_number = r.incident and i.receiver = r.receiver
              union all select n.id from notification_threads n where n.notice_id = r.notice and n.receiver = r.receiver) t
            on conflict (thread_id) where state = 'queued' do update set
              occasion = case when excluded.occasion_weight < deliveries.occasion_weight then excluded.occasion else deliveries.occasion end,
              occasion_weight = least(excluded.occasion_weight, deliveries.occasion_weight),
              due_at = case when deliveries.attempts > 0 then deliveries.due_at else least(excluded.due_at, deliveries.due_at) end,
              fail_over_at = least(excluded.fail_over_at, deliveries.fail_over_at),
              fallback_of = coalesce(deliveries.fallback_of, excluded.fallback_of)
            """,
            Sql.P(now), Sql.Column(rows, _ => run.Next()), Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Notice), Sql.Column(rows, r => r.Receiver), Sql.Column(rows, r => r.Occasion),
            Sql.Column(rows, r => (short)Occasion.Weight(r.Occasion)), Sql.Column(rows, r => r.DueAt), Sql.Column(rows, r => r.FailOverAt), Sql.Column(rows, r => r.FallbackOf), Sql.Column(rows, r => r.TraceParent));
    }
}
