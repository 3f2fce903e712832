using System.Globalization;
using System.Text;
using FluentValidation;
using Incidents.Domain.PostMortems;
using Incidents.Server.Response;
using Incidents.Server.Ui;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Incidents.Server.PostMortems;

/// <summary>The page of a post-mortem: one plain form for all sections. After a save the browser is sent back to the page (303); a conflict shows both texts and keeps what was typed.</summary>
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
        page.MapGet("/{verb:regex(^(sections|publish|skip)$)}", (long number) => Back(number)).RequireAuthorization(Scopes.Read);
        app.MapGet("/i/{number:long}/post-mortem.md", async (long number, ISender sender, CancellationToken stop) => await sender.Send(new GetPostMortem(null, number), stop) is { } found
            ? Results.File(Encoding.UTF8.GetBytes(PostMortemMarkdown.Of(found)), "text/markdown; charset=utf-8", string.Create(CultureInfo.InvariantCulture, $"INC-{number}.md"))
            : Results.NotFound()).ExcludeFromDescription().RequireAuthorization(Scopes.Read);
        Form(page, "", async (number, _, http, sender, stop) => await sender.Send(new CreatePostMortem(number), stop) switch
        {
            CreatePostMortemAnswer.Is => Back(number),
            CreatePostMortemAnswer.NotOver(var detail) => Missing(http, number, detail),
            CreatePostMortemAnswer.Forbidden(var why) => Pages.Message(http, StatusCodes.Status403Forbidden, "Not allowed", why),
            _ => Results.NotFound(),
        });
        Form(page, "/sections", (number, form, http, sender, stop) => SubmitAsync(number, form, http, sender, null, stop));
        Form(page, "/publish", (number, form, http, sender, stop) => SubmitAsync(number, form, http, sender, (id, revision) => new PublishPostMortem(id, revision), stop));
        Form(page, "/skip", (number, form, http, sender, stop) => SubmitAsync(number, form, http, sender, (id, revision) => new SkipPostMortem(id, form["reason"].ToString(), revision), stop));
    }

    // Every section at its longest, in an alphabet of three bytes a letter.
    private const long LargestForm = 4 * 1024 * 1024;

    private delegate Task<IResult> FormHandler(long number, IFormCollection form, HttpContext http, ISender sender, CancellationToken cancellationToken);

    private static void Form(RouteGroupBuilder page, string path, FormHandler handler) =>
        page.MapPost(path, async (long number, HttpContext http, ISender sender, CancellationToken stop) => await handler(number, await http.Request.ReadFormAsync(stop), http, sender, stop))
            .RequireFormToken().RequireAuthorization(Scopes.Respond).WithMetadata(new RequestSizeLimitAttribute(LargestForm));

    /// <summary>All buttons send the whole form: whichever is pressed, what was typed is saved first.</summary>
    private static async Task<IResult> SubmitAsync(long number, IFormCollection form, HttpContext http, ISender sender, Func<long, long, ICommand<PostMortemAnswer>>? then, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetPostMortem(null, number), cancellationToken) is not { } read) return Results.NotFound();
        var (current, typed, revision) = (read, TouchedIn(form), RevisionIn(form));
        try
        {
            if (typed.Count > 0)
            {
                var saved = await sender.Send(new SaveSections(read.Id, [.. typed.Select(t => new TypedSection(t.Key, t.Value.Text, t.Value.Read.Revision))]), cancellationToken);
                switch (saved.Answer)
                {
                    case PostMortemAnswer.Is(var after, _, _):
                        current = after;
                        break;
                    case PostMortemAnswer.Stale(var after, _):
                        current = after;
                        break;
                    case PostMortemAnswer.Impossible(var detail):
                        return Show(http, read, StatusCodes.Status409Conflict, detail, typed, form["reason"]);
                    case PostMortemAnswer.Forbidden(var why):
                        return Show(http, read, StatusCodes.Status403Forbidden, why, typed, form["reason"]);
                    default:
                        return Results.NotFound();
                }

                typed = typed.Where(t => saved.Conflicts.Contains(t.Key)).ToDictionary(t => t.Key, t => t.Value with { IsConflict = true });
                if (typed.Count > 0) return Show(http, current, StatusCodes.Status409Conflict, Unsaved(typed.Keys, saved.Written), typed, form["reason"]);

                // Our own changes are no reason to decide again; anybody else's are.
                revision = current.Revision - saved.Written == revision ? current.Revision : -1;
            }

            if (then is null) return Back(number, form["at"].ToString() is var at && PostMortemSections.IsKey(at) ? at : null);
            return await sender.Send(then(read.Id, revision), cancellationToken) switch
            {
                PostMortemAnswer.Is => Back(number),
                PostMortemAnswer.Stale(var after, _) => Show(http, after, StatusCodes.Status409Conflict, "It changed since you read it; what you typed is saved. Read it again and decide again.", reason: form["reason"]),
                PostMortemAnswer.Forbidden(var why) => Show(http, current, StatusCodes.Status403Forbidden, why, reason: form["reason"]),
                PostMortemAnswer.Impossible(var detail) => Show(http, current, StatusCodes.Status409Conflict, detail, reason: form["reason"]),
                _ => Results.NotFound(),
            };
        }
        catch (ValidationException invalid)
        {
            return Show(http, current, StatusCodes.Status400BadRequest, string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage)), current == read ? typed : null, form["reason"]);
        }
    }

    /// <summary>The texts that differ from what their writer had read.</summary>
    private static Dictionary<string, KeptSection> TouchedIn(IFormCollection form)
    {
        var touched = new Dictionary<string, KeptSection>();
        foreach (var (key, _, _) in PostMortemSections.All)
        {
            if (!form.TryGetValue($"text.{key}", out var text)) continue;
            var read = SectionRead.Parse(form[$"read.{key}"].ToString());
            if (read.IsTouched(text.ToString())) touched.Add(key, new KeptSection(text.ToString(), read, false));
        }

        return touched;
    }

    private static string Unsaved(IEnumerable<string> keys, int written) =>
        $"Not saved, because somebody else wrote there meanwhile: {string.Join(", ", keys.Select(PostMortemSections.TitleOf))}.{(written > 0 ? " The rest of what you typed is saved." : "")}";

    private static long RevisionIn(IFormCollection form) => long.TryParse(form["etag"], NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : -1;

    private static RazorComponentResult<PostMortemPage> Show(HttpContext http, PostMortem postMortem, int status = StatusCodes.Status200OK, string? message = null, IReadOnlyDictionary<string, KeptSection>? kept = null, string? reason = null) =>
        Render(http, postMortem.IncidentNumber, postMortem, status, message, kept, reason);

    private static RazorComponentResult<PostMortemPage> Missing(HttpContext http, long number, string? message = null) =>
        Render(http, number, null, message is null ? StatusCodes.Status200OK : StatusCodes.Status409Conflict, message);

    private static RazorComponentResult<PostMortemPage> Render(HttpContext http, long number, PostMortem? postMortem, int status, string? message, IReadOnlyDictionary<string, KeptSection>? kept = null, string? reason = null)
    {
        http.Response.Headers.CacheControl = "no-store";
        return new RazorComponentResult<PostMortemPage>(new Dictionary<string, object?>
        {
            [nameof(PostMortemPage.Frame)] = Pages.Frame(http, string.Create(CultureInfo.InvariantCulture, $"Post-mortem of INC-{number}")),
            [nameof(PostMortemPage.Number)] = number,
            [nameof(PostMortemPage.PostMortem)] = postMortem,
            [nameof(PostMortemPage.Message)] = message,
            [nameof(PostMortemPage.Kept)] = kept ?? new Dictionary<string, KeptSection>(),
            [nameof(PostMortemPage.Reason)] = reason,
        }) { StatusCode = status };
    }

    private static IResult Back(long number, string? section = null) =>
        SignIn.SeeOther(string.Create(CultureInfo.InvariantCulture, $"/i/{number}/post-mortem{(section is null ? "" : "#" + section)}"));
}
