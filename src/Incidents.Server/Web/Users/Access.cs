using System.Security.Claims;
using Incidents.Domain.Access;

namespace Incidents.Server.Web;

/// <summary>
/// Whether the caller of this request may do something: asked by commands, so by endpoints and buttons alike. The rule is <see cref="Permissions"/>; here is only who asks.
/// </summary>
internal interface IAccess
{
    /// <summary>Key in <c>oncall.yaml</c> of the person the caller is; null for programs and for users who are nobody there.</summary>
    string? Person { get; }

    /// <summary>Null when it is allowed, else why not, for the person who asked. The engine itself, and messages that carry their own signature and say no more, are allowed what led here.</summary>
    /// <param name="permission">One of <see cref="Permission"/>.</param>
    /// <param name="team">Of what is acted on; null when it belongs to no team.</param>
    string? WhyNot(string permission, string? team);

    /// <summary>Null when the caller may do it to every team at once.</summary>
    string? WhyNotForAll(string permission);

    /// <summary>The team that something belongs to which the caller makes without naming one; null for all teams, or with the reason why it must be named.</summary>
    (string? Team, string? WhyNot) TeamOf(string permission);

    /// <summary>Null when the caller may give or take this membership.</summary>
    string? WhyNotGive(Grant grant);

    /// <summary>Null when the caller may say what a person does about a shift of a schedule of this team.</summary>
    string? WhyNotActFor(string person, string? team);

    /// <summary>Null when the caller may have the contacts rung of a person who is in these teams.</summary>
    string? WhyNotReach(string person, IReadOnlyCollection<string> teams);
}

internal sealed class RequestAccess(IHttpContextAccessor http, IActor actor) : IAccess
{
    public string? Person => actor.Grants is null && User is { } user ? user.FindFirstValue(ApiClaims.Person) : null;

    public string? WhyNot(string permission, string? team) => Grants() is { } grants ? Permissions.WhyNot(grants, permission, team) : null;

    public string? WhyNotForAll(string permission) => Grants() is { } grants ? Permissions.WhyNotForAll(grants, permission) : null;

    public (string? Team, string? WhyNot) TeamOf(string permission) => Grants() is { } grants ? Permissions.TeamOf(grants, permission) : (null, null);

    public string? WhyNotGive(Grant grant) => Grants() is { } grants ? Permissions.WhyNotGive(grants, grant) : null;

    public string? WhyNotActFor(string person, string? team) => Grants() is { } grants ? Permissions.WhyNotActFor(grants, Person, person, team) : null;

    public string? WhyNotReach(string person, IReadOnlyCollection<string> teams) => Grants() is { } grants ? Permissions.WhyNotReach(grants, Person, person, teams) : null;

    private ClaimsPrincipal? User => http.HttpContext?.User is { Identity.IsAuthenticated: true } user ? user : null;

    /// <summary>Null: not asked. A request in which nobody signed in and that no message speaks for may nothing: closed unless said.</summary>
    private IReadOnlyCollection<Grant>? Grants() =>
        actor.Grants is { } told ? told
        : actor.Kind is ActorKind.Slack or ActorKind.Email or ActorKind.PagerDuty || http.HttpContext is null ? null
        : User?.Grants() ?? [];
}

internal static class GrantClaims
{
    /// <summary>What the caller is: memberships of a person; for a key, its scopes over all teams or over the one it is limited to.</summary>
    public static List<Grant> Grants(this ClaimsPrincipal user)
    {
        var own = user.FindAll(ApiClaims.Grant).Select(c => c.Value.Split('@', 2)).Select(p => new Grant(p[0], p.Length > 1 ? p[1] : null)).ToList();
        if (own.Count > 0 || user.HasClaim(c => c.Type == Sessions.SessionClaim)) return own;
        var team = user.FindFirstValue(ApiClaims.Team);
        return [.. user.FindAll(ApiClaims.Scope).Select(c => RoleOf(c.Value)).OfType<string>().Select(role => new Grant(role, team))];
    }

    /// <summary>The claims that a person's memberships become: what they are, and the scopes that open doors (what is behind a door asks for the team).</summary>
    public static IEnumerable<Claim> Of(IReadOnlyCollection<Grant> grants) =>
    [
        .. grants.Select(g => new Claim(ApiClaims.Grant, g.Team is null ? g.Role : $"{g.Role}@{g.Team}")),
        .. ((string Permission, string Scope)[])[(Permission.See, Scopes.Read), (Permission.Respond, Scopes.Respond), (Permission.Administer, Scopes.Admin)] is var doors
            ? doors.Where(d => Permissions.AllowsSomewhere(grants, d.Permission)).Select(d => new Claim(ApiClaims.Scope, d.Scope)) : [],
    ];

    private static string? RoleOf(string scope) => scope switch { Scopes.Read => Role.Viewer, Scopes.Respond => Role.Responder, Scopes.Admin => Role.Admin, _ => null };
}
