using System.ComponentModel;
using System.Globalization;
using Incidents.Domain.Alerts;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Insights;

/// <summary>The account of a period: everything received, and what became of it (P2).</summary>
internal sealed record LedgerShown
{
    public required Instant Since { get; init; }

    public required Instant Until { get; init; }

    /// <summary>True when every check below holds.</summary>
    public required bool Balanced { get; init; }

    public required WebhookCounts Webhooks { get; init; }

    public required ReportCounts Reports { get; init; }

    /// <summary>Alert episodes first received in the period, by what they are now.</summary>
    public required IReadOnlyDictionary<string, long> Episodes { get; init; }

    /// <summary>What does not add up, in words; empty when all does.</summary>
    public required IReadOnlyList<string> Discrepancies { get; init; }

    /// <summary>Work that is later than it may be, by name.</summary>
    public required IReadOnlyList<OverdueShown> Overdue { get; init; }
}

/// <summary>received = ingested + partial + quarantined + in_flight.</summary>
internal sealed record WebhookCounts(long Received, long Ingested, long Partial, long Quarantined, long InFlight);

/// <param name="Received">Alert reports in the webhooks that are done.</param>
/// <param name="Outcomes">What became of them; they add up to <paramref name="Received"/>.</param>
internal sealed record ReportCounts(long Received, IReadOnlyDictionary<string, long> Outcomes);

/// <param name="Kind"><c>webhook</c>, <c>delivery</c>, <c>alert</c>, <c>escalation</c> or <c>page</c>.</param>
/// <param name="Id">Which one.</param>
/// <param name="Since">Since when it is due.</param>
/// <param name="Detail">What is known of it.</param>
internal sealed record OverdueShown(string Kind, string Id, Instant Since, string Detail);

/// <summary>Draws up the account. One transaction sees one moment, so that work under way cannot look like a discrepancy.</summary>
internal sealed record DrawUpLedger(Instant Since, Instant Until) : IQuery<LedgerShown>;

internal sealed class DrawUpLedgerHandler(NpgsqlDataSource database, TimeProvider clock) : IQueryHandler<DrawUpLedger, LedgerShown>
{
    private static readonly Duration WebhookDeadline = Duration.FromMinutes(1);
    private static readonly Duration DeliveryDeadline = Duration.FromMinutes(5);
    private static readonly Duration EscalationDeadline = Duration.FromMinutes(1);
    private const int MostNamed = 100;

    public async ValueTask<LedgerShown> Handle(DrawUpLedger query, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("""
            select count(*), count(*) filter (where state = 'ingested'), count(*) filter (where state = 'partial'), count(*) filter (where state = 'quarantined'), count(*) filter (where state = 'pending'),
              coalesce(sum(alerts), 0), coalesce(sum(opened), 0), coalesce(sum(attached), 0), coalesce(sum(suppressed), 0), coalesce(sum(informed), 0), coalesce(sum(duplicate), 0), coalesce(sum(resolved), 0), coalesce(sum(quarantined), 0),
              count(*) filter (where alerts <> opened + attached + suppressed + informed + duplicate + resolved + quarantined)
            from inbox where received_at >= $1 and received_at < $2
            """, Sql.P(query.Since), Sql.P(query.Until));

        // Webhooks that retention removed: it kept their counts by day.
        batch.Add("""
            select coalesce(sum(webhooks), 0), coalesce(sum(ingested), 0), coalesce(sum(partial), 0), coalesce(sum(unreadable), 0), 0::numeric,
              coalesce(sum(alerts), 0), coalesce(sum(opened), 0), coalesce(sum(attached), 0), coalesce(sum(suppressed), 0), coalesce(sum(informed), 0), coalesce(sum(duplicate), 0), coalesce(sum(resolved), 0), coalesce(sum(quarantined), 0),
              count(*) filter (where alerts <> opened + attached + suppressed + informed + duplicate + resolved + quarantined or webhooks <> ingested + partial + unreadable)
            from ledger_days where day::timestamp at time zone 'utc' >= $1 and (day + 1)::timestamp at time zone 'utc' <= $2
            """, Sql.P(query.Since), Sql.P(query.Until));
        batch.Add("select outcome, count(*) from alerts where received_at >= $1 and received_at < $2 group by outcome", Sql.P(query.Since), Sql.P(query.Until));

        // Each of these counts must be zero; together they say that an outcome is not just a word.
        batch.Add("""
            select
              (select count(*) from inbox i where i.received_at >= $1 and i.received_at < $2 and not exists (select 1 from inbox_bodies b where b.id = i.id)),
              (select count(*) from alerts a where a.received_at >= $1 and a.received_at < $2 and a.outcome in ('opened', 'attached') and not exists (select 1 from incidents i where i.number = a.incident_number)),
              (select count(*) from alerts a where a.received_at >= $1 and a.received_at < $2 and a.outcome = 'informed' and a.outcome_reason is null and not exists (select 1 from notices n where n.id = a.notice_id)),
              (select count(*) from alerts a where a.received_at >= $1 and a.received_at < $2 and a.outcome = 'suppressed' and a.outcome_reason is null),
              (select count(*) from alerts a where a.received_at >= $1 and a.received_at < $2 and a.outcome not in ('opened', 'attached', 'suppressed', 'informed', 'duplicate', 'resolved')),
              (select count(*) from incidents i where i.state in ('triggered', 'acknowledged') and i.firing_alerts <> (select count(*) from alerts a where a.incident_number = i.number and a.status = 'firing' and a.outcome in ('opened', 'attached'))),
              (select count(*) from incidents i cross join lateral unnest(i.receivers) r where i.opened_at >= $1 and i.opened_at < $2 and i.storm_number is null and not exists (select 1 from deliveries d where d.incident_number = i.number and d.receiver = r)
                and not exists (select 1 from notification_threads t where t.incident_number = i.number and t.receiver = r))
            """, Sql.P(query.Since), Sql.P(query.Until));
        batch.Add("select 'webhook', 'rcp_' || id, received_at, coalesce(reason, 'waits to be ingested') from inbox where state = 'pending' and received_at < $1 order by id limit $2", Sql.P(now - WebhookDeadline), Sql.P(MostNamed));
        batch.Add("""
            select 'delivery', 'dlv_' || d.id, d.created_at, d.receiver || ': ' || coalesce(d.detail, 'not tried yet') from deliveries d
            where d.state in ('queued', 'sending') and d.created_at < $1 order by d.created_at limit $2
            """, Sql.P(now - DeliveryDeadline), Sql.P(MostNamed));
        batch.Add("select 'alert', id::text, settle_at, name || ' waits to be settled' from alerts where status = 'firing' and settle_at < $1 order by settle_at limit $2", Sql.P(now - DeliveryDeadline), Sql.P(MostNamed));

        batch.Add("select 'escalation', 'INC-' || number, due_at, 'a step of policy ' || policy || ' has not fired' from escalations where due_at < $1 order by due_at limit $2", Sql.P(now - EscalationDeadline), Sql.P(MostNamed));
        batch.Add("select 'page', 'INC-' || incident_number, due_at, 'the next contact of ' || person || ' has not been tried' from pages where due_at < $1 order by due_at limit $2", Sql.P(now - EscalationDeadline), Sql.P(MostNamed));

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var counts = await ReadCountsAsync(reader, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var removed = await ReadCountsAsync(reader, cancellationToken);
        var sum = counts.Zip(removed, (here, gone) => here + gone).ToArray();
        var webhooks = new WebhookCounts(sum[0], sum[1], sum[2], sum[3], sum[4]);
        var outcomes = AlertOutcome.All.Select((outcome, i) => (outcome, Count: sum[6 + i])).ToDictionary(o => o.outcome, o => o.Count);
        var reports = new ReportCounts(sum[5], outcomes);
        var discrepancies = new List<string>();
        Check(webhooks.Received - webhooks.Ingested - webhooks.Partial - webhooks.Quarantined - webhooks.InFlight, "webhooks are in no known state");
        Check(counts[13], "webhooks have alerts whose outcomes do not add up");
        Check(removed[13], "days of removed webhooks do not add up");

        await reader.NextResultAsync(cancellationToken);
        var episodes = AlertOutcome.All.Where(o => o != AlertOutcome.Quarantined).ToDictionary(o => o, _ => 0L);
        while (await reader.ReadAsync(cancellationToken)) episodes[reader.GetString(0)] = reader.GetInt64(1);

        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        Check(reader.GetInt64(0), "webhooks have lost their body");
        Check(reader.GetInt64(1), "alerts belong to an incident that does not exist");
        Check(reader.GetInt64(2), "alerts were told of in a notice that does not exist");
        Check(reader.GetInt64(3), "alerts are suppressed by no named rule");
        Check(reader.GetInt64(4), "alerts have no known outcome");
        Check(reader.GetInt64(5), "open incidents count other firing alerts than they have");
        Check(reader.GetInt64(6), "receivers of incidents were never to be told");

        var overdue = new List<OverdueShown>();
        while (await reader.NextResultAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken)) overdue.Add(new OverdueShown(reader.GetString(0), reader.GetString(1), reader.GetFieldValue<Instant>(2), reader.GetString(3)));
        }

        return new LedgerShown
        {
            Since = query.Since,
            Until = query.Until,
            Balanced = discrepancies.Count == 0 && overdue.All(o => o.Kind == "delivery"),
            Webhooks = webhooks,
            Reports = reports,
            Episodes = episodes,
            Discrepancies = discrepancies,
            Overdue = overdue,
        };

        static async Task<long[]> ReadCountsAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
        {
            await reader.ReadAsync(cancellationToken);
            return [.. Enumerable.Range(0, reader.FieldCount).Select(i => Convert.ToInt64(reader.GetValue(i), CultureInfo.InvariantCulture))];
        }

        void Check(long count, string what)
        {
            if (count != 0) discrepancies.Add($"{count} {what}");
        }
    }
}

internal static class LedgerEndpoints
{
    public static void MapLedger(this WebApplication app) => app.MapGet("/api/v1/ledger", GetAsync).RequireAuthorization(Scopes.Read).WithTags("Ledger").WithName("GetLedger")
        .WithSummary("The account: everything received, and what became of it").WithDescription("Without a period, the last 24 hours. Webhooks that retention removed are counted by whole UTC days within the period. balanced is false when anything does not add up or is overdue (deliveries that wait for a receiver are listed, but are no discrepancy).")
        .Produces<LedgerShown>().WithProblem(400, "invalid_request", "since or until is not a time.");

    private static async Task<IResult> GetAsync([Description("Received at or after, RFC 3339.")] string? since, [Description("Received before, RFC 3339.")] string? until, ISender sender, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!Words.TryReadTime("since", since, out var from, out var problem) || !Words.TryReadTime("until", until, out var to, out problem)) return problem;
        var end = to ?? clock.GetCurrentInstant();
        return TypedResults.Ok(await sender.Send(new DrawUpLedger(from ?? end - Duration.FromHours(24), end), cancellationToken));
    }
}
