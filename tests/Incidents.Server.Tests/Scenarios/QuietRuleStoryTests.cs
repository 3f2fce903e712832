using System.Globalization;
using System.Text.Json.Nodes;
using Incidents.Domain.Response;
using NodaTime;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>Rules of routing.yaml that keep consequences, flapping, brief and very many alerts from paging; each says so, and nothing is lost.</summary>
internal sealed class QuietRuleStoryTests
{
    private const string Inhibit = Engine.Routing + """

        inhibit_rules:
          - name: cluster-down
            source_matchers: ['alertname="ClusterDown"']
            target_matchers: ['severity=~"warning|critical"']
            equal: [cluster]
        """;

    private const string Depends = Engine.Routing + """

        dependencies:
          - service: checkout
            depends_on: [orders]
          - service: orders
            depends_on: [orders-db]
        """;

    [Test]
    public async Task A_consequence_is_hidden_while_its_cause_fires_and_pages_when_the_cause_ends()
    {
        await using var engine = await StartAsync(Inhibit);
        await engine.Receives(Cause());
        var receipt = await engine.Receives(Consequence("a"), Firing("HostGone").As("critical").With("cluster", "other"));
        Assert.That(await engine.OutcomesOf(receipt), Is.EqualTo("ingested: opened 1, suppressed 1"));
        Assert.That(await Reason(engine), Is.EqualTo("inhibition \"cluster-down\": ClusterDown fires"));

        await engine.Passes(Minutes(5));
        Assert.That(await engine.Incidents(), Has.Count.EqualTo(2));
        await engine.Receives(Cause() with { IsFiring = false });
        await engine.Passes(Seconds(2));
        Assert.That(await engine.Incidents(), Has.Count.EqualTo(3));
        Assert.That(await engine.Timeline(3), Does.Contain("was hidden by inhibition \"cluster-down\": ClusterDown fires; it still fires."));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task A_cause_that_arrives_in_the_same_webhook_hides_what_stands_before_it()
    {
        await using var engine = await StartAsync(Inhibit);
        await engine.Receives(Consequence("a"), Cause());
        Assert.That((await engine.TheIncident())["title"]!.GetValue<string>(), Is.EqualTo("ClusterDown"));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task A_cause_that_arrives_after_its_consequence_paged_makes_that_incident_quiet()
    {
        await using var engine = await StartAsync(Inhibit);
        await engine.Receives(Consequence("a"));
        await engine.Receives(Cause());
        await engine.Passes(Seconds(2));
        Assert.That((await engine.Get("incidents/1"))["hidden_by"]!.GetValue<string>(), Does.StartWith("inhibition \"cluster-down\""));
        await engine.Receives(Cause() with { IsFiring = false });
        await engine.Passes(Seconds(2));
        Assert.That((await engine.Get("incidents/1"))["hidden_by"], Is.Null);
        Assert.That(await Told(engine, 1, Occasion.QuietEnded), Is.EqualTo(2));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task An_alert_hides_neither_itself_nor_its_like()
    {
        await using var engine = await StartAsync(Inhibit.Replace("alertname=\"ClusterDown\"", "severity=\"critical\"", StringComparison.Ordinal));
        await engine.Receives(Firing("DiskFull").As("critical").With("cluster", "eu"), Firing("DbDown").As("critical").With("cluster", "eu"));
        await engine.Passes(Seconds(11));
        Assert.That((await engine.Incidents()).Count(i => i["hidden_by"] is null), Is.EqualTo(2));
    }

    [Test]
    public async Task A_cause_that_fired_before_its_rule_was_configured_counts_after_a_restart()
    {
        await using var before = await StartAsync();
        await before.Receives(Cause());
        await using var engine = await StartAsync(Inhibit, beside: before);
        await engine.RunsDueWork();
        await engine.Receives(Consequence("a"));
        Assert.That(await engine.Incidents(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task What_stands_on_a_service_that_is_down_pages_nobody_also_through_others()
    {
        await using var engine = await StartAsync(Depends);
        await engine.Receives(Firing("DbDown").As("critical").With("service", "orders-db"));
        await engine.Receives(Firing("Errors").As("warning").With("service", "checkout"), Firing("Slow").As("critical").With("service", "orders"), Firing("Errors").As("warning").With("service", "search"));
        Assert.That((await engine.Incidents()).Select(i => i["title"]!.GetValue<string>()), Is.EquivalentTo(new[] { "DbDown (orders-db)", "Errors (search)" }));
        Assert.That(await engine.Query<string>("select outcome_reason from alerts where labels->>'service' = 'checkout'"), Does.StartWith("dependency \"checkout\": "));
        await engine.Receives(Resolved("DbDown").As("critical").With("service", "orders-db"));
        await engine.Passes(Seconds(2));
        Assert.That(await engine.Query<string>("select outcome_reason from alerts where labels->>'service' = 'checkout'"), Is.EqualTo("dependency \"checkout\": Slow (orders) fires"), "orders itself is down still, loud now, and checkout stands on it");
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task What_clears_within_the_wait_of_its_route_pages_nobody_and_says_so()
    {
        await using var engine = await StartAsync(Engine.Routing + "\n  notify_after: {warning: 2m5s}\n");
        await engine.Receives(Firing("Blip").As("warning"), Firing("Stays").As("warning"), Firing("Bad").As("critical"));
        Assert.That((await engine.TheIncident())["title"]!.GetValue<string>(), Is.EqualTo("Bad"));
        await engine.Passes(Seconds(45));
        await engine.Receives(Resolved("Blip").As("warning"));
        Assert.That(await engine.Query<string>("select outcome_reason from alerts where name = 'Blip'"), Is.EqualTo("cleared by itself within 45s, during the wait of 2m5s on route \"default\", in which it may clear by itself"));
        await engine.Passes(Seconds(79));
        Assert.That(await engine.Incidents(), Has.Count.EqualTo(1));

        // At its very moment, which is neither a full minute nor one of the looks at everything.
        await engine.Passes(Seconds(1));
        Assert.That((await engine.Incidents()).Select(i => i["title"]!.GetValue<string>()), Is.EqualTo(new[] { "Bad", "Stays" }));

        await engine.Receives(Firing("Blip").As("warning").Since("2026-03-02T09:02:00Z"));
        await engine.Passes(Seconds(124));
        Assert.That(await engine.Incidents(), Has.Count.EqualTo(2), "it waits anew");
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task An_incident_that_comes_and_goes_is_told_once_held_open_and_settles()
    {
        await using var engine = await StartAsync(Engine.Routing + "\nincidents: {flapping: {transitions: 4, within: 30m, settle_after: 15m}}\n");
        for (var minute = 0; minute < 20; minute += 2)
        {
            await engine.Receives(Firing("Flaky").As("critical").Since($"2026-03-02T09:{minute:00}:00Z"));
            await engine.Passes(Minutes(1));
            await engine.Receives(Resolved("Flaky").As("critical").Since($"2026-03-02T09:{minute:00}:00Z"));
            await engine.Passes(Minutes(1));
        }

        var incident = await engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["flapping_since"]?.GetValue<string>()), Is.EqualTo(("triggered", "2026-03-02T09:04:00Z")));
        Assert.That(await Told(engine, 1, Occasion.Reopened), Is.EqualTo(4), "twice to each of two receivers: the second time as flapping");
        Assert.That(await engine.Timeline(1), Does.Contain("flapping: Flapping: 4 changes within 30m."));

        await engine.Passes(Minutes(15));
        incident = await engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["flapping_since"]), Is.EqualTo(("resolved", (JsonNode?)null)));
        Assert.That(engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("resolved"));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task In_a_storm_one_message_speaks_for_all_that_is_not_critical_and_nothing_is_lost()
    {
        await using var engine = await StartAsync(Engine.Routing + "\nincidents: {storm: {incidents: 10, within: 1m, calm_after: 5m}}\n");
        await engine.Receives([.. Enumerable.Range(0, 8).Select(i => Firing($"Slow{i}").As("warning"))]);
        await engine.Receives([.. Enumerable.Range(8, 40).Select(i => Firing($"Slow{i}").As("warning")), Firing("Down").As("critical")]);
        await engine.Passes(Seconds(3));

        var storm = (await engine.Incidents()).Single(i => i["about_engine"]!.GetValue<bool>());
        var number = storm["number"]!.GetValue<long>();
        Assert.That(storm["title"]!.GetValue<string>(), Is.EqualTo("Storm: more than 10 incidents within 1m"));
        var bundled = (await engine.Get($"incidents?limit=100&storm={number}"))["items"]!.AsArray();
        Assert.That(bundled, Has.Count.EqualTo(38), "the first ten were told one by one");
        Assert.That(await engine.Timeline(number), Does.Contain("38 incidents are told here"));
        Assert.That(engine.StandIns.PagerDuty.Events.Count(e => e.Action == "trigger"), Is.EqualTo(1), "the critical one pages by itself");
        Assert.That(engine.StandIns.Slack.Roots, Has.Count.EqualTo(12), "ten, the storm, the critical one");
        var one = bundled[0]!["number"]!.GetValue<long>();
        Assert.That(await engine.Timeline(one), Does.Contain($"storm: Opened in a storm: INC-{number} tells of it"));
        await engine.ExpectsAllAccountedFor();

        await engine.Does(one, "escalate", new { reason = "this one matters" });
        Assert.That(engine.StandIns.PagerDuty.Events.Count(e => e.Action == "trigger"), Is.EqualTo(2), "it speaks for itself now");

        await engine.Passes(Minutes(7));
        Assert.That((await engine.Get($"incidents/{number}"))["state"]!.GetValue<string>(), Is.EqualTo("triggered"), "it speaks for those that are open");
        Assert.That(await engine.Timeline(number), Does.Contain("It is calm, and no more incidents join. 37 of 37 are still open"));
        await engine.Receives(Firing("Later").As("warning"));
        Assert.That((await engine.Incidents())[^1]["storm"], Is.Null);

        await engine.Does(number, "resolve");
        await engine.Passes(Seconds(11));
        Assert.That((await engine.Get($"incidents/{number}"))["state"]!.GetValue<string>(), Is.EqualTo("triggered"), "a resolve by hand must not leave them mute");
        await engine.Does(number, "merge", new { into = 1 });
        await engine.Passes(Seconds(25));
        Assert.That(await engine.Query<long>("select count(*) from incidents where storm_number is not null and state = 'triggered'"), Is.Zero);
        Assert.That(await engine.Query<long>("select count(distinct incident_number) from deliveries where occasion = 'quiet_ended'"), Is.EqualTo(37), "merged: each speaks for itself");
        await engine.Receives([.. Enumerable.Range(0, 48).Select(i => Resolved($"Slow{i}").As("warning"))]);
        await engine.Passes(Seconds(11));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task Muting_debt_names_each_rule_with_what_it_hides_and_would_have_paged()
    {
        await using var engine = await StartAsync(Inhibit + "\nincidents: {flapping: {}}\n");
        await engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, minutes = 600, reason = "deploy" });
        await engine.Post("silences", new { matchers = new[] { "alertname=\"Never\"" }, minutes = 60 * 24 * 20, reason = "forgotten" });
        await engine.Receives(Cause(), Consequence("a"), Firing("DiskFull").As("critical"), Firing("DiskFull").As("info").With("instance", "b"));
        await engine.Receives(Resolved("DiskFull").As("critical"));
        await engine.Receives(Firing("DiskFull").As("critical").Since("2026-03-02T09:05:00Z"));

        var debt = await engine.Get("muting-debt");
        Assert.That(Rule(debt, "silence/1"), Is.EqualTo((2, 1, 3, 2)), debt.ToJsonString());
        Assert.That(Rule(debt, "inhibition/cluster-down"), Is.EqualTo((1, 1, 1, 1)), debt.ToJsonString());
        Assert.That(debt["hidden_now"]!.GetValue<int>(), Is.EqualTo(3));
        Assert.That(debt["items"]!.AsArray().Single(i => i!["rule"]!.GetValue<string>() == "silence/2")!["is_stale"]!.GetValue<bool>(), Is.False, "it is new");
        engine.Clock.Advance(TimeSpan.FromDays(8));
        debt = await engine.Get("muting-debt");
        Assert.That(debt["items"]!.AsArray().Single(i => i!["rule"]!.GetValue<string>() == "silence/2")!["is_stale"]!.GetValue<bool>(), Is.True);
    }

    private static (int, int, int, int) Rule(JsonObject debt, string rule)
    {
        var item = debt["items"]!.AsArray().Single(i => i!["rule"]!.GetValue<string>() == rule)!;
        return (item["hides_now"]!.GetValue<int>(), item["would_page_now"]!.GetValue<int>(), item["hits_30d"]!.GetValue<int>(), item["would_have_paged_30d"]!.GetValue<int>());
    }

    private static TestAlert Cause() => Firing("ClusterDown").As("critical").With("cluster", "eu") with { Summary = "ClusterDown" };

    private static TestAlert Consequence(string instance) => Firing("HostDown").As("critical").With("instance", instance).With("cluster", "eu");

    private static Task<string> Reason(Engine engine) => engine.Query<string>("select outcome_reason from alerts where outcome = 'suppressed'");

    private static async Task<int> Told(Engine engine, long incident, string occasion) => (int)await engine.Query<long>(string.Create(CultureInfo.InvariantCulture, $"select count(*) from deliveries where incident_number = {incident} and occasion = '{occasion}'"));
}
