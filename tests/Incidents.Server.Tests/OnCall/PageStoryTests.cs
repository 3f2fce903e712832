using System.Net;
using System.Text.Json.Nodes;
using Incidents.StandIns;
using NodaTime;
using static Incidents.Server.Tests.Engine;
using static Incidents.Server.Tests.OnCall.EscalationStoryTests;

namespace Incidents.Server.Tests.OnCall;

/// <summary>How a person is reached: one way after the other until somebody has the incident, and without ringing to death in a storm.</summary>
internal sealed class PageStoryTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync(EscalationStoryTests.Routing, onCall: ThreeSteps);

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    private int Roots(string member) => _engine.StandIns.Slack.Roots.Count(m => m.Channel.EndsWith(member[1..], StringComparison.Ordinal));

    private int Mails(string person) => _engine.StandIns.Smtp.Mails.Count(m => m.Recipients.Contains($"{person}@example.org"));

    private async Task<JsonNode> Page(int index = 0) => (await _engine.Get("incidents/1/pages"))["items"]![index]!;

    [Test]
    public async Task The_next_contact_is_tried_after_its_wait_while_nobody_acknowledges()
    {
        await _engine.Receives(Firing("DiskFull").As("critical"));
        var slack = (await Page())["contacts"]![0]!;
        Assert.That((slack["state"]!.GetValue<string>(), slack["delivered_at"]!.GetValue<string>()), Is.EqualTo(("delivered", "2026-03-02T09:00:00Z")));
        Assert.That((await Page())["contacts"]![1]!["due_at"]!.GetValue<string>(), Is.EqualTo("2026-03-02T09:03:00Z"));
        await _engine.Passes(Seconds(120));
        Assert.That(Mails("ana"), Is.Zero);
        await _engine.Passes(Seconds(60));
        Assert.That(Mails("ana"), Is.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("contact_tried: ana has not acknowledged; trying email."));
    }

    [Test]
    public async Task A_contact_that_fails_gives_way_to_the_next_at_once()
    {
        _engine.StandIns.Slack.UnknownChannels.Add("U0ANA00001");
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Seconds(25));
        Assert.That(Mails("ana"), Is.EqualTo(1));
        Assert.That(await _engine.Timeline(1), Does.Contain("contact_failed: ana was not reached over slack; trying email."));
        Assert.That((await Page())["contacts"]!.AsArray().Select(c => c!["state"]!.GetValue<string>()), Is.EqualTo(["failed", "delivered"]));
    }

    [Test]
    public async Task When_nobody_of_a_step_can_be_told_the_next_step_does_not_wait()
    {
        _engine.StandIns.Slack.UnknownChannels.Add("U0ANA00001");
        _engine.StandIns.Faults.Add("smtp/rcpt", new Fault { Status = 550, Body = "no such user", Times = 100 });
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Seconds(60));
        Assert.That(await _engine.Timeline(1), Does.Contain("step_failed: Step 1 of 3 reached nobody: ana could not be told; going on at once.").And.Contain("Step 2 of 3: telling bo."));
        Assert.That(Roots("U0BO000001"), Is.EqualTo(1));
        Assert.That((await Page())["state"]!.GetValue<string>(), Is.EqualTo("in_vain"));
    }

    [Test]
    public async Task In_a_storm_the_first_pages_ring_and_the_others_wait_in_one_message()
    {
        await _engine.Receives([.. Enumerable.Range(1, 30).Select(i => Firing($"Disk{i}").As("critical"))]);
        Assert.That(Roots("U0ANA00001"), Is.EqualTo(6), "five ring, one has the list, and none waited");
        var list = _engine.StandIns.Slack.Roots.Single(m => m.Text.Contains("more incidents waiting for you", StringComparison.Ordinal));
        Assert.That(list.Text, Does.Contain("25 more incidents"));
        Assert.That(list.Words, Does.Contain("INC-30").Or.Contain("and 5 more"));
        Assert.That(await _engine.Query<long>("select count(*) from timeline_entries where kind = 'page_bundled'"), Is.EqualTo(25));
        Assert.That(await _engine.Query<long>("select count(*) from pages where person = 'ana'"), Is.EqualTo(30), "nothing is lost");

        for (var number = 1; number <= 30; number++) await _engine.Does(number, "acknowledge");
        await _engine.Passes(Seconds(20));
        Assert.That(list.Text, Does.Contain("none does now"), "the list is kept true");
        Assert.That(await _engine.Query<long>("select count(*) from notices where closed_at is null"), Is.Zero);
    }

    [Test]
    public async Task A_page_that_waits_for_its_turn_at_a_working_receiver_does_not_flood_another()
    {
        await _engine.Receives([.. Enumerable.Range(1, 60).Select(i => Firing($"Disk{i}").As("critical"))]);
        await _engine.Passes(Seconds(70));
        Assert.That(await _engine.Query<long>("select count(*) from timeline_entries where kind = 'delivery_fell_over'"), Is.Zero);
        Assert.That(await _engine.Query<long>("select count(distinct incident_number) from deliveries where receiver = 'critical' and state = 'delivered'"), Is.EqualTo(60));
    }

    [Test]
    public async Task A_test_page_goes_over_every_contact_and_says_how_long_it_took()
    {
        var (status, answer) = await _engine.Post("people/ana/test-page");
        Assert.That(status, Is.EqualTo(HttpStatusCode.Accepted), answer.ToJsonString());
        var shown = await _engine.Get($"people/ana/test-page/{answer["id"]}");
        Assert.That(shown["contacts"]!.AsArray().Select(c => $"{c!["channel"]} {c["state"]} {c["took_ms"]}"), Is.EqualTo(["slack delivered 0", "email delivered 0"]));
        Assert.That((Roots("U0ANA00001"), Mails("ana")), Is.EqualTo((1, 1)));
        Assert.That(_engine.StandIns.Slack.Roots[0].Text, Does.Contain("Test page for Ana"));
        Assert.That((await _engine.Post("people/nobody/test-page")).Status, Is.EqualTo(HttpStatusCode.NotFound));

        await _engine.Passes(Minutes(11));
        Assert.That(await _engine.Query<long>("select count(*) from notices where closed_at is null"), Is.Zero, "it ends by itself");
    }
}
