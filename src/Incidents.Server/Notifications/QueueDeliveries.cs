using Incidents.Domain.OnCall;
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

        // Whoever took it or ended it was reached; what still tries to reach somebody need not call others.
        var ended = incidents.Where(c => Occasion.EndsPages(c.Occasion)).Select(c => c.Incident.Number).Distinct().ToArray();
        if (ended.Length > 0) writes.Add("update deliveries set fail_over_at = null where incident_number = any($1) and fail_over_at is not null", Sql.P(ended));
        foreach (var change in incidents)
        {
            var incident = change.Incident;
            var joined = incident.TakeJoined();
            foreach (var receiver in incident.Receivers)
            {
                // Whoever joins has heard nothing of it yet; in a storm its incident speaks instead. Whom a step names hears of it in any case.
                var joins = joined.Contains(receiver, StringComparer.Ordinal);
                if (incident.Tells(change.Occasion) || (joins && incident.StormNumber is null) || change.Pages.Contains(receiver, StringComparer.Ordinal))
                    Want((incident.Number, null, receiver), Heard(change, receiver, joins), incident.IsOpen, change.TraceParent);
            }
        }

        foreach (var (notice, occasion, trace) in notices)
        {
            var joined = notice.TakeJoined();
            foreach (var receiver in notice.Receivers) Want((null, notice.Id, receiver), Occasion.For(occasion, joined.Contains(receiver, StringComparer.Ordinal), notice.ClosedAt is null), notice.ClosedAt is null, trace);
        }

        await DeliveryRows.QueueAsync(writes, [.. wanted.Select(w => new WantedDelivery
        {
            Incident = w.Key.Incident,
            Notice = w.Key.Notice,
            Receiver = w.Key.Receiver,
            Occasion = w.Value.Occasion,
            DueAt = w.Value.Occasion == Occasion.Updated ? now + rules.BundleUpdates : now,
            FailOverAt = w.Value.IsOpen && Occasion.IsPage(w.Value.Occasion) ? now + rules.FailOverAfter : null,
            TraceParent = w.Value.Trace,
        })], ids, now, cancellationToken);

        void Want((long? Incident, long? Notice, string Receiver) key, string occasion, bool isOpen, string? trace) =>
            wanted[key] = wanted.TryGetValue(key, out var before) ? before with { Occasion = Occasion.Weightier(before.Occasion, occasion) } : new Wanted(occasion, isOpen, trace);
    }

    /// <summary>What this change is to one of its receivers: people of the escalation are paged by its steps, others whenever somebody must be reached.</summary>
    private static string Heard(IncidentChange change, string receiver, bool joins)
    {
        if (change.Pages.Contains(receiver, StringComparer.Ordinal)) return Occasion.For(Occasion.Weightier(change.Occasion, Occasion.Paged), joins, change.Incident.IsOpen);
        if (!PersonReceiver.Is(receiver)) return Occasion.For(change.Occasion, joins, change.Incident.IsOpen);
        return Occasion.IsPage(change.Occasion) && !Occasion.PagesPeople(change.Occasion) ? Occasion.Updated : change.Occasion;
    }

    private sealed record Wanted(string Occasion, bool IsOpen, string? Trace);
}
