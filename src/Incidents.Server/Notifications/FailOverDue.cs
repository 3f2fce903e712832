using Incidents.Domain.Notifications;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.OnCall;
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
    NpgsqlDataSource database, IdBlocks ids, IActiveConfiguration configuration, DeliveryPace pace, DeliverySignal deliveries, PageSignal pages, FailOverSignal signal, WorkerHealth health, TimeProvider clock, ILogger<FailOverDue> log)
    : Worker("fail-over", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 100;

    /// <summary>However well a receiver works, a page that waits for its turn this long goes elsewhere.</summary>
    private static readonly Duration LongestTurn = Duration.FromMinutes(5);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await ClaimAsync(connection, now, cancellationToken);
        if (due.Count == 0) return false;

        var parked = await ParkedReceivers.ReadAsync(connection, cancellationToken);
        var called = await CalledAsync(connection, due, cancellationToken);
        var current = configuration.Current;
        var receivers = current.Receivers;
        var entries = new List<TimelineEntry>();
        var next = new List<(Due From, string To)>();
        var handled = new List<Due>();
        await using var writes = new NpgsqlBatch(connection);
        var rules = current.Incidents;
        foreach (var page in due)
        {
            // A storm at a receiver that takes a message a second: what has its turn later is not what fails, and the others would be flooded.
            if (page.Attempts == 0 && pace.TookLately(page.Receiver, now, rules.FailOverAfter) && now < page.CreatedAt + LongestTurn)
            {
                writes.Add("update deliveries set fail_over_at = $2 where id = $1", Sql.P(page.Id), Sql.P(Instant.Min(now + rules.FailOverAfter, page.CreatedAt + LongestTurn)));
                continue;
            }

            handled.Add(page);

            // People have ways of being reached of their own, and their step goes on when none works.
            string[] others = [];
            if (PersonReceiver.TryParse(page.Receiver, out var person, out var channel))
            {
                if (called.Fail(page, person, channel, now))
                {
                    LogPersonNotReached(page.Id, page.IncidentNumber, page.Receiver, page.Detail);
                    DeliveryMetrics.HandedOver(page.Receiver, "escalation");
                    continue;
                }

                // No page goes on with them: they heard of it in another incident that was merged into this one, or in a run of the policy that is over.
                if (page.IncidentNumber is null) continue;
                others = current.OnCall.People.TryGetValue(person, out var known) ? [.. known.ContactsOn(current.Reach.Channels).Where(c => c.Channel != channel).Select(c => PersonReceiver.NameOf(person, c.Channel))] : [];
            }

            var asked = page.Asked.Append(page.Receiver).ToHashSet(StringComparer.Ordinal);
            var standings = page.Told.ToDictionary(t => t.Receiver, t => FailOver.StandingOf(t.WasShown, t.HasRefused, t.Unfinished, now), StringComparer.Ordinal);
            switch (FailOver.Choose(page.Receiver, asked, standings, page.SubjectReceivers, receivers, parked, mayWake: page.IncidentNumber is not null, others))
            {
                case FailOverChoice.Tell(var to):
                    Tell(page, $"{page.Receiver} was not reached in time ({page.Detail}); {to} is told instead.");
                    DeliveryMetrics.HandedOver(page.Receiver, to);
                    next.Add((page, to));
                    break;
                case FailOverChoice.KnowsAlready(var to):
                    Tell(page, $"{page.Receiver} was not reached in time ({page.Detail}); {to} has it already.");
                    DeliveryMetrics.HandedOver(page.Receiver, to);
                    break;
                case FailOverChoice.IsBeingTold(var to):
                    Tell(page, $"{page.Receiver} was not reached in time ({page.Detail}); {to} is being told already.");
                    DeliveryMetrics.HandedOver(page.Receiver, to);
                    break;
                case FailOverChoice.NobodyLeft:
                    LogNobodyLeft(page.Id, page.IncidentNumber, page.Receiver, page.Detail);
                    Tell(page, $"Nobody was reached through {page.Receiver} ({page.Detail}), and no other receiver is left. It is still tried.");
                    DeliveryMetrics.HandedOver(page.Receiver, null);
                    break;
            }
        }

        writes.Add("update deliveries set fail_over_at = null where id = any($1)", Sql.Column(handled, d => d.Id));

        // Two that failed may have chosen the same third: it is told once, with the weightier occasion.
        PageRows.Update(writes, called.Changed);
        var failOverAt = now + rules.FailOverAfter;
        var wanted = next.OrderBy(n => Occasion.Weight(n.From.Occasion)).DistinctBy(n => (n.From.IncidentNumber, n.From.NoticeId, n.To)).Select(n => new WantedDelivery
        {
            Incident = n.From.IncidentNumber,
            Notice = n.From.NoticeId,
            Receiver = n.To,
            Occasion = n.From.Occasion,
            DueAt = now,
            FailOverAt = failOverAt,
            FallbackOf = n.From.Id,
            TraceParent = n.From.TraceParent,
        });
        await DeliveryRows.QueueAsync(writes, [.. wanted], ids, now, cancellationToken);

        // Who was told of the page must also hear of its end.
        foreach (var (from, to) in next)
        {
            writes.Add("update incidents set receivers = array_append(receivers, $2) where number = $1 and not ($2 = any(receivers))", Sql.P(from.IncidentNumber ?? 0), Sql.P(to));
            writes.Add("update notices set receivers = array_append(receivers, $2) where id = $1 and not ($2 = any(receivers))", Sql.P(from.NoticeId ?? 0), Sql.P(to));
        }

        IncidentRows.AppendEntries(writes, entries);
        await writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        deliveries.Raise();
        pages.Raise();
        return due.Count == MostPerRun;

        void Tell(Due page, string text)
        {
            if (page.IncidentNumber is { } number) entries.Add(new TimelineEntry(number, now, EntryKind.DeliveryFellOver, text, Actor.Engine));
        }
    }

    private static async Task<List<Due>> ClaimAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        var found = await FindAsync(connection, now, cancellationToken);
        if (found.Count == 0) return [];
        await SubjectLocks.TakeAsync(connection, found.Select(f => f.Incident), found.Select(f => f.Notice), cancellationToken);

        // What changed until the locks were ours is read again.
        await using var command = new NpgsqlCommand("""
            with due as (select * from deliveries where id = any($2) and fail_over_at <= $1 for update skip locked)
            select d.id, d.incident_number, d.notice_id, d.receiver, coalesce(d.detail, 'no answer yet'), d.occasion, d.trace_parent,
              coalesce((with recursive chain as (select p.id, p.receiver, p.fallback_of from deliveries p where p.id = d.fallback_of union select p.id, p.receiver, p.fallback_of from deliveries p join chain c on p.id = c.fallback_of) select array_agg(receiver) from chain), '{}'),
              coalesce(i.receivers, n.receivers, '{}'), d.attempts, d.created_at
            from due d left join incidents i on i.number = d.incident_number left join notices n on n.id = d.notice_id
            """, connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.Column(found, f => f.Id));
        var due = new List<Due>();
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                due.Add(new Due(
                    reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2), reader.GetString(3), reader.GetString(4), reader.GetString(5),
                    reader.IsDBNull(6) ? null : reader.GetString(6), reader.GetFieldValue<string[]>(7), reader.GetFieldValue<string[]>(8), reader.GetInt32(9), reader.GetFieldValue<Instant>(10), []));
            }
        }

        if (due.Count > 0) await ReadToldAsync(connection, due, cancellationToken);
        return due;
    }

    private static async Task<List<(long Id, long? Incident, long? Notice)>> FindAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select id, incident_number, notice_id from deliveries where fail_over_at <= $1 order by fail_over_at limit $2", connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(MostPerRun));
        var found = new List<(long, long?, long?)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) found.Add((reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2)));
        return found;
    }

    /// <summary>Who was told of each page's subject, or is being told: facts for <see cref="FailOver.StandingOf"/>.</summary>
    private static async Task ReadToldAsync(NpgsqlConnection connection, List<Due> due, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            select p.id, t.receiver, t.shown_state is not null,
              exists (select 1 from deliveries x where x.incident_number = p.incident_number and x.thread_id = t.id and x.state = 'rejected' and x.done_at >= p.created_at),
              u.state = 'sending', u.attempts, u.occasion, u.fail_over_at
            from deliveries p cross join lateral (
                select a.id, a.receiver, a.shown_state from notification_threads a where a.incident_number = p.incident_number
                union all select b.id, b.receiver, b.shown_state from notification_threads b where b.notice_id = p.notice_id) t
              left join lateral (
                select q.state, q.attempts, q.occasion, q.fail_over_at from deliveries q where q.thread_id = t.id and q.state = 'queued'
                union all select s.state, s.attempts, s.occasion, s.fail_over_at from deliveries s where s.thread_id = t.id and s.state = 'sending') u on true
            where p.id = any($1)
            """, connection);
        command.Parameters.Add(Sql.Column(due, d => d.Id));
        var pages = due.ToDictionary(d => d.Id);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var page = pages[reader.GetInt64(0)];
            var receiver = reader.GetString(1);
            if (page.Told.Find(t => t.Receiver == receiver) is not { } told) page.Told.Add(told = new Told(receiver, reader.GetBoolean(2), reader.GetBoolean(3), []));
            if (!reader.IsDBNull(4)) told.Unfinished.Add(new UnfinishedDelivery(reader.GetBoolean(4), reader.GetInt32(5), reader.GetString(6), reader.IsDBNull(7) ? null : reader.GetFieldValue<Instant>(7)));
        }
    }

    /// <summary>The pages of the people among the receivers that failed, locked after everything else.</summary>
    private static async Task<Called> CalledAsync(NpgsqlConnection connection, List<Due> due, CancellationToken cancellationToken)
    {
        var people = due.Select(d => PersonReceiver.TryParse(d.Receiver, out var person, out _) ? (d.IncidentNumber, d.NoticeId, Person: person) : default).Where(d => d.Person is not null).ToList();
        if (people.Count == 0) return new Called([]);
        return new Called(await PageRows.LockAsync(connection, "p.person = any($1) and (p.incident_number = any($2) or p.bundled_in = any($3))", cancellationToken,
            Sql.P(people.Select(p => p.Person!).Distinct().ToArray()), Sql.P(people.Select(p => p.IncidentNumber).OfType<long>().Distinct().ToArray()), Sql.P(people.Select(p => p.NoticeId).OfType<long>().Distinct().ToArray())));
    }

    private sealed record Due(long Id, long? IncidentNumber, long? NoticeId, string Receiver, string Detail, string Occasion, string? TraceParent, string[] Asked, string[] SubjectReceivers, int Attempts, Instant CreatedAt, List<Told> Told);

    /// <summary>Pages that may go on because a channel failed.</summary>
    private sealed class Called(List<StoredPage> pages)
    {
        private readonly SortedSet<int> _changed = [];

        public IReadOnlyList<StoredPage> Changed => [.. _changed.Select(i => pages[i])];

        /// <summary>False when no page tries to reach the person, or has tried in vain.</summary>
        public bool Fail(Due delivery, string person, string channel, Instant now)
        {
            var isCalled = false;
            for (var i = 0; i < pages.Count; i++)
            {
                var (page, bundle) = pages[i];
                if (page.Person != person || (page.Incident != delivery.IncidentNumber && (bundle is null || bundle != delivery.NoticeId)) || page.Status == PageStatus.Stopped) continue;
                isCalled = true;
                if (page.Fail(channel, now) is var after && after == page) continue;
                pages[i] = new StoredPage(after, bundle);
                _changed.Add(i);
            }

            return isCalled;
        }
    }

    private sealed record Told(string Receiver, bool WasShown, bool HasRefused, List<UnfinishedDelivery> Unfinished);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Page {DeliveryId} of incident {IncidentNumber} did not reach {Receiver} in time ({Detail}); the next way is tried")]
    private partial void LogPersonNotReached(long deliveryId, long? incidentNumber, string receiver, string detail);

    [LoggerMessage(Level = LogLevel.Error, Message = "Delivery {DeliveryId} of incident {IncidentNumber} reached nobody: {Receiver} failed ({Detail}) and no other receiver is left")]
    private partial void LogNobodyLeft(long deliveryId, long? incidentNumber, string receiver, string detail);
}
