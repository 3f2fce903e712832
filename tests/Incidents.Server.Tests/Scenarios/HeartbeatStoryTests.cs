using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.Response.Heartbeats;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>Dead man's switches: silence is the alarm, once, and our own silence is nobody's fault but ours.</summary>
internal sealed class HeartbeatStoryTests
{
    private const string Expected = """

        watchdogs:
          - matchers: ['alertname="Watchdog"']
            expect_every: 1m
            grace: 1m
        heartbeats:
          - name: nightly-backup
            expect_every: 1h
            grace: 5m
            severity: warning
            labels: {service: backup}
        """;

    private static readonly TestAlert Watchdog = Firing("Watchdog").As("none").With("cluster", "eu");

    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync(Engine.Routing + Expected);

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [Test]
    public async Task A_watchdog_that_fires_is_healthy_and_tells_nobody()
    {
        var receipt = await _engine.Receives(Watchdog);
        for (var i = 0; i < 5; i++)
        {
            await _engine.Passes(Minutes(1));
            await _engine.Receives(Watchdog);
        }

        Assert.That(await _engine.Incidents(), Is.Empty);
        Assert.That(await _engine.Query<long>("select count(*) from deliveries"), Is.Zero);
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: informed 1"));
        var alert = (await _engine.Get("alerts"))["items"]![0]!;
        Assert.That(alert["outcome_reason"]!.GetValue<string>(), Does.StartWith("heartbeat"));
        Assert.That((await TheHeartbeat("watchdog"))["state"]!.GetValue<string>(), Is.EqualTo("up"));
    }

    [Test]
    public async Task A_watchdog_that_stops_opens_an_incident_within_its_interval_and_grace_and_resolves_it_when_it_is_back()
    {
        await _engine.Receives(Watchdog);
        await _engine.Passes(Seconds(118));
        Assert.That(await _engine.Incidents(), Is.Empty);

        await _engine.Passes(Seconds(3));
        var incident = await _engine.TheIncident();
        Assert.That(incident["title"]!.GetValue<string>(), Does.Contain("bootstrap"), "names the source");
        Assert.That(incident["severity"]!.GetValue<string>(), Is.EqualTo("critical"));
        Assert.That(await _engine.Timeline(1), Does.Contain("2026-03-02 09:00:00Z").And.Contain("120 s ago").Or.Contain("2 min ago"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("triggered"));

        await _engine.Passes(Minutes(5));
        await _engine.Receives(Watchdog);
        await _engine.Passes(Seconds(1));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("resolved"));
        Assert.That(await _engine.Timeline(1), Does.Contain("after it was missed"));
        var silence = (await TheHeartbeat("watchdog"))["silences"]![0]!;
        Assert.That(silence["back_at"], Is.Not.Null);
    }

    [Test]
    public async Task A_watchdog_that_is_resolved_is_missed_at_once()
    {
        await _engine.Receives(Watchdog);
        await _engine.Passes(Seconds(10));
        await _engine.Receives(Watchdog with { IsFiring = false });
        Assert.That(await _engine.Timeline(1), Does.Contain("was resolved"));
        await _engine.Passes(Seconds(60));
        await _engine.Receives(Watchdog.Since("2026-03-02T09:01:00Z"));
        await _engine.Passes(Seconds(1));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task Without_settings_the_rhythm_is_learnt()
    {
        await using var engine = await StartAsync();
        for (var i = 0; i < 5; i++)
        {
            await engine.Receives(Watchdog);
            await engine.Passes(Minutes(1));
        }

        await engine.Passes(Minutes(1));
        Assert.That(await engine.Incidents(), Is.Empty);
        await engine.Passes(Seconds(61));
        Assert.That((await engine.TheIncident())["title"]!.GetValue<string>(), Does.Contain("Watchdog"));
    }

    [Test]
    public async Task Two_replicas_open_one_incident_and_tell_of_it_once()
    {
        await _engine.Receives(Watchdog);
        await using var other = await StartAsync(Engine.Routing + Expected, beside: _engine);
        _engine.Clock.Advance(TimeSpan.FromSeconds(50));
        await Look(_engine, other);
        _engine.Clock.Advance(TimeSpan.FromSeconds(50));
        await Look(_engine, other);
        _engine.Clock.Advance(TimeSpan.FromSeconds(50));
        await Look(_engine, other);
        await _engine.RunsDueWork();
        await _engine.TheIncident();
        Assert.That(_engine.StandIns.PagerDuty.Events.Count(e => e.Action == "trigger"), Is.EqualTo(1));

        static Task Look(params Engine[] engines) => Task.WhenAll(engines.Select(async e => await e.Services.GetRequiredService<WatchHeartbeats>().DoPortionAsync(CancellationToken.None)));
    }

    [Test]
    public async Task A_restart_forgets_no_due_time()
    {
        await _engine.Receives(Watchdog);
        _engine.Clock.Advance(TimeSpan.FromSeconds(55));
        await using var restarted = await StartAsync(Engine.Routing + Expected, beside: _engine);
        await restarted.Passes(Seconds(64));
        Assert.That(await restarted.Incidents(), Is.Empty);
        await restarted.Passes(Seconds(2));
        await restarted.TheIncident();
    }

    [Test]
    public async Task Our_own_outage_pages_nobody_for_what_we_could_not_hear()
    {
        await _engine.Receives(Watchdog);
        _engine.Clock.Advance(TimeSpan.FromHours(1));
        await _engine.RunsDueWork();
        await _engine.Passes(Minutes(10));
        Assert.That(await _engine.Incidents(), Is.Empty);

        await _engine.Passes(Minutes(2));
        Assert.That((await _engine.TheIncident())["title"]!.GetValue<string>(), Does.Contain("Watchdog"), "now it is not our fault any more");
    }

    [Test]
    public async Task A_job_reports_by_its_address_and_its_silence_is_routed_by_its_labels()
    {
        await _engine.RunsDueWork();
        var (_, made) = await _engine.Post("heartbeats/nightly-backup/token");
        var address = new Uri(made["url"]!.GetValue<string>()).PathAndQuery;
        using var nobody = _engine.Client(null);
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head, HttpMethod.Post])
        {
            using var answer = await nobody.SendAsync(new HttpRequestMessage(method, address));
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), method.Method);
        }

        await _engine.Passes(Minutes(64));
        Assert.That(await _engine.Incidents(), Is.Empty);
        await _engine.Passes(Minutes(2));
        var incident = await _engine.TheIncident();
        Assert.That((incident["severity"]!.GetValue<string>(), incident["receivers"]!.AsArray().Select(r => r!.GetValue<string>())), Is.EqualTo(("warning", (IEnumerable<string>)["alerts"])));

        using var back = await nobody.GetAsync(new Uri(address, UriKind.Relative));
        await _engine.Passes(Seconds(1));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
        Assert.That((await _engine.Timeline(1)), Does.Contain("after it was missed"));
    }

    [Test]
    public async Task A_resolve_by_hand_does_not_silence_what_is_still_silent()
    {
        await _engine.Receives(Watchdog);
        await _engine.Passes(Seconds(121));
        await _engine.Does(1, "resolve");
        await _engine.Passes(Minutes(9));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
        await _engine.Passes(Minutes(2));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task What_is_silent_after_its_incident_was_closed_opens_another()
    {
        await _engine.Receives(Watchdog);
        await _engine.Passes(Seconds(121));
        await _engine.Query<int>("with closed as (update incidents set state = 'closed', resolved_at = opened_at, resolved_by = 'ana', closed_at = opened_at returning 1) select count(*)::int from closed");
        await _engine.Passes(Minutes(11));
        Assert.That(await _engine.Query<long>("select count(*) from incidents where state = 'triggered' and number = 2"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_second_outage_leaves_the_patience_of_the_first()
    {
        await _engine.Receives(Watchdog);
        _engine.Clock.Advance(TimeSpan.FromHours(1));
        await _engine.RunsDueWork();
        _engine.Clock.Advance(TimeSpan.FromMinutes(3));
        await _engine.RunsDueWork();
        await _engine.Passes(Minutes(1));
        Assert.That(await _engine.Incidents(), Is.Empty);
    }

    [Test]
    public async Task An_address_with_another_secret_and_a_key_without_the_scope_are_refused()
    {
        var (status, made) = await _engine.Post("heartbeats", new { name = "sync", expect_every_seconds = 60 });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), made.ToJsonString());
        Assert.That((await _engine.Post("heartbeats", new { name = "sync", expect_every_seconds = 60 })).Status, Is.EqualTo(HttpStatusCode.Conflict));
        var address = new Uri(made["url"]!.GetValue<string>()).PathAndQuery;
        using var nobody = _engine.Client(null);
        using var wrong = await nobody.GetAsync(new Uri(address[..^1] + "_", UriKind.Relative));
        using var without = await nobody.PostAsync(new Uri("/api/v1/heartbeats/sync", UriKind.Relative), null);
        Assert.That((wrong.StatusCode, without.StatusCode), Is.EqualTo((HttpStatusCode.NotFound, HttpStatusCode.Unauthorized)));

        // A new address ends the old one.
        await _engine.Post("heartbeats/sync/token");
        using var old = await nobody.GetAsync(new Uri(address, UriKind.Relative));
        Assert.That(old.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));

        Assert.That((await _engine.Post("heartbeats/sync")).Status, Is.EqualTo(HttpStatusCode.OK));
        using var deleted = await _engine.Http.DeleteAsync(new Uri("/api/v1/heartbeats/sync", UriKind.Relative));
        using var configured = await _engine.Http.DeleteAsync(new Uri("/api/v1/heartbeats/nightly-backup", UriKind.Relative));
        Assert.That((deleted.StatusCode, configured.StatusCode), Is.EqualTo((HttpStatusCode.NoContent, HttpStatusCode.Conflict)));
        Assert.That(await _engine.Query<long>("select count(*) from audit_entries where action like 'heartbeat.%'"), Is.EqualTo(3));
    }

    [Test]
    public async Task The_engine_reports_outside_only_while_its_account_balances()
    {
        var heard = 0;
        await using var outside = WebApplication.CreateSlimBuilder().Build();
        outside.Urls.Add("http://127.0.0.1:0");
        outside.MapGet("/ping", () =>
        {
            Interlocked.Increment(ref heard);
            return Results.Ok();
        });
        await outside.StartAsync();
        await using var engine = await StartAsync(settings: ("Heartbeat:Url", outside.Urls.First() + "/ping"));

        await engine.SendsItsHeartbeat();
        Assert.That(heard, Is.Zero, "the auditor has not looked");
        await engine.Audits();
        await engine.SendsItsHeartbeat();
        Assert.That(heard, Is.EqualTo(1));

        await engine.Receives(Firing("DiskFull"));
        await engine.Query<int>("with broken as (update inbox set opened = 0, alerts = 1 where id = (select max(id) from inbox) returning 1) select count(*)::int from broken");
        engine.Clock.Advance(TimeSpan.FromSeconds(1));
        await engine.Audits();
        await engine.SendsItsHeartbeat();
        Assert.That(heard, Is.EqualTo(1), "the account does not balance");
        using var anybody = engine.Client(null);
        using var ready = await anybody.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.That(await ready.Content.ReadAsStringAsync(), Does.Contain("the account does not balance"));

        await engine.Query<int>("with mended as (update inbox set opened = 1 where opened = 0 returning 1) select count(*)::int from mended");
        await engine.Audits();
        engine.Clock.Advance(TimeSpan.FromMinutes(4));
        await engine.SendsItsHeartbeat();
        Assert.That(heard, Is.EqualTo(1), "the auditor stands still");
        await engine.Audits();
        await engine.SendsItsHeartbeat();
        Assert.That(heard, Is.EqualTo(2));
    }

    private async Task<JsonNode> TheHeartbeat(string kind) => (await _engine.Get("heartbeats"))["items"]!.AsArray().Single(h => h!["kind"]!.GetValue<string>() == kind)!;
}
