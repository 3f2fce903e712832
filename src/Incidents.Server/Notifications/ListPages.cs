using Incidents.Domain.OnCall;
using Incidents.Server.OnCall;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using System.Text.Json;

namespace Incidents.Server.Notifications;

/// <summary>One person paged by one step, and how far it got.</summary>
internal sealed record PageShown
{
    public required string Person { get; init; }

    /// <summary>From 1, as is the round.</summary>
    public required int Step { get; init; }

    public required int Round { get; init; }

    public required Instant StartedAt { get; init; }

    /// <summary><c>running</c>, <c>held</c> (somebody has the incident, or something hides it: it goes on where it stood), <c>stopped</c> (the incident is over, or its escalation began anew) or <c>in_vain</c> (no contact took it).</summary>
    public required string State { get; init; }

    /// <summary>True when it waits in one message with other incidents, because many pages went to the person just before.</summary>
    public required bool Bundled { get; init; }

    public required IReadOnlyList<ContactShown> Contacts { get; init; }
}

/// <param name="Channel"><c>slack</c>, <c>email</c>, <c>pagerduty</c> or <c>webhook</c>.</param>
/// <param name="Receiver">Its name in the list of deliveries.</param>
/// <param name="State"><c>waiting</c> for its time, <c>sending</c>, <c>delivered</c> (the provider has accepted it) or <c>failed</c>.</param>
/// <param name="DeliveredAt">When the provider accepted it.</param>
/// <param name="DueAt">When it begins, if nobody acknowledges before; null once it has.</param>
/// <param name="Detail">Last answer or error.</param>
internal sealed record ContactShown(string Channel, string Receiver, string State, Instant? DeliveredAt, Instant? DueAt, string? Detail);

/// <summary>Everybody an incident's escalation has paged, in that order.</summary>
internal sealed record ListPages(long Incident) : IQuery<IReadOnlyList<PageShown>>;

internal sealed class ListPagesHandler(IncidentsDbContext db) : IQueryHandler<ListPages, IReadOnlyList<PageShown>>
{
    public async ValueTask<IReadOnlyList<PageShown>> Handle(ListPages query, CancellationToken cancellationToken)
    {
        var pages = await db.Pages.AsNoTracking().Where(p => p.IncidentNumber == query.Incident).OrderBy(p => p.StartedAt).ThenBy(p => p.Step).ThenBy(p => p.Person).Take(500).ToListAsync(cancellationToken);
        if (pages.Count == 0) return [];

        var bundles = pages.Select(p => p.BundledIn).OfType<long>().Distinct().ToList();
        var deliveries = await db.Deliveries.AsNoTracking()
            .Where(d => (d.IncidentNumber == query.Incident && EF.Functions.Like(d.Receiver, "@%")) || (d.NoticeId != null && EF.Functions.Like(d.Receiver, "@%") && bundles.Contains(d.NoticeId.Value)))
            .OrderBy(d => d.CreatedAt).ToListAsync(cancellationToken);
        return pages.ConvertAll(p => Show(p, [.. deliveries.Where(d => d.NoticeId == p.BundledIn)]));
    }

    private static PageShown Show(PageRow row, List<DeliveryRow> deliveries)
    {
        var contacts = JsonSerializer.Deserialize<PageRows.PageContacts>(row.Contacts, ApiJson.Options)!.Items;
        return new PageShown
        {
            Person = row.Person,
            Step = row.Step + 1,
            Round = row.Round + 1,
            StartedAt = row.StartedAt,
            State = row.Status,
            Bundled = row.BundledIn is not null,
            Contacts = [.. contacts.Select((contact, i) =>
            {
                var name = PersonReceiver.NameOf(row.Person, contact.Channel);
                var own = deliveries.Where(d => d.Receiver == name && (row.BundledIn is not null || d.DoneAt is null || d.DoneAt >= row.StartedAt)).ToList();
                var took = own.Find(d => d.State == DeliveryRow.Delivered);
                var state = i >= row.Begun ? "waiting" : took is not null ? "delivered" : row.Failed.Contains(contact.Channel) ? "failed" : "sending";
                return new ContactShown(contact.Channel, name, state, i >= row.Begun ? null : took?.DoneAt, i == row.Begun && row.Status == PageStatus.Running ? row.DueAt : null, i >= row.Begun ? null : (took ?? own.LastOrDefault())?.Detail);
            })],
        };
    }
}

internal static class PageEndpoints
{
    public static void MapPages(this WebApplication app) =>
        app.MapGet("/api/v1/incidents/{number:long}/pages", GetAsync)
            .RequireAuthorization(Scopes.Read).WithTags("Incidents").WithName("ListPages").WithSummary("Whom the escalation of an incident has paged, and over which contacts").WithNotFound().Produces<Page<PageShown>>();

    private static Task<IResult> GetAsync(long number, ISender sender, CancellationToken cancellationToken) => IncidentEndpoints.PartAsync(number, new ListPages(number), sender, cancellationToken);
}
