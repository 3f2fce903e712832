using System.ComponentModel;
using System.Diagnostics;
using Incidents.Domain.Routing;
using Incidents.Server.Web;
using Mediator;
using NodaTime;

namespace Incidents.Server.Routing;

/// <summary>The REST face of silences and maintenance windows: one shape, two addresses.</summary>
internal static class SilenceEndpoints
{
    public static void MapSilences(this WebApplication app)
    {
        Map(app, "/api/v1/silences", SilenceKind.Silence, "Silences", "Silence", "silence", "silences");
        Map(app, "/api/v1/maintenance-windows", SilenceKind.Maintenance, "Maintenance windows", "MaintenanceWindow", "maintenance window", "maintenance windows");
        app.MapPost("/api/v1/silences/preview", async (PreviewBody body, ISender sender, CancellationToken stop) => TypedResults.Ok(await sender.Send(new PreviewSilence(body.Matchers, body.Team), stop)))
            .RequireAuthorization(Scopes.Read).WithTags("Silences").WithName("PreviewSilence").WithSummary("What a silence with these matchers would hide now");
    }

    private static void Map(WebApplication app, string path, string kind, string tag, string name, string one, string many)
    {
        var group = app.MapGroup(path).WithTags(tag);
        var cursor = path;
        group.MapGet("", async ([AsParameters] PageQuery page, [Description("true: also those that have ended.")] bool? ended, HttpContext http, ISender sender, CancellationToken stop) =>
            {
                if (!page.TryRead<Position>(cursor, out var limit, out var after, out var problem)) return problem;
                var rows = await sender.Send(new ListSilences(kind, ended ?? false, after?.Id, limit + 1), stop);
                var shown = Page.Of(http, rows, limit, cursor, s => new Position(long.Parse(s.Id, System.Globalization.CultureInfo.InvariantCulture)));

                // Those made in Alertmanager stand on the first page, before ours.
                if (after is null && kind == SilenceKind.Silence) shown = shown with { Items = [.. await sender.Send(new ListUpstreamSilences(), stop), .. shown.Items] };
                return (IResult)TypedResults.Ok(shown);
            })
            .RequireAuthorization(Scopes.Read).WithName($"List{name}s").WithSummary($"The {many} that hold or will hold, and what each hides now").Produces<Page<SilenceShown>>()
            .WithDescription(kind == SilenceKind.Silence ? "The newest first. Silences that were made in Alertmanager come before them on the first page, beyond the limit, when mirroring is configured." : "The newest first.")
            .WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        group.MapPost("", async (CreateBody body, HttpContext http, ISender sender, CancellationToken stop) =>
            {
                var answer = await sender.Send(new CreateSilence(kind, body.Matchers, body.Reason, body.StartsAt, body.EndsAt, body.Minutes, body.Windows, body.Team), stop);
                if (answer is not SilenceAnswer.Is(var row, _)) return await AnswerAsync(http, sender, kind, one, answer, stop);
                ETags.Set(http, row.Revision);
                return TypedResults.Created($"{path}/{row.Id}", await sender.Send(new GetSilence(kind, row.Id), stop));
            })
            .RequireAuthorization(Scopes.Respond).WithIdempotency().WithName($"Create{name}").WithSummary($"Make a {one}")
            .WithDescription(kind == SilenceKind.Silence
                ? "It hides from its start to its end. Open incidents of which every firing alert is hidden stay open and fall quiet. Whatever still fires at the end pages then."
                : "Once (starts_at, ends_at), or again and again in windows of local time, written as time_intervals in routing.yaml: an hour that the clock skips is in none, one it repeats is in twice. Whatever still fires at the end of a window pages then.")
            .Produces<SilenceShown>(StatusCodes.Status201Created).WithProblem(400, "invalid_request", "Something in it is not valid; or the caller responds in several teams and names none.").WithNotAllowed();
        group.MapGet("{id:long}", async Task<IResult> (long id, HttpContext http, ISender sender, CancellationToken stop) =>
            {
                if (await sender.Send(new GetSilence(kind, id), stop) is not { } shown) return NotFound(one, id);

                // No 304: its state and what it hides change without it.
                ETags.Set(http, shown.Revision);
                return TypedResults.Ok(shown);
            })
            .RequireAuthorization(Scopes.Read).WithName($"Get{name}").WithSummary($"One {one}").Produces<SilenceShown>().WithNoSilence(one);
        group.MapPatch("{id:long}", async (long id, EditBody body, HttpContext http, ISender sender, CancellationToken stop) =>
            {
                if (http.Request.Headers.IfMatch.Count == 0 && await sender.Send(new GetSilence(kind, id), stop) is { } current) return ApiProblem.PreconditionRequired(ETags.For(current.Revision));
                return await AnswerAsync(http, sender, kind, one, await sender.Send(new EditSilence(kind, id, body.Matchers, body.Reason, body.StartsAt, body.EndsAt, body.Windows, IfMatch.Read(http)), stop), stop);
            })
            .RequireAuthorization(Scopes.Respond).WithName($"Edit{name}").WithSummary($"Change a {one} that has not ended: extend it, say").WithDescription("What is left out stays. If-Match with the entity tag you read is required.")
            .Produces<SilenceShown>().WithNoSilence(one).WithNotAllowed()
            .WithProblem(409, "impossible_transition", "It has ended, or the times do not fit; the detail says which.")
            .WithProblem(412, "precondition_failed", "It changed since you read it; ETag has the current entity tag.")
            .WithProblem(428, "precondition_required", "If-Match is missing.");
        group.MapDelete("{id:long}", async (long id, HttpContext http, ISender sender, CancellationToken stop) =>
                await AnswerAsync(http, sender, kind, one, await sender.Send(new EndSilence(kind, id, IfMatch.Read(http)), stop), stop))
            .RequireAuthorization(Scopes.Respond).WithName($"End{name}").WithSummary($"End a {one} now; what still fires pages").WithDescription("It is kept and says who ended it. Safe to repeat.")
            .Produces<SilenceShown>().WithNoSilence(one).WithNotAllowed().WithProblem(412, "precondition_failed", "The entity tag in If-Match is not the current one.");
    }

    private static RouteHandlerBuilder WithNoSilence(this RouteHandlerBuilder endpoint, string one) => endpoint.WithProblem(404, "silence_not_found", $"There is no {one} with this id.");

    private static RouteHandlerBuilder WithNotAllowed(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(403, "not_allowed", "The caller is no responder of its team, or, where it is of every team, not of all.");

    private static ApiProblem NotFound(string one, long id) => ApiProblem.NotFound("silence_not_found", $"There is no {one} {id}.");

    private static async Task<IResult> AnswerAsync(HttpContext http, ISender sender, string kind, string one, SilenceAnswer answer, CancellationToken cancellationToken)
    {
        switch (answer)
        {
            case SilenceAnswer.Is(var row, _):
                ETags.Set(http, row.Revision);
                return TypedResults.Ok(await sender.Send(new GetSilence(kind, row.Id), cancellationToken));
            case SilenceAnswer.NotFound(var id):
                return NotFound(one, id);
            case SilenceAnswer.Stale(var revision):
                return ApiProblem.PreconditionFailed(ETags.For(revision));
            case SilenceAnswer.Impossible(var detail):
                return ApiProblem.Conflict("impossible_transition", detail);
            case SilenceAnswer.Forbidden(var why):
                return ApiProblem.Forbidden("not_allowed", why);
            case SilenceAnswer.NeedsTeam(var which):
                return ApiProblem.Validation("/team", "required", which);
            default:
                throw new UnreachableException();
        }
    }

    private sealed record Position(long Id);

    /// <param name="Matchers">Conditions on labels in Alertmanager's syntax, such as <c>service="checkout"</c>; all must hold.</param>
    /// <param name="Team">Only this team's alerts, and those of no team; as for making one when left out.</param>
    internal sealed record PreviewBody(IReadOnlyList<string> Matchers, string? Team = null);

    /// <param name="Matchers">Conditions on labels in Alertmanager's syntax, such as <c>service="checkout"</c>; all must hold.</param>
    /// <param name="Reason">Why; shown to everybody who asks why nobody was paged.</param>
    /// <param name="StartsAt">Now when left out.</param>
    /// <param name="EndsAt">At most 366 days after its start. May be left out only for a maintenance window that recurs.</param>
    /// <param name="Minutes">Instead of ends_at: how long it lasts.</param>
    /// <param name="Windows">For maintenance windows: it hides only while one of these holds.</param>
    /// <param name="Team">It hides this team's alerts and those of no team. Left out: the caller's only team; of every team when the caller responds in all.</param>
    internal sealed record CreateBody(
        IReadOnlyList<string> Matchers, string Reason, Instant? StartsAt = null, Instant? EndsAt = null, int? Minutes = null, IReadOnlyList<WindowText>? Windows = null, string? Team = null);

    internal sealed record EditBody(
        IReadOnlyList<string>? Matchers = null, string? Reason = null, Instant? StartsAt = null, Instant? EndsAt = null, IReadOnlyList<WindowText>? Windows = null);
}
