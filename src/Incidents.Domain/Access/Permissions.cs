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

    /// <summary>Acknowledge, resolve and whatever else changes incidents, silences, overrides, playbook runs and post-mortems; speak for oneself about shifts.</summary>
    public const string Respond = "respond";

    /// <summary>Change who belongs to a team, and speak for its people about their shifts.</summary>
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

    /// <summary>For what concerns every team at once, such as a silence of all alerts: null when a grant over all teams allows it, else why not.</summary>
    public static string? WhyNotForAll(IReadOnlyCollection<Grant> grants, string permission) =>
        WhyNot(grants, permission, null) ?? (grants.Any(g => g.Team is null && Covers(g.Role, permission)) ? null : $"This concerns all teams and needs the role {LeastRole[permission]} over all of them.");

    /// <summary>The one team in which the caller may do something, for what is made without naming one. Null, with no reason why not, when that is all teams.</summary>
    public static (string? Team, string? WhyNot) TeamOf(IReadOnlyCollection<Grant> grants, string permission)
    {
        if (!AllowsSomewhere(grants, permission)) return (null, WhyNot(grants, permission, null));
        var teams = grants.Where(g => Covers(g.Role, permission)).Select(g => g.Team).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return teams switch
        {
            [null, ..] => (null, null),
            [var only] => (only, null),
            _ => (null, $"Name one of your teams: {string.Join(", ", teams)}."),
        };
    }

    /// <summary>Whether the caller may say what a person does about a shift: for oneself whoever responds in the team of the schedule, for somebody else whoever manages it.</summary>
    /// <param name="grants">What the caller has.</param>
    /// <param name="own">Key of the person in <c>oncall.yaml</c> that the caller is; null for programs, and for users that are nobody there.</param>
    /// <param name="person">Key of the person who is said to act.</param>
    /// <param name="team">Of the schedule; null when it belongs to none.</param>
    public static string? WhyNotActFor(IReadOnlyCollection<Grant> grants, string? own, string person, string? team) =>
        own == person ? WhyNot(grants, Permission.Respond, team)
        : WhyNot(grants, Permission.Manage, team) is { } why ? $"{NotThem(own, person)} {why}"
        : null;

    /// <summary>Whether the caller may have a person's contacts rung, or end what shows the person's shifts: everybody who responds for oneself, for others whoever manages one of their teams, or all.</summary>
    /// <param name="grants">What the caller has.</param>
    /// <param name="own">Key of the person that the caller is; null for nobody's.</param>
    /// <param name="person">Key of whose contacts they are.</param>
    /// <param name="teams">The teams the person is in.</param>
    public static string? WhyNotReach(IReadOnlyCollection<Grant> grants, string? own, string person, IReadOnlyCollection<string> teams)
    {
        if (own == person) return AllowsSomewhere(grants, Permission.Respond) ? null : WhyNot(grants, Permission.Respond, null);
        return teams.Any(team => WhyNot(grants, Permission.Manage, team) is null) || WhyNotForAll(grants, Permission.Manage) is null
            ? null
            : $"{NotThem(own, person)} For somebody else this needs the role {LeastRole[Permission.Manage]} over one of their teams, or over all.";
    }

    private static string NotThem(string? own, string person) => own is null ? $"You are not known as {person}: sign in as a user who is that person in oncall.yaml." : $"You are {own}, not {person}.";

    private static bool Covers(string role, string permission) => Role.Rank(role) >= Role.Rank(LeastRole[permission]);
}
