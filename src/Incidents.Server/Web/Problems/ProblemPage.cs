using System.Diagnostics;
using Incidents.Server.Ui;
using Incidents.Server.Ui.Components;
using Microsoft.AspNetCore.Http.Features;

namespace Incidents.Server.Web;

/// <summary>A problem as somebody in a browser can read it. It needs neither session, form token nor database: whatever failed may be one of them.</summary>
internal static class ProblemPage
{
    /// <summary>Pages answer in HTML; everything else gets a problem.</summary>
    public static bool IsFor(HttpRequest request) =>
        !request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
        && request.Headers.Accept.Any(a => a is not null && a.Contains("text/html", StringComparison.OrdinalIgnoreCase));

    public static async Task WriteAsync(HttpContext http, ApiProblem problem)
    {
        var (title, text) = problem switch
        {
            { Code: "route_not_found" } => ("Not found", "There is nothing at this address."),
            { Status: 405 } => ("Not possible", "This address cannot be used like this."),
            { Status: >= 500 and not 503 } => ("Something failed", $"Something failed inside; the log has it under {Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier}."),
            { Errors: { IsDefaultOrEmpty: false } errors } => ("Not possible", string.Join(" ", errors.Select(e => e.Message))),
            _ => (ApiProblem.TitleOf(problem.Code), problem.Detail),
        };
        var typed = TypedText.Of(http.Features.Get<IFormFeature>()?.Form);
        var html = await Pages.RenderAsync<MessagePage>(http.RequestServices, new()
        {
            [nameof(MessagePage.Frame)] = new PageFrame(title, Pages.ThemeOf(http), null, false, FormToken.None, http.Request.Path),
            [nameof(MessagePage.Text)] = typed.Count == 0 ? text : $"{text} What you typed is below; copy it before you leave.",
            [nameof(MessagePage.Typed)] = typed,
            [nameof(MessagePage.Next)] = HttpMethods.IsPost(http.Request.Method) ? new PageLink(http.Request.Path, "Back to the page") : null,
        });
        var response = http.Response;
        response.StatusCode = problem.Status;
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        if (problem.RetryAfter is { } seconds) response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (!HttpMethods.IsHead(http.Request.Method)) await response.WriteAsync(html, http.RequestAborted);
    }
}
