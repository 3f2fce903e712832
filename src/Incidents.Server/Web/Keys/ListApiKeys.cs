using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Web;

/// <summary>All keys, the revoked ones too, newest first, without their secrets.</summary>
internal sealed record ListApiKeys : IQuery<IReadOnlyList<ApiKeySummary>>;

/// <summary>A key as it may be shown.</summary>
internal sealed record ApiKeySummary(Guid Id, string Name, string Prefix, string[] Scopes, string? Source, Instant CreatedAt, Instant? ExpiresAt, Instant? LastUsedAt, Instant? RevokedAt, string? Team, Instant? PreviousUntil);

internal sealed class ListApiKeysHandler(IncidentsDbContext db) : IQueryHandler<ListApiKeys, IReadOnlyList<ApiKeySummary>>
{
    public async ValueTask<IReadOnlyList<ApiKeySummary>> Handle(ListApiKeys query, CancellationToken cancellationToken) =>
        await db.Set<ApiKey>().AsNoTracking().OrderByDescending(k => k.CreatedAt).ThenByDescending(k => k.Id)
            .Select(k => new ApiKeySummary(k.Id, k.Name, k.Prefix, k.Scopes, k.Source, k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.RevokedAt, k.Team, k.PreviousUntil))
            .ToListAsync(cancellationToken);
}
