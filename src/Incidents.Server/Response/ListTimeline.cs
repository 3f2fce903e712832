using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Response;

/// <summary>What happened to an incident, oldest first.</summary>
internal sealed record ListTimeline(long Number, long AfterId, int Limit) : IQuery<IReadOnlyList<TimelineEntry>>;

/// <summary>The last that happened to an incident, newest first.</summary>
internal sealed record ListNewestEntries(long Number, int Limit) : IQuery<IReadOnlyList<TimelineEntry>>;

internal sealed class ListTimelineHandler(IncidentsDbContext db) : IQueryHandler<ListTimeline, IReadOnlyList<TimelineEntry>>
{
    public async ValueTask<IReadOnlyList<TimelineEntry>> Handle(ListTimeline query, CancellationToken cancellationToken) =>
        await db.TimelineEntries.AsNoTracking().Where(e => e.IncidentNumber == query.Number && e.Id > query.AfterId).OrderBy(e => e.Id).Take(query.Limit).ToListAsync(cancellationToken);
}

internal sealed class ListNewestEntriesHandler(IncidentsDbContext db) : IQueryHandler<ListNewestEntries, IReadOnlyList<TimelineEntry>>
{
    public async ValueTask<IReadOnlyList<TimelineEntry>> Handle(ListNewestEntries query, CancellationToken cancellationToken) =>
        await db.TimelineEntries.AsNoTracking().Where(e => e.IncidentNumber == query.Number).OrderByDescending(e => e.Id).Take(query.Limit).ToListAsync(cancellationToken);
}
