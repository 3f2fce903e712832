using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>One incident by its number, or null.</summary>
internal sealed record GetIncident(long Number) : IQuery<Incident?>;

internal sealed class GetIncidentHandler(IncidentsDbContext db) : IQueryHandler<GetIncident, Incident?>
{
    public async ValueTask<Incident?> Handle(GetIncident query, CancellationToken cancellationToken) =>
        await db.Incidents.AsNoTracking().SingleOrDefaultAsync(i => i.Number == query.Number, cancellationToken);
}
