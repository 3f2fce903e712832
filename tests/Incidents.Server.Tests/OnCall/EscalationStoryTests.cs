using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Incidents.Domain.OnCall;
using Incidents.Server.OnCall;
using Incidents.StandIns;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using NodaTime.Text;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.OnCall;

/// <summary>Escalation policies at work: somebody is called until somebody has it, once a step, whatever happens to processes and files meanwhile.</summary>
internal sealed class EscalationStoryTests
{
    internal const string People = """
        version: 1
        people:
          - key: ana
            name: Ana
            email: ana@example.org
            slack_id: U0ANA00001
            time_zone: Europe/Berlin
            contacts: [{channel: slack}, {channel: email, wait: 3m}]
          - key: bo
            name: Bo
            email: bo@example.org
            slack_id: U0BO000001
            time_zone: Europe/Berlin
            contacts: [{channel: slack}]
          - key: cy
            name: Cy
            email: cy@example.org
            time_zone: Europe/Berlin
            contacts: [{channel: email}]
        teams:
          - {key: both, members: [ana, bo]}

        """;

    internal const string ThreeSteps = People + """
        escalation_policies:
          - key: critical
            name: Critical
            steps:
              - {targets: [{person: ana}], escalate_after: 5m}
              - {targets: [{person: bo}], escalate_after: 10m}
              - {targets: [{person: cy}, {receiver: critical}], escalate_after: 15m}
        """;

    internal static readonly string Routing = Engine.Routing.Replace("  group_by:", "  escalation_policy: {critical: critical}\n  group_by:", StringComparison.Ordinal);

    private readonly List<Engine> _engines = [];

    [TearDown]
    public async Task Stop()
    {
        var engines = _engines.ToList();
        _engines.Clear();
        try
        {
            if (engines.Count > 0) await engines[0].ExpectsAllAccountedFor();
        }
        finally
        {
            engines.Reverse();
            foreach (var engine in engines) await engine.DisposeAsync();
        }
    }

    private async Task<Engine> StartAsync(string onCall = ThreeSteps, string? routing = null)
    {
        var engine = await Engine.StartAsync(routing ?? Routing, beside: _engines.FirstOrDefault(), onCall: onCall);
        _engines.Add(engine);
        return engine;
    }

    private Engine First => _engines[0];

    /// <summary>What fired and when, in minutes since nine o'clock: "0 ana".</summary>
    private async Task<string[]> Fired(long number = 1, string kind = "step_fired") =>
        [.. (await First.Get($"incidents/{number}/timeline?limit=100"))["items"]!.AsArray().Where(e => e!["kind"]!.GetValue<string>() == kind).Select(e => $"{Minute(e!["at"]!)} {Whom(e["text"]!.GetValue<string>())}")];

    private static string Minute(JsonNode at) => (InstantPattern.ExtendedIso.Parse(at.GetValue<string>()).Value - Instant.FromUtc(2026, 3, 2, 9, 0)).TotalMinutes.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Whom(string text) => text.Split("telling ").Last().TrimEnd('.');

    private IReadOnlyList<SlackMessageRecord> Told(string member) => [.. First.StandIns.Slack.Messages.Where(m => m.Channel.EndsWith(member[1..], StringComparison.Ordinal))];

    private int Mails(string person) => First.StandIns.Smtp.Mails.Count(m => m.Recipients.Contains($"{person}@example.org"));

    [Test]
    public async Task Three_steps_fire_once_each_at_their_time_and_the_end_is_loud()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(Told("U0ANA00001").Count(m => m.ThreadTs is null), Is.EqualTo(1), "the first step fires at once");
        await engine.Passes(Minutes(29));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 bo", "15 cy, receiver \"critical\""]));
        Assert.That((Told("U0ANA00001").Count(m => m.ThreadTs is null), Told("U0BO000001").Count(m => m.ThreadTs is null)), Is.EqualTo((1, 1)));
        Assert.That(await engine.Timeline(1), Does.Not.Contain("policy_ended"));
        var told = engine.StandIns.Slack.Messages.Count(m => m.Broadcast);

        await engine.Passes(Minutes(2));
        Assert.That(await Fired(kind: "policy_ended"), Has.Length.EqualTo(1));
        Assert.That(engine.StandIns.Slack.Messages.Count(m => m.Broadcast), Is.EqualTo(told + 3), "Ana, Bo and the channel are called once more");
        Assert.That((await engine.Get("incidents/1"))["escalation"]!["state"]!.GetValue<string>(), Is.EqualTo("ended"));

        await engine.Audits();
        Assert.That((await engine.Incidents())[1]["title"]!.GetValue<string>(), Does.StartWith("Nobody has taken incidents"));
        await engine.Does(1, "acknowledge");
        await engine.Audits();
        Assert.That((await engine.Get("incidents/2"))["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task Every_step_fires_once_at_its_time_when_the_process_is_another_after_each()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        foreach (var minutes in (int[])[3, 4, 7, 8, 10])
        {
            // Nothing of the one before works any more; this one knows only what is in the database.
            engine = await StartAsync();
            await engine.Passes(Minutes(minutes));
        }

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 bo", "15 cy, receiver \"critical\""]));
        Assert.That(await Fired(kind: "policy_ended"), Has.Length.EqualTo(1));
        Assert.That((Told("U0ANA00001").Count(m => m.ThreadTs is null), Told("U0BO000001").Count(m => m.ThreadTs is null)), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_process_that_was_away_for_an_hour_fires_one_step_and_not_all()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        engine.Clock.Advance(TimeSpan.FromHours(1));
        await engine.RunsDueWork();
        await engine.Passes(Minutes(11));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "60 bo", "70 cy, receiver \"critical\""]));
    }

    [Test]
    public async Task Two_replicas_fire_every_step_once_at_its_time()
    {
        var (one, two) = (await StartAsync(), await StartAsync());
        for (var i = 0; i < 5; i++) await one.StoresBytes(System.Text.Encoding.UTF8.GetBytes(one.Body(null, [Firing($"Disk{i}").As("critical")])));
        await Task.WhenAll(one.RunsDueWork(), two.RunsDueWork());
        for (var minute = 0; minute < 32; minute++)
        {
            one.Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.WhenAll(one.RunsDueWork(), two.RunsDueWork());
            await one.RunsDueWork();
        }

        for (var number = 1; number <= 5; number++)
        {
            Assert.That(await Fired(number), Is.EqualTo(["0 ana", "5 bo", "15 cy, receiver \"critical\""]));
            Assert.That(await Fired(number, "policy_ended"), Has.Length.EqualTo(1));
        }
    }

    [Test]
    public async Task A_policy_that_is_edited_and_removed_meanwhile_changes_nothing_for_what_runs()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(2));
        await (await StartAsync(People + """
            escalation_policies:
              - key: critical
                name: Critical
                steps:
                  - {targets: [{person: cy}], escalate_after: 1m}
            """)).Passes(Minutes(6));
        await (await StartAsync(People, Engine.Routing)).Passes(Minutes(24));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 bo", "15 cy, receiver \"critical\""]));
        Assert.That(await Fired(kind: "policy_ended"), Has.Length.EqualTo(1));
    }

    [Test]
    public async Task A_snooze_that_ends_after_every_policy_was_removed_goes_on_with_what_was_left()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(1));
        await engine.Does(1, "snooze", new { minutes = 10 });
        await (await StartAsync(People, Engine.Routing)).Passes(Minutes(24));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "15 bo", "25 cy, receiver \"critical\""]));
    }

    [Test]
    public async Task Acknowledging_stops_it_says_so_in_place_and_giving_back_goes_on_with_what_was_left()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(2));
        Assert.That(Told("U0ANA00001")[0].Words, Does.Contain("Bo at 09:05 UTC"), "the message says who is next");
        await engine.Does(1, "acknowledge");
        await engine.Passes(Minutes(60));
        Assert.That(await Fired(), Is.EqualTo(["0 ana"]));
        Assert.That(Mails("ana"), Is.Zero, "the next contact is not tried when somebody has it");
        Assert.That(Told("U0ANA00001")[0].Words, Does.Not.Contain("Bo at"));
        Assert.That(Told("U0ANA00001").Single(m => m.ThreadTs is null).Updates, Is.GreaterThan(0));

        await engine.Does(1, "unacknowledge");
        await engine.Passes(Minutes(4));
        Assert.That(await Fired(), Is.EqualTo(["0 ana", "65 bo"]));
        Assert.That(await engine.Timeline(1), Does.Contain("escalation goes on in 3min"));
    }

    [Test]
    public async Task An_acknowledgement_that_runs_out_gives_the_incident_back_and_goes_on()
    {
        var engine = await StartAsync(ThreeSteps.Replace("    name: Critical", "    name: Critical\n    ack_timeout: 30m", StringComparison.Ordinal));
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(1));
        await engine.Does(1, "acknowledge");
        await engine.Passes(Minutes(31));

        var incident = await engine.Get("incidents/1");
        Assert.That(incident["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        Assert.That(await engine.Timeline(1), Does.Contain("ack_timed_out: Acknowledged by").And.Contain("it needs somebody again"));
        await engine.Passes(Minutes(4));
        Assert.That(await Fired(), Is.EqualTo(["0 ana", "35 bo"]));
    }

    [Test]
    public async Task A_snooze_is_quiet_and_its_end_goes_on_with_what_was_left()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(1));
        await engine.Does(1, "snooze", new { minutes = 30 });
        await engine.Passes(Minutes(30));
        Assert.That(await Fired(), Is.EqualTo(["0 ana"]));
        Assert.That(Told("U0ANA00001").Any(m => m.Broadcast), "who was told before is called again");
        await engine.Passes(Minutes(5));
        Assert.That(await Fired(), Is.EqualTo(["0 ana", "35 bo"]));
    }

    [Test]
    public async Task Escalating_calls_the_next_step_now_and_leaves_the_severity()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Does(1, "acknowledge");
        var answer = await engine.Does(1, "escalate", new { reason = "needs a network person" });

        Assert.That(answer["incident"]!["severity"]!.GetValue<string>(), Is.EqualTo("critical"));
        Assert.That(await Fired(), Is.EqualTo(["0 ana", "0 bo"]));
        Assert.That((await engine.Get("incidents/1"))["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        var next = (await engine.Get("incidents/1"))["escalation"]!["upcoming"]![0]!;
        Assert.That((next["people"]![0]!.GetValue<string>(), next["at"]!.GetValue<string>()), Is.EqualTo(("Cy", "2026-03-02T09:10:00Z")));
    }

    [Test]
    public async Task Resolving_ends_it_and_reopening_begins_anew()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(6));
        await engine.Receives(Resolved("DiskFull").As("critical"));
        Assert.That((await engine.Get("incidents/1"))["escalation"]!["state"]!.GetValue<string>(), Is.EqualTo("stopped"));
        await engine.Passes(Minutes(10));
        var before = Told("U0BO000001").Count(m => m.Broadcast);
        await engine.Receives(Firing("DiskFull").As("critical").Since("2026-03-02T09:16:00Z"));
        await engine.Passes(Minutes(4));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 bo", "16 ana"]));
        Assert.That(Told("U0BO000001").Count(m => m.Broadcast), Is.EqualTo(before), "who is not called by the new first step is only kept up to date");
    }

    [Test]
    public async Task A_step_that_finds_nobody_is_passed_over_at_once_and_says_so()
    {
        var engine = await StartAsync(People + """
            schedules:
              - key: nights
                name: Nights
                time_zone: UTC
                layers:
                  - {name: base, turn: daily, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [ana], restrictions: [{from: "22:00", until: "06:00"}]}
            escalation_policies:
              - key: critical
                name: Critical
                steps:
                  - {targets: [{schedule: nights}], escalate_after: 5m}
                  - {targets: [{person: bo}], escalate_after: 5m}
            """);
        await engine.Receives(Firing("DiskFull").As("critical"));

        Assert.That(await Fired(), Is.EqualTo(["0 bo"]));
        Assert.That(await engine.Timeline(1), Does.Contain("step_found_nobody: Step 1 of 2 found nobody; going on at once.").And.Contain("nobody is on call in schedule"));
    }

    [Test]
    public async Task A_repeated_round_pages_its_people_again_and_only_those()
    {
        var engine = await StartAsync(People + """
            escalation_policies:
              - key: critical
                name: Critical
                steps:
                  - {targets: [{person: bo}], escalate_after: 5m}
                  - {targets: [{person: cy}], escalate_after: 5m}
                repeat: 1
            """);
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(9));
        var (broadcasts, mails) = (Told("U0BO000001").Count(m => m.Broadcast), Mails("cy"));
        Assert.That((broadcasts, mails), Is.EqualTo((0, 1)));
        await engine.Passes(Minutes(2));

        Assert.That(await Fired(), Is.EqualTo(["0 bo", "5 cy", "10 bo"]));
        Assert.That(Told("U0BO000001").Count(m => m.Broadcast), Is.EqualTo(1));
        Assert.That(Told("U0BO000001").Count(m => m.ThreadTs is null), Is.EqualTo(1), "the same message, called out once more");
        Assert.That(engine.StandIns.PagerDuty.Alerts.Single().Value.Triggers, Is.LessThanOrEqualTo(engine.StandIns.PagerDuty.Events.Count(e => e.Action == "trigger")));
        Assert.That(engine.StandIns.PagerDuty.Events.Count(e => e.Action == "resolve"), Is.Zero, "the pager of the route is not rung again");
    }

    [Test]
    public async Task While_a_silence_hides_an_incident_nobody_is_called_and_then_it_goes_on_with_what_was_left()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Minutes(2));
        var (status, silence) = await engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, reason = "being mended", ends_at = "2026-03-02T09:32:00Z" });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), silence.ToJsonString());
        await engine.Passes(Minutes(29));
        Assert.That(await Fired(), Is.EqualTo(["0 ana"]));
        Assert.That(Mails("ana"), Is.Zero, "nor in another way");
        Assert.That((await engine.Get("incidents/1"))["escalation"]!["state"]!.GetValue<string>(), Is.EqualTo("held"));

        await engine.Passes(Minutes(2));
        Assert.That(Told("U0ANA00001").Any(m => m.Broadcast), "who was told before is called again");
        await engine.Passes(Minutes(4));
        Assert.That((await Fired())[1], Does.Match("^3[5-6](\\.\\d+)? bo$"));
    }

    [Test]
    public async Task In_a_storm_its_incident_speaks_and_the_others_escalate_when_it_is_over()
    {
        var engine = await StartAsync(ThreeSteps, Routing.Replace("{critical: critical}", "{critical: critical, warning: critical}", StringComparison.Ordinal).Replace("route:", "incidents:\n  storm: {incidents: 3, within: 5m, calm_after: 10m}\nroute:", StringComparison.Ordinal));
        await engine.Receives([.. Enumerable.Range(1, 10).Select(i => Firing($"Disk{i}"))]);
        await engine.Passes(Minutes(8));
        var held = await engine.Query<long>("select count(*) from escalations where status = 'held'");
        Assert.That(held, Is.GreaterThan(0));
        Assert.That(await engine.Query<long>("select count(*) from pages p join incidents i on i.number = p.incident_number where i.storm_number is not null"), Is.Zero);
        await engine.Passes(Minutes(10));
        Assert.That(await engine.Query<long>("select count(distinct incident_number) from pages p join incidents i on i.number = p.incident_number where i.storm_number is not null"), Is.EqualTo(held));
    }

    [Test]
    public async Task A_severity_that_rises_begins_with_the_policy_of_the_new_one()
    {
        var engine = await StartAsync(ThreeSteps, Routing.Replace("{critical: critical}", "{critical: critical, warning: none}", StringComparison.Ordinal));
        await engine.Receives(Firing("DiskFull"));
        Assert.That((await engine.Get("incidents/1"))["escalation"], Is.Null);
        await engine.Passes(Minutes(2));
        await engine.Does(1, "severity", new { severity = "critical" });
        Assert.That(await Fired(), Is.EqualTo(["2 ana"]));
    }

    [Test]
    public async Task The_page_of_an_incident_says_who_is_next_and_when()
    {
        var engine = await StartAsync();
        await engine.Receives(Firing("DiskFull").As("critical"));
        await engine.Passes(Seconds(30));
        using var answer = await engine.Http.GetAsync(new Uri("/i/1", UriKind.Relative));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("Escalates to Bo in ").And.Contain(">4:30</time>"));
    }

    [Test]
    public async Task Ten_thousand_incidents_due_in_the_same_second_all_fire_once()
    {
        var (one, two) = (await StartAsync(), await StartAsync());
        await one.Receives(Firing("DiskFull").As("critical"));
        await one.Query<long>("""
            with n as (insert into incidents (number, group_key, group_id, title, severity, state, since, opened_at, resolved_by_alerts, firing_alerts, total_alerts, reopened, receivers, escalation_policy, playbooks, manual_review_required, about_engine, revision, updated_at)
                select 1 + g, 'g' || g, gen_random_uuid(), 'Disk ' || g, 'critical', 'triggered', i.since, i.opened_at, false, 0, 0, 0, '{}', 'critical', '{}', false, false, 1, i.updated_at from incidents i, generate_series(1, 9999) g where i.number = 1 returning number),
              e as (insert into escalations (number, policy, snapshot, status, step, round, run, due_at, round_reached, revision)
                select n.number, e.policy, e.snapshot, 'running', 1, 0, 0, e.due_at, true, 1 from n, escalations e where e.number = 1 returning number)
            select count(*) from e
            """);
        one.Clock.Advance(TimeSpan.FromMinutes(5));
        await Task.WhenAll(Fire(one), Fire(two), Fire(one), Fire(two));

        Assert.That(await one.Query<long>("select count(*) from timeline_entries where kind = 'step_fired' and text = 'Step 2 of 3: telling bo.'"), Is.EqualTo(10_000));
        Assert.That(await one.Query<long>("select count(distinct incident_number) from timeline_entries where kind = 'step_fired' and text = 'Step 2 of 3: telling bo.'"), Is.EqualTo(10_000));
        Assert.That(await one.Query<long>("select count(*) from pages where person = 'bo'"), Is.EqualTo(10_000));
        Assert.That(await one.Query<long>("select count(*) from escalations where step = 2 and status = 'running'"), Is.EqualTo(10_000));

        // To Bo's phone that is a handful of messages, and every incident says why.
        Assert.That(await one.Query<long>("select count(*) from deliveries where receiver = '@bo/slack'"), Is.LessThan(30));
        Assert.That(await one.Query<long>("select count(*) from timeline_entries where kind = 'page_bundled'"), Is.EqualTo(await one.Query<long>("select count(*) from pages where bundled_in is not null")));
        await Fire(one);
        while (await one.Services.GetRequiredService<PageDue>().DoPortionAsync(CancellationToken.None)) { }
        await one.Query<long>("with a as (delete from escalations where number > 1), b as (delete from pages where incident_number > 1), c as (delete from deliveries where incident_number > 1), d as (delete from incidents where number > 1 returning 1) select count(*) from d");

        static async Task Fire(Engine engine)
        {
            while (await engine.Services.GetRequiredService<EscalateDue>().DoPortionAsync(CancellationToken.None)) { }
        }
    }

    [Test]
    public async Task Whatever_happens_in_whatever_order_no_step_is_lost_or_fired_twice([Range(1, 6)] int seed)
    {
        var random = new Random(seed);
        Engine[] engines = [await StartAsync(), await StartAsync()];
        await engines[0].Receives(Firing("A").As("critical"), Firing("B").As("critical"), Firing("C").As("critical"));
        for (var i = 0; i < 60; i++)
        {
            var (number, engine) = (random.Next(1, 4), engines[random.Next(2)]);
            switch (random.Next(12))
            {
                case 0 or 1: await engine.Post($"incidents/{number}/acknowledge"); break;
                case 2: await engine.Post($"incidents/{number}/unacknowledge"); break;
                case 3: await engine.Post($"incidents/{number}/snooze", new { minutes = random.Next(1, 20) }); break;
                case 4: await engine.Post($"incidents/{number}/escalate"); break;
                case 5: await engine.Post($"incidents/{number}/resolve"); break;
                case 6: await engine.Post($"incidents/{number}/reopen"); break;
                case 7: await Task.WhenAll(engines.Select(e => e.RunsDueWork())); break;
                case 8:
                    var other = engines[1 - Array.IndexOf(engines, engine)];
                    await Task.WhenAll(engine.Post($"incidents/{number}/acknowledge"), other.RunsDueWork());
                    break;
                default:
                    engine.Clock.Advance(TimeSpan.FromSeconds(random.Next(5, 400)));
                    if (random.Next(2) == 0) await engine.RunsDueWork();
                    break;
            }
        }

        // Nobody does anything any more: what is open runs out to its end.
        for (var number = 1; number <= 3; number++)
        {
            await First.Post($"incidents/{number}/reopen");
            await First.Post($"incidents/{number}/unacknowledge");
        }

        await First.Passes(Minutes(60));
        Assert.That(await First.Query<long>("select count(*) from escalations where status = 'ended'"), Is.EqualTo(3), "each policy that nobody stops comes to its end");

        // Each step names one person, so steps and pages are the same; the key of a page holds run, round and step.
        Assert.That(await First.Query<long>("select count(*) from timeline_entries where kind = 'step_fired'"), Is.EqualTo(await First.Query<long>("select count(*) from pages")));
        Assert.That(await First.Query<long>("select count(*) from pages p where step > 0 and not exists (select from pages b where b.incident_number = p.incident_number and b.run = p.run and b.round = p.round and b.step = p.step - 1)"), Is.Zero, "no step was left out");
        Assert.That(await First.Query<long>("select count(*) from escalations e where (select count(*) from pages p where p.incident_number = e.number and p.run = e.run) <> 3"), Is.Zero, "the last run has all its steps");
        Assert.That(await First.Query<long>("select count(*) from pages p join pages b on b.incident_number = p.incident_number and b.run = p.run and b.step = p.step - 1 where p.started_at < b.started_at"), Is.Zero, "in order");
        Assert.That(await First.Query<long>("select count(*) from escalations e where e.due_at is not null"), Is.Zero);
    }
}
