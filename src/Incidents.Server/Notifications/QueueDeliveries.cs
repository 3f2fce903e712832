using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>
/// Fourth stage: what changed becomes deliveries, one for each receiver of the incident or notice, in the transaction that made the change.
/// A delivery says "bring this receiver up to date", not "send these words": while one waits, later changes join it, so a storm becomes updates and never a flood.
/// </summary>
internal sealed class QueueDeliveries(IdBlocks ids, IActiveConfiguration configuration) : IIngestStage
{
    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken) =>
        await AddAsync(batch.Writes, batch.IncidentChanges, batch.NoticeChanges, batch.Now, cancellationToken);

    /// <summary>Adds the commands that queue deliveries for these changes to <paramref name="writes"/>.</summary>
    public async Task AddAsync(NpgsqlBatch writes, IReadOnlyList<IncidentChange> incidents, IReadOnlyList<NoticeChange> notices, Instant now, CancellationToken cancellationToken)
    {
        var rules = configuration.Current.Incidents;
        var wanted = new Dictionary<(long? Incident, long? Notice, string Receiver), Wanted>();
        foreach (var (incident, occasion, trace) in incidents)
        {
            foreach (var receiver in incident.Receivers) Want((incident.Number, null, receiver), occasion, trace);
        }

        foreach (var (notice, occasion, trace) in notices)
        {
            foreach (var receiver in notice.Receivers) Want((null, notice.Id, receiver), occasion, trace);
        }

        if (wanted.Count == 0) return;
        var rows = wanted.Select(w => (w.Key.Incident, w.Key.Notice, w.Key.Receiver, w.Value.Occasion, w.Value.Trace)).ToList();
        var run = await ids.TakeAsync(writes.Connection!, rows.Count * 2, cancellationToken);
        writes.Add("""
            insert into notification_threads (id, incident_number, notice_id, receiver, shown_revision, log_cursor, may_have_arrived)
            select id, incident, notice, receiver, 0, 0, false from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) r(id, incident, notice, receiver)
            on conflict do nothing
            """, Sql.Column(rows, _ => run.Next()), Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Notice), Sql.Column(rows, r => r.Receiver));
        writes.Add("""
            insert into deliveries (id, thread_id, incident_number, notice_id, receiver, occasion, occasion_weight, state, created_at, due_at, attempts, fail_over_at, trace_parent)
            select r.id, t.id, r.incident, r.notice, r.receiver, r.occasion, r.weight, 'queued', $1, r.due, 0, r.fail_over, r.trace
            from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::smallint[], $8::timestamptz[], $9::timestamptz[], $10::text[]) r(id, incident, notice, receiver, occasion, weight, due, fail_over, trace)
            join notification_threads t on t.receiver = r.receiver and (t.incident_number = r.incident or t.notice_id = r.notice)
            on conflict (thread_id) where state = 'queued' do update set
              occasion = case when excluded.occasion_weight < deliveries.occasion_weight then excluded.occasion else deliveries.occasion end,
              occasion_weight = least(excluded.occasion_weight, deliveries.occasion_weight),
              due_at = case when deliveries.attempts > 0 then deliveries.due_at else least(excluded.due_at, deliveries.due_at) end,
              fail_over_at = least(excluded.fail_over_at, deliveries.fail_over_at)
            """,
            Sql.P(now), Sql.Column(rows, _ => run.Next()), Sql.Column(rows, r => r.Incident), Sql.Column(rows, r => r.Notice), Sql.Column(rows, r => r.Receiver), Sql.Column(rows, r => r.Occasion),
            Sql.Column(rows, r => (short)Occasion.Weight(r.Occasion)),
            Sql.Column(rows, r => r.Occasion == Occasion.Updated ? now + rules.BundleUpdates : now),
            Sql.Column(rows, r => Occasion.IsPage(r.Occasion) ? now + rules.FailOverAfter : (Instant?)null),
            Sql.Column(rows, r => r.Trace));

        void Want((long? Incident, long? Notice, string Receiver) key, string occasion, string? trace) =>
            wanted[key] = wanted.TryGetValue(key, out var before) ? new Wanted(Occasion.Weightier(before.Occasion, occasion), before.Trace) : new Wanted(occasion, trace);
    }

    private sealed record Wanted(string Occasion, string? Trace);
}
