using System.Diagnostics.Metrics;
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
/// Checks the account of the last day once a minute and tells people, by an incident about the engine itself, when it does not balance, when work is overdue,
/// or when a receiver is parked; resolves that incident when all is well again.
/// </summary>
internal sealed partial class AuditLedger(IServiceScopeFactory scopes, WorkerHealth health, TimeProvider clock, ILogger<AuditLedger> log)
    : Worker("auditor", null, TimeSpan.FromSeconds(60), health, clock, log)
{
    private static readonly string[] Kinds = ["webhook", "delivery", "alert"];
    private static LedgerShown? _last;
    private static readonly ObservableGauge<int> IsBalanced = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_balanced", () => _last is null ? [] : (IEnumerable<Measurement<int>>)[new(_last.Balanced ? 1 : 0)], description: "1 when the account of the last 24 hours balances.");
    private static readonly ObservableGauge<long> Received = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_webhooks", States, description: "Webhooks of the last 24 hours by state, as the auditor counted them.");
    private static readonly ObservableGauge<long> Outcomes = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_reports", OutcomeCounts, description: "Alert reports of the last 24 hours by outcome, as the auditor counted them.");
    private static readonly ObservableGauge<int> Overdue = IncidentsMetrics.Meter.CreateObservableGauge("incidents_ledger_overdue", OverdueCounts, description: "Work that is later than it may be, by kind.");

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var now = Clock.GetCurrentInstant();
        var ledger = await scope.ServiceProvider.GetRequiredService<ISender>().Send(new DrawUpLedger(now - Duration.FromHours(24), now), cancellationToken);
        _last = ledger;

        var engine = scope.ServiceProvider.GetRequiredService<EngineIncidents>();
        if (ledger.Balanced)
        {
            await engine.ClearAsync("ledger", "The account balances again.", cancellationToken);
        }
        else
        {
            var what = string.Join("; ", ledger.Discrepancies.Concat(ledger.Overdue.Where(o => o.Kind != "delivery").Take(5).Select(o => $"{o.Kind} {o.Id} is overdue since {o.Since}: {o.Detail}")));
            LogUnbalanced(what);
            await engine.RaiseAsync("ledger", "Incidents cannot account for every alert", Domain.Routing.Severity.Critical, what, cancellationToken);
        }

        await WatchReceiversAsync(scope.ServiceProvider.GetRequiredService<IncidentsDbContext>(), engine, cancellationToken);
        return false;
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
