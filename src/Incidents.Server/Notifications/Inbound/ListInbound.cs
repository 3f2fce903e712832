using System.ComponentModel;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>What people did elsewhere, the newest first, and what it came to.</summary>
internal sealed record ListInbound(string? State, string? Channel, long? BeforeId, int Take) : IQuery<IReadOnlyList<InboundShown>>;

/// <param name="Id">Grows with time.</param>
/// <param name="Channel"><c>slack</c> or <c>pagerduty</c>.</param>
/// <param name="Kind">Of Slack <c>button</c>, <c>command</c> or <c>shortcut</c>; of PagerDuty the event type.</param>
/// <param name="State"><c>waiting</c>, <c>replying</c> (done, the person is not told yet), <c>done</c> or <c>failed</c>.</param>
/// <param name="ReceivedAt">When it was stored.</param>
/// <param name="OccurredAt">When it happened, as the far side says.</param>
/// <param name="IncidentNumber">What it was about.</param>
/// <param name="Actor">Who did it.</param>
/// <param name="Outcome">What it came to, in words.</param>
internal sealed record InboundShown(long Id, string Channel, string Kind, string State, Instant ReceivedAt, Instant? OccurredAt, long? IncidentNumber, string? Actor, string? Outcome);

internal sealed class ListInboundHandler(IncidentsDbContext db) : IQueryHandler<ListInbound, IReadOnlyList<InboundShown>>
{
    public async ValueTask<IReadOnlyList<InboundShown>> Handle(ListInbound query, CancellationToken cancellationToken)
    {
        var rows = db.Set<InboundRow>().AsNoTracking();
        if (query.State is { } state) rows = rows.Where(r => r.State == state);
        if (query.Channel is { } channel) rows = rows.Where(r => r.Channel == channel);
        if (query.BeforeId is { } before) rows = rows.Where(r => r.Id < before);
        return await rows.OrderByDescending(r => r.Id).Take(query.Take)
            .Select(r => new InboundShown(r.Id, r.Channel, r.Kind, r.State, r.ReceivedAt, r.OccurredAt, r.IncidentNumber, r.Actor, r.Outcome)).ToListAsync(cancellationToken);
    }
}

internal static class InboundEndpoints
{
    private const string List = "inbound";

    public static void MapInboundActions(this WebApplication app) =>
        app.MapGet("/api/v1/inbound-actions", ListAsync).RequireAuthorization(Scopes.Read).WithTags("Inbound actions").WithName("ListInboundActions")
            .WithSummary("What people did in Slack and PagerDuty, and what it came to; newest first").Produces<Page<InboundShown>>()
            .WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");

    private static async Task<IResult> ListAsync(
        [AsParameters] PageQuery page,
        [Description("waiting, replying, done or failed.")] string? state,
        [Description("slack or pagerduty.")] string? channel,
        HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<Position>(List, out var limit, out var after, out var problem)) return problem;
        var rows = await sender.Send(new ListInbound(state, channel, after?.Id, limit + 1), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, row => new Position(row.Id)));
    }

    private sealed record Position(long Id);
}
