using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Web;

/// <summary>The audit log, newest first.</summary>
/// <param name="Take">At most this many.</param>
/// <param name="BeforeId">Only entries older than this one.</param>
/// <param name="Subject">Only entries about this subject (<c>incident/142</c>).</param>
/// <param name="Actor">Only entries of this actor.</param>
internal sealed record ListAudit(int Take, long? BeforeId, string? Subject, string? Actor) : IQuery<IReadOnlyList<AuditEntryShown>>;

/// <param name="ActorKind"><c>user</c>, <c>api_key</c>, <c>key_session</c> (the name is what somebody typed who signed in with a key), <c>slack</c>, <c>email</c>, <c>pagerduty</c> or <c>system</c>.</param>
/// <param name="ActorId">Who it was, proven: <c>user/0198…</c>; for <c>key_session</c> the key.</param>
internal sealed record AuditEntryShown(long Id, Instant At, string Actor, string ActorKind, string? ActorId, string Action, string Subject, string? RemoteAddress, JsonNode? Detail);

internal sealed class ListAuditHandler(IncidentsDbContext db) : IQueryHandler<ListAudit, IReadOnlyList<AuditEntryShown>>
{
    public async ValueTask<IReadOnlyList<AuditEntryShown>> Handle(ListAudit query, CancellationToken cancellationToken)
    {
        var entries = db.Set<AuditEntry>().AsNoTracking();
        if (query.BeforeId is { } before) entries = entries.Where(e => e.Id < before);
        if (query.Subject is { } subject) entries = entries.Where(e => e.Subject == subject);
        if (query.Actor is { } actor) entries = entries.Where(e => e.Actor == actor);
        var rows = await entries.OrderByDescending(e => e.Id).Take(query.Take).ToListAsync(cancellationToken);
        return [.. rows.Select(e => new AuditEntryShown(e.Id, e.At, e.Actor, e.ActorKind, e.ActorId, e.Action, e.Subject, e.RemoteAddress?.ToString(), e.Detail is null ? null : JsonNode.Parse(e.Detail)))];
    }
}

internal static class AuditEndpoints
{
    private const string List = "audit";

    public static void MapAudit(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/audit", ListAsync)
            .RequireAuthorization(Scopes.Admin).WithTags("Audit").WithName("ListAudit")
            .WithSummary("Who did what, when and from where, newest first")
            .Produces<Page<AuditEntryShown>>()
            .WithProblem(400, "invalid_request", "limit is out of range.")
            .WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");

    private static async Task<IResult> ListAsync(
        [AsParameters] PageQuery page,
        [Description("Only entries about this: incident/142.")] string? subject,
        [Description("Only entries of this actor.")] string? actor,
        HttpContext context, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<Position>(List, out var limit, out var after, out var problem)) return problem;
        var rows = await sender.Send(new ListAudit(limit + 1, after?.Id, subject, actor), cancellationToken);
        return TypedResults.Ok(Page.Of(context, rows, limit, List, row => new Position(row.Id)));
    }

    private sealed record Position(long Id);
}
