using System.Globalization;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Notifications;

/// <summary>A delivery as the API shows it, with every attempt.</summary>
internal sealed record DeliveryShown
{
    /// <summary><c>dlv_42</c>; outgoing webhooks carry it.</summary>
    public required string Id { get; init; }

    public required string Receiver { get; init; }

    /// <summary>What it announces: <c>opened</c>, <c>acknowledged</c>, <c>resolved</c>, <c>updated</c>, …</summary>
    public required string Occasion { get; init; }

    /// <summary><c>queued</c>, <c>sending</c>, <c>delivered</c>, <c>rejected</c> or <c>superseded</c> (a later delivery says it all).</summary>
    public required string State { get; init; }

    public required Instant CreatedAt { get; init; }

    /// <summary>When it is tried next; null once it is done.</summary>
    public Instant? DueAt { get; init; }

    public Instant? DoneAt { get; init; }

    /// <summary>The delivery this one stands in for.</summary>
    public string? FallbackOf { get; init; }

    /// <summary>Last answer or error.</summary>
    public string? Detail { get; init; }

    public required IReadOnlyList<AttemptShown> Attempts { get; init; }
}

/// <param name="Number">From 1.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="EndedAt">When it ended.</param>
/// <param name="Result"><c>delivered</c>, <c>nothing_to_send</c>, <c>retry</c>, <c>rejected</c>, <c>misconfigured</c> or <c>lost</c>.</param>
/// <param name="Detail">What came back, in words.</param>
internal sealed record AttemptShown(int Number, Instant StartedAt, Instant EndedAt, string Result, string Detail);

/// <summary>The newest 500 deliveries of an incident, oldest first.</summary>
internal sealed record ListDeliveries(long Incident) : IQuery<IReadOnlyList<DeliveryShown>>;

internal sealed class ListDeliveriesHandler(IncidentsDbContext db) : IQueryHandler<ListDeliveries, IReadOnlyList<DeliveryShown>>
{
    public async ValueTask<IReadOnlyList<DeliveryShown>> Handle(ListDeliveries query, CancellationToken cancellationToken)
    {
        var deliveries = await db.Deliveries.AsNoTracking().Where(d => d.IncidentNumber == query.Incident).OrderByDescending(d => d.CreatedAt).ThenByDescending(d => d.Id).Take(500).ToListAsync(cancellationToken);
        deliveries.Reverse();
        var ids = deliveries.ConvertAll(d => d.Id);
        var attempts = (await db.DeliveryAttempts.AsNoTracking().Where(a => ids.Contains(a.DeliveryId)).OrderBy(a => a.Id).ToListAsync(cancellationToken)).ToLookup(a => a.DeliveryId);
        return deliveries.ConvertAll(d => new DeliveryShown
        {
            Id = Key(d.Id),
            Receiver = d.Receiver,
            Occasion = d.Occasion,
            State = d.State,
            CreatedAt = d.CreatedAt,
            DueAt = d.State == DeliveryRow.Queued ? d.DueAt : null,
            DoneAt = d.DoneAt,
            FallbackOf = d.FallbackOf is { } other ? Key(other) : null,
            Detail = d.Detail,
            Attempts = [.. attempts[d.Id].Select(a => new AttemptShown(a.Number, a.StartedAt, a.EndedAt, a.Result, a.Detail))],
        });
    }

    private static string Key(long id) => string.Create(CultureInfo.InvariantCulture, $"dlv_{id}");
}

internal static class DeliveryEndpoints
{
    public static void MapDeliveries(this WebApplication app) =>
        app.MapGet("/api/v1/incidents/{number:long}/deliveries", GetAsync)
            .RequireAuthorization(Scopes.Read).WithTags("Incidents").WithName("ListDeliveries").WithSummary("Who was told of an incident: every delivery with every attempt").WithNotFound().Produces<Page<DeliveryShown>>();

    private static Task<IResult> GetAsync(long number, ISender sender, CancellationToken cancellationToken) => IncidentEndpoints.PartAsync(number, new ListDeliveries(number), sender, cancellationToken);
}
