using System.ComponentModel.DataAnnotations;
using Incidents.Server.Storage;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;
using Quartz;

namespace Incidents.Server.Scheduling;

/// <summary>The <c>Retention</c> section: how long what is done is kept. Incidents, their timelines and post-mortems are never removed.</summary>
internal sealed class RetentionOptions
{
    /// <summary>Days that ingested webhooks are kept, body and all, and what people did in Slack and PagerDuty. Default 30, more than 2: PagerDuty repeats for so long.</summary>
    [Range(1, 36_500)]
    public int InboxDays { get; set; } = 30;

    /// <summary>Days that webhooks which could not be read whole are kept for a replay. Default 90.</summary>
    [Range(1, 36_500)]
    public int QuarantineDays { get; set; } = 90;

    /// <summary>Days that the single attempts of deliveries, and sessions that ended or were left, are kept. Default 90.</summary>
    [Range(1, 36_500)]
    public int AttemptDays { get; set; } = 90;
}

/// <summary>The account of a day whose webhooks were removed, so that the whole history still adds up.</summary>
internal sealed class LedgerDay
{
    /// <summary>In UTC.</summary>
    public LocalDate Day { get; init; }

    public long Webhooks { get; init; }

    public long Ingested { get; init; }

    public long Partial { get; init; }

    public long Unreadable { get; init; }

    // Reports by outcome: they add up to Alerts.
    public long Alerts { get; init; }

    public long Opened { get; init; }

    public long Attached { get; init; }

    public long Suppressed { get; init; }

    public long Informed { get; init; }

    public long Duplicate { get; init; }

    public long Resolved { get; init; }

    public long Quarantined { get; init; }
}

/// <summary>
/// Removes what is older than it need be, in portions of their own transaction, so that nothing waits long for it. What is removed from the inbox is added to its day's account by the same statement.
/// A webhook that still waits to be ingested is never removed.
/// </summary>
internal sealed partial class Retention(NpgsqlDataSource database, IOptions<RetentionOptions> options, TimeProvider clock, ILogger<Retention> log)
{
    private const int Portion = 5000;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var kept = options.Value;
        var webhooks = await RemoveAsync("""
            with old as (
                select id from inbox where (state = 'ingested' and received_at < $1) or (state in ('partial', 'quarantined') and received_at < $2) order by id limit $3 for update skip locked),
              gone as (delete from inbox i using old where i.id = old.id returning i.*),
              bodies as (delete from inbox_bodies b using old where b.id = old.id),
              account as (
                insert into ledger_days as l (day, webhooks, ingested, partial, unreadable, alerts, opened, attached, suppressed, informed, duplicate, resolved, quarantined)
                select (received_at at time zone 'utc')::date, count(*), count(*) filter (where state = 'ingested'), count(*) filter (where state = 'partial'), count(*) filter (where state = 'quarantined'),
                  sum(alerts), sum(opened), sum(attached), sum(suppressed), sum(informed), sum(duplicate), sum(resolved), sum(quarantined)
                from gone group by 1
                on conflict (day) do update set webhooks = l.webhooks + excluded.webhooks, ingested = l.ingested + excluded.ingested, partial = l.partial + excluded.partial, unreadable = l.unreadable + excluded.unreadable,
                  alerts = l.alerts + excluded.alerts, opened = l.opened + excluded.opened, attached = l.attached + excluded.attached, suppressed = l.suppressed + excluded.suppressed, informed = l.informed + excluded.informed,
                  duplicate = l.duplicate + excluded.duplicate, resolved = l.resolved + excluded.resolved, quarantined = l.quarantined + excluded.quarantined)
            select count(*) from gone
            """, [Sql.P(now - Duration.FromDays(kept.InboxDays)), Sql.P(now - Duration.FromDays(kept.QuarantineDays)), Sql.P(Portion)], cancellationToken);
        var attempts = await RemoveAsync("""
            with gone as (delete from delivery_attempts where id in (select id from delivery_attempts where started_at < $1 order by id limit $2) returning 1)
            select count(*) from gone
            """, [Sql.P(now - Duration.FromDays(kept.AttemptDays)), Sql.P(Portion)], cancellationToken);
        var mutings = await RemoveAsync("""
            with gone as (delete from mutings where id in (select id from mutings where began_at < $1 and ended_at is not null order by began_at limit $2) returning 1)
            select count(*) from gone
            """, [Sql.P(now - Duration.FromDays(Math.Max(31, kept.AttemptDays))), Sql.P(Portion)], cancellationToken);
        var inbound = await RemoveAsync("""
            with gone as (delete from inbound_actions where id in (select id from inbound_actions where received_at < $1 and state in ('done', 'failed') order by received_at limit $2) returning 1),
              spent as (delete from spent_tokens where expires_at < $3)
            select count(*) from gone
            """, [Sql.P(now - Duration.FromDays(kept.InboxDays)), Sql.P(Portion), Sql.P(now)], cancellationToken);
        var sessions = await RemoveAsync("""
            with gone as (delete from sessions where id in (select id from sessions where greatest(last_seen_at, revoked_at) < $1 order by id limit $2) returning 1)
            select count(*) from gone
            """, [Sql.P(now - Duration.FromDays(Math.Max(31, kept.AttemptDays))), Sql.P(Portion)], cancellationToken);
        LogRemoved(webhooks, attempts, mutings, inbound, sessions);
    }

    private async Task<long> RemoveAsync(string sql, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        var total = 0L;
        while (true)
        {
            await using var command = database.CreateCommand(sql);
            foreach (var parameter in parameters) command.Parameters.Add(parameter.Clone());
            var removed = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
            total += removed;
            if (removed < Portion) return total;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Retention removed {Webhooks} webhooks, {Attempts} delivery attempts, {Mutings} records of what was hidden, {Inbound} inbound actions and {Sessions} sessions")]
    private partial void LogRemoved(long webhooks, long attempts, long mutings, long inbound, long sessions);
}

/// <summary>Once a day, on one replica.</summary>
[DisallowConcurrentExecution]
internal sealed class RetentionJob(Retention retention) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => await retention.RunAsync(cancellationToken);
}
