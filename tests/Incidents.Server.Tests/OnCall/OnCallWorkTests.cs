using System.Net;
using Incidents.Server.Configuration;
using Incidents.Server.OnCall;
using Incidents.Server.Tests.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Incidents.Server.Tests.OnCall;

/// <summary>What is done without anybody asking: coverage, hand-over notices, calendars. Every story begins on Monday 2026-03-02 at 09:00 UTC.</summary>
public sealed class OnCallWorkTests
{
    private const string Routing = Engine.Routing + "\n  escalation_policy: {critical: main}\n";

    private const string Head = """
        version: 1
        people:
          - {key: ana, email: ana@example.com, time_zone: UTC}
          - {key: bo, email: bo@example.com, time_zone: UTC}
        escalation_policies:
          - {key: main, steps: [{targets: [{schedule: primary}], escalate_after: 5m}]}
        schedules:
          - key: primary
            time_zone: Europe/Berlin

        """;

    private const string Sound = Head + "    layers: [{name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: \"10:00\", turns: [ana, bo]}]\n";

    [Test]
    public async Task A_sound_configuration_gives_no_alarm()
    {
        await using var engine = await Engine.StartAsync(Routing, onCall: Sound);
        await engine.Runs<WatchCoverage>();

        Assert.That((await engine.Get("on-call/coverage"))["is_covered"]!.GetValue<bool>(), Is.True);
        Assert.That(await engine.Incidents(), Is.Empty);
        Assert.That((await engine.Get("config"))["warnings"]!.AsArray(), Is.Empty);
    }

    [Test]
    public async Task A_hole_ahead_opens_an_incident_that_an_override_resolves()
    {
        await using var engine = await Engine.StartAsync(Routing, onCall: Sound.Replace("turns: [ana, bo]", "turns: [ana, bo], until: 2026-03-10T10:00", StringComparison.Ordinal));
        await engine.Runs<WatchCoverage>();
        await engine.Runs<WatchCoverage>();

        // The first step looks somebody up at once, so the first uncovered moment is the end of the layer: 10:00 in Berlin.
        var hole = (await engine.Get("on-call/coverage"))["holes"]![0]!;
        Assert.That((hole["from"]!.ToString(), hole["reason"]!.ToString()), Is.EqualTo(("2026-03-10T09:00:00Z", "gap")));
        var incident = await engine.TheIncident();
        Assert.That((incident["title"]!.ToString(), incident["severity"]!.ToString()), Is.EqualTo(("On call: coverage has a hole", "warning")));
        Assert.That(await engine.Timeline(1), Does.Contain("from 2026-03-10 09:00Z"));

        await engine.Post("schedules/primary/overrides", new { from = "2026-03-10T09:00:00Z", until = "2026-07-01T00:00:00Z", people = new[] { "bo" } });
        await engine.Runs<WatchCoverage>();
        Assert.That((await engine.TheIncident())["state"]!.ToString(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task A_hole_that_is_open_now_is_critical_until_it_ends()
    {
        await using var engine = await Engine.StartAsync(Routing, onCall: Sound.Replace("turns: [ana, bo]", "turns: [ana, bo], restrictions: [{from: \"10:00\", until: \"09:00\"}]", StringComparison.Ordinal));
        await engine.Runs<WatchCoverage>();
        Assert.That((await engine.Incidents()).Select(i => i["title"]!.ToString()), Is.EqualTo(new[] { "On call: coverage has a hole" }), "from nine to ten in Berlin nobody is there, and it is ten");

        engine.Clock.Advance(TimeSpan.FromHours(23.5));
        await engine.Runs<WatchCoverage>();
        await engine.Runs<WatchCoverage>();
        Assert.That((await engine.Incidents()).Select(i => $"{i["severity"]} {i["state"]}"), Is.EqualTo(new[] { "warning triggered", "critical triggered" }));

        engine.Clock.Advance(TimeSpan.FromHours(0.5));
        await engine.Runs<WatchCoverage>();
        Assert.That((await engine.Incidents()).Select(i => $"{i["severity"]} {i["state"]}"), Is.EqualTo(new[] { "warning triggered", "critical resolved" }));
    }

    [Test]
    public async Task Somebody_removed_who_an_override_still_names_is_a_hole()
    {
        await using var engine = await Engine.StartAsync(Routing, onCall: Sound);
        await using (var add = engine.Sql.CreateCommand("insert into on_call_overrides (id, schedule, starts_at, ends_at, people, created_at, created_by) values (gen_random_uuid(), 'primary', '2026-03-05T00:00Z', '2026-03-06T00:00Z', '{dan}', '2026-03-01T00:00Z', 'test')"))
            await add.ExecuteNonQueryAsync();

        var hole = (await engine.Get("on-call/coverage"))["holes"]!.AsArray().Single()!;

        Assert.That((hole["from"]!.ToString(), hole["until"]!.ToString(), hole["reason"]!.ToString()), Is.EqualTo(("2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z", "removed_person")));
    }

    /// <summary>Each case: what replaces what in a sound file, and the warning expected with its first moment.</summary>
    [TestCase("turns: [ana, bo]", "turns: [ana, []]", "2026-03-09 09:00Z", "nobody is on call in schedule \"primary\"")]
    [TestCase("turns: [ana, bo]", "turns: []", "2026-03-02 09:00Z", "nobody is on call in schedule \"primary\"")]
    [TestCase("bo, email: bo@example.com", "bo", "2026-03-09 09:00Z", "bo, on call in schedule \"primary\" by layer \"base\", has no channel that works")]
    [TestCase("bo@example.com, time_zone: UTC", "bo@example.com, quiet_hours: [{from: \"01:00\", until: \"02:00\"}], quiet_except: []", "2026-03-10 01:00Z", "has quiet hours")]
    [TestCase("escalate_after: 5m}]", "escalate_after: 5m}], reach_within: 0s", "", "")]
    [TestCase("ana@example.com, time_zone: UTC", "ana@example.com, contacts: [{channel: email, wait: 20m}]", "2026-03-02 09:00Z", "later than the 15 minutes")]
    [TestCase("{schedule: primary}", "{receiver: critical}", "2026-03-02 09:00Z", "addresses a person")]
    [TestCase("layers: [{name: base", "layers: [{name: night, turn: daily, starts_on: 2026-01-05, time_zone: America/New_York, turns: [ana], restrictions: [{from: \"03:00\", until: \"14:00\"}]}, {name: base", "", "")]
    public void A_seeded_hole_is_told_at_load_with_its_first_minute(string before, string after, string first, string why)
    {
        var sound = Sound.ReplaceLineEndings("\n");
        Assert.That(sound, Does.Contain(before));

        var warnings = Load(sound.Replace(before, after, StringComparison.Ordinal)).Configuration!.Warnings.Where(w => w.Code == "IR611").ToArray();

        if (first.Length == 0)
        {
            Assert.That(warnings, Is.Empty);
            return;
        }

        Assert.That(warnings.Single().Message, Does.Contain(first).And.Contain(why).IgnoreCase);
        Assert.That(warnings.Single().File, Is.EqualTo("config/oncall.yaml"));
    }

    [Test]
    public void A_hole_that_only_a_change_of_the_clock_makes_is_told_as_such()
    {
        // In winter New York's four o'clock is Berlin's ten; from March 8th to 29th it is nine.
        var followTheSun = Head + """
                layers:
                  - {name: berlin, turn: weekly, starts_on: 2026-01-05, turns: [ana], restrictions: [{from: "10:00", until: "19:00"}]}
                  - {name: new-york, turn: weekly, starts_on: 2026-01-05, time_zone: America/New_York, turns: [bo], restrictions: [{from: "13:00", until: "04:00"}]}
            """.Replace("                layers", "    layers", StringComparison.Ordinal);

        var warning = Load(followTheSun).Configuration!.Warnings.Single(w => w.Code == "IR611");

        Assert.That(warning.Message, Does.Contain("2026-03-08 08:00Z").Or.Contain("2026-03-09 08:00Z").And.Contain("America/New_York changed its clock"));
    }

    [Test]
    public async Task Each_hand_over_is_announced_once_by_whichever_replica_sees_it_first()
    {
        var onCall = Sound + "    notify: [alerts]\n";
        await using var engine = await Engine.StartAsync(onCall: onCall);
        await using var other = await Engine.StartAsync(onCall: onCall, beside: engine);
        async Task Look() => await Task.WhenAll(engine.Runs<AnnounceHandOvers>(), other.Runs<AnnounceHandOvers>());

        await Look();
        Assert.That(await engine.Query<long>("select count(*) from notices"), Is.Zero, "nothing to compare with");

        engine.Clock.Advance(TimeSpan.FromDays(7));
        await Look();
        await Look();
        Assert.That(await engine.Query<string>("select string_agg(title, ';') from notices"), Is.EqualTo("primary: bo on call until Mon 16 Mar 10:00 (Europe/Berlin), ana off"));
        await engine.RunsDueWork();
        Assert.That(await engine.Query<string>("select string_agg(receiver || ' ' || state, ';') from deliveries"), Is.EqualTo("alerts delivered"));
    }

    [Test]
    public async Task A_calendar_is_fetched_and_its_last_good_copy_outlives_every_failure()
    {
        const string Calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T000000Z\r\nDTEND:20260401T000000Z\r\nSUMMARY:bo\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        using var far = new FarSide { Text = Calendar };
        await using var engine = await Engine.StartAsync(
            onCall: Sound + "    ical: {url: \"https://calendars.example.org/private/primary.ics\", refresh: 10m}\n",
            configure: services => services.AddHttpClient(FetchCalendars.HttpClientName).ConfigurePrimaryHttpMessageHandler(() => far));
        async Task<string> OnCall() => string.Join('+', (await engine.Get("on-call"))["items"]![0]!["people"]!.AsArray().Select(p => $"{p!["person"]} by {p["because"]}"));

        Assert.That(await OnCall(), Is.EqualTo("ana by layer \"base\""), "before it was fetched the layers show through");
        await engine.Runs<FetchCalendars>();
        Assert.That((await OnCall(), far.Asked), Is.EqualTo(("bo by the imported calendar", 1)));
        await engine.Runs<FetchCalendars>();
        Assert.That(far.Asked, Is.EqualTo(1), "not due");

        foreach (var (status, text) in new[] { (HttpStatusCode.InternalServerError, "down"), (HttpStatusCode.OK, "<html>sign in</html>"), (HttpStatusCode.OK, ""), (HttpStatusCode.Redirect, "") })
        {
            (far.Status, far.Text) = (status, text);
            engine.Clock.Advance(TimeSpan.FromMinutes(16));
            await engine.Runs<FetchCalendars>();
            Assert.That(await OnCall(), Is.EqualTo("bo by the imported calendar"), text);
        }

        Assert.That((await engine.Get("schedules/primary"))["calendar"]!["problem"]!.ToString(), Does.Contain("redirects are not followed"));
        using var ready = await engine.Http.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.That(await ready.Content.ReadAsStringAsync(), Does.Contain("calendars not fetched").And.Contain("primary").And.Not.Contain("private"));

        (far.Status, far.Text) = (HttpStatusCode.OK, Calendar.Replace("SUMMARY:bo", "SUMMARY:ana", StringComparison.Ordinal));
        engine.Clock.Advance(TimeSpan.FromMinutes(16));
        await engine.Runs<FetchCalendars>();
        Assert.That(await OnCall(), Is.EqualTo("ana by the imported calendar"));
    }

    [Test]
    public void A_calendar_file_is_part_of_the_configuration()
    {
        using var directory = new TestDirectory();
        directory.Write(Routing.Replace("${file:KEYFILE}", "${env:X}", StringComparison.Ordinal));
        directory.Write(Sound + "    ical: {file: primary.ics}\n", "oncall.yaml");
        Assert.That(TestChannels.Loader().Load(directory.Path).Problems.Select(p => p.Code), Does.Contain("IR610"), "missing");

        directory.Write("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", "primary.ics");
        var first = TestChannels.Loader().Load(directory.Path);
        directory.Write("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n", "primary.ics");
        var second = TestChannels.Loader().Load(directory.Path);
        Assert.That(first.Configuration, Is.Not.Null, string.Concat(first.Problems.Select(ProblemText.Format)));
        Assert.That(second.Configuration!.Version, Is.Not.EqualTo(first.Configuration!.Version));
        Assert.That(first.Files.Select(Path.GetFileName), Does.Contain("primary.ics"));
    }

    private static ConfigurationReading Load(string onCall)
    {
        using var directory = new TestDirectory();
        directory.Write(Routing.Replace("${file:KEYFILE}", "${env:X}", StringComparison.Ordinal));
        directory.Write(onCall, "oncall.yaml");
        var reading = TestChannels.Loader(new FakeTimeProvider(new DateTimeOffset(2026, 3, 2, 9, 0, 0, TimeSpan.Zero))).Load(directory.Path);
        Assert.That(reading.Configuration, Is.Not.Null, string.Concat(reading.Problems.Select(ProblemText.Format)));
        return reading;
    }

    private sealed class FarSide : HttpMessageHandler
    {
        public HttpStatusCode Status { get; set; } = HttpStatusCode.OK;

        public string Text { get; set; } = "";

        public int Asked { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Asked++;
            return Task.FromResult(new HttpResponseMessage(Status) { Content = new StringContent(Text) });
        }
    }
}
