using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.OnCall;
using NodaTime;
using NodaTime.Text;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.OnCall;

/// <summary>What interrupts an escalation, or changes what it is for, ends it for nobody: steps and each person's contacts go on where they stood.</summary>
internal sealed class EscalationGoesOnTests
{
    private const string BoThenAna = EscalationStoryTests.People + """
        escalation_policies:
          - key: critical
            name: Critical
            steps:
              - {targets: [{person: bo}], escalate_after: 5m}
              - {targets: [{person: ana}], escalate_after: 10m}
        """;

    private static readonly string OneRouteWithout = EscalationStoryTests.Routing + "\n  routes:\n    - matchers: ['bare=\"yes\"']\n      escalation_policy: none\n";

    private Engine _engine = null!;

    [TearDown]
    public async Task Stop()
    {
        try
        {
            await _engine.ExpectsAllAccountedFor();
        }
        finally
        {
            await _engine.DisposeAsync();
        }
    }

    private async Task StartAsync(string onCall = EscalationStoryTests.ThreeSteps, string? routing = null) => _engine = await Engine.StartAsync(routing ?? EscalationStoryTests.Routing, onCall: onCall);

    private int Roots(string member) => _engine.StandIns.Slack.Roots.Count(m => m.Channel.EndsWith(member[1..], StringComparison.Ordinal));

    private int Mails(string person) => _engine.StandIns.Smtp.Mails.Count(m => m.Recipients.Contains($"{person}@example.org"));

    /// <summary>What fired and when, in minutes since nine o'clock: "0 ana".</summary>
    private async Task<string[]> Fired(long number = 1) =>
        [.. (await _engine.Get($"incidents/{number}/timeline?limit=100"))["items"]!.AsArray().Where(e => e!["kind"]!.GetValue<string>() == "step_fired")
            .Select(e => $"{(InstantPattern.ExtendedIso.Parse(e!["at"]!.GetValue<string>()).Value - Instant.FromUtc(2026, 3, 2, 9, 0)).TotalMinutes.ToString("0.#", CultureInfo.InvariantCulture)} {e["text"]!.GetValue<string>().Split("telling ").Last().TrimEnd('.')}")];

    private async Task<JsonNode> Page(long number = 1, int index = 0) => (await _engine.Get($"incidents/{number}/pages"))["items"]![index]!;

    private async Task Silence(string until)
    {
        var (status, answer) = await _engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, reason = "being mended", ends_at = until });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), answer.ToJsonString());
    }

    [Test]
    public async Task Giving_back_goes_on_with_a_persons_contacts_where_they_stood()
    {
        await StartAsync();
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        await _engine.Does(1, "acknowledge");
        Assert.That((await Page())["state"]!.GetValue<string>(), Is.EqualTo("held"));
        await _engine.Passes(Minutes(30));
        await _engine.Does(1, "unacknowledge");
        await _engine.Passes(Seconds(115));
        Assert.That(Mails("ana"), Is.Zero, "two of her three minutes were left");
        await _engine.Passes(Seconds(10));

        Assert.That(Mails("ana"), Is.EqualTo(1));
        Assert.That((await Page())["contacts"]!.AsArray().Select(c => c!["state"]!.GetValue<string>()), Is.EqualTo(["delivered", "delivered"]));
    }

    [Test]
    public async Task The_end_of_a_snooze_goes_on_with_a_persons_contacts_where_they_stood()
    {
        await StartAsync();
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        await _engine.Does(1, "snooze", new { minutes = 10 });
        await _engine.Passes(Seconds(600 + 110));
        Assert.That(Mails("ana"), Is.Zero);
        await _engine.Passes(Seconds(20));
        Assert.That(Mails("ana"), Is.EqualTo(1));
    }

    [Test]
    public async Task The_end_of_what_hid_an_incident_goes_on_with_a_persons_contacts_also_after_the_policys_end()
    {
        await StartAsync(EscalationStoryTests.People + """
            escalation_policies:
              - key: critical
                name: Critical
                steps:
                  - {targets: [{person: ana}], escalate_after: 1m}
            """);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(2));
        Assert.That((await _engine.Get("incidents/1"))["escalation"]!["state"]!.GetValue<string>(), Is.EqualTo("ended"));
        await Silence("2026-03-02T09:12:00Z");
        await _engine.Passes(Minutes(9));
        Assert.That(Mails("ana"), Is.Zero);
        await _engine.Passes(Minutes(4));
        Assert.That(Mails("ana"), Is.EqualTo(1));
    }

    [Test]
    public async Task What_waited_in_a_message_that_is_over_is_told_again_in_one()
    {
        await StartAsync();
        await _engine.Receives([.. Enumerable.Range(1, 9).Select(i => Firing($"Disk{i}").As("critical"))]);
        Assert.That(Roots("U0ANA00001"), Is.EqualTo(6));
        for (var number = 1; number <= 9; number++) await _engine.Does(number, "acknowledge");
        await _engine.Passes(Seconds(20));
        Assert.That(await _engine.Query<long>("select count(*) from notices where closed_at is null"), Is.Zero);

        for (var number = 1; number <= 9; number++) await _engine.Does(number, "unacknowledge");
        Assert.That(await _engine.Query<int>("select firing_alerts from notices where closed_at is null"), Is.EqualTo(4));
        Assert.That(Roots("U0ANA00001"), Is.EqualTo(7), "one list more, and not four messages");
        Assert.That(await _engine.Query<long>("select count(*) from pages where status = 'running'"), Is.EqualTo(9));
    }

    [Test]
    public async Task A_message_that_goes_on_says_how_many_wait_again()
    {
        await StartAsync();
        await _engine.Receives([.. Enumerable.Range(1, 9).Select(i => Firing($"Disk{i}").As("critical"))]);
        var waiting = await _engine.Query<long>("select min(incident_number) from pages where bundled_in is not null");
        await _engine.Does(waiting, "acknowledge");
        Assert.That(await _engine.Query<int>("select firing_alerts from notices"), Is.EqualTo(3));
        await _engine.Does(waiting, "unacknowledge");
        Assert.That(await _engine.Query<int>("select firing_alerts from notices"), Is.EqualTo(4));
        Assert.That(Roots("U0ANA00001"), Is.EqualTo(6));
    }

    [Test]
    public async Task A_first_contact_with_a_wait_hears_of_the_end_too()
    {
        await StartAsync(EscalationStoryTests.ThreeSteps.Replace("[{channel: slack}, {channel: email, wait: 3m}]", "[{channel: slack, wait: 1m}]", StringComparison.Ordinal));
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(Roots("U0ANA00001"), Is.Zero);
        await _engine.Passes(Minutes(1));
        Assert.That(Roots("U0ANA00001"), Is.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("contact_tried: Trying ana over slack."));
        Assert.That((await _engine.Get("incidents/1"))["receivers"]!.AsArray().Select(r => r!.GetValue<string>()), Does.Contain("@ana/slack"));

        await _engine.Does(1, "acknowledge");
        await _engine.Passes(Seconds(10));
        Assert.That(_engine.StandIns.Slack.Roots.Single(m => m.Channel.EndsWith("0ANA00001", StringComparison.Ordinal)).Updates, Is.GreaterThan(0), "the message says who has it");
    }

    [Test]
    public async Task A_severity_that_rises_calls_people_anew_although_the_steps_are_the_same()
    {
        await StartAsync(
            EscalationStoryTests.ThreeSteps.Replace("    contacts: [{channel: slack}]", "    contacts: [{channel: slack}]\n    quiet_hours: [{from: \"00:00\", until: \"00:00\"}]", StringComparison.Ordinal),
            EscalationStoryTests.Routing.Replace("{critical: critical}", "{critical: critical, warning: critical}", StringComparison.Ordinal));
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Passes(Minutes(8));
        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 cy, receiver \"critical\""]), "a warning does not disturb Bo");
        await _engine.Does(1, "severity", new { severity = "critical" });
        await _engine.Passes(Minutes(6));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "5 cy, receiver \"critical\"", "8 ana", "13 bo"]));
    }

    [Test]
    public async Task A_policy_that_comes_by_a_merge_calls_people_for_the_incident_that_stays()
    {
        await StartAsync(routing: OneRouteWithout);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Receives(Firing("Other").As("critical").With("bare", "yes"));
        await _engine.Passes(Minutes(6));
        await _engine.Does(1, "merge", new { into = 2 });
        await _engine.Passes(Minutes(6));

        Assert.That(await Fired(1), Is.EqualTo(["0 ana", "5 bo"]));
        Assert.That(await Fired(2), Is.EqualTo(["6 ana", "11 bo"]));
    }

    [Test]
    public async Task A_ring_that_fails_without_a_page_of_its_own_goes_to_the_person_in_another_way()
    {
        await StartAsync(BoThenAna, OneRouteWithout);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Receives(Firing("Other").As("critical").With("bare", "yes"));
        await _engine.Passes(Minutes(6));
        _engine.StandIns.Slack.UnknownChannels.Add("U0ANA00001");
        await _engine.Does(1, "merge", new { into = 2 });
        await _engine.Does(2, "snooze", new { minutes = 1 });
        Assert.That((Mails("ana"), await _engine.Query<long>("select count(*) from pages where incident_number = 2 and person = 'ana'")), Is.EqualTo((0, 0L)));

        await _engine.Passes(Minutes(2));
        Assert.That(Mails("ana"), Is.EqualTo(1), "she was told of it in the incident that was merged, and is called again");
        Assert.That(await _engine.Timeline(2), Does.Contain("@ana/email is told instead"));
    }

    [Test]
    public async Task A_channel_that_failed_a_message_has_failed_what_joins_it()
    {
        await StartAsync();
        _engine.StandIns.Slack.UnknownChannels.Add("U0ANA00001");
        await _engine.Receives([.. Enumerable.Range(1, 6).Select(i => Firing($"Disk{i}").As("critical"))]);
        await _engine.Passes(Seconds(30));
        Assert.That((await Page(6))["contacts"]!.AsArray().Select(c => c!["state"]!.GetValue<string>()), Is.EqualTo(["failed", "delivered"]));
        await _engine.Receives(Firing("Disk7").As("critical"));

        Assert.That((await Page(7))["bundled"]!.GetValue<bool>(), Is.True);
        Assert.That(await _engine.Query<int>("select begun from pages where incident_number = 7"), Is.EqualTo(2), "the next contact does not wait");
        Assert.That(await _engine.Timeline(7), Does.Contain("contact_failed: ana was not reached over slack; trying email."));
    }

    [Test]
    public async Task Whoever_escalates_breaks_through_what_hides_the_incident_until_that_is_over()
    {
        await StartAsync(EscalationStoryTests.ThreeSteps);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        await Silence("2026-03-02T09:20:00Z");
        await _engine.Passes(Minutes(1));
        Assert.That(await _engine.Query<string>("select quiet_rule from incidents where number = 1"), Does.StartWith("silence/"));
        await _engine.Does(1, "escalate");
        await _engine.Passes(Minutes(12));

        Assert.That(await Fired(), Is.EqualTo(["0 ana", "2 bo", "12 cy, receiver \"critical\""]));
        Assert.That(await _engine.Query<long>("select count(*) from mutings where ended_at is null"), Is.Zero, "it hides nothing, and is no debt");
        Assert.That(await _engine.Query<long>("select count(*) from mutings"), Is.EqualTo(1));

        await _engine.Passes(Minutes(8));
        Assert.That(await _engine.Query<long>("select count(*) from incidents where loud_despite is not null"), Is.Zero, "the silence is over");
        await Silence("2026-03-02T10:20:00Z");
        Assert.That(await _engine.Query<string>("select quiet_rule from incidents where number = 1"), Does.StartWith("silence/"), "another hides it");
    }

    [Test]
    public async Task While_a_flapping_incident_has_nothing_that_fires_nobody_is_called()
    {
        await StartAsync(routing: EscalationStoryTests.Routing.Replace("route:", "incidents:\n  flapping: {transitions: 3, within: 30m, settle_after: 25m}\nroute:", StringComparison.Ordinal));
        var alert = Firing("DiskFull").As("critical");
        await _engine.Receives(alert);
        await _engine.Receives(Resolved("DiskFull").As("critical"));
        await _engine.Passes(Minutes(1));
        await _engine.Receives(alert.Since("2026-03-02T09:01:00Z"));
        await _engine.Passes(Minutes(1));
        await _engine.Receives(Resolved("DiskFull").As("critical").Since("2026-03-02T09:01:00Z"));
        Assert.That((await _engine.Get("incidents/1"))["flapping_since"], Is.Not.Null);
        var fired = await Fired();
        await _engine.Passes(Minutes(9));

        Assert.That(await Fired(), Is.EqualTo(fired), "Bo is not called for what does not fire");
        Assert.That(Mails("ana"), Is.Zero, "nor Ana in another way");
        var shown = (await _engine.Get("incidents/1"))["escalation"]!;
        Assert.That((shown["state"]!.GetValue<string>(), shown["reason"]!.GetValue<string>()), Is.EqualTo(("held", "it flaps, and nothing of it fires just now")));

        await _engine.Receives(alert.Since("2026-03-02T09:11:00Z"));
        Assert.That(await Fired(), Is.EqualTo([.. fired, "11 bo"]), "it fires again, and his time had come");
        Assert.That(Mails("ana"), Is.EqualTo(1));
    }
}
