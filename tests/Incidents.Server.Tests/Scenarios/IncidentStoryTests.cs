using System.Net;
using Incidents.Domain.Alerts;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>What people live through, from the alert to the end.</summary>
internal sealed class IncidentStoryTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    private async Task<string> State() => (await _engine.TheIncident())["state"]!.GetValue<string>();

    [Test]
    public async Task A_critical_alert_pages_and_its_end_resolves_everything()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await State(), Is.EqualTo("triggered"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));

        await _engine.Passes(Minutes(1));
        await _engine.Receives(Resolved("DiskFull").As("critical"));
        Assert.That(await State(), Is.EqualTo("resolved"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("resolved"));
        Assert.That(_engine.StandIns.Slack.Messages.Count(m => m.ThreadTs is null), Is.EqualTo(1), "one message, updated in place");

        await _engine.Passes(Minutes(16));
        Assert.That(await State(), Is.EqualTo("closed"));
    }

    [Test]
    public async Task An_info_alert_informs_and_opens_no_incident()
    {
        var receipt = await _engine.Receives(Firing("DeployDone").As("info"));
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: informed 1"));
        Assert.That(await _engine.Incidents(), Is.Empty);
        Assert.That(_engine.StandIns.Slack.Messages, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_worse_alert_that_joins_brings_in_the_critical_receivers()
    {
        await _engine.Receives(Firing("DiskFull").As("warning").With("instance", "a"));
        Assert.That(_engine.StandIns.PagerDuty.Events, Is.Empty);
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "b"));
        Assert.That((await _engine.TheIncident())["severity"]!.GetValue<string>(), Is.EqualTo("critical"));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Within_the_window_the_same_incident_reopens_and_after_it_a_new_one_opens()
    {
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Receives(Resolved("DiskFull"));
        await _engine.Passes(Minutes(10));
        await _engine.Receives(Firing("DiskFull").Since("2026-03-02T09:09:00Z"));
        Assert.That((await _engine.TheIncident())["reopened"]!.GetValue<int>(), Is.EqualTo(1));
        Assert.That(await State(), Is.EqualTo("triggered"));

        await _engine.Receives(Resolved("DiskFull").Since("2026-03-02T09:09:00Z"));
        await _engine.Passes(Minutes(16));
        await _engine.Receives(Firing("DiskFull").Since("2026-03-02T09:26:00Z"));
        Assert.That((await _engine.Incidents()).Select(i => i["state"]!.GetValue<string>()), Is.EqualTo(new[] { "closed", "triggered" }));
    }

    [Test]
    public async Task Resolved_by_hand_while_it_fires_it_warns_and_reopens_after_verification()
    {
        await _engine.Receives(Firing("DiskFull"));
        var answer = await _engine.Does(1, "resolve", new { resolution = "cleaned up" });
        Assert.That(answer["detail"]!.GetValue<string>(), Does.Contain("still firing"));
        Assert.That(await State(), Is.EqualTo("resolved"));
        await _engine.Passes(Minutes(9));
        Assert.That(await State(), Is.EqualTo("resolved"));
        await _engine.Passes(Minutes(2));
        Assert.That(await State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task Resolved_by_hand_and_then_really_over_it_stays_resolved()
    {
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Does(1, "resolve");
        await _engine.Receives(Resolved("DiskFull"));
        await _engine.Passes(Minutes(11));
        Assert.That(await State(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task A_snooze_is_quiet_until_its_end_and_then_triggers_again()
    {
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Does(1, "snooze", new { minutes = 5 });
        Assert.That(await State(), Is.EqualTo("acknowledged"));
        await _engine.Passes(Minutes(6));
        Assert.That(await State(), Is.EqualTo("triggered"));
        Assert.That(await _engine.Timeline(1), Does.Contain("snooze_ended"));
    }

    [Test]
    public async Task Merged_alerts_and_later_ones_belong_to_the_target()
    {
        await _engine.Receives(Firing("DiskFull"), Firing("DbSlow"));
        await _engine.Does(1, "merge", new { into = 2 });
        await _engine.Receives(Firing("DiskFull").With("instance", "late"));
        var incidents = await _engine.Incidents();
        Assert.That(incidents.Select(i => i["state"]!.GetValue<string>()), Is.EqualTo(new[] { "closed", "triggered" }));
        Assert.That(incidents[1]["firing_alerts"]!.GetValue<int>(), Is.EqualTo(3));

        await _engine.Receives(Resolved("DiskFull"), Resolved("DbSlow"), Resolved("DiskFull").With("instance", "late"));
        Assert.That((await _engine.Incidents())[1]["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task The_second_acknowledge_says_who_was_first_and_every_verb_is_in_the_timeline()
    {
        await _engine.Receives(Firing("DiskFull"));
        Assert.That((await _engine.Does(1, "acknowledge"))["changed"]!.GetValue<bool>(), Is.True);
        var second = await _engine.Does(1, "acknowledge");
        Assert.That(second["changed"]!.GetValue<bool>(), Is.False);
        Assert.That(second["detail"]!.GetValue<string>(), Does.Contain("bootstrap"));
        await _engine.Does(1, "assign", new { assignee = "dana" });
        await _engine.Does(1, "notes", new { text = "looking at db-7" });
        await _engine.Does(1, "unacknowledge");
        await _engine.Does(1, "severity", new { severity = "critical" });
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1), "raised by hand, the critical receivers are told");
        await _engine.Does(1, "escalate", new { reason = "need help" });
        var timeline = await _engine.Timeline(1);
        foreach (var kind in new[] { "acknowledged:", "assigned:", "note: looking at db-7", "unacknowledged:", "severity_changed:", "escalated:" }) Assert.That(timeline, Does.Contain(kind));
    }

    [Test]
    public async Task A_missing_alert_that_is_silenced_still_fires_and_the_timeline_says_so_once()
    {
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"), Firing("DiskFull").With("instance", "b"));
        _engine.Alertmanager.Alerts![Print("b")] = new UpstreamView.HeldBack("silenced by 8f3c");
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"));
        await _engine.Passes(Minutes(5));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(2));
        Assert.That((await _engine.Timeline(1)).Split("silenced by 8f3c"), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task A_missing_alert_ends_only_when_alertmanager_did_not_have_it_three_times()
    {
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"), Firing("DiskFull").With("instance", "b"));
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"));
        await _engine.Passes(Minutes(2) + Seconds(30));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(2));
        await _engine.Passes(Minutes(1));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("gone from Alertmanager"));
    }

    [Test]
    public async Task When_nobody_can_be_asked_a_missing_alert_ends_as_stale_and_says_so()
    {
        _engine.Alertmanager.Alerts = null;
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Minutes(290));
        Assert.That(await State(), Is.EqualTo("triggered"));
        await _engine.Passes(Minutes(12));
        Assert.That(await State(), Is.EqualTo("resolved"));
        Assert.That(await _engine.Timeline(1), Does.Contain("closed as stale").And.Contain("502"));
    }

    [Test]
    public async Task A_truncated_payload_says_nothing_of_what_it_left_out()
    {
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"), Firing("DiskFull").With("instance", "b"));
        await _engine.ReceivesBody(_engine.Body("g", Resolved("DiskFull").With("instance", "a")).Replace("\"truncatedAlerts\":0", "\"truncatedAlerts\":1", StringComparison.Ordinal));
        await _engine.Passes(Minutes(5));
        Assert.That(_engine.Alertmanager.Asked, Is.Zero);
        Assert.That(await State(), Is.EqualTo("triggered"));
    }

    private static string Print(string instance) => Fingerprint.Of(Labels.Of(("alertname", "DiskFull"), ("instance", instance)));
}

internal sealed class MuteTests
{
    private static readonly string QuietFirst = Engine.Routing.Replace("route:\n", """
        time_intervals:
          - name: night
            time_intervals:
              - times: [{start_time: "09:00", end_time: "09:30"}]
        route:

        """, StringComparison.Ordinal) + """

          routes:
            - name: quiet
              matchers: ['alertname="DiskFull"']
              mute_time_intervals: [night]
        """;

    [Test]
    public async Task What_a_time_interval_mutes_pages_when_the_interval_ends()
    {
        await using var engine = await StartAsync(QuietFirst);
        var receipt = await engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await engine.OutcomesOf(receipt), Is.EqualTo("ingested: suppressed 1"));
        await engine.Passes(Minutes(29));
        Assert.That(await engine.Incidents(), Is.Empty);
        await engine.Passes(Minutes(2));
        Assert.That((await engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        Assert.That(engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task What_a_person_or_the_engine_calls_for_always_reaches_somebody()
    {
        await using var engine = await StartAsync(QuietFirst.Replace("alertname=\"DiskFull\"", "env!=\"prod\"", StringComparison.Ordinal));
        await engine.Post("incidents", new { title = "The shop is slow", severity = "critical" });
        Assert.That(await ReceiversOf(1), Is.EqualTo("pager, critical"));

        await engine.ReceivesBody("not json");
        await engine.Audits();
        Assert.That(await ReceiversOf(2), Is.EqualTo("alerts"));

        await engine.Does(2, "escalate");
        Assert.That(await ReceiversOf(2), Is.EqualTo("alerts, pager, critical"));

        async Task<string> ReceiversOf(long number) => string.Join(", ", (await engine.Query<string[]>($"select receivers from incidents where number = {number}")));
    }

    [Test]
    public async Task The_end_of_an_alert_that_is_muted_by_now_takes_nothing_from_the_incident_it_was_in_before()
    {
        await using var engine = await StartAsync(QuietFirst.Replace("start_time: \"09:00\"", "start_time: \"09:10\"", StringComparison.Ordinal));
        await engine.Receives(Firing("DiskFull").With("instance", "a"), Firing("DiskFull").With("instance", "b"));
        await engine.Receives(Resolved("DiskFull").With("instance", "a"));
        await engine.Passes(Minutes(11));
        Assert.That(await engine.OutcomesOf(await engine.Receives(Firing("DiskFull").With("instance", "a"))), Is.EqualTo("ingested: suppressed 1"));
        await engine.Receives(Resolved("DiskFull").With("instance", "a"));
        var incident = await engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["firing_alerts"]!.GetValue<int>()), Is.EqualTo(("triggered", 1)));
        await engine.ExpectsAllAccountedFor();
    }
}
