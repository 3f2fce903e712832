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

    private static Grant[] Grants(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(g => g.Split('@')).Select(p => new Grant(p[0], p.Length > 1 ? p[1] : null))];
}
