using Incidents.Domain.PostMortems;
using Incidents.Server.Alerts;
using Incidents.Server.Notifications;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.PostMortems;

/// <summary>Gathers what was recorded about an incident.</summary>
internal sealed class PostMortemReader(IncidentsDbContext db)
{
    private const int MostEntries = 2000;
    private const int MostDeliveries = 500;
    private static readonly string[] NotThrough = ["retry", "rejected", "misconfigured", "lost"];

    /// <summary>Null when there is no such incident.</summary>
    public async Task<PostMortemFacts?> ReadAsync(long incidentNumber, CancellationToken cancellationToken)
    {
        var incident = await db.Incidents.AsNoTracking().SingleOrDefaultAsync(i => i.Number == incidentNumber, cancellationToken);
        if (incident is null) return null;

        // The newest of a very long timeline, because they tell how it ended.
        var timeline = await db.TimelineEntries.AsNoTracking().Where(e => e.IncidentNumber == incidentNumber).OrderByDescending(e => e.Id).Take(MostEntries).ToListAsync(cancellationToken);
        timeline.Reverse();
        var alerts = await db.Alerts.AsNoTracking().Where(a => a.IncidentNumber == incidentNumber).OrderBy(a => a.StartsAt).ThenBy(a => a.Id).Take(DraftPostMortem.MostAlerts).ToListAsync(cancellationToken);
        var deliveries = await db.Deliveries.AsNoTracking().Where(d => d.IncidentNumber == incidentNumber).OrderBy(d => d.CreatedAt).ThenBy(d => d.Id).Take(MostDeliveries).ToListAsync(cancellationToken);
        var ids = deliveries.ConvertAll(d => d.Id);
        var failed = await db.DeliveryAttempts.AsNoTracking().Where(a => ids.Contains(a.DeliveryId) && NotThrough.Contains(a.Result)).GroupBy(a => a.DeliveryId).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, cancellationToken);
        return new PostMortemFacts
        {
            Incident = incident,
            Timeline = timeline,
            Alerts = [.. alerts.Select(a => new PostMortemAlert(a.Name, Summary(a), a.Severity, a.StartsAt, a.ResolvedAt))],
            Deliveries = [.. deliveries.Select(d => new PostMortemDelivery(d.Receiver, d.Occasion, d.CreatedAt, d.State == DeliveryRow.Delivered ? d.DoneAt : null, d.State, failed.GetValueOrDefault(d.Id), d.FallbackOf is not null, d.Detail))],
            RoutePath = [.. alerts.FirstOrDefault(a => a.RoutePath.Length > 0)?.RoutePath ?? []],
        };
    }

    private static string Summary(AlertRow alert)
    {
        var labels = AlertJson.Read(alert.Labels);
        return string.Join(", ", Enumerable.Range(0, Math.Min(labels.Count, 12)).Select(i => $"{labels[i].Key}={labels[i].Value}"));
    }
}
