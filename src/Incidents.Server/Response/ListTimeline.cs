using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>What happened to an incident, oldest first.</summary>
internal sealed record ListTimeline(long Number, long AfterId, int Limit) : IQuery<IReadOnlyList<TimelineEntry>>;

internal sealed class ListTimelineHandler(IncidentsDbContext db) : IQueryHandler<ListTimeline, IReadOnlyList<TimelineEntry>>
{
    public async ValueTask<IReadOnlyList<TimelineEntry>> Handle(ListTimeline query, CancellationToken cancellationToken) =>
        await db.TimelineEntries.AsNoTracking().Where(e => e.IncidentNumber == query.Number && e.Id > query.AfterId).OrderBy(e => e.Id).Take(query.Limit).ToListAsync(cancellationToken);
}
