using System.Net;
using System.Security.Claims;

namespace Incidents.Server.Web;

/// <summary>Who acts in this scope. Every write names it in the audit log and in timelines.</summary>
internal interface IActor
{
    string Name { get; }

    /// <summary>One of <see cref="ActorKind"/>.</summary>
    string Kind { get; }

    /// <summary>Address the request came from; null for the engine itself.</summary>
    IPAddress? Remote { get; }

    /// <summary>For entry points that learn who acts from the message itself (a Slack button, a signed link in a mail).</summary>
    void Is(string name, string kind);
}

internal static class ActorKind
{
    public const string ApiKey = "api_key";
    public const string User = "user";
    public const string System = "system";
    public const string Slack = "slack";
    public const string Email = "email";
    public const string PagerDuty = "pagerduty";
}

/// <summary>Outside of a request it is the engine itself.</summary>
internal sealed class RequestActor(IHttpContextAccessor http) : IActor
{
    private (string Name, string Kind)? _told;

    public string Name => _told?.Name ?? (User is { } user ? user.FindFirstValue(ApiClaims.Name) ?? "unknown" : "incidents");

    public string Kind => _told?.Kind ?? (User is { } user ? user.HasClaim(c => c.Type == ApiClaims.KeyId) ? ActorKind.ApiKey : ActorKind.User : ActorKind.System);

    public IPAddress? Remote => http.HttpContext?.Connection.RemoteIpAddress;

    public void Is(string name, string kind) => _told = (name, kind);

    private ClaimsPrincipal? User => http.HttpContext?.User is { Identity.IsAuthenticated: true } user ? user : null;
}
