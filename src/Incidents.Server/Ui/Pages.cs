using System.Security.Claims;
using Incidents.Domain.Access;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Incidents.Server.Ui;

/// <summary>What every page needs around its content.</summary>
/// <param name="Title">Of the document.</param>
/// <param name="Theme"><c>light</c>, <c>dark</c> or <c>auto</c>.</param>
/// <param name="User">Name of who is signed in; null for nobody.</param>
/// <param name="MayRespond">False when buttons would only be refused.</param>
/// <param name="Token">Goes into each form, so that no other site can send one.</param>
/// <param name="Path">Where we are, with the query.</param>
public sealed record PageFrame(string Title, string Theme, string? User, bool MayRespond, FormToken Token, string Path)
{
    /// <summary>Why who is signed in may not act on incidents of a team (null: of none); null when they may.</summary>
    public Func<string?, string?> WhyNot { get; init; } = _ => null;

    /// <summary>Whether there is an account page for who is signed in.</summary>
    public bool HasAccount { get; init; }
}


/// <param name="Field">Name of the form field.</param>
/// <param name="Value">Its value.</param>
public sealed record FormToken(string Field, string Value)
{
    /// <summary>On a page that has no forms.</summary>
    public static readonly FormToken None = new("", "");
}

/// <param name="Path">Where to.</param>
/// <param name="Text">What it says.</param>
public sealed record PageLink(string Path, string Text);

/// <summary>How pages are made: Razor components, rendered once, without a circuit.</summary>
internal static class Pages
{
    public static PageFrame Frame(HttpContext http, string title)
    {
        var tokens = http.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(http);
        var access = http.RequestServices.GetRequiredService<IAccess>();
        var user = http.User.Identity?.IsAuthenticated == true ? http.User.FindFirstValue(ApiClaims.Name) : null;
        var path = HttpMethods.IsGet(http.Request.Method) ? http.Request.Path + http.Request.QueryString : http.Request.Path.ToString();
        return new PageFrame(title, ThemeOf(http), user, Scopes.Covers(http.User, Scopes.Respond), new FormToken(tokens.FormFieldName, tokens.RequestToken!), path)
        {
            WhyNot = team => access.WhyNot(Permission.Respond, team),
            HasAccount = user is not null,
        };
    }

    public static string ThemeOf(HttpContext http) => http.Request.Cookies["theme"] is "light" or "dark" ? http.Request.Cookies["theme"]! : "auto";

    public static IResult Show<TPage>(HttpContext http, int status, Dictionary<string, object?> parameters) where TPage : IComponent
    {
        http.Response.Headers.CacheControl = "no-store";
        return new RazorComponentResult<TPage>(parameters) { StatusCode = status, PreventStreamingRendering = true };
    }

    public static IResult Message(HttpContext http, int status, string title, string text, IReadOnlyList<TypedText>? typed = null, PageLink? next = null) =>
        Show<MessagePage>(http, status, new() { ["Frame"] = Frame(http, title), ["Text"] = text, ["Typed"] = typed ?? [], ["Next"] = next });

    /// <summary>A component alone, outside of any request.</summary>
    public static async Task<string> RenderAsync<TComponent>(IServiceProvider services, Dictionary<string, object?> parameters) where TComponent : IComponent
    {
        await using var renderer = new HtmlRenderer(services, services.GetRequiredService<ILoggerFactory>());
        return await renderer.Dispatcher.InvokeAsync(async () => (await renderer.RenderComponentAsync<TComponent>(ParameterView.FromDictionary(parameters))).ToHtmlString());
    }

    /// <summary>Refuses a form that does not come from a page of ours, and shows what was typed into it: it does come from one when somebody signed in or out in another tab.</summary>
    public static TBuilder RequireFormToken<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(async (context, next) => await context.HttpContext.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context.HttpContext)
            ? await next(context)
            : await RefusedAsync(context.HttpContext));

    private static async Task<IResult> RefusedAsync(HttpContext http)
    {
        var typed = await TypedText.OfAsync(http.Request);
        var how = typed.Count == 0 ? "Go back, load the page again and repeat it." : "What you typed is below: copy it, go back to the page and put it in again.";
        return Message(http, 400, "Not done", $"This form is no longer valid, perhaps because you signed in or out since. {how}", typed, new PageLink(http.Request.Path, "Back to the page"));
    }
}
