using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.Notifications.Inbound;
using Incidents.StandIns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>Buttons, commands and shortcuts over signed HTTP.</summary>
internal sealed class SlackActionTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start()
    {
        _engine = await Elsewhere.StartAsync();
        await _engine.Receives(Firing("DiskFull").As("critical"));
    }

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [Test]
    public async Task A_pressed_button_acknowledges_once_and_everybody_sees_it()
    {
        await _engine.LinksCarolAsync();
        await _engine.PressesAsync("incident_ack");

        var incident = await _engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["acknowledged_by"]!.GetValue<string>()), Is.EqualTo(("acknowledged", "Ana")));
        Assert.That(incident["acknowledged_at"]!.GetValue<string>(), Is.EqualTo("2026-03-02T09:00:00Z"));
        Assert.That(await _engine.Timeline(1), Does.Contain("acknowledged: Acknowledged in Slack by Ana."));
        Assert.That(_engine.StandIns.Slack.Roots, Has.Count.EqualTo(1));
        Assert.That(_engine.TheSlackMessage().Words, Does.Contain("Acknowledged by Ana"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"));
        Assert.That(_engine.LastAnswer(), Does.Contain("INC-1").And.Contain("Acknowledged by Ana 09:00 UTC"));
        Assert.That(_engine.StandIns.Slack.Answers[^1]["response_type"]!.GetValue<string>(), Is.EqualTo("ephemeral"));

        var audit = (await _engine.Get("audit?actor=Ana"))["items"]!.AsArray().Single()!;
        Assert.That((audit["action"]!.GetValue<string>(), audit["actor_kind"]!.GetValue<string>()), Is.EqualTo(("incident.acknowledge", "slack")));
    }

    [Test]
    public async Task Pressing_again_is_no_error_and_says_who_has_it()
    {
        await _engine.LinksCarolAsync();
        var before = _engine.TheSlackMessage();
        await _engine.PressesAsync("incident_ack");
        var entries = (await _engine.Timeline(1)).Split('\n').Length;

        // As from a phone that has not redrawn the message yet.
        _engine.Clock.Advance(TimeSpan.FromMinutes(1));
        var again = _engine.StandIns.Slack.Press(before, "incident_more", "assign_me");
        again["actions"] = new JsonArray(new JsonObject { ["type"] = "button", ["action_id"] = "incident_ack", ["value"] = "INC-1", ["action_ts"] = "1773454391.224517" });
        await _engine.SlackSendsAsync("interactions", Elsewhere.Form(again));
        await _engine.RunsDueWork();

        Assert.That(_engine.LastAnswer(), Does.Contain("Already acknowledged by Ana at 2026-03-02 09:00:00Z"));
        Assert.That((await _engine.Timeline(1)).Split('\n'), Has.Length.EqualTo(entries));
    }

    [Test]
    public async Task A_forged_a_late_and_a_replayed_signature_are_refused()
    {
        await _engine.LinksCarolAsync();
        var body = Elsewhere.Form(_engine.StandIns.Slack.Press(_engine.TheSlackMessage(), "incident_ack"));
        var now = _engine.Now.ToUnixTimeSeconds();

        Assert.That(await _engine.SlackSendsAsync("interactions", body, signature: SlackStandIn.Sign("another secret", $"{now}", body)), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized).And.Property("Body").Contains("invalid_signature"));
        Assert.That(await _engine.SlackSendsAsync("interactions", body, signature: ""), Has.Property("Body").Contains("invalid_signature"));
        Assert.That(await _engine.SlackSendsAsync("interactions", body, timestamp: now - 301), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized).And.Property("Body").Contains("late_request"));
        Assert.That(await _engine.InboundAsync(), Is.Empty);

        Assert.That(await _engine.SlackSendsAsync("interactions", body), Has.Property("Status").EqualTo(HttpStatusCode.OK));
        Assert.That(await _engine.SlackSendsAsync("interactions", body), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized).And.Property("Body").Contains("replayed_request"));
        await _engine.RunsDueWork();
        Assert.That(await _engine.InboundAsync(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_replay_is_refused_on_another_replica_too_and_either_does_what_was_stored()
    {
        await _engine.LinksCarolAsync();
        await using var other = await Engine.StartAsync(beside: _engine, settings: [("Slack:SigningSecret", Elsewhere.SlackSecret)]);
        var body = Elsewhere.Form(_engine.StandIns.Slack.Press(_engine.TheSlackMessage(), "incident_ack"));
        Assert.That(await _engine.SlackSendsAsync("interactions", body), Has.Property("Status").EqualTo(HttpStatusCode.OK));
        Assert.That(await other.SlackSendsAsync("interactions", body), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized));

        await Task.WhenAll(_engine.RunsDueWork(), other.RunsDueWork());
        Assert.That((await _engine.Timeline(1)).Split('\n').Count(l => l.StartsWith("acknowledged:", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    [Test]
    public async Task Slacks_own_example_is_taken_at_its_time_and_refused_at_any_other()
    {
        var (status, body) = await _engine.SlackSendsAsync("commands", SlackSignatureTests.Body, SlackSignatureTests.Signature, SlackSignatureTests.Timestamp);
        Assert.That(new WebAnswer(status, body), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized).And.Property("Body").Contains("late_request"));

        var now = _engine.Clock.GetUtcNow();
        _engine.Clock.AdjustTime(DateTimeOffset.FromUnixTimeSeconds(SlackSignatureTests.Timestamp));
        (status, _) = await _engine.SlackSendsAsync("commands", SlackSignatureTests.Body, SlackSignatureTests.Signature, SlackSignatureTests.Timestamp);
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK));
        _engine.Clock.AdjustTime(now);

        // Its answer would go to the real Slack.
        await _engine.Query<int>("with gone as (delete from inbound_actions returning 1) select count(*)::int from gone");
    }

    [Test]
    public async Task Without_a_secret_nothing_is_trusted()
    {
        await using var open = await Engine.StartAsync();
        Assert.That(await open.SlackSendsAsync("interactions", "payload=%7B%7D"), Has.Property("Status").EqualTo(HttpStatusCode.Unauthorized).And.Property("Body").Contains("Slack__SigningSecret"));
        Assert.That(await open.PagerDutySendsAsync("{}"), Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task A_stranger_is_offered_to_link_the_account_and_then_may_act()
    {
        await _engine.PressesAsync("incident_ack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"), "nobody is taken for somebody");
        Assert.That(_engine.LastAnswer(), Does.StartWith("Not done: Incidents does not know who you are."));
        var path = _engine.LastAnswer().Split('<', '|')[1].Replace("https://incidents.example.org", "", StringComparison.Ordinal);

        using var browser = new Browser(_engine);
        var (status, page) = await browser.GetAsync(path);
        Assert.That(page, Does.Contain("Sign in"), "only somebody who is signed in can confirm");
        await browser.SignInAsync("Ana");
        (status, page) = await browser.GetAsync(path);
        Assert.That(new WebAnswer(status, page), Has.Property("Status").EqualTo(HttpStatusCode.OK).And.Property("Body").Contains("carol"));
        await _engine.PressesAsync("incident_ack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"), "to look at the page is not to confirm");

        Assert.That((await browser.PostAsync(path, page)).Body, Does.Contain("Linked"));
        await _engine.PressesAsync("incident_ack");
        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("Ana"));

        Assert.That((await browser.PostAsync(path, page)).Body, Does.Contain("used before"));
        Assert.That((await browser.GetAsync(path + "x")).Status, Is.EqualTo(HttpStatusCode.Gone));
        Assert.That(await _engine.Query<long>("select count(*) from audit_entries where action = 'account.linked'"), Is.EqualTo(1));
    }

    [Test]
    public async Task An_offer_ends_after_half_an_hour_and_a_link_with_the_key_it_was_made_with()
    {
        await _engine.PressesAsync("incident_ack");
        var path = _engine.LastAnswer().Split('<', '|')[1].Replace("https://incidents.example.org", "", StringComparison.Ordinal);
        var (_, key) = await _engine.Post("api-keys", new { name = "Ana", scopes = new[] { "read", "respond" } });
        using var browser = new Browser(_engine);
        await browser.SignInAsync("Ana", key["key"]!.GetValue<string>());
        var page = (await browser.GetAsync(path)).Body;
        await browser.PostAsync(path, page);

        await _engine.Http.DeleteAsync(new Uri($"/api/v1/api-keys/{key["id"]}", UriKind.Relative));
        await _engine.PressesAsync("incident_ack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        path = _engine.LastAnswer().Split('<', '|')[1].Replace("https://incidents.example.org", "", StringComparison.Ordinal);

        await browser.SignInAsync("Ana");
        _engine.Clock.Advance(TimeSpan.FromMinutes(31));
        Assert.That((await browser.GetAsync(path)).Status, Is.EqualTo(HttpStatusCode.Gone));
    }

    [TestCase("acknowledge", "acknowledged")]
    [TestCase("everything", "acknowledged")]
    public async Task Strangers_may_act_where_the_operator_says_so(string may, string state)
    {
        await using var open = await Elsewhere.StartAsync(("Slack:UnlinkedUsersMay", may));
        await open.Receives(Firing("DiskFull").As("critical"));
        await open.PressesAsync("incident_ack");
        Assert.That(await open.State(), Is.EqualTo(state));
        Assert.That(await open.Timeline(1), Does.Contain("Acknowledged in Slack by carol."));

        await open.PressesAsync("incident_resolve");
        Assert.That(await open.State(), Is.EqualTo(may == "everything" ? "resolved" : "acknowledged"));
    }

    [Test]
    public async Task Every_button_and_option_does_what_it_says()
    {
        await _engine.LinksCarolAsync();
        await _engine.PressesAsync("incident_more", "assign_me");
        Assert.That((await _engine.TheIncident())["assigned_to"]!.GetValue<string>(), Is.EqualTo("Ana"));
        await _engine.PressesAsync("incident_more", "snooze_1h");
        Assert.That((await _engine.TheIncident())["snoozed_until"]!.GetValue<string>(), Is.EqualTo("2026-03-02T10:00:00Z"));
        await _engine.PressesAsync("incident_unack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        await _engine.PressesAsync("incident_more", "snooze_8h");
        await _engine.PressesAsync("incident_more", "unack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        await _engine.PressesAsync("incident_more", "escalate");
        Assert.That(await _engine.Timeline(1), Does.Contain("Escalated in Slack by Ana."));
        await _engine.PressesAsync("incident_resolve");
        Assert.That(await _engine.State(), Is.EqualTo("resolved"));
        Assert.That(_engine.LastAnswer(), Does.Contain("still firing"));
        await _engine.PressesAsync("incident_reopen");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task The_command_does_everything_its_help_says()
    {
        Assert.That(await _engine.TypesAsync("help"), Does.Contain("`/incident ack 142`"), "help is for strangers too");
        Assert.That(await _engine.TypesAsync("list"), Does.StartWith("Not done"), "what is open is not");
        await _engine.LinksCarolAsync();
        Assert.That(await _engine.TypesAsync("list"), Does.Contain("INC-1").And.Contain("DiskFull").And.Contain("Nobody has it"));
        Assert.That(await _engine.TypesAsync("ack INC-1"), Does.Contain("Acknowledged by Ana 09:00 UTC"));
        Assert.That(await _engine.TypesAsync("ack 1"), Does.Contain("Already acknowledged by Ana"));
        Assert.That(await _engine.TypesAsync("note 1 looked at <db-7> & found nothing"), Does.Contain("noted"));
        Assert.That(await _engine.Timeline(1), Does.Contain("note: looked at <db-7> & found nothing"));
        Assert.That(await _engine.TypesAsync("show 1"), Does.Contain("looked at &lt;db-7&gt; &amp; found nothing"));
        Assert.That(await _engine.TypesAsync("unack 1"), Does.Contain("Nobody has acknowledged it"));
        Assert.That(await _engine.TypesAsync("resolve 1 cleaned up old logs"), Does.Contain("Resolved by Ana"));
        Assert.That(await _engine.Timeline(1), Does.Contain("Resolved in Slack by Ana: cleaned up old logs."));
        Assert.That(await _engine.TypesAsync("open warning The cat is on the rack"), Does.Contain("The cat is on the rack (warning)"));
        Assert.That(await _engine.TypesAsync("show 2"), Does.Contain("Opened in Slack by Ana as warning."));
        Assert.That(await _engine.TypesAsync("ack 77"), Is.EqualTo("There is no incident 77."));
        Assert.That(await _engine.TypesAsync("ack"), Does.StartWith("Which incident?"));
        Assert.That(await _engine.TypesAsync("dance <!channel>"), Does.StartWith("There is no \"dance\"."));
        Assert.That(await _engine.TypesAsync("open " + new string('x', 300)), Does.Contain("200"));
    }

    [Test]
    public async Task A_message_of_the_thread_goes_into_the_timeline_with_its_author()
    {
        await _engine.LinksCarolAsync();
        var shortcut = _engine.StandIns.Slack.AddToTimeline(_engine.TheSlackMessage(), "Failed over to db-8 &amp; it\nholds", "U0DANA0000");
        await _engine.SlackSendsAsync("interactions", Elsewhere.Form(shortcut));
        await _engine.RunsDueWork();
        Assert.That(await _engine.Timeline(1), Does.Contain("note: U0DANA0000 in Slack: Failed over to db-8 & it holds"));

        var elsewhere = new SlackMessageRecord { Channel = "C0000000099", Ts = "1.2", Body = [] };
        await _engine.SlackSendsAsync("interactions", Elsewhere.Form(_engine.StandIns.Slack.AddToTimeline(elsewhere, "hi", "U0DANA0000")));
        await _engine.RunsDueWork();
        Assert.That(_engine.LastAnswer(), Does.Contain("in no incident's thread"));
    }

    [Test]
    public async Task Slack_may_check_the_address_and_send_what_we_do_not_know()
    {
        var challenge = """{"token":"x","challenge":"3eZbrw1aB","type":"url_verification"}""";
        Assert.That(await _engine.SlackSendsAsync("events", challenge, contentType: "application/json"), Is.EqualTo(new WebAnswer(HttpStatusCode.OK, """{"challenge":"3eZbrw1aB"}""")));
        Assert.That((await _engine.SlackSendsAsync("events", """{"type":"event_callback","event":{"type":"app_home_opened"}}""", contentType: "application/json")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _engine.SlackSendsAsync("commands", "ssl_check=1&token=x")).Status, Is.EqualTo(HttpStatusCode.OK));
        foreach (var payload in new[] { "{", "[]", "null", "{\"type\":\"view_closed\",\"user\":{\"id\":\"U1\"}}", "{\"type\":\"block_actions\",\"user\":{\"id\":\"U1\"},\"actions\":[{\"action_id\":\"incident_open\"}]}", "{\"type\":\"block_actions\",\"user\":7,\"actions\":{}}" })
            Assert.That((await _engine.SlackSendsAsync("interactions", "payload=" + Uri.EscapeDataString(payload))).Status, Is.EqualTo(HttpStatusCode.OK), payload);
        Assert.That(await _engine.InboundAsync(), Is.Empty);
    }

    [Test]
    public async Task With_Slack_down_it_is_done_all_the_same_and_the_answer_comes_later()
    {
        await _engine.LinksCarolAsync();
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 503, Times = 4 });
        await _engine.PressesAsync("incident_ack");
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
        Assert.That(_engine.StandIns.Slack.Answers, Is.Empty);
        Assert.That((await _engine.InboundAsync()).Single()["state"]!.GetValue<string>(), Is.EqualTo("replying"));

        await _engine.Passes(Minutes(2));
        Assert.That(_engine.StandIns.Slack.Answers, Has.Count.EqualTo(1));
        Assert.That((await _engine.InboundAsync()).Single()["state"]!.GetValue<string>(), Is.EqualTo("done"));
        Assert.That(_engine.TheSlackMessage().Words, Does.Contain("Acknowledged by Ana"));
    }

    [Test]
    public async Task An_answer_that_Slack_never_takes_is_given_up_after_half_an_hour()
    {
        await _engine.LinksCarolAsync();
        _engine.StandIns.Faults.Add("slack/response", new Fault { Status = 500, Times = 1000 });
        await _engine.PressesAsync("incident_ack");
        await _engine.Passes(Minutes(32));
        var action = (await _engine.InboundAsync()).Single();
        Assert.That(action["state"]!.GetValue<string>(), Is.EqualTo("done"));
        Assert.That(action["outcome"]!.GetValue<string>(), Does.Contain("HTTP 500"));
        Assert.That(await _engine.Query<long>("select count(*) from inbound_actions where reply_to is not null or reply is not null"), Is.Zero, "the address is a secret, and so may the answer be");
    }

    [Test]
    public async Task A_process_killed_between_storing_and_doing_leaves_it_to_the_next_one()
    {
        await _engine.LinksCarolAsync();
        await _engine.SlackSendsAsync("interactions", Elsewhere.Form(_engine.StandIns.Slack.Press(_engine.TheSlackMessage(), "incident_ack")));

        // It had claimed it and then died: its claim must run out first.
        await _engine.Query<int>("with c as (update inbound_actions set due_at = due_at + interval '30 seconds', attempts = 1 returning 1) select count(*)::int from c");
        await using var next = await Engine.StartAsync(beside: _engine);
        await next.RunsDueWork();
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        await next.Passes(Seconds(31));
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
    }

    [Test]
    public async Task A_process_killed_between_doing_and_answering_does_it_once()
    {
        await _engine.LinksCarolAsync();
        var fields = _engine.StandIns.Slack.Command("note 1 only once");
        await _engine.SlackSendsAsync("commands", string.Join('&', fields.Select(f => $"{f.Key}={Uri.EscapeDataString(f.Value)}")));
        var worker = _engine.Services.GetRequiredService<ActOnInbound>();
        while (await worker.DoPortionAsync(CancellationToken.None)) { }

        await using var next = await Engine.StartAsync(beside: _engine);
        await next.Passes(Minutes(1));
        Assert.That((await _engine.Timeline(1)).Split('\n').Count(l => l.Contains("only once", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(_engine.StandIns.Slack.Answers, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Answers_go_to_Slack_and_nowhere_else()
    {
        await _engine.LinksCarolAsync();
        var press = _engine.StandIns.Slack.Press(_engine.TheSlackMessage(), "incident_ack");
        press["response_url"] = "http://169.254.169.254/latest/meta-data";
        await _engine.SlackSendsAsync("interactions", Elsewhere.Form(press));
        await _engine.RunsDueWork();
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
        Assert.That((await _engine.InboundAsync()).Single()["outcome"]!.GetValue<string>(), Does.Contain("address is not Slack's"));
    }

    [TestCase("https://hooks.slack.com/actions/T/1/x", true)]
    [TestCase("https://hooks.slack.com.evil.example/actions", false)]
    [TestCase("http://hooks.slack.com/actions", false)]
    [TestCase("https://hooks.slack.com:444/actions", false)]
    [TestCase("https://user@hooks.slack.com/actions", false)]
    [TestCase("https://slack.com/api/x", true)]
    [TestCase("file:///etc/passwd", false)]
    [TestCase("", false)]
    public void Only_Slacks_host_may_be_answered(string address, bool may) => Assert.That(SendReplies.MayReplyTo(address, new Uri("https://slack.com/api/")), Is.EqualTo(may));
}
