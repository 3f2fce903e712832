using System.Globalization;
using FluentValidation;
using Incidents.Domain.PostMortems;
using Incidents.Server.Response;
using Incidents.Server.Ui;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Incidents.Server.PostMortems;

/// <summary>The page of a post-mortem: plain forms, one for each section. After a save the browser is sent back to the page (303); a conflict shows both texts and keeps what was typed.</summary>
internal static class PostMortemPageEndpoints
{
    public static void MapPostMortemPage(this WebApplication app)
    {
        var page = app.MapGroup("/i/{number:long}/post-mortem").ExcludeFromDescription();
        page.MapGet("", async (long number, HttpContext http, ISender sender, CancellationToken stop) =>
        {
            if (await sender.Send(new GetPostMortem(null, number), stop) is { } found) return Show(http, found);
            return await sender.Send(new GetIncident(number), stop) is null ? Results.NotFound() : Missing(http, number);
        }).RequireAuthorization(Scopes.Read);
        Form(page, "", async (number, _, http, sender, stop) => await sender.Send(new CreatePostMortem(number), stop) switch
        {
            CreatePostMortemAnswer.Is => Back(http, number),
            CreatePostMortemAnswer.NotOver(var detail) => Missing(http, number, detail),
            _ => Results.NotFound(),
        });
        Form(page, "/sections/{section}", async (number, form, http, sender, stop) =>
        {
            var section = (string)http.Request.RouteValues["section"]!;
            if (!PostMortemSections.IsKey(section) || await sender.Send(new GetPostMortem(null, number), stop) is not { } read) return Results.NotFound();
            if (!long.TryParse(form["etag"], NumberStyles.None, CultureInfo.InvariantCulture, out var revision)) return Results.BadRequest();
            var typed = form["text"].ToString();
            try
            {
                return await sender.Send(new WritePostMortem(read.Id, new Dictionary<string, string> { [section] = typed }, revision, MergeSections: true), stop) switch
                {
                    PostMortemAnswer.Is => Back(http, number, section),
                    PostMortemAnswer.Stale(var current, _) => Show(http, current, section, typed, StatusCodes.Status409Conflict),
                    PostMortemAnswer.Impossible(var detail) => Show(http, read, section, typed, StatusCodes.Status409Conflict, detail),
                    _ => Results.NotFound(),
                };
            }
            catch (ValidationException invalid)
            {
                return Show(http, read, section, typed, StatusCodes.Status400BadRequest, Said(invalid));
            }
        });
        Form(page, "/publish", (number, form, http, sender, stop) => VerbAsync(number, http, sender, id => new PublishPostMortem(id, Revision(form)), stop));
        Form(page, "/skip", (number, form, http, sender, stop) => VerbAsync(number, http, sender, id => new SkipPostMortem(id, form["reason"].ToString(), Revision(form)), stop));
    }

    private delegate Task<IResult> FormHandler(long number, IFormCollection form, HttpContext http, ISender sender, CancellationToken cancellationToken);

    private static void Form(RouteGroupBuilder page, string path, FormHandler handler) =>
        page.MapPost(path, async (long number, HttpContext http, ISender sender, CancellationToken stop) => await handler(number, await http.Request.ReadFormAsync(stop), http, sender, stop))
            .RequireFormToken().RequireAuthorization(Scopes.Respond);

    private static async Task<IResult> VerbAsync(long number, HttpContext http, ISender sender, Func<long, ICommand<PostMortemAnswer>> command, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetPostMortem(null, number), cancellationToken) is not { } read) return Results.NotFound();
        try
        {
            return await sender.Send(command(read.Id), cancellationToken) switch
            {
                PostMortemAnswer.Is => Back(http, number),
                PostMortemAnswer.Stale(var current, _) => Show(http, current, status: StatusCodes.Status409Conflict, message: "It changed since you read it. Read it again and decide again."),
                PostMortemAnswer.Impossible(var detail) => Show(http, read, status: StatusCodes.Status409Conflict, message: detail),
                _ => Results.NotFound(),
            };
        }
        catch (ValidationException invalid)
        {
            return Show(http, read, status: StatusCodes.Status400BadRequest, message: Said(invalid));
        }
    }

    private static string Said(ValidationException invalid) => string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage));

    private static long? Revision(IFormCollection form) => long.TryParse(form["etag"], NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : -1;

    private static RazorComponentResult<PostMortemPage> Show(HttpContext http, PostMortem postMortem, string? section = null, string? typed = null, int status = StatusCodes.Status200OK, string? message = null) =>
        Render(http, postMortem.IncidentNumber, postMortem, status, message, section, typed);

    private static RazorComponentResult<PostMortemPage> Missing(HttpContext http, long number, string? message = null) =>
        Render(http, number, null, message is null ? StatusCodes.Status200OK : StatusCodes.Status409Conflict, message, null, null);

    private static RazorComponentResult<PostMortemPage> Render(HttpContext http, long number, PostMortem? postMortem, int status, string? message, string? section, string? typed)
    {
        http.Response.Headers.CacheControl = "no-store";
        return new RazorComponentResult<PostMortemPage>(new Dictionary<string, object?>
        {
            [nameof(PostMortemPage.Frame)] = Pages.Frame(http, string.Create(CultureInfo.InvariantCulture, $"Post-mortem of INC-{number}")),
            [nameof(PostMortemPage.Number)] = number,
            [nameof(PostMortemPage.PostMortem)] = postMortem,
            [nameof(PostMortemPage.Message)] = message,
            [nameof(PostMortemPage.ConflictSection)] = section,
            [nameof(PostMortemPage.ConflictTyped)] = typed,
        }) { StatusCode = status };
    }

    private static IResult Back(HttpContext http, long number, string? section = null)
    {
        http.Response.Headers.Location = string.Create(CultureInfo.InvariantCulture, $"/i/{number}/post-mortem{(section is null ? "" : "#" + section)}");
        return Results.StatusCode(StatusCodes.Status303SeeOther);
    }
}
