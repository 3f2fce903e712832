using System.Security.Claims;

namespace Incidents.Server.Web;

/// <summary>What a caller may do. The names are also the names of the authorization policies: <c>.RequireAuthorization(Scopes.Read)</c>.</summary>
internal static class Scopes
{
    /// <summary>Send alerts and heartbeats. Nothing else.</summary>
    public const string Ingest = "ingest";

    /// <summary>See everything but keys and the audit log.</summary>
    public const string Read = "read";

    /// <summary>Read, and act on incidents, silences, overrides, playbooks and post-mortems.</summary>
    public const string Respond = "respond";

    /// <summary>Everything.</summary>
    public const string Admin = "admin";

    public static readonly IReadOnlyList<string> All = [Ingest, Read, Respond, Admin];

    /// <summary>Whether the caller's scopes cover <paramref name="scope"/>: admin covers all, respond covers read.</summary>
    public static bool Covers(ClaimsPrincipal user, string scope)
    {
        foreach (var claim in user.Claims)
        {
            if (claim.Type != ApiClaims.Scope) continue;
            if (claim.Value == scope || claim.Value == Admin || (claim.Value == Respond && scope == Read)) return true;
        }

        return false;
    }
}

/// <summary>Claim types of an authenticated caller, whichever way it signed in.</summary>
internal static class ApiClaims
{
    public const string Name = ClaimTypes.Name;

    /// <summary>One claim a scope.</summary>
    public const string Scope = "scope";

    /// <summary>Id of the API key.</summary>
    public const string KeyId = "key_id";

    /// <summary>Id of the API key that a browser's session began with.</summary>
    public const string SessionKey = "session_key";

    /// <summary>The integration this key belongs to; absent when the key names none.</summary>
    public const string Source = "source";

    /// <summary>The team that this key is limited to; absent when it is not.</summary>
    public const string Team = "team";

    /// <summary>One claim a membership of a person: <c>responder</c> or <c>responder@payments</c>.</summary>
    public const string Grant = "grant";

    /// <summary>Key of the person in <c>oncall.yaml</c>; absent when the user is tied to nobody.</summary>
    public const string Person = "person";
}

internal static class ClaimsPrincipalExtensions
{
    /// <summary>What alerts sent by this caller are recorded under: the key's source, or its name when it has none.</summary>
    public static string AlertSource(this ClaimsPrincipal user) => user.FindFirstValue(ApiClaims.Source) ?? user.FindFirstValue(ApiClaims.Name) ?? "unknown";
}
