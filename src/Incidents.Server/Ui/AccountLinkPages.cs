using System.Security.Claims;
using Incidents.Server.Notifications.Inbound;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;

namespace Incidents.Server.Ui;

/// <summary>Where Slack users whom nobody here knows confirm who they are: signed in, with a link that Slack showed to them alone.</summary>
internal static class AccountLinkPages
{
    private const string Used = "This link was used before. Do something in Slack again to get another.";
    private const string Old = "This link is not good any more, or was cut off. Do something in Slack again to get another.";

    public static void MapAccountLinkPages(this WebApplication app)
    {
        var page = app.MapGroup(AccountLinkTokens.Path).RequireAuthorization(Scopes.Respond).ExcludeFromDescription();
        page.MapGet("", ShowAsync);
        page.MapPost("", LinkAsync).RequireFormToken();
    }

    private static async Task<IResult> ShowAsync(HttpContext http, string? t, AccountLinkTokens tokens, CancellationToken cancellationToken)
    {
        if (tokens.Read(t) is not { } offer) return Pages.Message(http, 410, "Not linked", Old);
        if (await tokens.IsSpentAsync(offer, cancellationToken)) return Pages.Message(http, 410, "Not linked", Used);
        return Pages.Show<LinkAccountPage>(http, 200, new() { ["Frame"] = Pages.Frame(http, "Link your Slack account"), ["Account"] = offer.AccountName, ["ExternalId"] = offer.ExternalId });
    }

    private static async Task<IResult> LinkAsync(HttpContext http, string? t, AccountLinkTokens tokens, ISender sender, CancellationToken cancellationToken)
    {
        if (tokens.Read(t) is not { } offer) return Pages.Message(http, 410, "Not linked", Old);
        var name = http.User.FindFirstValue(ApiClaims.Name) ?? "unknown";
        return await sender.Send(new LinkAccount(offer.Provider, offer.ExternalId, name, SignIn.KeyOf(http.User), offer, Sessions.UserIdOf(http.User)), cancellationToken) == LinkAccountAnswer.Linked
            ? Pages.Message(http, 200, "Linked", $"What you do in Slack is now done here in the name of {name}. Press the button in Slack again.")
            : Pages.Message(http, 410, "Not linked", Used);
    }
}
