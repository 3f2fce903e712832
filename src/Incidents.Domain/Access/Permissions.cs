using System.Collections.Immutable;

namespace Incidents.Domain.Access;

/// <summary>What people are to a team, or to all teams; text keys, as in the database and the API.</summary>
public static class Role
{
    /// <summary>Sees everything.</summary>
    public const string Viewer = "viewer";

    /// <summary>Acts on incidents and what belongs to them.</summary>
    public const string Responder = "responder";

    /// <summary>Decides who belongs to the team.</summary>
    public const string Lead = "lead";

    /// <summary>Over all teams: people, keys and configuration. Over one team: as its lead, and makes others admins of it.</summary>
    public const string Admin = "admin";

    /// <summary>Each may do what those before it may.</summary>
    public static readonly ImmutableArray<string> All = [Viewer, Responder, Lead, Admin];

    public static int Rank(string role) => All.IndexOf(role) is >= 0 and var rank ? rank : throw new ArgumentOutOfRangeException(nameof(role), role, "Not a role. Use viewer, responder, lead or admin.");
}

/// <summary>Kinds of things that may be allowed.</summary>
public static class Permission
{
    public const string See = "see";

    /// <summary>Acknowledge, resolve and whatever else changes incidents, silences, overrides, playbook runs and post-mortems.</summary>
    public const string Respond = "respond";

    /// <summary>Change who belongs to a team.</summary>
    public const string Manage = "manage";

    /// <summary>Change people, keys, configuration: what belongs to no team.</summary>
    public const string Administer = "administer";

    public static readonly ImmutableArray<string> All = [See, Respond, Manage, Administer];
}

/// <param name="Role">One of <see cref="Role.All"/>.</param>
/// <param name="Team">Null: all teams, and what belongs to none.</param>
public sealed record Grant(string Role, string? Team);

/// <summary>
/// Who may do what: the one rule that endpoints and buttons ask. Seeing is not limited by team, because an incident rarely ends at a team's border and whoever is called must see what others see;
/// acting is. What belongs to no team is everybody's.
/// </summary>
public static class Permissions
{
    private static readonly ImmutableDictionary<string, string> LeastRole = ImmutableDictionary.CreateRange(StringComparer.Ordinal,
    [
        KeyValuePair.Create(Permission.See, Role.Viewer), KeyValuePair.Create(Permission.Respond, Role.Responder),
        KeyValuePair.Create(Permission.Manage, Role.Lead), KeyValuePair.Create(Permission.Administer, Role.Admin),
    ]);

    /// <summary>Whether any grant allows it somewhere: what the door asks before it is known what is acted on.</summary>
    public static bool AllowsSomewhere(IEnumerable<Grant> grants, string permission) =>
        grants.Any(g => Covers(g.Role, permission) && (permission != Permission.Administer || g.Team is null));

    /// <summary>Null when it is allowed, else why not, for the person who asked.</summary>
    /// <param name="grants">What the caller has.</param>
    /// <param name="permission">One of <see cref="Permission.All"/>.</param>
    /// <param name="team">Of what is acted on; null when it belongs to no team.</param>
    public static string? WhyNot(IReadOnlyCollection<Grant> grants, string permission, string? team)
    {
        if (!AllowsSomewhere(grants, permission)) return $"This needs the role {LeastRole[permission]}{(permission == Permission.Administer ? " over all teams" : "")}.";
        if (permission is Permission.See or Permission.Administer || team is null && permission == Permission.Respond) return null;
        if (grants.Any(g => Covers(g.Role, permission) && (g.Team is null || g.Team == team))) return null;
        return team is null
            ? $"This concerns all teams and needs the role {LeastRole[permission]} over all of them."
            : $"This belongs to team {team}, in which you are not {LeastRole[permission]}.";
    }

    /// <summary>Whether the caller may give or take a membership: in a team one manages, up to one's own role there.</summary>
    public static string? WhyNotGive(IReadOnlyCollection<Grant> grants, Grant given)
    {
        if (WhyNot(grants, Permission.Manage, given.Team) is { } why) return why;
        var own = grants.Where(g => g.Team is null || g.Team == given.Team).Max(g => Role.Rank(g.Role));
        return Role.Rank(given.Role) <= own ? null : $"Only an admin gives or takes the role {given.Role}.";
    }

    private static bool Covers(string role, string permission) => Role.Rank(role) >= Role.Rank(LeastRole[permission]);
}
