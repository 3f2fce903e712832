using Incidents.Domain.Alerts;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>One finished attempt.</summary>
/// <param name="Delivery">The claimed delivery.</param>
/// <param name="Thread">The thread's memory before it.</param>
/// <param name="Result">What the channel answered.</param>
/// <param name="Decision">What becomes of the delivery.</param>
/// <param name="StartedAt">Start of the attempt.</param>
/// <param name="EndedAt">Its end.</param>
/// <param name="HasMoreLines">There may be lines of the log that did not go along.</param>
internal sealed record FinishedAttempt(ClaimedDelivery Delivery, ThreadMemory Thread, DeliveryResult Result, RetryDecision Decision, Instant StartedAt, Instant EndedAt, bool HasMoreLines = false)
{
    public string ResultKey => Result switch
    {
        DeliveryResult.Delivered => "delivered",
        DeliveryResult.NothingToSend => "nothing_to_send",
        DeliveryResult.RetryLater => "retry",
        DeliveryResult.Rejected => "rejected",
        _ => "misconfigured",
    };

    /// <summary>What came back, in one line that any column can hold: part of it are the far side's own words.</summary>
    public string Detail { get; } = AlertText.OneLine(MessageText.SingleLine(Result switch
    {
        DeliveryResult.Delivered d => d.Answer,
        DeliveryResult.NothingToSend n => n.Why,
        DeliveryResult.RetryLater r => r.Reason,
        DeliveryResult.Rejected r => r.Reason,
        DeliveryResult.Misconfigured m => m.Reason,
        _ => "",
    }), 2000);

    public bool IsDone => Result is DeliveryResult.Delivered or DeliveryResult.NothingToSend;

    /// <summary>The rest of a long log follows. Not to a receiver that takes no log: its cursor stands still.</summary>
    public bool NeedsAnother => HasMoreLines && Result is DeliveryResult.Delivered && Memory.LogCursor > Thread.LogCursor;

    /// <summary>What the thread remembers from now on.</summary>
    public ThreadMemory Memory => (Result switch
    {
        DeliveryResult.Delivered d => d.Thread with { MayHaveArrived = false },
        DeliveryResult.NothingToSend n => n.Thread,
        DeliveryResult.RetryLater r => (r.Progress ?? Thread) with { MayHaveArrived = (r.Progress ?? Thread).MayHaveArrived || r.MayHaveArrived },
        _ => Thread,
    }) is var memory ? memory with { FirstAttemptAt = memory.FirstAttemptAt ?? StartedAt } : Thread;
}

/// <summary>
/// Writes down what attempts came to: many that end at about the same time share one transaction. Until it commits, the delivery counts as under way;
/// a crash before it repeats the send with the same keys, never skips one (P4).
/// </summary>
internal sealed class RecordAttempts(WorkPool database, IdBlocks ids)
{
    /// <param name="finished">What ended. A result that comes too late, after its delivery was taken back and begun again, changes nothing.</param>
    /// <param name="isRepeat">An earlier try failed, and may have committed all the same when only its answer was lost: what it wrote is not written twice.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task RunAsync(IReadOnlyList<FinishedAttempt> finished, bool isRepeat, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var attempts = isRepeat ? await WithoutWrittenAsync(connection, finished, cancellationToken) : finished;
        if (attempts.Count == 0) return;

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        var entries = attempts.Where(a => a.Delivery.IncidentNumber is not null).Select(Entry).OfType<TimelineEntry>().ToList();
        List<FinishedAttempt> retries = [.. attempts.Where(a => a.Decision is RetryDecision.TryAgain or RetryDecision.Park)];
        List<FinishedAttempt> unfinished = [.. retries, .. attempts.Where(a => a.NeedsAnother)];
        SubjectLocks.Add(batch, [.. unfinished.Select(a => a.Delivery.IncidentNumber), .. entries.Select(e => (long?)e.IncidentNumber)], unfinished.Select(a => a.Delivery.NoticeId));

        batch.Add("""
            insert into delivery_attempts (delivery_id, number, started_at, ended_at, result, detail)
            select r.* from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[]) r(delivery_id, number, started_at, ended_at, result, detail)
              join deliveries d on d.id = r.delivery_id and d.attempts = r.number
            """,
            Sql.Column(attempts, a => a.Delivery.Id), Sql.Column(attempts, a => a.Delivery.Attempt), Sql.Column(attempts, a => a.StartedAt), Sql.Column(attempts, a => a.EndedAt), Sql.Column(attempts, a => a.ResultKey), Sql.Column(attempts, a => a.Detail));

        WriteFinal(batch, [.. attempts.Where(a => a.IsDone || a.Decision is RetryDecision.GiveUp)]);
        WriteRetries(batch, retries);

        // Deliveries before threads, as whoever acknowledges does.
        batch.Add("""
            update notification_threads t set reference = r.reference, shown_state = r.shown_state, shown_revision = r.shown_revision, log_cursor = r.log_cursor, may_have_arrived = r.may_have_arrived, first_attempt_at = r.first_attempt_at
            from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bool[], $7::timestamptz[], $8::bigint[], $9::int[]) r(id, reference, shown_state, shown_revision, log_cursor, may_have_arrived, first_attempt_at, delivery_id, attempt)
              join deliveries d on d.id = r.delivery_id and d.attempts = r.attempt where t.id = r.id
            """,
            Sql.Column(attempts, a => a.Delivery.ThreadId), Sql.Column(attempts, a => a.Memory.Reference), Sql.Column(attempts, a => a.Memory.ShownState), Sql.Column(attempts, a => a.Memory.ShownRevision),
            Sql.Column(attempts, a => a.Memory.LogCursor), Sql.Column(attempts, a => a.Memory.MayHaveArrived), Sql.Column(attempts, a => a.Memory.FirstAttemptAt), Sql.Column(attempts, a => a.Delivery.Id), Sql.Column(attempts, a => a.Delivery.Attempt));
        await DeliveryRows.QueueAsync(batch, [.. attempts.Where(a => a.NeedsAnother).Select(a => new WantedDelivery
        {
            Incident = a.Delivery.IncidentNumber,
            Notice = a.Delivery.NoticeId,
            Receiver = a.Delivery.Receiver,
            Occasion = Occasion.Updated,
            DueAt = a.EndedAt,
            TraceParent = a.Delivery.TraceParent,
        })], ids, attempts.Max(a => a.EndedAt), cancellationToken);
        WriteReceiverStates(batch, attempts);
        IncidentRows.AppendEntries(batch, entries);
        WakeWaiting(batch, attempts);
        await batch.ExecuteAndCommitAsync(cancellationToken);
    }

    private static async Task<List<FinishedAttempt>> WithoutWrittenAsync(NpgsqlConnection connection, IReadOnlyList<FinishedAttempt> attempts, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select a.delivery_id, a.number from delivery_attempts a where a.delivery_id = any($1) and a.result <> 'lost'", connection);
        command.Parameters.Add(Sql.Column(attempts, a => a.Delivery.Id));
        var written = new HashSet<(long, int)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) written.Add((reader.GetInt64(0), reader.GetInt32(1)));
        return [.. attempts.Where(a => !written.Contains((a.Delivery.Id, a.Delivery.Attempt)))];
    }

    private static void WriteFinal(NpgsqlBatch batch, List<FinishedAttempt> rows)
    {
        if (rows.Count == 0) return;

        // One that was taken back and waits, but was not begun again, needs no second attempt either.
        batch.Add("""
            update deliveries d set state = r.state, done_at = r.at, lease_until = null, detail = r.detail, fail_over_at = case when r.state = 'rejected' and d.fail_over_at is not null then r.at end
            from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::int[]) r(id, state, at, detail, attempt) where d.id = r.id and d.state in ('sending', 'queued') and d.attempts = r.attempt
            """,
            Sql.Column(rows, a => a.Delivery.Id), Sql.Column(rows, a => a.IsDone ? DeliveryRow.Delivered : DeliveryRow.Rejected), Sql.Column(rows, a => a.EndedAt), Sql.Column(rows, a => a.Detail), Sql.Column(rows, a => a.Delivery.Attempt));
    }

    private static void WriteRetries(NpgsqlBatch batch, List<FinishedAttempt> rows)
    {
        if (rows.Count == 0) return;

        // When a newer delivery of the thread waits already, it takes over the waiting time, the attempts and the duty to fall over; this one is done with.
        batch.Add("""
            with r as (select * from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::bool[], $6::int[], $7::timestamptz[]) r(id, thread_id, due_at, detail, fail_over_now, attempt, ended_at)),
              mine as (select d.id, d.thread_id, d.attempts, d.first_attempt_at, d.occasion, d.occasion_weight, r.due_at, r.detail, case when d.fail_over_at is not null and r.fail_over_now then r.ended_at else d.fail_over_at end as fail_over_at
                from deliveries d join r on r.id = d.id where d.state = 'sending' and d.attempts = r.attempt for update of d),
              successor as (update deliveries q set due_at = greatest(q.due_at, m.due_at), attempts = m.attempts, first_attempt_at = m.first_attempt_at, detail = m.detail, fail_over_at = least(q.fail_over_at, m.fail_over_at),
                  occasion = case when m.occasion_weight < q.occasion_weight then m.occasion else q.occasion end, occasion_weight = least(m.occasion_weight, q.occasion_weight)
                from mine m where q.thread_id = m.thread_id and q.state = 'queued' returning q.thread_id)
            update deliveries d set state = case when s.thread_id is null then 'queued' else 'superseded' end, due_at = m.due_at, lease_until = null, detail = m.detail, fail_over_at = case when s.thread_id is null then m.fail_over_at end
            from mine m left join successor s on s.thread_id = m.thread_id where d.id = m.id
            """,
            Sql.Column(rows, a => a.Delivery.Id), Sql.Column(rows, a => a.Delivery.ThreadId), Sql.Column(rows, DueAt), Sql.Column(rows, a => a.Detail), Sql.Column(rows, a => a.Decision is RetryDecision.Park),
            Sql.Column(rows, a => a.Delivery.Attempt), Sql.Column(rows, a => a.EndedAt));
    }

    private static void WriteReceiverStates(NpgsqlBatch batch, IReadOnlyList<FinishedAttempt> attempts)
    {
        foreach (var receiver in attempts.GroupBy(a => a.Delivery.Receiver, StringComparer.Ordinal))
        {
            var last = receiver.MaxBy(a => a.EndedAt)!;
            if (receiver.Any(a => a.Result is DeliveryResult.Delivered))
            {
                // It works: see also WakeWaiting.
                batch.Add("delete from receiver_states where receiver = $1 and (is_parked or blocked_until <= $2)", Sql.P(receiver.Key), Sql.P(last.EndedAt));
            }
            else if (receiver.LastOrDefault(a => a.Decision is RetryDecision.Park) is { Decision: RetryDecision.Park park } parked)
            {
                batch.Add("""
                    insert into receiver_states (receiver, is_parked, blocked_until, reason, since, probes) values ($1, true, $2, $3, $4, 0)
                    on conflict (receiver) do update set blocked_until = excluded.blocked_until, reason = excluded.reason, is_parked = true, since = case when receiver_states.is_parked then receiver_states.since else excluded.since end
                    """, Sql.P(receiver.Key), Sql.P(park.ProbeAt), Sql.P(parked.Detail), Sql.P(last.EndedAt));
            }
            else if (receiver.FirstOrDefault(a => a.Result is DeliveryResult.RetryLater { WholeChannel: true }) is { Decision: RetryDecision.TryAgain wait } asked)
            {
                batch.Add("""
                    insert into receiver_states (receiver, is_parked, blocked_until, reason, since, probes) values ($1, false, $2, $3, $4, 0)
                    on conflict (receiver) do update set blocked_until = greatest(receiver_states.blocked_until, excluded.blocked_until), reason = excluded.reason
                    """, Sql.P(receiver.Key), Sql.P(wait.At), Sql.P(asked.Detail), Sql.P(asked.EndedAt));
            }
        }
    }

    /// <summary>A receiver that failed and works again: whatever waited for it in back-off goes now. Last of all, and without waiting for anybody, because those rows belong to subjects that are not locked here.</summary>
    private static void WakeWaiting(NpgsqlBatch batch, IReadOnlyList<FinishedAttempt> attempts)
    {
        foreach (var receiver in attempts.Where(a => a.Result is DeliveryResult.Delivered && a.Delivery.Attempt > 1).GroupBy(a => a.Delivery.Receiver, StringComparer.Ordinal))
        {
            batch.Add("""
                update deliveries set due_at = $2 where id in (select id from deliveries where receiver = $1 and state = 'queued' and attempts > 0 and due_at > $2 for update skip locked)
                """, Sql.P(receiver.Key), Sql.P(receiver.Max(a => a.EndedAt)));
        }
    }

    /// <summary>The first failure of a delivery and its late success are told on the incident; each attempt is listed with the delivery anyway.</summary>
    private static TimelineEntry? Entry(FinishedAttempt attempt)
    {
        var number = attempt.Delivery.IncidentNumber!.Value;
        var receiver = attempt.Delivery.Receiver;
        return attempt.Result switch
        {
            DeliveryResult.Delivered when attempt.Delivery.Attempt > 1 =>
                new TimelineEntry(number, attempt.EndedAt, EntryKind.DeliveryRecovered, $"{receiver} has it, at attempt {attempt.Delivery.Attempt}.", Actor.Engine),
            DeliveryResult.RetryLater when attempt.Delivery.Attempt == 1 =>
                new TimelineEntry(number, attempt.EndedAt, EntryKind.DeliveryFailed, $"{receiver} could not be told: {attempt.Detail}. Trying again.", Actor.Engine),
            DeliveryResult.Misconfigured when attempt.Delivery.Attempt == 1 =>
                new TimelineEntry(number, attempt.EndedAt, EntryKind.DeliveryFailed, $"{receiver} could not be told and is parked: {attempt.Detail}", Actor.Engine),
            DeliveryResult.Rejected =>
                new TimelineEntry(number, attempt.EndedAt, EntryKind.DeliveryFailed, $"{receiver} refused it: {attempt.Detail}", Actor.Engine),
            _ => null,
        };
    }

    private static Instant DueAt(FinishedAttempt attempt) => attempt.Decision switch
    {
        RetryDecision.TryAgain again => again.At,
        RetryDecision.Park park => park.ProbeAt,
        _ => attempt.EndedAt,
    };
}
