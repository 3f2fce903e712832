using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Incidents.Domain.PostMortems;
using Incidents.Domain.Routing;
using Incidents.Server.Response;
using Incidents.Server.Web;
using Mediator;
using Microsoft.Net.Http.Headers;

namespace Incidents.Server.PostMortems;

/// <summary>The REST face of post-mortems.</summary>
internal static class PostMortemEndpoints
{
    private const string List = "post-mortems";
    private const string Markdown = "text/markdown";
    private const string Html = "text/html";
    private const string Forms = "application/json, or text/markdown or text/html when Accept asks for it.";

    public static void MapPostMortemApi(this WebApplication app)
    {
        app.MapPost("/api/v1/incidents/{number:long}/post-mortem", CreateAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithTags("Post-mortems").WithName("CreatePostMortem")
            .WithSummary("Draft the post-mortem of an incident that is over").WithDescription("Safe to repeat: answers the existing one. Critical and warning incidents get theirs by themselves.")
            .Produces<PostMortemShown>(StatusCodes.Status201Created).Produces<PostMortemShown>().WithNotFound()
            .WithProblem(409, "incident_not_over", "The incident is open, or was merged into another one.");
        app.MapGet("/api/v1/incidents/{number:long}/post-mortem", GetOfIncidentAsync).RequireAuthorization(Scopes.Read).WithTags("Post-mortems").WithName("GetIncidentPostMortem")
            .WithSummary("The post-mortem of an incident").WithDescription(Forms).Produces<PostMortemShown>(200, "application/json", Markdown, Html).WithNoPostMortem();

        var postMortems = app.MapGroup("/api/v1/post-mortems").WithTags("Post-mortems");
        postMortems.MapGet("", ListAsync).RequireAuthorization(Scopes.Read).WithName("ListPostMortems").WithSummary("Post-mortems, the newest first")
            .Produces<Page<PostMortemSummary>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        postMortems.MapGet("{id:long}", GetAsync).RequireAuthorization(Scopes.Read).WithName("GetPostMortem").WithSummary("One post-mortem").WithDescription(Forms)
            .Produces<PostMortemShown>(200, "application/json", Markdown, Html).WithNoPostMortem();
        postMortems.MapPatch("{id:long}", WriteAsync).RequireAuthorization(Scopes.Respond).WithName("WritePostMortem").WithSummary("Write sections")
            .WithDescription("Sections that are not named stay. If-Match with the entity tag you read is required: what somebody else wrote meanwhile is never overwritten. Writing a published post-mortem makes it a draft again; the published version stays readable.")
            .Produces<PostMortemVerbAnswer>().WithNoPostMortem().WithImpossible()
            .WithProblem(412, "precondition_failed", "It changed since you read it; ETag has the current entity tag.")
            .WithProblem(428, "precondition_required", "If-Match is missing.");
        postMortems.MapPost("{id:long}/publish", PublishAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("PublishPostMortem").WithSummary("Publish: freeze the text as the next version")
            .Produces<PostMortemVerbAnswer>().WithNoPostMortem().WithImpossible().WithProblem(412, "precondition_failed", "The entity tag in If-Match is not the current one.");
        postMortems.MapPost("{id:long}/skip", SkipAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("SkipPostMortem").WithSummary("Skip: none is written, for a reason")
            .Produces<PostMortemVerbAnswer>().WithNoPostMortem().WithImpossible().WithProblem(412, "precondition_failed", "The entity tag in If-Match is not the current one.");
        postMortems.MapGet("{id:long}/versions", VersionsAsync).RequireAuthorization(Scopes.Read).WithName("ListPostMortemVersions").WithSummary("Published versions, the newest first")
            .Produces<Page<VersionShown>>().WithNoPostMortem();
        postMortems.MapGet("{id:long}/versions/{version:int}", VersionAsync).RequireAuthorization(Scopes.Read).WithName("GetPostMortemVersion").WithSummary("A published version, exactly as it was published").WithDescription(Forms)
            .Produces<VersionTextShown>(200, "application/json", Markdown, Html).WithNoPostMortem().WithProblem(404, "version_not_found", "There is no published version with this number.");
    }

    private static RouteHandlerBuilder WithNoPostMortem(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "post_mortem_not_found", "There is no such post-mortem.");

    private static RouteHandlerBuilder WithImpossible(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(409, "impossible_transition", "Not possible as things are; the detail says why.");

    private static ApiProblem NoPostMortem(string which) => ApiProblem.NotFound("post_mortem_not_found", $"There is no post-mortem {which}.");

    private static async Task<IResult> CreateAsync(long number, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        switch (await sender.Send(new CreatePostMortem(number), cancellationToken))
        {
            case CreatePostMortemAnswer.Is(var postMortem, var isNew):
                ETags.Set(http, postMortem.Revision);
                return isNew ? TypedResults.Created($"/api/v1/post-mortems/{postMortem.Id}", PostMortemShown.Of(postMortem)) : TypedResults.Ok(PostMortemShown.Of(postMortem));
            case CreatePostMortemAnswer.NoIncident:
                return IncidentEndpoints.NotFound(number);
            case CreatePostMortemAnswer.NotOver(var detail):
                return ApiProblem.Conflict("incident_not_over", detail);
            case CreatePostMortemAnswer.Forbidden(var why):
                return ApiProblem.Forbidden("not_allowed", why);
            default:
                throw new UnreachableException();
        }
    }

    private static async Task<IResult> GetOfIncidentAsync(long number, HttpContext http, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetPostMortem(null, number), cancellationToken) is { } found ? Show(http, found) : NoPostMortem($"of incident {number}");

    private static async Task<IResult> GetAsync(long id, HttpContext http, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetPostMortem(id, null), cancellationToken) is { } found ? Show(http, found) : NoPostMortem(id.ToString(CultureInfo.InvariantCulture));

    private static IResult Show(HttpContext http, PostMortem postMortem)
    {
        http.Response.Headers.Vary = "Accept";
        return ETags.NotModified(http, postMortem.Revision)
            ?? AsText(http, $"INC-{postMortem.IncidentNumber}: {postMortem.Title}", () => PostMortemMarkdown.Of(postMortem))
            ?? (IResult)TypedResults.Ok(PostMortemShown.Of(postMortem));
    }

    /// <summary>Markdown or HTML when that is what the caller likes best; null for JSON.</summary>
    private static Microsoft.AspNetCore.Http.HttpResults.ContentHttpResult? AsText(HttpContext http, string title, Func<string> markdown)
    {
        http.Response.Headers.Vary = "Accept";
        var best = http.Request.GetTypedHeaders().Accept.OrderByDescending(a => a.Quality ?? 1).Select(a => a.MediaType.Value)
            .FirstOrDefault(type => type is Markdown or Html or "application/json" or "*/*" or "application/*");
        return best switch
        {
            Markdown => TypedResults.Text(markdown(), Markdown, Encoding.UTF8),
            Html => TypedResults.Text(PostMortemHtml.Document(title, markdown()), Html, Encoding.UTF8),
            _ => null,
        };
    }

    private static async Task<IResult> ListAsync(
        [AsParameters] PageQuery page,
        [Description("pending, draft, published, skipped; several separated by commas.")] string? status,
        [Description("critical, warning, info; several separated by commas.")] string? severity,
        [Description("true: only those that somebody has to publish or skip.")] bool? required,
        [Description("Created at or after, RFC 3339.")] string? since,
        [Description("Created before, RFC 3339.")] string? until,
        HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<Position>(List, out var limit, out var after, out var problem)) return problem;
        if (!Words.TryRead("status", status, PostMortemStatus.All, out var statuses, out problem)) return problem;
        if (!Words.TryRead("severity", severity, Severity.All, out var severities, out problem)) return problem;
        if (!Words.TryReadTime("since", since, out var from, out problem) || !Words.TryReadTime("until", until, out var to, out problem)) return problem;
        var rows = await sender.Send(new ListPostMortems(statuses, severities, required, from, to, after?.Id, limit + 1), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, p => new Position(p.Id)));
    }

    private static async Task<IResult> WriteAsync(long id, WriteBody body, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (http.Request.Headers.IfMatch.Count == 0)
            return await sender.Send(new GetPostMortem(id, null), cancellationToken) is { } found ? ApiProblem.PreconditionRequired(ETags.For(found.Revision)) : NoPostMortem(id.ToString(CultureInfo.InvariantCulture));
        return Answer(http, await sender.Send(new WritePostMortem(id, body.Sections, IfMatch.Read(http), MergeSections: false), cancellationToken));
    }

    private static async Task<IResult> PublishAsync(long id, HttpContext http, ISender sender, CancellationToken cancellationToken) =>
        Answer(http, await sender.Send(new PublishPostMortem(id, IfMatch.Read(http)), cancellationToken));

    private static async Task<IResult> SkipAsync(long id, SkipBody body, HttpContext http, ISender sender, CancellationToken cancellationToken) =>
        Answer(http, await sender.Send(new SkipPostMortem(id, body.Reason, IfMatch.Read(http)), cancellationToken));

    private static async Task<IResult> VersionsAsync(long id, ISender sender, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetPostMortem(id, null), cancellationToken) is null) return NoPostMortem(id.ToString(CultureInfo.InvariantCulture));
        var versions = await sender.Send(new ListPostMortemVersions(id), cancellationToken);
        return TypedResults.Ok(Page.Whole<VersionShown>([.. versions.Select(v => new VersionShown(v.Number, v.PublishedAt, v.PublishedBy))]));
    }

    private static async Task<IResult> VersionAsync(long id, int version, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetPostMortem(id, null), cancellationToken) is not { } postMortem) return NoPostMortem(id.ToString(CultureInfo.InvariantCulture));
        if ((await sender.Send(new ListPostMortemVersions(id), cancellationToken)).SingleOrDefault(v => v.Number == version) is not { } found) return ApiProblem.NotFound("version_not_found", $"Post-mortem {id} has no published version {version}.");
        return AsText(http, $"INC-{postMortem.IncidentNumber}, version {version}", () => found.Markdown) ?? (IResult)TypedResults.Ok(new VersionTextShown(found.Number, found.PublishedAt, found.PublishedBy, found.Markdown));
    }

    private static IResult Answer(HttpContext http, PostMortemAnswer answer)
    {
        switch (answer)
        {
            case PostMortemAnswer.Is(var postMortem, var changed, var detail):
                ETags.Set(http, postMortem.Revision);
                return TypedResults.Ok(new PostMortemVerbAnswer(changed, detail, PostMortemShown.Of(postMortem)));
            case PostMortemAnswer.NotFound(var id):
                return NoPostMortem(id.ToString(CultureInfo.InvariantCulture));
            case PostMortemAnswer.Stale(var current, _):
                return ApiProblem.PreconditionFailed(ETags.For(current.Revision));
            case PostMortemAnswer.Impossible(var detail):
                return ApiProblem.Conflict("impossible_transition", detail);
            case PostMortemAnswer.Forbidden(var why):
                return ApiProblem.Forbidden("not_allowed", why);
            default:
                throw new UnreachableException();
        }
    }

    private sealed record Position(long Id);

    /// <param name="Sections">Markdown by key of section.</param>
    internal sealed record WriteBody(IReadOnlyDictionary<string, string> Sections);

    /// <param name="Reason">Why none is written.</param>
    internal sealed record SkipBody(string Reason);
}
