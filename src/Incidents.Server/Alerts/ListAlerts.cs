using System.ComponentModel;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>Alert episodes, those received last first. All filters together must hold.</summary>
internal sealed record ListAlerts : IQuery<IReadOnlyList<AlertRow>>
{
    public IReadOnlyList<string> Statuses { get; init; } = [];

    public IReadOnlyList<string> Severities { get; init; } = [];

    public IReadOnlyList<string> Outcomes { get; init; } = [];

    public string? Source { get; init; }

    public long? Incident { get; init; }

    /// <summary>Labels that must have exactly these values.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public AlertPosition? After { get; init; }

    public required int Limit { get; init; }
}

internal sealed record AlertPosition(Instant ReceivedAt, long Id);

internal sealed class ListAlertsHandler(IncidentsDbContext db) : IQueryHandler<ListAlerts, IReadOnlyList<AlertRow>>
{
    public async ValueTask<IReadOnlyList<AlertRow>> Handle(ListAlerts query, CancellationToken cancellationToken)
    {
        var alerts = db.Alerts.AsNoTracking();
        if (query.Statuses.Count > 0) alerts = alerts.Where(a => query.Statuses.Contains(a.Status));
        if (query.Severities.Count > 0) alerts = alerts.Where(a => query.Severities.Contains(a.Severity));
        if (query.Outcomes.Count > 0) alerts = alerts.Where(a => query.Outcomes.Contains(a.Outcome));
        if (query.Source is { } source) alerts = alerts.Where(a => a.Source == source);
        if (query.Incident is { } incident) alerts = alerts.Where(a => a.IncidentNumber == incident);
        if (query.Labels.Count > 0)
        {
            var wanted = AlertJson.Write(Domain.Alerts.Labels.From(query.Labels));
            alerts = alerts.Where(a => EF.Functions.JsonContains(a.Labels, wanted));
        }

        if (query.After is { } after) alerts = alerts.Where(a => a.ReceivedAt < after.ReceivedAt || (a.ReceivedAt == after.ReceivedAt && a.Id < after.Id));
        return await alerts.OrderByDescending(a => a.ReceivedAt).ThenByDescending(a => a.Id).Take(query.Limit).ToListAsync(cancellationToken);
    }
}

/// <summary>One alert episode, or null.</summary>
internal sealed record GetAlert(long Id) : IQuery<AlertRow?>;

internal sealed class GetAlertHandler(IncidentsDbContext db) : IQueryHandler<GetAlert, AlertRow?>
{
    public async ValueTask<AlertRow?> Handle(GetAlert query, CancellationToken cancellationToken) => await db.Alerts.AsNoTracking().SingleOrDefaultAsync(a => a.Id == query.Id, cancellationToken);
}

internal static class AlertEndpoints
{
    private const string List = "alerts";
    private static readonly string[] Statuses = ["firing", "resolved"];

    public static void MapAlertList(this WebApplication app)
    {
        app.MapGet("/api/v1/alerts", ListAsync).RequireAuthorization(Scopes.Read).WithTags("Alerts").WithName("ListAlerts").WithSummary("Alerts, those received last first")
            .Produces<Page<AlertShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        app.MapGet("/api/v1/alerts/{id:long}", GetAsync).RequireAuthorization(Scopes.Read).WithTags("Alerts").WithName("GetAlert").WithSummary("One alert: what became of it, and why")
            .Produces<AlertShown>().WithProblem(404, "alert_not_found", "There is no alert with this id.");
        app.MapGet("/api/v1/incidents/{number:long}/alerts", OfIncidentAsync).RequireAuthorization(Scopes.Read).WithTags("Incidents").WithName("ListIncidentAlerts").WithSummary("The alerts of an incident, those received last first")
            .Produces<Page<AlertShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.").WithProblem(404, "incident_not_found", "There is no incident with this number.");
    }

    private static async Task<IResult> ListAsync(
        [AsParameters] PageQuery page,
        [Description("firing, resolved.")] string? status,
        [Description("critical, warning, info; several separated by commas.")] string? severity,
        [Description("opened, attached, suppressed, informed, duplicate, resolved; several separated by commas.")] string? outcome,
        [Description("Name of the integration.")] string? source,
        [Description("Number of the incident.")] long? incident,
        [FromQuery(Name = "label"), Description("name=value; may be given several times, all must hold.")] string[]? label,
        HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<AlertPosition>(List, out var limit, out var after, out var problem)) return problem;
        if (!Words.TryRead("status", status, Statuses, out var statuses, out problem)) return problem;
        if (!Words.TryRead("severity", severity, Severity.All, out var severities, out problem)) return problem;
        if (!Words.TryRead("outcome", outcome, AlertOutcome.All, out var outcomes, out problem)) return problem;
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in label ?? [])
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1) return ApiProblem.Validation("?label", "invalid_label", "label must be name=value, such as service=checkout.");
            labels[pair[..equals]] = pair[(equals + 1)..];
        }

        var rows = await sender.Send(new ListAlerts { Statuses = statuses, Severities = severities, Outcomes = outcomes, Source = source, Incident = incident, Labels = labels, After = after, Limit = limit + 1 }, cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, a => new AlertPosition(a.ReceivedAt, a.Id), AlertShown.Of));
    }

    private static async Task<IResult> OfIncidentAsync(long number, [AsParameters] PageQuery page, HttpContext http, ISender sender, IncidentsDbContext db, CancellationToken cancellationToken)
    {
        if (!page.TryRead<AlertPosition>(List, out var limit, out var after, out var problem)) return problem;
        if (!await db.Incidents.AnyAsync(i => i.Number == number, cancellationToken)) return ApiProblem.NotFound("incident_not_found", $"There is no incident {number}.");
        var rows = await sender.Send(new ListAlerts { Incident = number, After = after, Limit = limit + 1 }, cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, a => new AlertPosition(a.ReceivedAt, a.Id), AlertShown.Of));
    }

    private static async Task<IResult> GetAsync(long id, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetAlert(id), cancellationToken) is { } alert ? TypedResults.Ok(AlertShown.Of(alert)) : ApiProblem.NotFound("alert_not_found", $"There is no alert {id}.");
}
