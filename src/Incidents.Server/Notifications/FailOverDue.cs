using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>Deliveries may have to go to another receiver.</summary>
internal sealed class FailOverSignal : WorkSignal;

/// <summary>
/// A page that its receiver did not take in time goes to the next one. The due time lies in the row, so neither a hung send nor a dead process can hold it up.
/// The first receiver is still tried; what it gets then is the present state.
/// </summary>
internal sealed partial class FailOverDue(
    NpgsqlDataSource database, IdBlocks ids, IActiveConfiguration configuration, DeliverySignal deliveries, FailOverSignal signal, WorkerHealth health, TimeProvider clock, ILogger<FailOverDue> log)
    : Worker("fail-over", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 100;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await ClaimAsync(connection, now, cancellationToken);
        if (due.Count == 0) return false;

        var parked = await ParkedAsync(connection, cancellationToken);
        var receivers = configuration.Current.Receivers;
        var entries = new List<TimelineEntry>();
        var next = new List<(Due From, string To)>();
        foreach (var page in due)
        {
            var asked = page.Asked.Append(page.Receiver).ToHashSet(StringComparer.Ordinal);
            var to = FailOver.Choose(page.Receiver, asked, page.SubjectReceivers, receivers, parked, mayWake: page.IncidentNumber is not null);
            DeliveryMetrics.HandedOver(page.Receiver, to);
            if (to is null)
            {
                LogNobodyLeft(page.Id, page.IncidentNumber, page.Receiver, page.Detail);
                Tell(page, $"Nobody was reached through {page.Receiver} ({page.Detail}), and no other receiver is left. It is still tried.");
            }
            else if (page.Informed.Contains(to, StringComparer.Ordinal))
            {
                Tell(page, $"{page.Receiver} was not reached in time ({page.Detail}); {to} has it already.");
            }
            else
            {
                Tell(page, $"{page.Receiver} was not reached in time ({page.Detail}); {to} is told instead.");
                next.Add((page, to));
            }
        }

        await using var writes = new NpgsqlBatch(connection);
        writes.Add("update deliveries set fail_over_at = null where id = any($1)", Sql.Column(due, d => d.Id));
        if (next.Count > 0) await QueueAsync(writes, next, now, cancellationToken);

        // Who was told of the page must also hear of its end.
        foreach (var (from, to) in next)
        {
            writes.Add("update incidents set receivers = array_append(receivers, $2) where number = $1 and not ($2 = any(receivers))", Sql.P(from.IncidentNumber ?? 0), Sql.P(to));
            writes.Add("update notices set receivers = array_append(receivers, $2) where id = $1 and not ($2 = any(receivers))", Sql.P(from.NoticeId ?? 0), Sql.P(to));
        }

        if (entries.Count > 0)
        {
            writes.Add("select number from incidents where number = any($1) order by number for no key update", Sql.P(entries.Select(e => e.IncidentNumber).Distinct().ToArray()));
            IncidentRows.AppendEntries(writes, entries);
        }

        await writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        deliveries.Raise();
        return due.Count == MostPerRun;

        void Tell(Due page, string text)
        {
            if (page.IncidentNumber is { } number) entries.Add(new TimelineEntry(number, now, EntryKind.DeliveryFellOver, text, Actor.Engine));
        }
    }

    private static async Task<List<Due>> ClaimAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            with due as (select * from deliveries where fail_over_at <= $1 order by fail_over_at limit $2 for update skip locked)
            select d.id, d.incident_number, d.notice_id, d.receiver, coalesce(d.detail, 'no answer yet'), d.occasion, d.trace_parent,
              coalesce((with recursive chain as (select p.id, p.receiver, p.fallback_of from deliveries p where p.id = d.fallback_of union select p.id, p.receiver, p.fallback_of from deliveries p join chain c on p.id = c.fallback_of) select array_agg(receiver) from chain), '{}'),
              coalesce(i.receivers, n.receivers, '{}'),
              coalesce((select array_agg(t.receiver) from notification_threads t where (t.incident_number = d.incident_number or t.notice_id = d.notice_id) and t.shown_state is not null), '{}')
            from due d left join incidents i on i.number = d.incident_number left join notices n on n.id = d.notice_id
            """, connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(MostPerRun));
        var due = new List<Due>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            due.Add(new Due(
                reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2), reader.GetString(3), reader.GetString(4), reader.GetString(5),
                reader.IsDBNull(6) ? null : reader.GetString(6), reader.GetFieldValue<string[]>(7), reader.GetFieldValue<string[]>(8), reader.GetFieldValue<string[]>(9)));
        }

        return due;
    }

    private static async Task<HashSet<string>> ParkedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select coalesce(array_agg(receiver), '{}') from receiver_states where is_parked", connection);
        return [.. (string[])(await command.ExecuteScalarAsync(cancellationToken))!];
    }

    private async Task QueueAsync(NpgsqlBatch writes, List<(Due From, string To)> next, Instant now, CancellationToken cancellationToken)
    {
        var run = await ids.TakeAsync(writes.Connection!, next.Count * 2, cancellationToken);
        writes.Add("""
            insert into notification_threads (id, incident_number, notice_id, receiver, shown_revision, log_cursor, may_have_arrived)
            select id, incident, notice, receiver, 0, 0, false from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) r(id, incident, notice, receiver) on conflict do nothing
            """, Sql.Column(next, _ => run.Next()), Sql.Column(next, n => n.From.IncidentNumber), Sql.Column(next, n => n.From.NoticeId), Sql.Column(next, n => n.To));
        writes.Add("""
            insert into deliveries (id, thread_id, incident_number, notice_id, receiver, occasion, occasion_weight, state, created_at, due_at, attempts, fail_over_at, fallback_of, trace_parent)
            select distinct on (t.id) r.id, t.id, r.incident, r.notice, r.receiver, r.occasion, r.weight, 'queued', $1, $1, 0, $2, r.fallback_of, r.trace
            from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::smallint[], $9::bigint[], $10::text[]) r(id, incident, notice, receiver, occasion, weight, fallback_of, trace)
            join notification_threads t on t.receiver = r.receiver and (t.incident_number = r.incident or t.notice_id = r.notice)
            on conflict (thread_id) where state = 'queued' do update set fallback_of = coalesce(deliveries.fallback_of, excluded.fallback_of)
            """,
            Sql.P(now), Sql.P(now + configuration.Current.Incidents.FailOverAfter), Sql.Column(next, _ => run.Next()), Sql.Column(next, n => n.From.IncidentNumber), Sql.Column(next, n => n.From.NoticeId), Sql.Column(next, n => n.To),
            Sql.Column(next, n => n.From.Occasion), Sql.Column(next, n => (short)Occasion.Weight(n.From.Occasion)), Sql.Column(next, n => n.From.Id), Sql.Column(next, n => n.From.TraceParent));
    }

    private sealed record Due(long Id, long? IncidentNumber, long? NoticeId, string Receiver, string Detail, string Occasion, string? TraceParent, string[] Asked, string[] SubjectReceivers, string[] Informed);

    [LoggerMessage(Level = LogLevel.Error, Message = "Delivery {DeliveryId} of incident {IncidentNumber} reached nobody: {Receiver} failed ({Detail}) and no other receiver is left")]
    private partial void LogNobodyLeft(long deliveryId, long? incidentNumber, string receiver, string detail);
}
