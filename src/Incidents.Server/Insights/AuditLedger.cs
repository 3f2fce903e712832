using System.Diagnostics.Metrics;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web.Telemetry;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Insights;

/// <summary>
/// Checks the account of the last day once a minute and tells people, by an incident about the engine itself, when it does not balance, when work is overdue, when a webhook was set aside,
/// when a receiver is parked, or when an escalation policy ended and nobody came; resolves that incident when all is well again.
/// </summary>
internal sealed partial class AuditLedger(IServiceScopeFactory scopes, LastAudit last, WorkerHealth health, TimeProvider clock, ILogger<AuditLedger> log)
    : Worker("auditor", null, TimeSpan.FromSeconds(60), health, clock, log)
{
    private static readonly string[] Kinds = ["webhook", "delivery", "alert", "escalation", "page"];
    private static LedgerShown? _last;
    private static readonly ObservableGauge<int> IsBalanced = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_balanced", () => _last is null ? [] : (IEnumerable<Measurement<int>>)[new(_last.Balanced ? 1 : 0)], description: "1 when the account of the last 24 hours balances.");
    private static readonly ObservableGauge<long> Received = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_webhooks", States, description: "Webhooks of the last 24 hours by state, as the auditor counted them.");
    private static readonly ObservableGauge<long> Outcomes = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_reports", OutcomeCounts, description: "Alert reports of the last 24 hours by outcome, as the auditor counted them.");
    private static readonly ObservableGauge<int> Overdue = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_overdue", OverdueCounts, description: "Work that is later than it may be, by kind.");

    /// <summary>Alerts that waited for the start come first.</summary>
    private static readonly TimeSpan AfterStart = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Delay(AfterStart, Clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await base.ExecuteAsync(stoppingToken);
    }

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var now = Clock.GetCurrentInstant();
        var ledger = await scope.ServiceProvider.GetRequiredService<ISender>().Send(new DrawUpLedger(now - Duration.FromHours(24), now), cancellationToken);
        _last = ledger;
        last.Latest = new LastAudit.Found(now, ledger.Balanced);

        var engine = scope.ServiceProvider.GetRequiredService<EngineIncidents>();
        if (ledger.Balanced)
        {
            await engine.ClearAsync("ledger", "The account balances again.", cancellationToken);
        }
        else
        {
            // Without counts, which change every minute: a note on the incident is for what is new.
            var overdue = ledger.Overdue.Where(o => o.Kind != "delivery").GroupBy(o => o.Kind).Select(kind => kind.MinBy(o => o.Since)!).Select(o => $"{o.Kind} {o.Id} is overdue since {o.Since}, the oldest of its kind");
            var what = string.Join("; ", ledger.Discrepancies.Select(d => d.TrimStart([.. "0123456789 "])).Concat(overdue));
            LogUnbalanced(string.Join("; ", ledger.Discrepancies.Concat(overdue)));
            await engine.RaiseAsync("ledger", "Incidents cannot account for every alert", Domain.Routing.Severity.Critical, what, cancellationToken);
        }

        await WatchQuarantineAsync(scope.ServiceProvider.GetRequiredService<IncidentsDbContext>(), engine, now, cancellationToken);
        await WatchEscalationsAsync(scope.ServiceProvider.GetRequiredService<IncidentsDbContext>(), engine, cancellationToken);
        await WatchReceiversAsync(scope.ServiceProvider.GetRequiredService<IncidentsDbContext>(), engine, cancellationToken);
        return false;
    }

    /// <summary>What was set aside may hold a page: somebody must look at it, and either mend and replay it or see that it was nothing.</summary>
    private static async Task WatchQuarantineAsync(IncidentsDbContext db, EngineIncidents engine, Instant now, CancellationToken cancellationToken)
    {
        var since = now - Duration.FromHours(24);
        var aside = db.Inbox.AsNoTracking().Where(i => i.DoneAt >= since && (i.State == InboxRow.IsQuarantined || i.State == InboxRow.Partial));
        await WatchAsync("ingest", "Incidents failed on a webhook and set it aside", Domain.Routing.Severity.Critical, aside.Where(i => i.Reason!.StartsWith(IngestInbox.EngineFailed)));
        await WatchAsync("quarantine", "A webhook could not be read", Domain.Routing.Severity.Warning, aside.Where(i => !i.Reason!.StartsWith(IngestInbox.EngineFailed)));

        async Task WatchAsync(string what, string title, string severity, IQueryable<InboxRow> found)
        {
            var newest = await found.OrderByDescending(i => i.Id).Select(i => new { i.Source, i.Reason, i.DoneAt }).FirstOrDefaultAsync(cancellationToken);
            if (newest is null) await engine.ClearAsync(what, "What was set aside in the last 24 hours has been replayed, or is older.", cancellationToken);
            else await engine.RaiseAsync(what, title, severity, $"The newest is from {newest.Source}: {newest.Reason} All of them: GET /api/v1/inbox?state=quarantined and state=partial; POST /api/v1/inbox/ID/replay after a fix.", cancellationToken, newest.DoneAt);
        }
    }

    /// <summary>Incidents whose policy is at its end and that nobody has: by themselves they make no more noise, so this does, to whoever hears of what is critical.</summary>
    private static async Task WatchEscalationsAsync(IncidentsDbContext db, EngineIncidents engine, CancellationToken cancellationToken)
    {
        var left = await (from e in db.Escalations.AsNoTracking()
                          join i in db.Incidents on e.Number equals i.Number
                          where e.Status == EscalationStatus.Ended && i.State == IncidentState.Triggered && !i.AboutEngine
                          orderby i.Number
                          select i.Number).Take(20).ToListAsync(cancellationToken);
        if (left.Count == 0) await engine.ClearAsync("escalation", "Somebody has every incident whose escalation policy ended, or it is over.", cancellationToken);
        else await engine.RaiseAsync("escalation", "Nobody has taken incidents whose escalation policy is at its end", Domain.Routing.Severity.Critical, $"Every step has fired, and nobody has acknowledged: {string.Join(", ", left.Select(n => $"INC-{n}"))}{(left.Count == 20 ? " and perhaps more" : "")}.", cancellationToken);
    }

    private static async Task WatchReceiversAsync(IncidentsDbContext db, EngineIncidents engine, CancellationToken cancellationToken)
    {
        var parked = await db.ReceiverStates.AsNoTracking().Where(r => r.IsParked).OrderBy(r => r.Receiver).ToListAsync(cancellationToken);
        if (parked.Count == 0) await engine.ClearAsync("receivers", "Every receiver takes messages again.", cancellationToken);
        else await engine.RaiseAsync("receivers", "A receiver takes no messages", Domain.Routing.Severity.Warning, string.Join(" ", parked.Select(r => $"{r.Receiver} is parked: {r.Reason}")), cancellationToken);
    }

    private static IEnumerable<Measurement<long>> States()
    {
        if (_last?.Webhooks is not { } counts) yield break;
        yield return new(counts.Ingested, new KeyValuePair<string, object?>("state", "ingested"));
        yield return new(counts.Partial, new KeyValuePair<string, object?>("state", "partial"));
        yield return new(counts.Quarantined, new KeyValuePair<string, object?>("state", "quarantined"));
        yield return new(counts.InFlight, new KeyValuePair<string, object?>("state", "in_flight"));
    }

    private static IEnumerable<Measurement<long>> OutcomeCounts() =>
        _last?.Reports.Outcomes.Select(o => new Measurement<long>(o.Value, new KeyValuePair<string, object?>("outcome", o.Key))) ?? [];

    private static IEnumerable<Measurement<int>> OverdueCounts() =>
        _last is { } ledger ? Kinds.Select(kind => new Measurement<int>(ledger.Overdue.Count(o => o.Kind == kind), new KeyValuePair<string, object?>("kind", kind))) : [];

    [LoggerMessage(Level = LogLevel.Error, Message = "The account does not balance: {What}")]
    private partial void LogUnbalanced(string what);
}
