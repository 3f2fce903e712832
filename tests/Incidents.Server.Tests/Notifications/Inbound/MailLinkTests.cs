using System.Net;
using System.Text.RegularExpressions;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>Buttons in mails: without a session, without a script, by whoever holds the mail.</summary>
internal sealed partial class MailLinkTests
{
    private const string Routing = """
        version: 1
        receivers:
          - name: mail
            email:
              to: [ana@example.org, bo@example.org]
        route:
          name: default
          group_by: [alertname]
          receivers:
            critical: [mail]
            warning: [mail]
            info: [mail]
          opens_incident: {critical: true, warning: true, info: false}
        """;

    private Engine _engine = null!;
    private Browser _browser = null!;

    [SetUp]
    public async Task Start()
    {
        _engine = await StartAsync(Routing);
        _browser = new Browser(_engine);
        await _engine.Receives(Firing("DiskFull").As("critical"));
    }

    [TearDown]
    public async Task Stop()
    {
        _browser.Dispose();
        await _engine.DisposeAsync();
    }

    private string Link(string verb, string recipient = "ana@example.org")
    {
        var body = _engine.StandIns.Smtp.Mails.Last(m => m.Recipients.Contains(recipient)).Message.TextBody!;
        return Address().Match(body[body.IndexOf(verb + ": ", StringComparison.Ordinal)..]).Groups["path"].Value;
    }

    [Test]
    public async Task Looking_ten_times_changes_nothing_and_one_press_acknowledges()
    {
        var path = Link("Acknowledge");
        for (var i = 0; i < 10; i++)
        {
            var (status, shown) = await _browser.GetAsync(path);
            Assert.That(new WebAnswer(status, shown), Has.Property("Status").EqualTo(HttpStatusCode.OK).And.Property("Body").Contains("Acknowledge INC-1").And.Property("Body").Contains("Nobody has it"));
            Assert.That(await _browser.HeadAsync(path), Is.EqualTo(HttpStatusCode.OK));
        }

        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        Assert.That(_browser.Cookies, Is.Zero, "no cookie is needed, so none is set");

        var (_, after) = await _browser.PostAsync(path, "");
        Assert.That(after, Does.Contain("ana@example.org has it since 2026-03-02 09:00 UTC").And.Not.Contain("<button class=\"primary\">"));
        var incident = await _engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["acknowledged_by"]!.GetValue<string>()), Is.EqualTo(("acknowledged", "ana@example.org")));
        Assert.That(await _engine.Timeline(1), Does.Contain("Acknowledged by e-mail by ana@example.org."));

        _engine.Clock.Advance(TimeSpan.FromDays(2));
        Assert.That((await _browser.GetAsync(path)).Body, Does.Contain("ana@example.org has it since 2026-03-02 09:00 UTC"));
        var audit = (await _engine.Get("audit?actor=ana@example.org"))["items"]!.AsArray().Single()!;
        Assert.That((audit["action"]!.GetValue<string>(), audit["actor_kind"]!.GetValue<string>()), Is.EqualTo(("incident.acknowledge", "email")));
    }

    [Test]
    public async Task Each_recipient_acts_in_their_own_name_and_the_second_hears_who_was_first()
    {
        Assert.That(_engine.StandIns.Smtp.Mails.Select(m => m.Recipients.Single()).Order(), Is.EqualTo(new[] { "ana@example.org", "bo@example.org" }));
        Assert.That(_engine.StandIns.Smtp.Mails.Select(m => m.Message.To.ToString()).Distinct().Single(), Is.EqualTo("ana@example.org, bo@example.org"), "everybody sees who else was told");
        Assert.That(_engine.StandIns.Smtp.Connections, Is.EqualTo(1));

        await _browser.PostAsync(Link("Acknowledge", "bo@example.org"), "");
        var (_, late) = await _browser.PostAsync(Link("Acknowledge", "ana@example.org"), "");
        Assert.That(late, Does.Contain("bo@example.org has it"));
        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("bo@example.org"));
    }

    [Test]
    public async Task A_link_does_its_own_verb_and_no_other()
    {
        var acknowledge = Link("Acknowledge");
        await _browser.PostAsync(Link("Resolve"), "");
        Assert.That(await _engine.State(), Is.EqualTo("resolved"));
        var (status, body) = await _browser.PostAsync(acknowledge, "");
        Assert.That(new WebAnswer(status, body), Has.Property("Status").EqualTo(HttpStatusCode.Conflict).And.Property("Body").Contains("Resolved by ana@example.org"));
        Assert.That(await _engine.State(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task A_link_shows_but_does_not_act_after_a_week()
    {
        var path = Link("Acknowledge");
        _engine.Clock.Advance(TimeSpan.FromDays(7));
        Assert.That((await _browser.GetAsync(path)).Body, Does.Contain("older than a week").And.Not.Contain("<button class=\"primary\">"));
        await _browser.PostAsync(path, "");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task A_damaged_link_does_nothing()
    {
        var path = Link("Acknowledge");
        foreach (var bad in new[] { path[..^3], path[..^1] + (path[^1] == 'A' ? 'B' : 'A'), "/mail", "/mail?t=", "/mail?t=" + new string('x', 5000), "/mail?t=%00" })
        {
            Assert.That((await _browser.GetAsync(bad)).Status, Is.EqualTo(HttpStatusCode.NotFound), bad);
            Assert.That((await _browser.PostAsync(bad, "")).Status, Is.EqualTo(HttpStatusCode.NotFound), bad);
        }

        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task A_signed_in_person_who_opens_anothers_mail_acts_in_the_name_of_the_mail()
    {
        await _browser.SignInAsync("Cleo");
        await _browser.PostAsync(Link("Acknowledge"), "");
        Assert.That(await _engine.Timeline(1), Does.Contain("Acknowledged by e-mail by ana@example.org."));
    }

    [Test]
    public async Task A_mail_about_what_is_over_has_no_button()
    {
        await _browser.PostAsync(Link("Resolve"), "");
        await _engine.RunsDueWork();
        var mail = _engine.StandIns.Smtp.Mails[^1].Message;
        Assert.That(mail.TextBody, Does.StartWith("Resolved by ana@example.org").And.Not.Contain("/mail?t="));
    }

    [Test]
    public async Task Without_an_address_of_ours_there_are_no_links_and_one_mail_for_all()
    {
        await using var bare = await StartAsync(Routing, settings: [("Incidents:PublicUrl", "")]);
        await bare.Receives(Firing("DiskFull").As("critical"));
        Assert.That(bare.StandIns.Smtp.Mails.Single().Recipients, Is.EqualTo(new[] { "ana@example.org", "bo@example.org" }));
        Assert.That(bare.StandIns.Smtp.Mails.Single().Message.TextBody, Does.Not.Contain("/mail?t="));
    }

    [GeneratedRegex("https://incidents.example.org(?<path>/mail\\?t=\\S+)")]
    private static partial Regex Address();
}
