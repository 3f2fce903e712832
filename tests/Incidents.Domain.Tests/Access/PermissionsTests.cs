using Incidents.Domain.Access;

namespace Incidents.Domain.Tests.Access;

public sealed class PermissionsTests
{
    // Each line: what somebody is, then what is allowed on something of team pay, of team web, and of no team: s(ee), r(espond), m(anage), a(dminister).
    [TestCase("", "", "", "")]
    [TestCase("viewer", "sssss", "s", "s")]
    [TestCase("viewer@pay", "s", "s", "s")]
    [TestCase("responder", "sr", "sr", "sr")]
    [TestCase("responder@pay", "sr", "s", "sr")]
    [TestCase("lead", "srm", "srm", "srm")]
    [TestCase("lead@pay", "srm", "s", "sr")]
    [TestCase("admin", "srma", "srma", "srma")]
    [TestCase("admin@pay", "srm", "s", "sr")]
    [TestCase("viewer responder@pay", "sr", "s", "sr")]
    [TestCase("responder@web lead@pay", "srm", "sr", "sr")]
    [TestCase("responder lead@pay", "srm", "sr", "sr")]
    public void Who_may_do_what(string grants, string pay, string web, string none)
    {
        var own = Grants(grants);
        string Allowed(string? team) => string.Concat(Permission.All.Where(p => Permissions.WhyNot(own, p, team) is null).Select(p => p[0]));

        Assert.That((Allowed("pay"), Allowed("web"), Allowed(null)), Is.EqualTo((string.Concat(pay.Distinct()), web, none)));
    }

    [TestCase("lead@pay", "responder@pay", true)]
    [TestCase("lead@pay", "lead@pay", true)]
    [TestCase("lead@pay", "admin@pay", false)]
    [TestCase("lead@pay", "viewer@web", false)]
    [TestCase("lead@pay", "viewer", false)]
    [TestCase("admin@pay", "admin@pay", true)]
    [TestCase("admin@pay", "admin", false)]
    [TestCase("responder", "viewer@pay", false)]
    [TestCase("admin", "admin", true)]
    [TestCase("admin@web lead@pay", "admin@pay", false)]
    public void Who_may_give_what(string grants, string given, bool may) =>
        Assert.That(Permissions.WhyNotGive(Grants(grants), Grants(given)[0]) is null, Is.EqualTo(may));

    [Test]
    public void A_refusal_says_what_is_missing() =>
        Assert.That(Permissions.WhyNot(Grants("responder@web"), Permission.Respond, "pay"), Is.EqualTo("This belongs to team pay, in which you are not responder."));

    [TestCase("responder", true)]
    [TestCase("admin", true)]
    [TestCase("responder@pay", false)]
    [TestCase("viewer lead@pay", false)]
    [TestCase("", false)]
    public void What_concerns_every_team_needs_a_role_over_all(string grants, bool may) =>
        Assert.That(Permissions.WhyNotForAll(Grants(grants), Permission.Respond) is null, Is.EqualTo(may));

    [TestCase("responder", null, null)]
    [TestCase("responder responder@pay", null, null)]
    [TestCase("viewer responder@pay", "pay", null)]
    [TestCase("responder@pay lead@pay", "pay", null)]
    [TestCase("responder@web lead@pay", null, "Name one of your teams: pay, web.")]
    [TestCase("viewer", null, "This needs the role responder.")]
    public void What_is_made_without_naming_a_team_belongs_to_the_callers_own(string grants, string? team, string? why) =>
        Assert.That(Permissions.TeamOf(Grants(grants), Permission.Respond), Is.EqualTo((team, why)));

    // Who the caller is, then whether they may speak for ana and for bo about a schedule of team pay, of web and of none.
    [TestCase("responder@pay", "ana", "ana@pay ana@none")]
    [TestCase("responder", "ana", "ana@pay ana@web ana@none")]
    [TestCase("responder", null, "")]
    [TestCase("viewer", "ana", "")]
    [TestCase("lead@pay", "ana", "ana@pay bo@pay ana@none")]
    [TestCase("lead", null, "ana@pay bo@pay ana@web bo@web ana@none bo@none")]
    [TestCase("admin", null, "ana@pay bo@pay ana@web bo@web ana@none bo@none")]
    public void Everybody_speaks_for_oneself_and_who_manages_for_others(string grants, string? own, string may)
    {
        var said = from team in (string[])["pay", "web", "none"] from person in (string[])["ana", "bo"]
            where Permissions.WhyNotActFor(Grants(grants), own, person, team == "none" ? null : team) is null select $"{person}@{team}";
        Assert.That(string.Join(' ', said), Is.EqualTo(may));
    }

    [TestCase("responder@web", "ana", "ana")]
    [TestCase("viewer", "ana", "")]
    [TestCase("responder", null, "")]
    [TestCase("lead@pay", "chi", "ana")]
    [TestCase("lead@web", "chi", "bo")]
    [TestCase("lead", null, "ana bo dan")]
    [TestCase("admin", null, "ana bo dan")]
    public void Contacts_are_rung_by_their_owner_and_by_who_manages_one_of_their_teams(string grants, string? own, string may)
    {
        var teams = new Dictionary<string, string[]> { ["ana"] = ["pay"], ["bo"] = ["web", "db"], ["dan"] = [] };
        Assert.That(string.Join(' ', teams.Where(t => Permissions.WhyNotReach(Grants(grants), own, t.Key, t.Value) is null).Select(t => t.Key)), Is.EqualTo(may));
    }

    [Test]
    public void Who_speaks_for_another_is_told_why_not() =>
        Assert.That(Permissions.WhyNotActFor(Grants("responder@pay"), "ana", "bo", "pay"), Is.EqualTo("You are ana, not bo. This needs the role lead."));

    private static Grant[] Grants(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(g => g.Split('@')).Select(p => new Grant(p[0], p.Length > 1 ? p[1] : null))];
}
