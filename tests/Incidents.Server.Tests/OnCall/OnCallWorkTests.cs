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

    [Test]
    public async Task A_critical_incident_without_a_policy_is_a_hole_where_nothing_of_its_route_pages()
    {
        var bare = Routing + "  routes:\n    - {name: bare, matchers: ['service=\"bare\"'], escalation_policy: none}\n    - {name: quiet, matchers: ['service=\"quiet\"'], escalation_policy: none, receivers: [alerts]}\n";
        await using var engine = await Engine.StartAsync(bare, onCall: Sound);
        await engine.Runs<WatchCoverage>();

        var coverage = await engine.Get("on-call/coverage");
        Assert.That(coverage["holes"]!.AsArray().Select(h => $"{h!["route"]} {h["severity"]} {h["reason"]} from {h["from"]}"), Is.EqualTo(new[] { "quiet critical no_policy from 2026-03-02T09:00:00Z" }), "the pager of the other route pages");
        Assert.That(coverage["is_covered"]!.GetValue<bool>(), Is.False);
        Assert.That(coverage["without_policy"]!.AsArray().Select(w => $"{w!["severity"]} {w["route"]}"), Does.Contain("critical bare").And.Contain("warning default"));
        Assert.That((await engine.Get("config"))["warnings"]![0]!["message"]!.ToString(), Does.Contain("of route 'quiet'").And.Contain("none of its receivers pages a person"));
        Assert.That((await engine.Incidents()).Select(i => i["severity"]!.ToString()), Is.EquivalentTo(new[] { "critical", "warning" }), "it is open now");
        using var answer = await engine.Http.GetAsync(new Uri("/on-call", UriKind.Relative));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("Without a policy").And.Contain("critical and warning on route bare"));
    }

    [Test]
    public async Task A_channel_that_went_away_or_takes_nothing_is_found_at_once()
    {
        await using var engine = await Engine.StartAsync(Routing, onCall: Sound);
        await engine.Runs<WatchCoverage>();
        Assert.That(await engine.Incidents(), Is.Empty);

        await engine.Query<int>("with n as (insert into receiver_states (receiver, is_parked, blocked_until, reason, since, probes) values ('@bo/email', true, now(), 'no such user', now(), 0) returning 1) select count(*)::int from n");
        await engine.Runs<WatchCoverage>();
        var hole = (await engine.Get("on-call/coverage"))["holes"]![0]!;
        Assert.That((hole["from"]!.ToString(), hole["reason"]!.ToString()), Is.EqualTo(("2026-03-09T09:00:00Z", "no_channel")), "when it is Bo's turn");
        Assert.That((await engine.TheIncident())["title"]!.ToString(), Is.EqualTo("On call: coverage has a hole"));

        await engine.Query<int>("with n as (delete from receiver_states returning 1) select count(*)::int from n");
        await engine.Runs<WatchCoverage>();
        Assert.That((await engine.TheIncident())["state"]!.ToString(), Is.EqualTo("resolved"));

        await using var without = await Engine.StartAsync(Routing, beside: engine, onCall: Sound, settings: ("Smtp:Host", ""));
        await without.Runs<WatchCoverage>();
        Assert.That((await engine.Incidents()).Any(i => i["state"]!.ToString() == "triggered"), Is.True, "the same files on a machine without a mail server");
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
    public async Task A_calendar_that_cannot_be_expanded_is_refused_and_one_that_is_there_stops_no_step()
    {
        const string Bad = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T000000Z\r\nDTEND:20260302T000000Z\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\nSUMMARY:bo\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        using var far = new FarSide { Text = Bad };
        await using var engine = await Engine.StartAsync(Routing,
            onCall: Sound + "    ical: {url: \"https://calendars.example.org/primary.ics\", refresh: 10m}\n",
            configure: services => services.AddHttpClient(FetchCalendars.HttpClientName).ConfigurePrimaryHttpMessageHandler(() => far));
        await engine.Runs<FetchCalendars>();
        Assert.That((await engine.Get("schedules/primary"))["calendar"]!["problem"]!.ToString(), Does.Contain("cannot be expanded"));
        Assert.That(await engine.Query<long>("select count(*) from calendar_feeds where body is not null"), Is.Zero, "it is no good copy");

        // As one of an older version would be, or one whose rules came true until now.
        await using (var store = engine.Sql.CreateCommand("update calendar_feeds set body = $1, content = 'x', problem = null"))
        {
            store.Parameters.AddWithValue(Bad);
            await store.ExecuteNonQueryAsync();
        }

        await engine.Receives(Engine.Firing("DiskFull").As("critical"));
        Assert.That(await engine.Timeline(1), Does.Contain("Step 1 of 1: telling ana (on call in schedule \"primary\" by layer \"base\")."));
        Assert.That((await engine.Get("on-call"))["items"]![0]!["people"]![0]!["person"]!.ToString(), Is.EqualTo("ana"));
        using var ready = await engine.Http.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.That(await ready.Content.ReadAsStringAsync(), Does.Contain("calendars that cannot be expanded, the layers count: primary"));
        await engine.Runs<WatchCoverage>();
        await engine.Runs<AnnounceHandOvers>();

        Assert.That(LoadWithCalendar(Bad).Problems.Select(p => p.Code), Does.Contain("IR610"), "as a file it is not taken");
    }

    [Test]
    public async Task While_replicas_have_different_addresses_each_counts_the_copy_of_its_own()
    {
        static string Calendar(string person) => $"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T000000Z\r\nDTEND:20260401T000000Z\r\nSUMMARY:{person}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        static string At(string path) => Head + $"    layers: []\n    ical: {{url: \"https://calendars.example.org/{path}.ics\", refresh: 10m}}\n";
        using var far = new FarSide { Text = Calendar("bo") };
        using var other = new FarSide { Text = Calendar("ana") };
        await using var engine = await Engine.StartAsync(onCall: At("one"), configure: services => services.AddHttpClient(FetchCalendars.HttpClientName).ConfigurePrimaryHttpMessageHandler(() => far));
        await using var replaced = await Engine.StartAsync(onCall: At("two"), beside: engine, configure: services => services.AddHttpClient(FetchCalendars.HttpClientName).ConfigurePrimaryHttpMessageHandler(() => other));
        static async Task<string> OnCall(Engine engine) => (await engine.Get("on-call"))["items"]![0]!["people"]!.AsArray().FirstOrDefault()?["person"]!.ToString() ?? "nobody";

        foreach (var _ in Enumerable.Range(0, 3))
        {
            await engine.Runs<FetchCalendars>();
            await replaced.Runs<FetchCalendars>();
            Assert.That((await OnCall(engine), await OnCall(replaced)), Is.EqualTo(("bo", "ana")));
            engine.Clock.Advance(TimeSpan.FromMinutes(3));
        }

        Assert.That((far.Asked, other.Asked), Is.EqualTo((1, 1)), "nobody's copy was thrown away");
        engine.Clock.Advance(TimeSpan.FromDays(8));
        await replaced.Runs<FetchCalendars>();
        Assert.That(await engine.Query<long>("select count(*) from calendar_feeds"), Is.EqualTo(1), "what no replica asks any more is forgotten");
    }

    [Test]
    public async Task An_answer_that_comes_after_its_claim_ran_out_changes_nothing()
    {
        const string Calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n";
        Engine? engine = null;
        using var far = new FarSide { Text = Calendar };
        await using (engine = await Engine.StartAsync(
            onCall: Sound + "    ical: {url: \"https://calendars.example.org/primary.ics\", refresh: 10m}\n",
            configure: services => services.AddHttpClient(FetchCalendars.HttpClientName).ConfigurePrimaryHttpMessageHandler(() => far)))
        {
            far.Meanwhile = () => engine.Query<int>("with n as (update calendar_feeds set due_at = due_at + interval '1 hour', content = 'newer', body = 'newer' returning 1) select count(*)::int from n");
            await engine.Runs<FetchCalendars>();
            Assert.That((far.Asked, await engine.Query<string>("select content from calendar_feeds")), Is.EqualTo((1, "newer")));
        }
    }

    [Test]
    public async Task A_replica_that_waited_for_another_announces_nothing_that_is_over()
    {
        await using var engine = await Engine.StartAsync(onCall: Sound + "    notify: [alerts]\n");
        await engine.Runs<AnnounceHandOvers>();
        await using var connection = await engine.Sql.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var take = new Npgsql.NpgsqlCommand("select from duty_watches for update", connection)) await take.ExecuteNonQueryAsync();

        // It looks while Ana is on call; the other has announced Bo when it may go on.
        var waiting = engine.Runs<AnnounceHandOvers>();
        while (await engine.Query<long>("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%duty_watches%' and datname = current_database()") == 0) await Task.Yield();
        engine.Clock.Advance(TimeSpan.FromDays(7));
        await using (var announce = new Npgsql.NpgsqlCommand("update duty_watches set people = '{bo}', since = $1", connection))
        {
            announce.Parameters.AddWithValue(engine.Now);
            await announce.ExecuteNonQueryAsync();
        }

        await transaction.CommitAsync();
        await waiting;

        Assert.That(await engine.Query<long>("select count(*) from notices"), Is.Zero);
        Assert.That(await engine.Query<string>("select people[1] from duty_watches"), Is.EqualTo("bo"));

        // Nor does one whose clock is behind.
        await engine.Query<int>("with n as (update duty_watches set people = '{ana}', since = since + interval '1 second' returning 1) select count(*)::int from n");
        await engine.Runs<AnnounceHandOvers>();
        Assert.That(await engine.Query<long>("select count(*) from notices"), Is.Zero);
        engine.Clock.Advance(TimeSpan.FromSeconds(1));
        await engine.Runs<AnnounceHandOvers>();
        Assert.That(await engine.Query<long>("select count(*) from notices"), Is.EqualTo(1));
    }

    private static ConfigurationReading LoadWithCalendar(string calendar)
    {
        using var directory = new TestDirectory();
        directory.Write(Routing.Replace("${file:KEYFILE}", "${env:X}", StringComparison.Ordinal));
        directory.Write(Sound + "    ical: {file: primary.ics}\n", "oncall.yaml");
        directory.Write(calendar, "primary.ics");
        return TestChannels.Loader().Load(directory.Path);
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

        /// <summary>Happens while it is asked.</summary>
        public Func<Task>? Meanwhile { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Asked++;
            if (Meanwhile is not null) await Meanwhile();
            return new HttpResponseMessage(Status) { Content = new StringContent(Text) };
        }
    }
}
