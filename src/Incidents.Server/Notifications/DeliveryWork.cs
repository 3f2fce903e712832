using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.OnCall;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>A delivery that this process has claimed, with all that is needed to send it.</summary>
internal sealed record ClaimedDelivery
{
    public required long Id { get; init; }

    public required long ThreadId { get; init; }

    public required long? IncidentNumber { get; init; }

    public required long? NoticeId { get; init; }

    public required string Receiver { get; init; }

    public required string Occasion { get; init; }

    public required int Attempt { get; init; }

    public required Instant CreatedAt { get; init; }

    public required Instant FirstAttemptAt { get; init; }

    /// <summary>Until then it is ours.</summary>
    public required Instant LeaseUntil { get; init; }

    public required string? TraceParent { get; init; }
}

/// <summary>What is sent: the subject's present state for one thread.</summary>
/// <param name="Notification">The subject.</param>
/// <param name="Thread">What this receiver was told of it.</param>
/// <param name="Elsewhere">See <see cref="DeliveryAttempt.Elsewhere"/>.</param>
internal sealed record DeliveryContent(Notification Notification, ThreadMemory Thread, string? Elsewhere)
{
    /// <summary>So many lines of the log go out at once; what is beyond them needs another delivery.</summary>
    public const int MostLines = 100;

    public bool HasMoreLines => Notification.Log.Length >= MostLines;
}

/// <summary>Claims deliveries that are due and loads what they say. All set-based: a claim of two hundred costs two round trips.</summary>
/// <param name="database">Where from.</param>
/// <param name="outlook">Says who is told next; without it messages do not.</param>
internal sealed class DeliveryWork(WorkPool database, EscalationOutlook? outlook = null)
{
    /// <summary>
    /// Deliveries of processes that died while sending go back to the queue. Their outcome is unknown, so the channel is told to look before it creates anything.
    /// </summary>
    /// <param name="now">When.</param>
    /// <param name="ended">Deliveries of this process whose attempt has ended and is about to be written down: not lost, only late.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How many were lost.</returns>
    public async Task<int> TakeBackLostAsync(Instant now, IReadOnlyCollection<long> ended, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var found = new List<(long Id, long? Incident, long? Notice)>();
        await using (var look = new NpgsqlCommand("select id, incident_number, notice_id from deliveries where state = 'sending' and lease_until < $1 and id <> all($2)", connection))
        {
            look.Parameters.Add(Sql.P(now));
            look.Parameters.Add(Sql.P(ended.ToArray()));
            await using var reader = await look.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) found.Add((reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2)));
        }

        if (found.Count == 0) return 0;
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await SubjectLocks.TakeAsync(connection, found.Select(f => f.Incident), found.Select(f => f.Notice), cancellationToken);
        await using var command = new NpgsqlCommand("""
            with lost as (select id, thread_id, attempts, lease_until, fail_over_at, occasion, occasion_weight from deliveries where id = any($2) and state = 'sending' and lease_until < $1 for update skip locked),
              successor as (update deliveries q set fail_over_at = least(q.fail_over_at, l.fail_over_at), occasion = case when l.occasion_weight < q.occasion_weight then l.occasion else q.occasion end, occasion_weight = least(l.occasion_weight, q.occasion_weight)
                from lost l where q.thread_id = l.thread_id and q.state = 'queued' returning q.thread_id),
              thread as (update notification_threads t set may_have_arrived = true from lost l where t.id = l.thread_id),
              attempt as (insert into delivery_attempts (delivery_id, number, started_at, ended_at, result, detail)
                select id, attempts, lease_until, $1, 'lost', 'The process that sent it died; whether it arrived is not known.' from lost)
            update deliveries d set state = case when s.thread_id is null then 'queued' else 'superseded' end, due_at = $1, lease_until = null, fail_over_at = case when s.thread_id is null then d.fail_over_at end
            from lost l left join successor s on s.thread_id = l.thread_id where d.id = l.id
            """, connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.Column(found, f => f.Id));
        var count = await command.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return count;
    }

    /// <summary>
    /// The queue is nearly always empty when PostgreSQL counts it, and of an empty queue any index will do, it thinks, and sorts what it finds. When the queue is long after all, that reads all of it
    /// for each claim. Without sorting only the index that has the order already is left.
    /// </summary>
    internal const string ClaimInOrder = "set local enable_sort = off";

    /// <summary>
    /// Receiver by receiver, so that what waits for one that is parked, blocked or at its limit is not even looked at, however much it is.
    /// Of a parked receiver one delivery at a time is a probe; whoever moves its next probe on has the right to it.
    /// What was chosen is materialized: a row that somebody else changed since the claim began is checked again, and PostgreSQL cannot ask a probe again for that.
    /// </summary>
    internal const string Claim = """
        with recursive waiting(receiver) as (
            (select receiver from deliveries where state = 'queued' order by receiver limit 1)
            union all select (select d.receiver from deliveries d where d.state = 'queued' and d.receiver > w.receiver order by d.receiver limit 1) from waiting w where w.receiver is not null),
          probe as (update receiver_states set blocked_until = $1::timestamptz + interval '30 seconds', probes = probes + 1
            where is_parked and blocked_until <= $1 and receiver in (select receiver from waiting) returning receiver),
          allowed as (select w.receiver, coalesce(b.budget, $2) as most from waiting w left join unnest($3::text[], $4::int[]) b(receiver, budget) on b.receiver = w.receiver
            where w.receiver is not null and coalesce(b.budget, 1) > 0 and not exists (select 1 from receiver_states r where r.receiver = w.receiver and (r.is_parked or r.blocked_until > $1))),
          free as (select l.id, l.due_at from allowed a cross join lateral (select d.id, d.due_at from deliveries d where d.receiver = a.receiver and d.state = 'queued' and d.due_at <= $1
            and not exists (select 1 from deliveries s where s.thread_id = d.thread_id and s.state = 'sending') order by d.due_at, d.id limit a.most for update skip locked) l),
          probing as (select l.id from probe p cross join lateral (select d.id from deliveries d where d.receiver = p.receiver and d.state = 'queued'
            and not exists (select 1 from deliveries s where s.thread_id = d.thread_id and s.state = 'sending') order by d.due_at, d.id limit 1 for update skip locked) l),
          chosen as materialized ((select id from free order by due_at, id limit $2) union all select id from probing)
        update deliveries d set state = 'sending', attempts = d.attempts + 1, first_attempt_at = coalesce(d.first_attempt_at, $1), lease_until = $5
        from chosen c where d.id = c.id
        returning d.id, d.thread_id, d.incident_number, d.notice_id, d.receiver, d.occasion, d.attempts, d.created_at, d.first_attempt_at, d.trace_parent
        """;

    /// <param name="budgets">How many each receiver may have now; a receiver without an entry has no limit but <paramref name="most"/>, one with zero gets none.</param>
    /// <param name="most">At most so many, and besides one probe of each parked receiver that is due for one.</param>
    /// <param name="lease">For how long they are ours.</param>
    /// <param name="now">When.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<List<ClaimedDelivery>> ClaimAsync(IReadOnlyDictionary<string, int> budgets, int most, Duration lease, Instant now, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("begin");
        batch.Add(ClaimInOrder);
        batch.Add(Claim);
        AddParameters(batch.BatchCommands[^1].Parameters, budgets, most, lease, now);
        batch.Add("commit");
        var claimed = new List<ClaimedDelivery>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            claimed.Add(new ClaimedDelivery
            {
                Id = reader.GetInt64(0),
                ThreadId = reader.GetInt64(1),
                IncidentNumber = reader.IsDBNull(2) ? null : reader.GetInt64(2),
                NoticeId = reader.IsDBNull(3) ? null : reader.GetInt64(3),
                Receiver = reader.GetString(4),
                Occasion = reader.GetString(5),
                Attempt = reader.GetInt32(6),
                CreatedAt = reader.GetFieldValue<Instant>(7),
                FirstAttemptAt = reader.GetFieldValue<Instant>(8),
                LeaseUntil = now + lease,
                TraceParent = reader.IsDBNull(9) ? null : reader.GetString(9),
            });
        }

        return claimed;
    }

    internal static void AddParameters(NpgsqlParameterCollection parameters, IReadOnlyDictionary<string, int> budgets, int most, Duration lease, Instant now)
    {
        var limits = budgets.ToList();
        parameters.Add(Sql.P(now));
        parameters.Add(Sql.P(most));
        parameters.Add(Sql.Column(limits, b => b.Key));
        parameters.Add(Sql.Column(limits, b => b.Value));
        parameters.Add(Sql.P(now + lease));
    }

    /// <summary>The present state of each claimed delivery's subject, as its thread must show it.</summary>
    public async Task<Dictionary<long, DeliveryContent>> LoadAsync(IReadOnlyList<ClaimedDelivery> claimed, Uri? publicUrl, Instant now, CancellationToken cancellationToken)
    {
        var incidentNumbers = claimed.Where(c => c.IncidentNumber is not null).Select(c => c.IncidentNumber!.Value).Distinct().ToArray();
        var noticeIds = claimed.Where(c => c.NoticeId is not null).Select(c => c.NoticeId!.Value).Distinct().ToArray();
        const string alertColumns = "a.name, a.fingerprint, a.status, a.severity, a.labels::text, a.annotations::text, a.generator_url, a.starts_at, a.resolved_at";
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var next = outlook is null ? new Dictionary<long, string>() : await outlook.NextAsync(connection, incidentNumbers, now, cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("""
            select t.id, t.reference, t.shown_state, t.shown_revision, t.log_cursor, t.may_have_arrived, t.first_attempt_at,
              case when t.may_have_arrived and t.reference is null then (select o.reference from notification_threads o where o.receiver = t.receiver and o.reference is not null order by o.id desc limit 1) end
            from notification_threads t where t.id = any($1)
            """, Sql.Column(claimed, c => c.ThreadId));
        batch.Add($"select {IncidentRows.Columns} from incidents where number = any($1)", Sql.P(incidentNumbers));
        batch.Add($"select {NoticeRows.Columns} from notices where id = any($1)", Sql.P(noticeIds));
        batch.Add($"""
            select n.number, {alertColumns} from unnest($1::bigint[]) n(number) cross join lateral (
              select * from alerts where incident_number = n.number and outcome <> 'duplicate' order by (status = 'firing') desc, starts_at desc limit 20) a
            """, Sql.P(incidentNumbers));
        batch.Add($"""
            select n.id, {alertColumns} from unnest($1::bigint[]) n(id) cross join lateral (
              select * from alerts where notice_id = n.id and outcome <> 'duplicate' order by (status = 'firing') desc, starts_at desc limit 20) a
            """, Sql.P(noticeIds));
        batch.Add($"""
            select t.id, e.id, e.at, e.kind, e.text from notification_threads t cross join lateral (
              select * from timeline_entries e where e.incident_number = t.incident_number and e.id > t.log_cursor and e.kind not in ('delivery_failed', 'delivery_recovered') order by e.id limit {DeliveryContent.MostLines}) e
            where t.id = any($1) order by t.id, e.id
            """, Sql.Column(claimed, c => c.ThreadId));

        var threads = new Dictionary<long, (ThreadMemory Memory, string? Elsewhere)>();
        var incidents = new Dictionary<long, Incident>();
        var notices = new Dictionary<long, Notice>();
        var incidentAlerts = new Dictionary<long, List<SubjectAlert>>();
        var noticeAlerts = new Dictionary<long, List<SubjectAlert>>();
        var logs = new Dictionary<long, List<LogLine>>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) threads[reader.GetInt64(0)] = (ReadThread(reader), reader.IsDBNull(7) ? null : reader.GetString(7));
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var incident = IncidentRows.Read(reader);
            incidents[incident.Number] = incident;
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var notice = NoticeRows.Read(reader);
            notices[notice.Id] = notice;
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) Of(incidentAlerts, reader.GetInt64(0)).Add(ReadAlert(reader));
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) Of(noticeAlerts, reader.GetInt64(0)).Add(ReadAlert(reader));
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) Of(logs, reader.GetInt64(0)).Add(new LogLine(reader.GetInt64(1), reader.GetFieldValue<Instant>(2), reader.GetString(3), reader.GetString(4)));

        await reader.DisposeAsync();
        var waiting = await LoadWaitingAsync(connection, [.. notices.Values.Where(n => n.IsForPerson).Select(n => n.Id)], cancellationToken);
        var contents = new Dictionary<long, DeliveryContent>(claimed.Count);
        foreach (var delivery in claimed)
        {
            var notification = delivery.IncidentNumber is { } number
                ? NotificationComposer.Compose(incidents[number], Of(incidentAlerts, number), Of(logs, delivery.ThreadId), delivery.Occasion, publicUrl, now) with { NextEscalation = incidents[number].IsOpen ? next.GetValueOrDefault(number) : null }
                : notices[delivery.NoticeId!.Value] is { IsForPerson: true } message ? PersonMessages.Compose(message, waiting.GetValueOrDefault(message.Id, []), delivery.Occasion, publicUrl, now)
                : NotificationComposer.Compose(notices[delivery.NoticeId!.Value], Of(noticeAlerts, delivery.NoticeId.Value), delivery.Occasion, publicUrl, now);
            contents[delivery.Id] = new DeliveryContent(notification, threads[delivery.ThreadId].Memory, threads[delivery.ThreadId].Elsewhere);
        }

        return contents;

        static List<T> Of<T>(Dictionary<long, List<T>> lists, long key) => lists.TryGetValue(key, out var list) ? list : lists[key] = [];
    }

    /// <summary>The incidents that these messages tell of and that still wait for somebody, the worst and oldest first, as many as a message shows.</summary>
    private static async Task<Dictionary<long, List<WaitingIncident>>> LoadWaitingAsync(NpgsqlConnection connection, long[] notices, CancellationToken cancellationToken)
    {
        var found = new Dictionary<long, List<WaitingIncident>>();
        if (notices.Length == 0) return found;
        await using var command = new NpgsqlCommand($"""
            select n.id, w.number, w.title, w.severity from unnest($1::bigint[]) n(id) cross join lateral (
              select distinct i.number, i.title, i.severity from pages p join incidents i on i.number = p.incident_number where p.bundled_in = n.id and p.status = 'running'
              order by i.severity, i.number limit {PersonMessages.MostListed}) w
            """, connection);
        command.Parameters.Add(Sql.P(notices));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (!found.TryGetValue(reader.GetInt64(0), out var list)) found[reader.GetInt64(0)] = list = [];
            list.Add(new WaitingIncident(reader.GetInt64(1), reader.GetString(2), reader.GetString(3)));
        }

        return found;
    }

    private static ThreadMemory ReadThread(NpgsqlDataReader reader) => new(
        reader.IsDBNull(1) ? null : reader.GetString(1),
        reader.IsDBNull(2) ? null : reader.GetString(2),
        reader.GetInt64(3),
        reader.GetInt64(4),
        reader.GetBoolean(5),
        reader.IsDBNull(6) ? null : reader.GetFieldValue<Instant>(6));

    private static SubjectAlert ReadAlert(NpgsqlDataReader reader) => new()
    {
        Name = reader.GetString(1),
        Fingerprint = reader.GetString(2),
        IsFiring = reader.GetString(3) == "firing",
        Severity = reader.GetString(4),
        Labels = AlertJson.Read(reader.GetString(5)),
        Annotations = AlertJson.Read(reader.GetString(6)),
        GeneratorUrl = reader.GetString(7),
        StartsAt = reader.GetFieldValue<Instant>(8),
        ResolvedAt = reader.IsDBNull(9) ? null : reader.GetFieldValue<Instant>(9),
    };
}
