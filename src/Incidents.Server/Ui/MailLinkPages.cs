using System.Globalization;
using Incidents.Domain.Response;
using Incidents.Server.Notifications.Inbound;
using Incidents.Server.Response;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using NodaTime;

namespace Incidents.Server.Ui;

/// <summary>
/// What the buttons in a mail lead to. The link is the credential: the page asks for no sign-in, sets no cookie and needs no script.
/// GET and HEAD change nothing, whoever follows the link; the button on the page does.
/// </summary>
internal static class MailLinkPages
{
    public static void MapMailLinks(this WebApplication app)
    {
        var page = app.MapGroup(MailLinks.Path).AllowAnonymous().ExcludeFromDescription();
        page.MapMethods("", [HttpMethods.Get, HttpMethods.Head], ShowAsync);
        page.MapPost("", ActAsync);
    }

    private static async Task<IResult> ShowAsync(HttpContext http, string? t, MailLinks links, ISender sender, CancellationToken cancellationToken)
    {
        if (links.Read(t) is not { } link) return NotGood(http);
        return await sender.Send(new GetIncident(link.Incident), cancellationToken) is { } incident ? Show(http, links, link, incident, 200, null) : NotGood(http);
    }

    private static async Task<IResult> ActAsync(HttpContext http, string? t, MailLinks links, KnownPeople people, IActor actor, ISender sender, CancellationToken cancellationToken)
    {
        if (links.Read(t) is not { } link) return NotGood(http);
        if (!links.IsGood(link)) return await ShowAsync(http, t, links, sender, cancellationToken);

        // Whoever may be signed in on this machine: the mail was sent to this recipient.
        actor.Is(people.NameOfMailbox(link.Recipient), ActorKind.Email, $"email/{link.Recipient}");
        ICommand<IncidentAnswer> command = link.Verb == MailLink.Resolve ? new ResolveIncident(link.Incident) : new AcknowledgeIncident(link.Incident);
        return await sender.Send(command, cancellationToken) switch
        {
            IncidentAnswer.Is(var incident, true, { } warning) => Show(http, links, link, incident, 200, warning),
            IncidentAnswer.Is => SignIn.SeeOther(http.Request.Path + http.Request.QueryString),
            IncidentAnswer.Impossible(var detail) when await sender.Send(new GetIncident(link.Incident), cancellationToken) is { } now => Show(http, links, link, now, 409, detail),
            _ => NotGood(http),
        };
    }

    private static IResult Show(HttpContext http, MailLinks links, MailLink link, Incident incident, int status, string? said)
    {
        var button = (link.Verb, incident.State) switch
        {
            (MailLink.Acknowledge, IncidentState.Triggered) => $"Acknowledge INC-{incident.Number}",
            (MailLink.Resolve, IncidentState.Triggered or IncidentState.Acknowledged) => $"Resolve INC-{incident.Number}",
            _ => null,
        };
        if (button is not null && !links.IsGood(link))
        {
            button = null;
            said ??= "The link in this mail is older than a week and acts no more. Sign in to act.";
        }

        return Pages.Show<MailActionPage>(http, status, new()
        {
            ["Frame"] = Frame(http, $"INC-{incident.Number} {incident.Title}"),
            ["Incident"] = incident,
            ["State"] = StateOf(incident),
            ["Button"] = button,
            ["Said"] = said,
            ["Recipient"] = link.Recipient,
        });
    }

    private static string StateOf(Incident incident) => incident switch
    {
        { State: IncidentState.Acknowledged } => $"{incident.AcknowledgedBy} has it since {Text(incident.AcknowledgedAt)}",
        { State: IncidentState.Resolved } => $"Resolved by {incident.ResolvedBy} at {Text(incident.ResolvedAt)}",
        _ => Words.State(incident),
    };

    private static string Text(Instant? at) => at?.ToString("uuuu-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture) ?? "";

    private static IResult NotGood(HttpContext http) => Pages.Show<NoSessionPage>(http, 404, new()
    {
        ["Frame"] = Frame(http, "This link does not work"),
        ["Text"] = "It is damaged, perhaps because a mail program cut it off, or it is not one of ours. Copy the whole address from the mail, or sign in.",
    });

    /// <summary>Without form tokens: they would set a cookie, and the link itself is what no other site knows.</summary>
    private static PageFrame Frame(HttpContext http, string title) => new(title, Pages.ThemeOf(http), null, false, FormToken.None, http.Request.Path);
}
