using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>Asks routing who hears of an existing incident if its severity were another.</summary>
internal sealed class RouteIncident(IncidentsDbContext db, IActiveConfiguration configuration)
{
    /// <summary>The decision for the labels of the incident's newest alert with the severity replaced; for one without alerts, that of the bare severity. Mutes do not apply: a person asked.</summary>
    public async Task<RoutingDecision> WithSeverityAsync(long number, string severity, CancellationToken cancellationToken)
    {
        var json = await db.Alerts.Where(a => a.IncidentNumber == number).OrderByDescending(a => a.StartsAt).Select(a => a.Labels).FirstOrDefaultAsync(cancellationToken);
        var labels = Labels.From((json is null ? Labels.Empty : AlertJson.Read(json)).Append(new("severity", severity)));
        return configuration.Current.Routing.MatchAs(severity, labels);
    }
}
