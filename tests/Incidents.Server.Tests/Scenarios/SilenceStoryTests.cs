using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Domain.Response;
using Incidents.Server.Web;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>Quiet without silence: what is hidden says by what, and pages once when that is over and it still fires.</summary>
internal sealed class SilenceStoryTests
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

    [Test]
    public async Task A_silence_that_ends_while_its_alert_still_fires_pages_once_with_the_reason()
    {
        var silence = await Silences("alertname=\"DiskFull\"", 60, "deploy");
        var receipt = await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: suppressed 1"));
        var alert = (await _engine.Get("alerts"))["items"]![0]!;
        Assert.That(alert["outcome_reason"]!.GetValue<string>(), Is.EqualTo($"silence {silence} by bootstrap until 2026-03-02 10:00Z (deploy)"));
        Assert.That((await _engine.Get($"silences/{silence}"))["hides"]!["alerts"]!.GetValue<int>(), Is.EqualTo(1));

        await _engine.Passes(Minutes(59));
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await _engine.Incidents(), Is.Empty);

        // The clock stands at the end: that is the first moment that is no longer in it.
        await _engine.Passes(Minutes(1));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain($"hidden_ended: DiskFull was hidden by silence {silence} by bootstrap until 2026-03-02 10:00Z (deploy); it still fires."));
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(5));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1), "once");
        Assert.That(await _engine.Query<string>("select string_agg(rule || ' ' || how, ',') from mutings"), Is.EqualTo($"silence/{silence} released"));
    }

    [Test]
    public async Task An_alert_that_ended_under_its_silence_pages_nobody()
    {
        await Silences("alertname=\"DiskFull\"", 60, "deploy");
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Receives(Resolved("DiskFull"));
        await _engine.Passes(Minutes(62));
        Assert.That(await _engine.Incidents(), Is.Empty);
        Assert.That(await _engine.Query<string>("select how from mutings"), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task An_open_incident_falls_quiet_with_a_silence_and_pages_once_when_it_ends()
    {
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "a"));
        var silence = await Silences("alertname=\"DiskFull\"", 60, "deploy");
        var incident = await _engine.TheIncident();
        Assert.That((incident["state"]!.GetValue<string>(), incident["hidden_by"]?.GetValue<string>()), Is.EqualTo(("triggered", $"silence {silence} by bootstrap until 2026-03-02 10:00Z (deploy)")));
        Assert.That((await _engine.Get($"silences/{silence}"))["hides"]!["incidents"]!.GetValue<int>(), Is.EqualTo(1));

        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "b"));
        await _engine.Passes(Minutes(30));
        Assert.That(await Told(1, Occasion.Updated), Is.Zero, "what alerts do is not told");
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"), "it must not call people there either");

        await _engine.Passes(Minutes(30));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(2));
        Assert.That(await Told(1, Occasion.QuietEnded), Is.EqualTo(2), "each of its two receivers once");
        Assert.That(_engine.StandIns.PagerDuty.Events.TakeLast(2).Select(e => e.Action), Is.EqualTo(new[] { "resolve", "trigger" }), "it begins anew there");
        Assert.That(await _engine.Timeline(1), Does.Contain($"DiskFull (b) was hidden by silence {silence}").And.Contain("hidden_ended: It was hidden by silence"));
        await _engine.Passes(Minutes(10));
        Assert.That(await Told(1, Occasion.QuietEnded), Is.EqualTo(2));
    }

    [Test]
    public async Task An_incident_that_somebody_has_is_not_paged_again_when_its_silence_ends()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Does(1, "acknowledge");
        await Silences("alertname=\"DiskFull\"", 10, "mine");
        await _engine.Passes(Minutes(12));
        Assert.That(await Told(1, Occasion.QuietEnded), Is.Zero);
        Assert.That(await _engine.Timeline(1), Does.Contain("It was hidden by silence"));
    }

    [Test]
    public async Task An_incident_ends_under_its_silence_as_it_would_without()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await Silences("alertname=\"DiskFull\"", 60, "deploy");
        await _engine.Receives(Resolved("DiskFull").As("critical"));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("resolved"), "a page that is open there is closed");
        await _engine.Passes(Minutes(62));
        Assert.That(await Told(1, Occasion.QuietEnded), Is.Zero);
        Assert.That(await _engine.Query<long>("select count(*) from mutings where ended_at is null"), Is.Zero);
    }

    [Test]
    public async Task An_incident_of_which_only_some_alerts_are_silenced_stays_loud()
    {
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "a"), Firing("DiskFull").As("critical").With("instance", "b"));
        await Silences("instance=\"a\"", 60, "a is replaced");
        Assert.That((await _engine.TheIncident())["hidden_by"], Is.Null);
        await _engine.Receives(Resolved("DiskFull").As("critical").With("instance", "b"));
        await _engine.Passes(Seconds(11));
        Assert.That((await _engine.TheIncident())["hidden_by"], Is.Not.Null, "only the silenced one is left");
    }

    [Test]
    public async Task An_alert_that_no_rule_hides_makes_a_quiet_incident_loud()
    {
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "a"));
        await Silences("instance=\"a\"", 60, "a is replaced");
        Assert.That((await _engine.TheIncident())["hidden_by"], Is.Not.Null);
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "b"));
        Assert.That((await _engine.TheIncident())["hidden_by"], Is.Null);
        Assert.That(await Told(1, Occasion.QuietEnded), Is.EqualTo(2));
    }

    [Test]
    public async Task A_resolve_by_hand_under_a_silence_is_verified_without_paging_before_the_silence_ends()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await Silences("alertname=\"DiskFull\"", 60, "deploy");
        await _engine.Does(1, "resolve");
        await _engine.Passes(Minutes(15));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        Assert.That(await Told(1, Occasion.Reopened), Is.Zero);
        await _engine.Passes(Minutes(46));
        Assert.That(await Told(1, Occasion.QuietEnded), Is.EqualTo(2));
    }

    [Test]
    public async Task A_silence_ended_early_is_kept_says_by_whom_and_pages_at_once()
    {
        var silence = await Silences("alertname=\"DiskFull\"", 60, "deploy");
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        var (status, ended) = await Send(HttpMethod.Delete, $"silences/{silence}");
        Assert.That((status, ended["state"]!.GetValue<string>(), ended["ended_by"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.OK, "ended", "bootstrap")));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        Assert.That((await Send(HttpMethod.Delete, $"silences/{silence}")).Status, Is.EqualTo(HttpStatusCode.OK), "safe to repeat");
        Assert.That((await _engine.Get("silences"))["items"]!.AsArray(), Is.Empty);
        Assert.That((await _engine.Get("silences?ended=true"))["items"]!.AsArray(), Has.Count.EqualTo(1));
        var audit = (await _engine.Get("audit"))["items"]!.AsArray().Select(e => $"{e!["action"]} {e["subject"]}");
        Assert.That(audit, Is.SupersetOf(new[] { $"silence.created silence/{silence}", $"silence.ended silence/{silence}" }));
    }

    [Test]
    public async Task A_silence_is_extended_only_by_who_has_read_it()
    {
        var silence = await Silences("alertname=\"DiskFull\"", 60, "deploy");
        await _engine.Receives(Firing("DiskFull").As("critical"));
        var longer = new { ends_at = "2026-03-02T11:00:00Z" };
        Assert.That((await Send(HttpMethod.Patch, $"silences/{silence}", longer)).Status, Is.EqualTo((HttpStatusCode)428));
        Assert.That((await Send(HttpMethod.Patch, $"silences/{silence}", longer, "\"7\"")).Status, Is.EqualTo(HttpStatusCode.PreconditionFailed));
        Assert.That((await Send(HttpMethod.Patch, $"silences/{silence}", longer, "\"1\"")).Status, Is.EqualTo(HttpStatusCode.OK));
        await _engine.Passes(Minutes(119));
        Assert.That(await _engine.Incidents(), Is.Empty);
        Assert.That((await _engine.Get("alerts"))["items"]![0]!["outcome_reason"]!.GetValue<string>(), Does.Contain("11:00Z"));
        await _engine.Passes(Minutes(2));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(1));
        Assert.That((await Send(HttpMethod.Patch, $"silences/{silence}", new { ends_at = "2026-03-02T14:00:00Z" }, "\"2\"")).Status, Is.EqualTo(HttpStatusCode.Conflict), "it has ended");
    }

    [TestCase("""{"matchers": [], "reason": "x", "minutes": 5}""", "/matchers")]
    [TestCase("""{"matchers": ["env!=\"prod\""], "reason": "x", "minutes": 5}""", "/matchers")]
    [TestCase("""{"matchers": ["a=~\"(\""], "reason": "x", "minutes": 5}""", "/matchers/0")]
    [TestCase("""{"matchers": ["a=b"], "reason": " ", "minutes": 5}""", "/reason")]
    [TestCase("""{"matchers": ["a=b"], "reason": "x"}""", "/ends_at")]
    [TestCase("""{"matchers": ["a=b"], "reason": "x", "ends_at": "2026-03-02T08:00:00Z"}""", "/ends_at")]
    [TestCase("""{"matchers": ["a=b"], "reason": "x", "ends_at": "2027-04-02T08:00:00Z"}""", "/ends_at")]
    [TestCase("""{"matchers": ["a=b"], "reason": "x", "minutes": 5, "windows": [{"weekdays": ["monday"]}]}""", "/ends_at")]
    public async Task A_silence_nobody_can_mean_is_refused_at_its_place(string body, string pointer)
    {
        var (status, answer) = await Send(HttpMethod.Post, "silences", JsonNode.Parse(body)!);
        Assert.That(status, Is.EqualTo(HttpStatusCode.BadRequest), answer.ToJsonString());
        Assert.That(answer["errors"]!.AsArray().Select(e => e!["pointer"]!.GetValue<string>()), Does.Contain(pointer), answer.ToJsonString());
    }

    [Test]
    public async Task A_preview_says_what_would_be_hidden_and_hides_nothing()
    {
        await _engine.Receives(Firing("DiskFull").As("critical").With("instance", "a"), Firing("DbSlow").As("critical").With("instance", "a"), Firing("DbSlow").As("critical").With("instance", "b"), Firing("Deployed").As("info").With("instance", "a"));
        var (_, preview) = await _engine.Post("silences/preview", new { matchers = new[] { "instance=\"a\"" } });
        Assert.That((preview["alerts"]!.GetValue<int>(), preview["would_page"]!.GetValue<int>(), preview["incidents"]!.GetValue<int>(), preview["partly_hidden"]!.GetValue<int>()), Is.EqualTo((3, 2, 1, 1)), preview.ToJsonString());
        Assert.That(preview["examples"]!.AsArray(), Has.Count.EqualTo(3));
        await _engine.Passes(Seconds(11));
        Assert.That((await _engine.Incidents()).All(i => i["hidden_by"] is null));
    }

    [Test]
    public async Task A_recurring_maintenance_window_hides_within_its_hours_and_pages_at_their_end()
    {
        // The story begins on a Monday at nine UTC, ten in Berlin.
        var (status, window) = await _engine.Post("maintenance-windows", new
        {
            matchers = new[] { "service=\"db\"" },
            reason = "weekly patching",
            windows = new[] { new { weekdays = new[] { "monday" }, times = new[] { new { start_time = "10:30", end_time = "11:00" } }, location = "Europe/Berlin" } },
        });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), window.ToJsonString());
        await _engine.Receives(Firing("Early").As("critical").With("service", "db"));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(1), "its hours have not begun");
        await _engine.Passes(Minutes(31));
        Assert.That((await _engine.Incidents())[0]["hidden_by"]!.GetValue<string>(), Is.EqualTo($"maintenance window {window["id"]} by bootstrap (weekly patching)"));
        await _engine.Receives(Firing("During").As("critical").With("service", "db"));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(1));
        await _engine.Passes(Minutes(28));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(1));
        await _engine.Passes(Minutes(1));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(2), "at the very minute");
        Assert.That(await Told(1, Occasion.QuietEnded), Is.EqualTo(2));
    }

    [Test]
    public async Task What_one_replica_silenced_another_hides_within_a_second_or_makes_good()
    {
        await using var other = await StartAsync(beside: _engine);
        await other.RunsDueWork();
        await Silences("alertname=\"DiskFull\"", 60, "deploy");

        // The other does not know of it yet.
        await other.Receives(Firing("DiskFull").As("critical"));
        _engine.Clock.Advance(TimeSpan.FromSeconds(1));
        await other.RunsDueWork();
        await _engine.RunsDueWork();
        var incidents = await _engine.Incidents();
        Assert.That(incidents.All(i => i["hidden_by"] is not null), "either nothing opened, or it is quiet");
        await _engine.Passes(Minutes(61));
        await other.RunsDueWork();
        Assert.That(_engine.StandIns.PagerDuty.Alerts, Has.Count.EqualTo(1));
        Assert.That(await Told(1, Occasion.QuietEnded) + await Told(1, Occasion.Opened), Is.EqualTo(4), "once to each receiver when it opened, once at its end, whoever looked");
    }

    [Test]
    public async Task An_alert_that_is_hidden_by_one_silence_and_then_another_is_hidden_to_the_end_of_the_last()
    {
        await Silences("alertname=\"DiskFull\"", 10, "first");
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(5));
        var second = await Silences("alertname=~\"Disk.*\"", 30, "second");
        await _engine.Passes(Minutes(29));
        Assert.That(await _engine.Incidents(), Is.Empty);
        Assert.That((await _engine.Get("alerts"))["items"]![0]!["outcome_reason"]!.GetValue<string>(), Does.Contain("(second)"));
        await _engine.Passes(Minutes(2));
        Assert.That(await _engine.Timeline(1), Does.Contain($"silence {second}"));
        Assert.That(await _engine.Query<long>("select count(*) from mutings where ended_at is null"), Is.Zero);
    }

    private async Task<int> Told(long incident, string occasion) => (int)await _engine.Query<long>(string.Create(CultureInfo.InvariantCulture, $"select count(*) from deliveries where incident_number = {incident} and occasion = '{occasion}'"));

    private async Task<long> Silences(string matcher, int minutes, string reason)
    {
        var (status, answer) = await _engine.Post("silences", new { matchers = new[] { matcher }, minutes, reason });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), answer.ToJsonString());
        return long.Parse(answer["id"]!.GetValue<string>(), CultureInfo.InvariantCulture);
    }

    private async Task<(HttpStatusCode Status, JsonObject Body)> Send(HttpMethod method, string path, object? body = null, string? ifMatch = null)
    {
        using var request = new HttpRequestMessage(method, "/api/v1/" + path);
        if (body is not null) request.Content = new StringContent(System.Text.Json.JsonSerializer.Serialize(body, ApiJson.Options), Encoding.UTF8, "application/json");
        if (ifMatch is not null) request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        using var answer = await _engine.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        await _engine.RunsDueWork();
        return (answer.StatusCode, JsonNode.Parse(text)!.AsObject());
    }
}
