using System.Diagnostics;
using System.Globalization;
using FluentValidation;
using Incidents.Domain.Response;
using Severity = Incidents.Domain.Routing.Severity;
using Incidents.Server.Alerts;
using Incidents.Server.Response;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.WebUtilities;

namespace Incidents.Server.Ui;

/// <summary>The pages of the first minutes: the list, one incident, one alert. Every action is a plain form first.</summary>
internal static class IncidentPages
{
    private const string List = "incidents";

    // What the form did, for the page that follows it. Not in the address: anybody can write a link that says so.
    private const string Acknowledged = "acknowledged";
    private const int LinesOnPage = 50;

    // As many as live.js keeps on an open list.
    private const int MostAcknowledged = 500;

    public static void MapIncidentPages(this WebApplication app)
    {
        var pages = app.MapGroup("").ExcludeFromDescription();
        pages.MapGet("/", ListAsync).RequireAuthorization(Scopes.Read);
        pages.MapGet("/i/{number:long}", (long number, HttpContext http, PageData data, CancellationToken stop) => ShowAsync(http, data, number, 200, null, stop)).RequireAuthorization(Scopes.Read);
        pages.MapGet("/alerts/{id:long}", AlertAsync).RequireAuthorization(Scopes.Read);
        pages.MapPost("/acknowledge", AcknowledgeManyAsync).RequireAuthorization(Scopes.Respond).RequireFormToken();
        pages.MapPost("/i/{number:long}/{verb}", ActAsync).RequireAuthorization(Scopes.Respond).RequireFormToken();

        // Whoever signs in again, reloads or bookmarks after a POST comes back to its address with GET, and belongs on the page that has the button.
        pages.MapGet("/acknowledge", () => SignIn.SeeOther("/")).RequireAuthorization(Scopes.Read);
        pages.MapGet("/i/{number:long}/{verb:regex(^(acknowledge|unacknowledge|resolve|reopen|escalate|assign|snooze|notes)$)}", (long number) => SignIn.SeeOther($"/i/{number}")).RequireAuthorization(Scopes.Read);
    }

    private static async Task<IResult> ListAsync(HttpContext http, PageData data, ISender sender, string? state, string? severity, string? q, string? cursor, CancellationToken cancellationToken)
    {
        var filter = new ListFilter(
            state is "all" || IncidentState.All.Contains(state, StringComparer.Ordinal) ? state! : "open", severity is not null && Severity.All.Contains(severity, StringComparer.Ordinal) ? severity : "", q?.Trim() ?? "", string.IsNullOrEmpty(cursor));
        IReadOnlyList<string> states = filter.State switch { "open" => [IncidentState.Triggered, IncidentState.Acknowledged], "all" => [], _ => [filter.State] };
        var after = string.IsNullOrEmpty(cursor) ? null : PageCursor.Decode<IncidentPosition>(List, cursor);
        var found = await sender.Send(new ListIncidents(states, filter.Severity.Length > 0 ? [filter.Severity] : [], null, filter.Text, null, null, after, LinesOnPage + 1), cancellationToken);
        var shown = found.Take(LinesOnPage).ToList();
        var older = found.Count > LinesOnPage
            ? QueryHelpers.AddQueryString("/", new Dictionary<string, string?> { ["state"] = filter.State, ["severity"] = filter.Severity, ["q"] = filter.Text, ["cursor"] = PageCursor.Encode(List, new IncidentPosition(shown[^1].OpenedAt, shown[^1].Number)) })
            : null;
        var last = await data.LastAlertAsync(cancellationToken);
        var view = new Overview(
            await data.CountAsync(cancellationToken), filter, await data.LinesAsync(shown, cancellationToken), await data.RecentAlertsAsync(cancellationToken), older, last?.At, last?.Source, $"{http.Request.Scheme}://{http.Request.Host}", data.Now);
        var said = int.TryParse(http.Request.Cookies[Acknowledged], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? $"{count} acknowledged." : null;
        if (said is not null) http.Response.Cookies.Delete(Acknowledged);
        return Pages.Show<ListPage>(http, 200, new() { ["Frame"] = Pages.Frame(http, Title(view.Counts.Unacknowledged, "Incidents")), ["View"] = view, ["Said"] = said });
    }

    private static string Title(int unacknowledged, string title) => unacknowledged == 0 ? title : $"({unacknowledged}) {title}";

    private static async Task<IResult> ShowAsync(HttpContext http, PageData data, long number, int status, string? said, CancellationToken cancellationToken)
    {
        var view = await data.IncidentAsync(number, cancellationToken);
        if (view is null) return Pages.Message(http, 404, "No such incident", $"There is no incident {number}.");
        return Pages.Show<IncidentPage>(http, status, new() { ["Frame"] = Pages.Frame(http, $"INC-{number} {view.Incident.Title}") with { Path = $"/i/{number}" }, ["View"] = view, ["Said"] = said });
    }

    private static async Task<IResult> AlertAsync(long id, HttpContext http, PageData data, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetAlert(id), cancellationToken) is { } row
            ? Pages.Show<AlertPage>(http, 200, new() { ["Frame"] = Pages.Frame(http, row.Name), ["Alert"] = AlertLine.Of(row), ["Now"] = data.Now })
            : Pages.Message(http, 404, "No such alert", $"There is no alert {id}.");

    private static async Task<IResult> AcknowledgeManyAsync(HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var numbers = form["which"] == "all" ? form["shown"].ToString().Split(',') : [.. form["number"].OfType<string>()];
        var acknowledged = 0;
        foreach (var text in numbers.Take(MostAcknowledged))
        {
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) continue;
            if (await sender.Send(new AcknowledgeIncident(number), cancellationToken) is IncidentAnswer.Is { IsChanged: true }) acknowledged++;
        }

        http.Response.Cookies.Append(
            Acknowledged, acknowledged.ToString(CultureInfo.InvariantCulture), new CookieOptions { MaxAge = TimeSpan.FromMinutes(1), HttpOnly = true, SameSite = SameSiteMode.Lax, Secure = http.Request.IsHttps });
        return SignIn.SeeOther(SignIn.Local(form["to"]));
    }

    private static async Task<IResult> ActAsync(long number, string verb, HttpContext http, PageData data, ISender sender, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var text = form["text"].ToString().Trim() is { Length: > 0 } given ? given : null;
        int? minutes = int.TryParse(form["minutes"], NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : null;
        ICommand<IncidentAnswer>? command = verb switch
        {
            "acknowledge" => new AcknowledgeIncident(number),
            "unacknowledge" => new UnacknowledgeIncident(number),
            "resolve" => new ResolveIncident(number, text),
            "reopen" => new ReopenIncident(number, text),
            "escalate" => new EscalateIncident(number, text),
            "assign" => new AssignIncident(number, text ?? ""),
            "snooze" => new SnoozeIncident(number, null, minutes),
            "notes" => new AddNote(number, text ?? ""),
            _ => null,
        };
        if (command is null) return Pages.Message(http, 404, "No such action", "This page has no such action.");
        try
        {
            return await sender.Send(command, cancellationToken) switch
            {
                IncidentAnswer.Is { IsChanged: false, Detail: { } detail } => await ShowAsync(http, data, number, 200, detail, cancellationToken),
                IncidentAnswer.Is => SignIn.SeeOther($"/i/{number}"),
                IncidentAnswer.Impossible(var detail) => await ShowAsync(http, data, number, 409, detail, cancellationToken),
                IncidentAnswer.NotFound => Pages.Message(http, 404, "No such incident", $"There is no incident {number}."),
                IncidentAnswer.Forbidden(var why) => await ShowAsync(http, data, number, 403, why, cancellationToken),
                IncidentAnswer.Stale => await ShowAsync(http, data, number, 409, "It changed since you looked. Here is how it is now.", cancellationToken),
                _ => throw new UnreachableException(),
            };
        }
        catch (ValidationException invalid)
        {
            return await ShowAsync(http, data, number, 400, string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage)), cancellationToken);
        }
    }
}
