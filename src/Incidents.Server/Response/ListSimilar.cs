using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>Earlier incidents like this one: those of the same group first, then those with the same title; the newest of each first.</summary>
internal sealed record ListSimilar(Incident Incident, int Limit) : IQuery<IReadOnlyList<Incident>>;

internal sealed class ListSimilarHandler(IncidentsDbContext db) : IQueryHandler<ListSimilar, IReadOnlyList<Incident>>
{
    public async ValueTask<IReadOnlyList<Incident>> Handle(ListSimilar query, CancellationToken cancellationToken)
    {
        var (number, group, title) = (query.Incident.Number, query.Incident.GroupId, query.Incident.Title);
        return await db.Incidents.AsNoTracking().Where(i => i.Number != number && (i.GroupId == group || i.Title == title))
            .OrderByDescending(i => i.GroupId == group).ThenByDescending(i => i.Number).Take(query.Limit).ToListAsync(cancellationToken);
    }
}
