using System.ComponentModel;
using System.Diagnostics;
using Incidents.Domain.Response;
using Incidents.Server.Web;
using Mediator;
using NodaTime;

namespace Incidents.Server.Response;

/// <summary>The REST face of incidents. Verbs are safe to repeat: the second acknowledge answers 200 and says who was first.</summary>
internal static class IncidentEndpoints
{
    private const string List = "incidents";
    private const string Timeline = "timeline";

    public static void MapIncidents(this WebApplication app)
    {
        var incidents = app.MapGroup("/api/v1/incidents").WithTags("Incidents");
        incidents.MapGet("", ListAsync).RequireAuthorization(Scopes.Read).WithName("ListIncidents").WithSummary("Incidents, the newest first")
            .Produces<Page<IncidentShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        incidents.MapPost("", OpenAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("OpenIncident").WithSummary("Open an incident that no alert reported")
            .WithDescription("Labels route it as they would route an alert. It stays open until a person resolves it.").Produces<IncidentShown>(StatusCodes.Status201Created);
        incidents.MapGet("{number:long}", GetAsync).RequireAuthorization(Scopes.Read).WithName("GetIncident").WithSummary("One incident").WithNotFound().Produces<IncidentShown>();
        incidents.MapGet("{number:long}/timeline", TimelineAsync).RequireAuthorization(Scopes.Read).WithName("ListTimeline").WithSummary("What happened to an incident, oldest first").WithNotFound()
            .Produces<Page<EntryShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        incidents.MapGet("{number:long}/similar", SimilarAsync).RequireAuthorization(Scopes.Read).WithName("ListSimilarIncidents").WithSummary("Earlier incidents like this one").WithNotFound().Produces<Page<IncidentShown>>();

        Verb(incidents, "acknowledge", "Acknowledge: somebody has it", "Acknowledge", (long number, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new AcknowledgeIncident(number, revision), stop));
        Verb(incidents, "unacknowledge", "Give an incident back: nobody has it", "Unacknowledge", (long number, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new UnacknowledgeIncident(number, revision), stop));
        Verb(incidents, "resolve", "Resolve: it is over", "Resolve", (long number, ResolveBody? body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new ResolveIncident(number, body?.Resolution, revision), stop));
        Verb(incidents, "reopen", "Reopen a resolved incident", "Reopen", (long number, ReasonBody? body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new ReopenIncident(number, body?.Reason, revision), stop));
        Verb(incidents, "escalate", "Escalate: the next step of its escalation policy fires now; without a policy it becomes critical", "Escalate", (long number, ReasonBody? body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new EscalateIncident(number, body?.Reason, revision), stop));
        Verb(incidents, "snooze", "Snooze: quiet until a time", "Snooze", (long number, SnoozeBody body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new SnoozeIncident(number, body.Until, body.Minutes, revision), stop));
        Verb(incidents, "assign", "Assign to somebody", "Assign", (long number, AssignBody body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new AssignIncident(number, body.Assignee, revision), stop));
        Verb(incidents, "severity", "Change the severity", "ChangeSeverity", (long number, SeverityBody body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new ChangeSeverity(number, body.Severity, revision), stop));
        Verb(incidents, "merge", "Merge into another incident", "Merge", (long number, MergeBody body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new MergeIncident(number, body.Into, revision), stop));
        Verb(incidents, "notes", "Write a note into the timeline", "AddNote", (long number, NoteBody body, HttpContext http, ISender sender, CancellationToken stop) => SendAsync(http, sender, revision => new AddNote(number, body.Text, revision), stop));
    }

    public static RouteHandlerBuilder WithNotFound(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "incident_not_found", "There is no incident with this number.");

    public static ApiProblem NotFound(long number) => ApiProblem.NotFound("incident_not_found", $"There is no incident {number}.");

    /// <summary>A list that belongs to an incident, whole; 404 when there is no such incident.</summary>
    public static async Task<IResult> PartAsync<T>(long number, IQuery<IReadOnlyList<T>> part, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetIncident(number), cancellationToken) is null ? NotFound(number) : TypedResults.Ok(Page.Whole(await sender.Send(part, cancellationToken)));

    private static void Verb(RouteGroupBuilder incidents, string verb, string summary, string name, Delegate handler) =>
        incidents.MapPost($"{{number:long}}/{verb}", handler).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName($"{name}Incident").WithSummary(summary)
            .WithDescription("Safe to repeat: when it was so before, the answer is 200 with changed=false and says who was first. If-Match with the entity tag makes sure that it is decided on what you saw.")
            .Produces<VerbAnswer>().WithNotFound()
            .WithProblem(403, "not_allowed", "The incident belongs to a team in which the caller is no responder.")
            .WithProblem(409, "impossible_transition", "The verb is not possible in the incident's present state.")
            .WithProblem(412, "precondition_failed", "The entity tag in If-Match is not the current one.");

    private static async Task<IResult> SendAsync(HttpContext http, ISender sender, Func<long?, ICommand<IncidentAnswer>> command, CancellationToken cancellationToken)
    {
        switch (await sender.Send(command(IfMatch.Read(http)), cancellationToken))
        {
            case IncidentAnswer.Is(var incident, var changed, var detail):
                ETags.Set(http, incident.Revision);
                return TypedResults.Ok(new VerbAnswer(changed, detail, IncidentShown.Of(incident)));
            case IncidentAnswer.NotFound(var number):
                return NotFound(number);
            case IncidentAnswer.Stale(var current):
                return ApiProblem.PreconditionFailed(ETags.For(current));
            case IncidentAnswer.Impossible(var detail):
                return ApiProblem.Conflict("impossible_transition", detail);
            case IncidentAnswer.Forbidden(var why):
                return ApiProblem.Forbidden("not_allowed", why);
            default:
                throw new UnreachableException();
        }
    }

    private static async Task<IResult> ListAsync(
        [AsParameters] PageQuery page,
        [Description("triggered, acknowledged, resolved, closed; several separated by commas. open is short for the first two.")] string? state,
        [Description("critical, warning, info; several separated by commas.")] string? severity,
        [Description("Exactly this assignee.")] string? assigned_to,
        [Description("Part of the title.")] string? q,
        [Description("Opened at or after, RFC 3339.")] string? since,
        [Description("Opened before, RFC 3339.")] string? until,
        [Description("Number of the incident of a storm: those it speaks for.")] long? storm,
        HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<IncidentPosition>(List, out var limit, out var after, out var problem)) return problem;
        if (!Words.TryRead("state", state, [.. IncidentState.All, "open"], out var states, out problem)) return problem;
        if (!Words.TryRead("severity", severity, Domain.Routing.Severity.All, out var severities, out problem)) return problem;
        if (!Words.TryReadTime("since", since, out var from, out problem) || !Words.TryReadTime("until", until, out var to, out problem)) return problem;
        if (states.Contains("open", StringComparer.Ordinal)) states = [.. states.Where(s => s != "open").Union([IncidentState.Triggered, IncidentState.Acknowledged], StringComparer.Ordinal)];

        var rows = await sender.Send(new ListIncidents(states, severities, assigned_to, q, from, to, after, limit + 1, storm), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, i => new IncidentPosition(i.OpenedAt, i.Number), IncidentShown.Of));
    }

    private static async Task<IResult> OpenAsync(OpenIncident command, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var incident = await sender.Send(command, cancellationToken);
        ETags.Set(http, incident.Revision);
        return TypedResults.Created($"/api/v1/incidents/{incident.Number}", IncidentShown.Of(incident));
    }

    private static async Task<IResult> GetAsync(long number, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var incident = await sender.Send(new GetIncident(number), cancellationToken);
        if (incident is null) return NotFound(number);
        return ETags.NotModified(http, incident.Revision) ?? TypedResults.Ok(IncidentShown.Of(incident) with { Escalation = await sender.Send(new GetEscalation(number), cancellationToken) });
    }

    private static async Task<IResult> TimelineAsync(long number, [AsParameters] PageQuery page, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<EntryPosition>(Timeline, out var limit, out var after, out var problem)) return problem;
        if (await sender.Send(new GetIncident(number), cancellationToken) is null) return NotFound(number);
        var rows = await sender.Send(new ListTimeline(number, after?.Id ?? 0, limit + 1), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, Timeline, e => new EntryPosition(e.Id), e => new EntryShown(e.Id, e.At, e.Kind, e.Text, new ActorShown(e.ActorKind, e.ActorName))));
    }

    private static async Task<IResult> SimilarAsync(long number, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var incident = await sender.Send(new GetIncident(number), cancellationToken);
        if (incident is null) return NotFound(number);
        var similar = await sender.Send(new ListSimilar(incident, 10), cancellationToken);
        return TypedResults.Ok(Page.Whole([.. similar.Select(IncidentShown.Of)]));
    }

    private sealed record EntryPosition(long Id);

    /// <param name="Resolution">What ended it, in a sentence; goes into the timeline and the post-mortem.</param>
    internal sealed record ResolveBody(string? Resolution = null);

    /// <param name="Reason">Why; goes into the timeline.</param>
    internal sealed record ReasonBody(string? Reason = null);

    /// <param name="Until">A time in the future.</param>
    /// <param name="Minutes">Or a length from now, 1 to 10080.</param>
    internal sealed record SnoozeBody(Instant? Until = null, int? Minutes = null);

    internal sealed record AssignBody(string Assignee);

    internal sealed record SeverityBody(string Severity);

    /// <param name="Into">Number of the incident that goes on.</param>
    internal sealed record MergeBody(long Into);

    internal sealed record NoteBody(string Text);
}

/// <summary>A timeline entry as the API shows it.</summary>
internal sealed record EntryShown(long Id, Instant At, string Kind, string Text, ActorShown Actor);

/// <param name="Kind"><c>user</c>, <c>api_key</c>, <c>slack</c>, <c>email</c>, <c>pagerduty</c>, <c>alertmanager</c> or <c>engine</c>.</param>
/// <param name="Name">Who.</param>
internal sealed record ActorShown(string Kind, string Name);
