using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>One incident by its number, or null.</summary>
internal sealed record GetIncident(long Number) : IQuery<Incident?>;

/// <summary>Incidents by their numbers, in no particular order; numbers that nobody has are passed over.</summary>
internal sealed record GetIncidents(IReadOnlyCollection<long> Numbers) : IQuery<IReadOnlyList<Incident>>;

internal sealed class GetIncidentHandler(IncidentsDbContext db) : IQueryHandler<GetIncident, Incident?>
{
    public async ValueTask<Incident?> Handle(GetIncident query, CancellationToken cancellationToken) =>
        await db.Incidents.AsNoTracking().SingleOrDefaultAsync(i => i.Number == query.Number, cancellationToken);
}

internal sealed class GetIncidentsHandler(IncidentsDbContext db) : IQueryHandler<GetIncidents, IReadOnlyList<Incident>>
{
    public async ValueTask<IReadOnlyList<Incident>> Handle(GetIncidents query, CancellationToken cancellationToken) =>
        await db.Incidents.AsNoTracking().Where(i => query.Numbers.Contains(i.Number)).ToListAsync(cancellationToken);
}
