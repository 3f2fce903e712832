using Incidents.Domain.Notifications;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications;
using Incidents.StandIns;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>What becomes of a page when the far side, the network or we ourselves fail (P3, P4).</summary>
internal sealed class DeliveryStoryTests
{
    private const string ThreeReceivers = """
        version: 1
        receivers:
          - name: pager
            pagerduty:
              routing_key: ${file:KEYFILE}
          - name: alerts
            slack:
              channel: "#alerts"
          - name: team
            email:
              to: [team@example.org]
        route:
          name: default
          group_by: [alertname, service]
          receivers:
            critical: [pager, alerts, team]
            warning: [alerts, team]
            info: [alerts]
          opens_incident: {critical: true, warning: true, info: false}
        """;

    private const string TeamJoins = ThreeReceivers + """

          routes:
            - name: everything
              matchers: ['alertname!=""']
              continue: true
              receivers: {critical: [pager], warning: [alerts], info: [alerts]}
            - name: databases
              matchers: ['instance="db"']
              receivers: {critical: [team], warning: [team], info: [team]}
        """;

    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    private int SlackRoots => _engine.StandIns.Slack.Messages.Count(m => m.ThreadTs is null);

    [Test]
    public async Task A_storm_of_one_group_is_one_message_for_each_receiver()
    {
        for (var i = 0; i < 50; i++) await _engine.StoresBytes(System.Text.Encoding.UTF8.GetBytes(_engine.Body(null, [.. Enumerable.Range(0, 10).Select(n => Firing("DiskFull").As("critical").With("instance", $"{i}-{n}"))])));
        await _engine.RunsDueWork();
        await _engine.Passes(Seconds(10));
        Assert.That(SlackRoots, Is.EqualTo(1));
        Assert.That(_engine.StandIns.PagerDuty.Alerts, Has.Count.EqualTo(1));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(500));
    }

    [TestCase(500, "", TestName = "an error of the far side")]
    [TestCase(429, "", TestName = "too many requests")]
    [TestCase(200, """{"ok":false,"error":"internal_error"}""", TestName = "an error under status 200")]
    public async Task Slack_that_fails_for_a_while_has_it_in_the_end(int status, string body)
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = status, Body = body, Times = 2, Headers = status == 429 ? new Dictionary<string, string> { ["Retry-After"] = "3" } : new Dictionary<string, string>() });
        await _engine.Receives(Firing("DiskFull"));
        Assert.That(SlackRoots, Is.Zero);
        await _engine.Passes(Seconds(15));
        Assert.That(SlackRoots, Is.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("delivery_failed").And.Contain("delivery_recovered"));
    }

    [Test]
    public async Task A_page_that_does_not_arrive_is_with_another_channel_within_thirty_seconds_and_the_timeline_says_why()
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Seconds(29));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("delivery_fell_over: alerts was not reached in time").And.Contain("pager is told instead"));

        // Who was told must hear of the end.
        await _engine.Receives(Resolved("DiskFull"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("resolved"));
    }

    [TestCase("acknowledge")]
    [TestCase("resolve")]
    [TestCase("snooze")]
    public async Task A_page_that_somebody_answered_wakes_nobody_else(string verb)
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Seconds(5));
        await _engine.Does(1, verb, verb == "snooze" ? new { until = "2026-03-02T12:00:00Z" } : null);
        await _engine.Passes(Seconds(60));
        Assert.That(_engine.StandIns.PagerDuty.Events, Is.Empty);
        await _engine.Does(1, verb == "resolve" ? "reopen" : "escalate");
        await _engine.Passes(Seconds(29));
        Assert.That(_engine.StandIns.PagerDuty.Events, Is.Not.Empty, "what comes later is a page of its own");
    }

    [Test]
    public async Task A_log_that_grew_long_while_a_receiver_was_away_reaches_it_whole()
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 3 });
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Query<int>("with lines as (insert into timeline_entries (incident_number, at, kind, text, actor_kind, actor_name) select 1, now(), 'note', 'line ' || n, 'user', 'Ana' from generate_series(1, 250) n returning 1) select count(*)::int from lines");
        await _engine.Passes(Seconds(15));
        Assert.That(_engine.StandIns.Slack.Messages.Count(m => m.Body.ToJsonString().Contains("line 250", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(await _engine.Query<long>("select count(*) from deliveries where state in ('queued', 'sending')"), Is.Zero);
    }

    [Test]
    public async Task A_snooze_that_ends_pages_again()
    {
        await using var engine = await StartAsync(ThreeReceivers);
        await engine.Receives(Firing("DiskFull"));
        await engine.Does(1, "snooze", new { until = "2026-03-02T10:00:00Z" });
        await engine.Passes(Minutes(59));
        var before = engine.StandIns.Smtp.Mails.Count;
        await engine.Passes(Minutes(2));
        Assert.That(engine.StandIns.Smtp.Mails, Has.Count.EqualTo(before + 1));
        Assert.That(engine.StandIns.Slack.Messages[^1].Broadcast, Is.True);
    }

    [Test]
    public async Task A_snooze_that_ends_begins_anew_at_PagerDuty_which_tells_nobody_of_a_trigger_for_what_is_acknowledged()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Does(1, "snooze", new { minutes = 5 });
        await _engine.Passes(Minutes(6));
        Assert.That(_engine.StandIns.PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge", "resolve", "trigger" }));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));
    }

    [Test]
    public async Task Two_receivers_that_fail_do_not_name_each_other_but_the_third()
    {
        await using var engine = await StartAsync(ThreeReceivers);
        engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        engine.StandIns.Faults.Add("smtp/mail", new Fault { Status = 451, Body = "try again later", Times = 1000 });
        await engine.Receives(Firing("DiskFull"));
        await engine.Passes(Seconds(29));
        Assert.That(engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        Assert.That(await engine.Timeline(1), Does.Contain("alerts was not reached in time").And.Contain("team was not reached in time").And.Not.Contain("Nobody was reached"));
    }

    [Test]
    public async Task When_every_receiver_fails_that_is_said()
    {
        await using var engine = await StartAsync(ThreeReceivers);
        engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        engine.StandIns.Faults.Add("smtp/mail", new Fault { Status = 451, Body = "try again later", Times = 1000 });
        engine.StandIns.Faults.Add("pagerduty", new Fault { Status = 500, Times = 1000 });
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Seconds(29));
        Assert.That(await engine.Timeline(1), Does.Contain("Nobody was reached through pager").And.Contain("Nobody was reached through team"));
    }

    [Test]
    public async Task A_small_update_that_waits_becomes_the_page_when_its_receiver_is_told_instead()
    {
        await using var engine = await StartAsync(ThreeReceivers.Replace("#alerts\"", "#alerts\"\n    fallback: team", StringComparison.Ordinal).Replace("warning: [alerts, team]", "warning: [alerts]", StringComparison.Ordinal));
        engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        await engine.Receives(Firing("DiskFull"));
        await engine.Query<int>("""
            with thread as (insert into notification_threads (id, incident_number, receiver, shown_revision, log_cursor, may_have_arrived) values (900001, 1, 'team', 0, 0, false) returning id),
              waiting as (insert into deliveries (id, thread_id, incident_number, receiver, occasion, occasion_weight, state, created_at, due_at, attempts)
                select 900002, id, 1, 'team', 'updated', 7, 'queued', now(), now() + interval '100 years', 0 from thread returning 1) select count(*)::int from waiting
            """);
        await engine.Passes(Seconds(29));
        Assert.That(engine.StandIns.Smtp.Mails, Has.Count.EqualTo(1));
        Assert.That(await engine.Query<string>("select occasion || ' ' || state from deliveries where id = 900002"), Is.EqualTo("opened delivered"));
    }

    [Test]
    public async Task A_receiver_that_joins_by_a_later_alert_is_told_that_the_incident_opened()
    {
        await using var engine = await StartAsync(TeamJoins);
        await engine.Receives(Firing("DiskFull").With("instance", "web"));
        Assert.That(engine.StandIns.Smtp.Mails, Is.Empty);
        await engine.Receives(Firing("DiskFull").With("instance", "db"));
        Assert.That((await engine.TheIncident())["total_alerts"]!.GetValue<int>(), Is.EqualTo(2));
        Assert.That(engine.StandIns.Smtp.Mails, Has.Count.EqualTo(1), "at once, and not when updates are bundled");

        await engine.Receives(Firing("DiskFull").With("instance", "db").With("disk", "2"));
        await engine.Passes(Minutes(1));
        Assert.That(engine.StandIns.Smtp.Mails, Has.Count.EqualTo(1), "what comes then is a small update");
    }

    [Test]
    public async Task A_receiver_that_joins_and_cannot_be_told_falls_over_as_any_other()
    {
        await using var engine = await StartAsync(TeamJoins);
        engine.StandIns.Faults.Add("smtp/mail", new Fault { Status = 451, Body = "try again later", Times = 1000 });
        engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000, When = "joined" });
        await engine.Receives(Firing("DiskFull").With("instance", "web"));
        await engine.Receives(Firing("DiskFull").With("instance", "db"));
        await engine.Passes(Seconds(29));
        Assert.That(await engine.Timeline(1), Does.Contain("team was not reached in time"));
        Assert.That(await engine.Query<long>("select count(*) from deliveries where receiver = 'pager' and fallback_of is not null"), Is.EqualTo(1));
        Assert.That(engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_far_side_that_hangs_does_not_hold_up_the_fail_over()
    {
        _engine.WaitForSends = TimeSpan.FromMilliseconds(300);
        _engine.StandIns.Faults.Add("slack", new Fault { Hang = true, Times = 1000 });
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Seconds(29));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_wrong_token_parks_the_receiver_loudly_and_it_heals()
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 200, Body = """{"ok":false,"error":"invalid_auth"}""", Times = 1 });
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Seconds(2));
        Assert.That(await _engine.Timeline(1), Does.Contain("is parked"));
        using (var ready = await _engine.Client(null).GetAsync(new Uri("/readyz", UriKind.Relative))) Assert.That(await ready.Content.ReadAsStringAsync(), Does.Contain("parked").And.Contain("alerts").And.Not.Contain("invalid_auth"), "why is for those who are signed in");
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1), "the fall-back is told at once");
        await _engine.Audits();
        await _engine.RunsDueWork();
        Assert.That((await _engine.Incidents()).Select(i => i["about_engine"]!.GetValue<bool>()), Is.EqualTo(new[] { false, true }));

        await _engine.Passes(Minutes(2));
        Assert.That(SlackRoots, Is.GreaterThan(0));
        await _engine.Audits();
        Assert.That((await _engine.Incidents())[1]["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task A_crash_between_send_and_record_makes_no_second_message_and_no_second_page()
    {
        // Slack says where the channel that routing.yaml only names is; what is remembered of it must outlive the process.
        await _engine.Receives(Firing("DbSlow").As("critical"));

        // Nothing is sent by the worker: the test claims and sends, and "dies" before it records.
        await _engine.StoresBytes(System.Text.Encoding.UTF8.GetBytes(_engine.Body(null, Firing("DiskFull").As("critical"))));
        await _engine.Services.GetRequiredService<Incidents.Server.Alerts.IngestInbox>().RunOnceAsync(CancellationToken.None);
        var work = _engine.Services.GetRequiredService<DeliveryWork>();
        var receivers = _engine.Services.GetRequiredService<IActiveConfiguration>().Current.Receivers;
        var claimed = await work.ClaimAsync(new Dictionary<string, int>(), 10, Duration.FromSeconds(15), _engine.Now, CancellationToken.None);
        Assert.That(claimed, Has.Count.EqualTo(2));
        var contents = await work.LoadAsync(claimed, null, _engine.Now, CancellationToken.None);
        foreach (var delivery in claimed)
        {
            var result = await _engine.Services.GetRequiredService<NotificationChannels>().SendAsync(receivers[delivery.Receiver], contents[delivery.Id].Notification, contents[delivery.Id].Thread, new DeliveryAttempt($"dlv_{delivery.Id}", 1), CancellationToken.None);
            Assert.That(result, Is.InstanceOf<DeliveryResult.Delivered>());
        }

        await using var restarted = await StartAsync(beside: _engine);
        await restarted.Passes(Minutes(1));
        Assert.That(SlackRoots, Is.EqualTo(2));
        Assert.That(_engine.StandIns.PagerDuty.Alerts, Has.Count.EqualTo(2));
        Assert.That(await _engine.Query<long>("select count(*) from delivery_attempts where result = 'lost'"), Is.EqualTo(2));
        Assert.That(await _engine.Query<long>("select count(*) from deliveries where state not in ('delivered', 'superseded')"), Is.Zero);
    }

    [Test]
    public async Task Two_replicas_share_the_deliveries_and_double_none()
    {
        await using var other = await StartAsync(beside: _engine);
        await _engine.StoresBytes(System.Text.Encoding.UTF8.GetBytes(_engine.Body(null, [.. Enumerable.Range(0, 8).Select(i => Firing($"Alert{i}").As("critical"))])));
        await Task.WhenAll(_engine.RunsDueWork(), other.RunsDueWork());
        for (var i = 0; i < 30; i++)
        {
            _engine.Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAll(_engine.RunsDueWork(), other.RunsDueWork());
        }

        Assert.That(SlackRoots, Is.EqualTo(8));
        Assert.That(_engine.StandIns.PagerDuty.Events.Select(e => e.DedupKey).Order(), Is.EqualTo(Enumerable.Range(1, 8).Select(i => $"inc-{i}")));
    }
}
