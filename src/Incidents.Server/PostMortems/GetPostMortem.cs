using Incidents.Domain.PostMortems;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.PostMortems;

/// <summary>One post-mortem, or null.</summary>
/// <param name="Id">By its own id, or</param>
/// <param name="IncidentNumber">by its incident.</param>
internal sealed record GetPostMortem(long? Id, long? IncidentNumber) : IQuery<PostMortem?>;

internal sealed class GetPostMortemHandler(IncidentsDbContext db) : IQueryHandler<GetPostMortem, PostMortem?>
{
    public async ValueTask<PostMortem?> Handle(GetPostMortem query, CancellationToken cancellationToken) =>
        await db.Set<PostMortem>().AsNoTracking().SingleOrDefaultAsync(p => query.Id != null ? p.Id == query.Id : p.IncidentNumber == query.IncidentNumber, cancellationToken);
}

/// <summary>Post-mortems, the newest first. All filters together must hold.</summary>
internal sealed record ListPostMortems(IReadOnlyList<string> Statuses, IReadOnlyList<string> Severities, bool? Required, Instant? Since, Instant? Until, long? BeforeId, int Limit) : IQuery<IReadOnlyList<PostMortemSummary>>;

/// <summary>A post-mortem in a list.</summary>
internal sealed record PostMortemSummary
{
    public required long Id { get; init; }

    public required long IncidentNumber { get; init; }

    public required string Title { get; init; }

    /// <summary><c>critical</c>, <c>warning</c> or <c>info</c>.</summary>
    public required string Severity { get; init; }

    /// <summary><c>pending</c>, <c>draft</c>, <c>published</c> or <c>skipped</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Somebody has to publish it, or skip it with a reason.</summary>
    public required bool Required { get; init; }

    /// <summary>Number of the newest published version; 0 when there is none.</summary>
    public required int Version { get; init; }

    public Instant? PublishedAt { get; init; }

    public required Instant CreatedAt { get; init; }

    public required Instant UpdatedAt { get; init; }
}

internal sealed class ListPostMortemsHandler(IncidentsDbContext db) : IQueryHandler<ListPostMortems, IReadOnlyList<PostMortemSummary>>
{
    public async ValueTask<IReadOnlyList<PostMortemSummary>> Handle(ListPostMortems query, CancellationToken cancellationToken)
    {
        var rows = db.Set<PostMortem>().AsNoTracking();
        if (query.Statuses.Count > 0) rows = rows.Where(p => query.Statuses.Contains(p.Status));
        if (query.Severities.Count > 0) rows = rows.Where(p => query.Severities.Contains(p.Severity));
        if (query.Required is { } required) rows = rows.Where(p => p.RequiredBecause != null == required);
        if (query.Since is { } since) rows = rows.Where(p => p.CreatedAt >= since);
        if (query.Until is { } until) rows = rows.Where(p => p.CreatedAt < until);
        if (query.BeforeId is { } before) rows = rows.Where(p => p.Id < before);
        return await rows.OrderByDescending(p => p.Id).Take(query.Limit).Select(p => new PostMortemSummary
        {
            Id = p.Id,
            IncidentNumber = p.IncidentNumber,
            Title = p.Title,
            Severity = p.Severity,
            Status = p.Status,
            Required = p.RequiredBecause != null,
            Version = p.Version,
            PublishedAt = p.PublishedAt,
            CreatedAt = p.CreatedAt,
            UpdatedAt = p.UpdatedAt,
        }).ToListAsync(cancellationToken);
    }
}

/// <summary>The published versions of a post-mortem, the newest first.</summary>
internal sealed record ListPostMortemVersions(long Id) : IQuery<IReadOnlyList<PostMortemVersion>>;

internal sealed class ListPostMortemVersionsHandler(IncidentsDbContext db) : IQueryHandler<ListPostMortemVersions, IReadOnlyList<PostMortemVersion>>
{
    public async ValueTask<IReadOnlyList<PostMortemVersion>> Handle(ListPostMortemVersions query, CancellationToken cancellationToken) =>
        await db.Set<PostMortemVersion>().AsNoTracking().Where(v => v.PostMortemId == query.Id).OrderByDescending(v => v.Number).ToListAsync(cancellationToken);
}
