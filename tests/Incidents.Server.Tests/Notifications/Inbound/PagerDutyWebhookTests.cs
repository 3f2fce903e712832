using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.Notifications.Inbound;
using Incidents.Server.Response;
using Incidents.Server.Web;
using Incidents.StandIns;
using Mediator;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>PagerDuty's v3 webhooks: both sides stay equal, and nothing goes round in circles.</summary>
internal sealed class PagerDutyWebhookTests
{
    private const int Shards = 40;

    /// <summary>Forty services at PagerDuty, each with its own pager: one takes two events a second. Nothing happens by itself within the hours of the test.</summary>
    private static readonly string ManyPagers = $$"""
        version: 1
        incidents: {verify_resolve_after: 5h, reopen_within: 6h, stale_after: 24h}
        receivers:
        {{string.Join('\n', Enumerable.Range(0, Shards).Select(n => $"  - {{name: pager-{n}, pagerduty: {{routing_key: '${{file:KEYFILE}}'}}}}"))}}
        route:
          name: default
          group_by: [alertname]
          receivers: [pager-0]
          opens_incident: true
          routes:
        {{string.Join('\n', Enumerable.Range(0, Shards).Select(n => $"    - {{name: shard-{n}, matchers: ['shard=\"{n}\"'], receivers: [pager-{n}]}}"))}}
        """;

    private Engine _engine = null!;

    private PagerDutyStandIn PagerDuty => _engine.StandIns.PagerDuty;

    [SetUp]
    public async Task Start()
    {
        _engine = await Elsewhere.StartAsync();
        PagerDuty.Clock = _engine.Clock;
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.PagerDutyIsHeardAsync();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
    }

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    private async Task DoesAsync(string verb, string text = "looking into it")
    {
        Assert.That(PagerDuty.Do("inc-1", verb, text: text), Is.True, verb);
        await _engine.PagerDutyIsHeardAsync();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await _engine.RunsDueWork();
    }

    [Test]
    public async Task An_acknowledgement_there_shows_here_and_is_not_sent_back()
    {
        await DoesAsync("acknowledge");

        var incident = await _engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["acknowledged_by"]!.GetValue<string>()), Is.EqualTo(("acknowledged", "Tenex Engineer")));
        Assert.That(await _engine.Timeline(1), Does.Contain("Acknowledged in PagerDuty by Tenex Engineer."));
        Assert.That(_engine.TheSlackMessage().Words, Does.Contain("Acknowledged by Tenex Engineer"));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger" }));
        Assert.That((await _engine.Get("audit?actor=Tenex%20Engineer"))["items"]!.AsArray().Single()!["actor_kind"]!.GetValue<string>(), Is.EqualTo("pagerduty"));
    }

    [Test]
    public async Task An_acknowledgement_here_arrives_there_and_its_echo_changes_nothing()
    {
        await _engine.Does(1, "acknowledge");
        var entries = await _engine.Timeline(1);
        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"));
        await _engine.PagerDutyIsHeardAsync();
        await _engine.Passes(Minutes(1));

        Assert.That(await _engine.Timeline(1), Is.EqualTo(entries));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge" }));
    }

    [Test]
    public async Task Every_change_there_is_made_here()
    {
        await DoesAsync("acknowledge");
        await DoesAsync("time-out");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        await DoesAsync("reassign", "Dana");
        Assert.That((await _engine.TheIncident())["assigned_to"]!.GetValue<string>(), Is.EqualTo("Dana"));
        await DoesAsync("annotate", "restarted db-7");
        await DoesAsync("escalate", "Bo");
        await DoesAsync("resolve");
        Assert.That(await _engine.State(), Is.EqualTo("resolved"));
        await DoesAsync("reopen");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));

        Assert.That(await _engine.Timeline(1), Does.Contain("note: restarted db-7").And.Contain("Escalated in PagerDuty to Bo.").And.Contain("Resolved in PagerDuty by Tenex Engineer.").And.Contain("Reopened in PagerDuty by Tenex Engineer."));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger" }), "nothing that came from there goes back");
    }

    [Test]
    public async Task Whoever_is_known_by_their_account_there_is_called_by_their_name_here()
    {
        using var answer = await _engine.Http.PutAsync(new Uri("/api/v1/account-links/pagerduty/PLH1HKV", UriKind.Relative), new StringContent("""{"name":"Ana"}""", System.Text.Encoding.UTF8, "application/json"));
        await DoesAsync("acknowledge");
        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("Ana"));
    }

    [Test]
    public async Task What_PagerDuty_closed_by_itself_is_open_there_again()
    {
        _engine.Clock.Advance(TimeSpan.FromHours(4));
        await DoesAsync("auto-resolve");
        await _engine.PagerDutyIsHeardAsync();
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));
        Assert.That(await _engine.Timeline(1), Does.Contain("PagerDuty closed it by itself"));
    }

    [Test]
    public async Task A_time_out_there_does_not_end_a_quiet_time_that_was_set_here()
    {
        await _engine.Does(1, "snooze", new { minutes = 120 });
        await _engine.PagerDutyIsHeardAsync();
        _engine.Clock.Advance(TimeSpan.FromMinutes(30));
        await DoesAsync("time-out");
        await _engine.PagerDutyIsHeardAsync();
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"));
    }

    [Test]
    public async Task What_a_silence_hides_here_rings_no_more_there()
    {
        await _engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, minutes = 120, reason = "moving disks" });
        await _engine.Passes(Minutes(1));
        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"), "so that PagerDuty calls nobody");
        await _engine.PagerDutyIsHeardAsync();
        await _engine.Passes(Minutes(1));
        await DoesAsync("time-out");
        await _engine.Passes(Minutes(1));
        await _engine.PagerDutyIsHeardAsync();

        Assert.That((await _engine.State(), PagerDuty.Alerts["inc-1"].State), Is.EqualTo(("triggered", "acknowledged")));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge", "acknowledge" }), "no echo and no time-out pages anybody");
    }

    [TestCase("escalate")]
    [TestCase("reopen")]
    public async Task An_old_acknowledgement_there_takes_nothing_that_calls_anew_here(string verb)
    {
        PagerDuty.Do("inc-1", "acknowledge");
        var late = PagerDuty.TakeWebhooks();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        if (verb == "reopen") await _engine.Does(1, "resolve");
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await _engine.Does(1, verb);
        foreach (var webhook in late) await _engine.PagerDutySendsAsync(webhook.Body);
        await _engine.PagerDutyIsHeardAsync();
        await _engine.Passes(Minutes(1));

        Assert.That((await _engine.State(), PagerDuty.Alerts["inc-1"].State), Is.EqualTo(("triggered", "triggered")), "nobody has it");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Whoever_takes_a_page_on_a_pager_of_their_own_stops_the_escalation(bool hasRoutePager)
    {
        await _engine.DisposeAsync();
        _engine = await Engine.StartAsync(
            (hasRoutePager ? Engine.Routing : Engine.Routing.Replace("[pager, critical]", "[critical]", StringComparison.Ordinal)).Replace("  group_by:", "  escalation_policy: {critical: critical}\n  group_by:", StringComparison.Ordinal),
            onCall: """
                version: 1
                people:
                  - {key: ana, name: Ana, time_zone: UTC, pagerduty_routing_key: "${file:KEYFILE}", contacts: [{channel: pagerduty}]}
                  - {key: bo, name: Bo, time_zone: UTC, email: bo@example.org, contacts: [{channel: email}]}
                escalation_policies:
                  - key: critical
                    steps:
                      - {targets: [{person: ana}], escalate_after: 5m}
                      - {targets: [{person: bo}], escalate_after: 5m}
                """,
            settings: ("PagerDuty:WebhookSecret", Elsewhere.PagerDutySecret));
        PagerDuty.Clock = _engine.Clock;
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        await _engine.PagerDutyIsHeardAsync();
        await DoesAsync("acknowledge");
        await _engine.Passes(Minutes(20));

        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("Tenex Engineer"));
        Assert.That(await _engine.Timeline(1), Does.Contain("Acknowledged in PagerDuty by Tenex Engineer.").And.Not.Contain("Step 2 of 2"));
        Assert.That(_engine.StandIns.Smtp.Mails.Where(m => m.Recipients.Contains("bo@example.org")), Is.Empty, "the second step does not fire");
        Assert.That(PagerDuty.Events.Count(e => e.Action == "trigger"), Is.EqualTo(hasRoutePager ? 2 : 1), "nobody is called anew");
        Assert.That(PagerDuty.Events.Count(e => e.Action == "acknowledge"), Is.EqualTo(hasRoutePager ? 2 : 0), "which of two pagers it was is not known, so both are told; a single one knows");
    }

    [Test]
    public async Task What_is_merged_there_goes_on_here()
    {
        PagerDuty.Do("inc-1", "resolve");
        foreach (var webhook in PagerDuty.TakeWebhooks())
            await _engine.PagerDutySendsAsync(webhook.Body.Replace("\"resolve_reason\":null", "\"resolve_reason\":{\"type\":\"merge_resolve_reason\",\"incident\":{\"id\":\"PMERGED\"}}", StringComparison.Ordinal));
        await _engine.RunsDueWork();

        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        Assert.That(await _engine.Timeline(1), Does.Contain("Merged into another incident in PagerDuty; it goes on here."));
    }

    [Test]
    public async Task Given_back_here_it_pages_there_anew_and_the_resolve_that_takes_does_not_come_back()
    {
        await _engine.Does(1, "acknowledge");
        await _engine.PagerDutyIsHeardAsync();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await _engine.Does(1, "unacknowledge");
        await _engine.PagerDutyIsHeardAsync();
        await _engine.Passes(Minutes(1));
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));
        Assert.That(await _engine.Timeline(1), Does.Not.Contain("Resolved"));
    }

    [Test]
    public async Task Webhooks_that_overtake_each_other_leave_the_last_state()
    {
        PagerDuty.Do("inc-1", "acknowledge");
        PagerDuty.Do("inc-1", "resolve");
        PagerDuty.Do("inc-1", "reopen");
        foreach (var webhook in PagerDuty.TakeWebhooks().Reverse())
        {
            await _engine.PagerDutySendsAsync(webhook.Body);
            await _engine.RunsDueWork();
        }

        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
        Assert.That((await _engine.InboundAsync()).TakeLast(2).Select(i => i["outcome"]!.GetValue<string>()), Is.All.EqualTo("something newer was heard of it before"));
    }

    [Test]
    public async Task A_resolve_there_that_is_older_than_a_reopening_here_is_answered_with_a_page()
    {
        PagerDuty.Do("inc-1", "resolve");
        var late = PagerDuty.TakeWebhooks();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await _engine.Does(1, "resolve");
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await _engine.Does(1, "reopen");
        foreach (var webhook in late) await _engine.PagerDutySendsAsync(webhook.Body);
        await _engine.PagerDutyIsHeardAsync();
        await _engine.Passes(Minutes(1));
        Assert.That((await _engine.State(), PagerDuty.Alerts["inc-1"].State), Is.EqualTo(("triggered", "triggered")));
    }

    [Test]
    public async Task An_old_resolve_that_agrees_with_a_new_one_here_does_not_keep_it_from_PagerDuty()
    {
        PagerDuty.Do("inc-1", "resolve");
        var late = PagerDuty.TakeWebhooks();
        foreach (var verb in new[] { "resolve", "reopen" })
        {
            _engine.Clock.Advance(TimeSpan.FromSeconds(10));
            await _engine.Does(1, verb);
        }

        Assert.That(PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));
        PagerDuty.TakeWebhooks();
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        await using (var scope = _engine.Services.CreateAsyncScope()) await scope.ServiceProvider.GetRequiredService<ISender>().Send(new ResolveIncident(1));
        foreach (var webhook in late) await _engine.PagerDutySendsAsync(webhook.Body);
        await _engine.Passes(Minutes(1));
        Assert.That((await _engine.State(), PagerDuty.Alerts["inc-1"].State), Is.EqualTo(("resolved", "resolved")), "even though the webhook of the new trigger was lost");
    }

    [Test]
    public async Task An_incident_without_our_key_is_found_by_its_alerts()
    {
        await using var engine = await Elsewhere.StartAsync(("PagerDuty:ApiToken", "read-only"));
        engine.StandIns.PagerDuty.Clock = engine.Clock;
        engine.StandIns.PagerDuty.SaysKeys = false;
        await using var asked = await Engine.StartAsync(beside: engine, settings: [("PagerDuty:WebhookSecret", Elsewhere.PagerDutySecret), ("PagerDuty:ApiToken", "read-only"), ("PagerDuty:ApiUrl", engine.StandIns.PagerDutyApiUrl)]);
        await asked.Receives(Firing("DiskFull").As("critical"));
        engine.StandIns.PagerDuty.Do("inc-1", "acknowledge");
        await asked.PagerDutyIsHeardAsync();
        Assert.That(await asked.State(), Is.EqualTo("acknowledged"));
        engine.StandIns.PagerDuty.Do("inc-1", "annotate", text: "by the id alone");
        await asked.PagerDutyIsHeardAsync();
        Assert.That(await asked.Timeline(1), Does.Contain("by the id alone"));
    }

    [Test]
    public async Task Only_what_is_signed_is_taken_and_nothing_twice()
    {
        PagerDuty.Do("inc-1", "annotate", text: "once");
        var body = PagerDuty.TakeWebhooks().Single().Body;
        Assert.That(await _engine.PagerDutySendsAsync(body, PagerDutyWebhookMessage.Sign(body, "another")), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await _engine.PagerDutySendsAsync(body, ""), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await _engine.PagerDutySendsAsync(body + " ", PagerDutyWebhookMessage.Sign(body, Elsewhere.PagerDutySecret)), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await _engine.PagerDutySendsAsync(body, "v0=abc," + PagerDutyWebhookMessage.Sign(body, "an old one", Elsewhere.PagerDutySecret)), Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(await _engine.PagerDutySendsAsync(body), Is.EqualTo(HttpStatusCode.Accepted), "PagerDuty repeats what it got no answer to");
        await _engine.RunsDueWork();
        Assert.That((await _engine.Timeline(1)).Split('\n').Count(l => l == "note: once"), Is.EqualTo(1));
    }

    [Test]
    public async Task Several_secrets_are_good_while_one_is_replaced()
    {
        await using var engine = await Engine.StartAsync(settings: [("PagerDuty:WebhookSecret", "new, old")]);
        Assert.That(await engine.PagerDutySendsAsync("{}", PagerDutyWebhookMessage.Sign("{}", "old")), Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(await engine.PagerDutySendsAsync("{}", PagerDutyWebhookMessage.Sign("{}", "new")), Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(await engine.PagerDutySendsAsync("{}", PagerDutyWebhookMessage.Sign("{}", "older")), Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task Events_of_every_type_and_shape_are_answered_and_recorded()
    {
        string[] types = ["incident.triggered", "incident.delegated", "incident.priority_updated", "incident.responder.added", "incident.responder.replied", "incident.status_update_published", "incident.of_tomorrow", "service.updated", "pagey.ping"];
        var bodies = types.Select((type, i) => $$"""{"event":{"id":"E{{i}}","event_type":"{{type}}","resource_type":"incident","occurred_at":"2026-03-02T09:00:01.000Z","agent":null,"client":null,"data":{"id":"P77","type":"incident","incident_key":null,"priority":{"summary":"P1"} } } }""")
            .Concat(["", "{", "[]", "null", "{\"event\":7}", "{\"event\":{\"event_type\":\"incident.acknowledged\",\"data\":[1]}}", "\u00ff"]).ToList();
        foreach (var body in bodies) Assert.That(await _engine.PagerDutySendsAsync(body), Is.EqualTo(HttpStatusCode.Accepted), body);
        await _engine.RunsDueWork();
        Assert.That((await _engine.InboundAsync()).Select(i => i["state"]!.GetValue<string>()), Is.All.EqualTo("done"));
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task Both_sides_end_equal_after_a_thousand_random_interleavings()
    {
        const int incidents = 1000;
        const int rounds = 6;
        await using var engine = await Engine.StartAsync(ManyPagers, settings: [("PagerDuty:WebhookSecret", Elsewhere.PagerDutySecret)]);
        var pagerDuty = engine.StandIns.PagerDuty;
        pagerDuty.Clock = engine.Clock;
        var seed = int.TryParse(Environment.GetEnvironmentVariable("INCIDENTS_TEST_SEED"), out var given) ? given : 20260302;
        var random = new Random(seed);
        for (var i = 0; i < incidents; i += 250) await engine.Receives([.. Enumerable.Range(i, 250).Select(n => Firing($"Alert{n}").As("critical").With("shard", $"{n % Shards}"))]);
        Assert.That(await engine.Incidents(), Is.Not.Empty);

        var changes = new int[incidents + 1];
        var waiting = new List<PagerDutyWebhookMessage>();
        for (var round = 0; round < rounds; round++)
        {
            for (var number = 1; number <= incidents; number++)
            {
                if (random.Next(10) < 3) continue;
                changes[number]++;
                await ActAsync(engine, number, random);
                if (random.Next(20) == 0) engine.Clock.Advance(TimeSpan.FromMilliseconds(random.Next(200)));
            }

            waiting.AddRange(pagerDuty.TakeWebhooks());
            await SomeArriveAsync(engine, waiting, random, share: 0.6);
            engine.Clock.Advance(TimeSpan.FromSeconds(random.Next(5, 30)));
            if (random.Next(3) > 0) await engine.RunsDueWork();
        }

        var quiet = 0;
        for (var turn = 0; turn < 40 && quiet < 3; turn++)
        {
            waiting.AddRange(pagerDuty.TakeWebhooks());
            quiet = waiting.Count == 0 ? quiet + 1 : 0;
            await SomeArriveAsync(engine, waiting, random, share: 1);
            engine.Clock.Advance(TimeSpan.FromSeconds(20));
            await engine.RunsDueWork();
        }

        if (quiet < 3) Assert.Fail("It does not come to rest.\n" + await StoryAsync(engine, pagerDuty.TakeWebhooks()[0].DedupKey));
        var sent = pagerDuty.TotalEvents;
        await engine.Passes(Seconds(10));
        Assert.That(pagerDuty.TotalEvents, Is.EqualTo(sent), "nothing goes round in circles");

        var ours = new Dictionary<long, string>();
        await using (var command = engine.Sql.CreateCommand("select number, state from incidents"))
        await using (var reader = await command.ExecuteReaderAsync())
            while (await reader.ReadAsync()) ours[reader.GetInt64(0)] = reader.GetString(1);
        Assert.That(ours, Has.Count.EqualTo(incidents));
        foreach (var (number, state) in ours)
        {
            if (pagerDuty.Alerts[$"inc-{number}"].State is var there && there != state) Assert.Fail($"INC-{number} is {state} here and {there} there.\n{await StoryAsync(engine, $"inc-{number}")}");
        }

        Assert.That(ours.Values.Distinct().Order(), Is.EqualTo(new[] { "acknowledged", "resolved", "triggered" }), "the test reaches every state");

        // A change costs at most a resolve and a trigger, and once more when both sides moved at once.
        var events = pagerDuty.Events.GroupBy(e => e.DedupKey).ToDictionary(g => g.Key, g => g.Count());
        Assert.That(events.Where(e => e.Value > 2 + (4 * changes[int.Parse(e.Key[4..], System.Globalization.CultureInfo.InvariantCulture)])).Select(e => $"{e.Key}: {e.Value}"), Is.Empty);
        await TestContext.Out.WriteLineAsync($"Seed {seed}: {changes.Sum()} changes on both sides, {pagerDuty.TotalEvents} events sent, at most {events.Values.Max()} of one incident");
    }

    private static async Task<string> StoryAsync(Engine engine, string key)
    {
        var number = long.Parse(key[4..], System.Globalization.CultureInfo.InvariantCulture);
        var sent = engine.StandIns.PagerDuty.Events.Where(e => e.DedupKey == key).Select(e => e.Action);
        return $"Sent: {string.Join(", ", sent)}\n{await engine.Timeline(number)}\n{string.Join('\n', await engine.InboundAsync(number))}\n{await engine.Get($"incidents/{number}/deliveries")}";
    }

    private static async Task ActAsync(Engine engine, int number, Random random)
    {
        var key = $"inc-{number}";
        switch (random.Next(12))
        {
            case 0 or 1:
                await HereAsync(engine, new AcknowledgeIncident(number));
                break;
            case 2:
                await HereAsync(engine, new UnacknowledgeIncident(number));
                break;
            case 3:
                await HereAsync(engine, new ResolveIncident(number));
                break;
            case 4:
                await HereAsync(engine, new ReopenIncident(number));
                break;
            case 5 or 6:
                engine.StandIns.PagerDuty.Do(key, "acknowledge");
                break;
            case 7:
                engine.StandIns.PagerDuty.Do(key, "time-out");
                break;
            case 8:
                engine.StandIns.PagerDuty.Do(key, "resolve");
                break;
            case 9:
                engine.StandIns.PagerDuty.Do(key, "reopen");
                break;
            case 10:
                engine.StandIns.PagerDuty.Do(key, "auto-resolve");
                break;
            default:
                engine.StandIns.PagerDuty.Do(key, "annotate");
                break;
        }
    }

    private static async Task HereAsync(Engine engine, ICommand<IncidentAnswer> command)
    {
        await using var scope = engine.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<IActor>().Is("Ana", ActorKind.User);
        await scope.ServiceProvider.GetRequiredService<ISender>().Send(command);
    }

    /// <summary>Some of them, in any order, and a few of them twice.</summary>
    private static async Task SomeArriveAsync(Engine engine, List<PagerDutyWebhookMessage> waiting, Random random, double share)
    {
        var arriving = waiting.Where(_ => random.NextDouble() < share).ToArray();
        waiting.RemoveAll(arriving.Contains);
        random.Shuffle(arriving);
        var actions = engine.Services.GetRequiredService<InboundActions>();
        foreach (var webhook in arriving)
        {
            // Over HTTP now and then; the rest straight into the store, which is what the endpoint does with them.
            if (random.Next(20) == 0) Assert.That(await engine.PagerDutySendsAsync(webhook.Body), Is.EqualTo(HttpStatusCode.Accepted));
            else await actions.StoreAsync(PagerDutyWebhook.Read(System.Text.Encoding.UTF8.GetBytes(webhook.Body), ""), CancellationToken.None);
            if (random.Next(20) == 0) await actions.StoreAsync(PagerDutyWebhook.Read(System.Text.Encoding.UTF8.GetBytes(webhook.Body), ""), CancellationToken.None);
        }
    }
}
