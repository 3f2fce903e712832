using System.Net;
using System.Security.Claims;
using Incidents.Domain.Access;

namespace Incidents.Server.Web;

/// <summary>Who acts in this scope. Every write names it in the audit log and in timelines.</summary>
internal interface IActor
{
    string Name { get; }

    /// <summary>One of <see cref="ActorKind"/>.</summary>
    string Kind { get; }

    /// <summary>Proven, where <see cref="Name"/> may be what somebody said: <c>user/0198…</c>, <c>api_key/0198…</c>, <c>slack/U0123</c>. Null when nothing more than the name is known.</summary>
    string? Id { get; }

    /// <summary>What whoever acts by a message may do; null when nobody said, and then the message itself is what was allowed.</summary>
    IReadOnlyCollection<Grant>? Grants { get; }

    /// <summary>Address the request came from; null for the engine itself.</summary>
    IPAddress? Remote { get; }

    /// <summary>For entry points that learn who acts from the message itself (a Slack button, a signed link in a mail).</summary>
    void Is(string name, string kind, string? id = null, IReadOnlyCollection<Grant>? grants = null);
}

internal static class ActorKind
{
    public const string ApiKey = "api_key";
    public const string User = "user";

    /// <summary>A browser in which somebody signed in with a key: the name is what they typed.</summary>
    public const string KeySession = "key_session";

    public const string System = "system";
    public const string Slack = "slack";
    public const string Email = "email";
    public const string PagerDuty = "pagerduty";
}

/// <summary>Outside of a request it is the engine itself.</summary>
internal sealed class RequestActor(IHttpContextAccessor http) : IActor
{
    private (string Name, string Kind, string? Id, IReadOnlyCollection<Grant>? Grants)? _told;

    public string Name => _told?.Name ?? (User is { } user ? user.FindFirstValue(ApiClaims.Name) ?? "unknown" : "incidents");

    public string Kind => _told?.Kind ?? (User is not { } user ? ActorKind.System
        : user.HasClaim(c => c.Type == ApiClaims.KeyId) ? ActorKind.ApiKey
        : user.HasClaim(c => c.Type == ApiClaims.SessionKey) ? ActorKind.KeySession
        : ActorKind.User);

    public string? Id => _told is { } told ? told.Id
        : User is not { } user ? null
        : Sessions.UserIdOf(user) is { } id ? $"user/{id}"
        : (user.FindFirstValue(ApiClaims.KeyId) ?? user.FindFirstValue(ApiClaims.SessionKey)) is { } key ? $"api_key/{key}" : null;

    public IReadOnlyCollection<Grant>? Grants => _told?.Grants;

    public IPAddress? Remote => http.HttpContext?.Connection.RemoteIpAddress;

    public void Is(string name, string kind, string? id = null, IReadOnlyCollection<Grant>? grants = null) => _told = (name, kind, id, grants);

    private ClaimsPrincipal? User => http.HttpContext?.User is { Identity.IsAuthenticated: true } user ? user : null;
}
