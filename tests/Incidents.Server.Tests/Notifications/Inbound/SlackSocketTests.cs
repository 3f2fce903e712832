using System.Text.Json.Nodes;
using Incidents.Server.Notifications.Inbound;
using Incidents.StandIns;
using Microsoft.Extensions.DependencyInjection;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>Buttons and commands over Socket Mode, against a stand-in that speaks it.</summary>
internal sealed class SlackSocketTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private Engine _engine = null!;

    private SlackStandIn Slack => _engine.StandIns.Slack;

    [SetUp]
    public async Task Start()
    {
        _engine = await Elsewhere.StartAsync(("Slack:AppToken", "xapp-1-secret"));
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.LinksCarolAsync();
        await Until(() => Slack.OpenSockets == 1);
    }

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    /// <summary>Other tasks have their turn; the clock of the story stands still.</summary>
    private static async Task Until(Func<bool> holds)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.That(TimeProvider.System.GetElapsedTime(begun), Is.LessThan(Patience), "it does not come about");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    private async Task SendsAsync(string type, JsonObject payload, string? envelope = null)
    {
        await (await Slack.SendAsync(type, payload, envelope)).WaitAsync(Patience);
        await _engine.RunsDueWork();
    }

    [Test]
    public async Task A_button_acknowledges_once_and_the_message_shows_it()
    {
        await SendsAsync("interactive", Slack.Press(_engine.TheSlackMessage(), "incident_ack"));

        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("Ana"));
        Assert.That(await _engine.Timeline(1), Does.Contain("Acknowledged in Slack by Ana."));
        Assert.That(_engine.TheSlackMessage().Words, Does.Contain("Acknowledged by Ana"));
        Assert.That(_engine.TheSlackMessage().Updates, Is.EqualTo(1));
        Assert.That(_engine.StandIns.PagerDuty.Alerts["inc-1"].State, Is.EqualTo("acknowledged"));
        Assert.That(_engine.LastAnswer(), Does.Contain("Acknowledged by Ana 09:00 UTC"));
    }

    [Test]
    public async Task Commands_and_shortcuts_arrive_and_what_we_do_not_know_is_acknowledged()
    {
        await SendsAsync("slash_commands", new JsonObject(Slack.Command("note 1 from the socket").Select(f => KeyValuePair.Create(f.Key, (JsonNode?)f.Value))));
        await SendsAsync("interactive", Slack.AddToTimeline(_engine.TheSlackMessage(), "from the thread", Elsewhere.Carol));
        await SendsAsync("events_api", new JsonObject { ["event"] = new JsonObject { ["type"] = "app_home_opened" } });
        await SendsAsync("something_new", []);

        Assert.That(await _engine.Timeline(1), Does.Contain("note: from the socket").And.Contain("note: from the thread"));
        Assert.That(await _engine.InboundAsync(), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task An_envelope_that_comes_again_is_acknowledged_and_does_nothing_more()
    {
        var note = new JsonObject(Slack.Command("note 1 once").Select(f => KeyValuePair.Create(f.Key, (JsonNode?)f.Value)));
        await SendsAsync("slash_commands", note, "e-1");
        await SendsAsync("slash_commands", note, "e-1");
        Assert.That((await _engine.Timeline(1)).Split('\n').Count(l => l == "note: once"), Is.EqualTo(1));
    }

    [TestCase("warning")]
    [TestCase("refresh_requested")]
    public async Task When_Slack_announces_the_end_a_new_connection_stands_before_the_old_one_goes(string reason)
    {
        var least = int.MaxValue;
        await Slack.DisconnectAsync(reason);
        await Until(() =>
        {
            least = Math.Min(least, Slack.OpenSockets);
            return Slack is { OpenedSockets: 2, OpenSockets: 1 };
        });
        Assert.That(least, Is.GreaterThanOrEqualTo(1));
        await SendsAsync("interactive", Slack.Press(_engine.TheSlackMessage(), "incident_ack"));
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
    }

    [Test]
    public async Task A_connection_that_breaks_is_made_again_after_a_pause()
    {
        Slack.DropSockets();
        await Until(() => Slack.OpenSockets == 0 && _engine.Services.GetRequiredService<SlackSocketHealth>().Problem is not null);
        Assert.That((await Readiness())["status"]!.GetValue<string>(), Is.EqualTo("degraded"));

        await Until(() =>
        {
            _engine.Clock.Advance(TimeSpan.FromSeconds(1));
            return Slack.OpenSockets == 1;
        });
        await Until(() => _engine.Services.GetRequiredService<SlackSocketHealth>().Problem is null);
        _engine.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.That((await Readiness())["status"]!.GetValue<string>(), Is.EqualTo("ok"));
    }

    [Test]
    public async Task A_wrong_token_is_named_and_stops_nothing_else()
    {
        await using var wrong = await Engine.StartAsync(settings: [("Slack:AppToken", "xoxb-not-an-app-token")]);
        var health = wrong.Services.GetRequiredService<SlackSocketHealth>();
        await Until(() => health.Problem is not null);
        Assert.That(health.Problem, Does.Contain("not_allowed_token_type").And.Contain("Slack__AppToken").And.Not.Contain("xoxb-not"));
        await wrong.Receives(Firing("DiskFull").As("critical"));
        Assert.That(wrong.StandIns.Slack.Roots, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Two_replicas_have_a_connection_each_and_any_of_them_takes_an_envelope()
    {
        await using (var other = await Engine.StartAsync(beside: _engine, settings: [("Slack:AppToken", "xapp-1-secret")]))
        {
            await Until(() => Slack.OpenSockets == 2);
            for (var i = 0; i < 8; i++) await SendsAsync("slash_commands", new JsonObject(Slack.Command($"note 1 number {i}").Select(f => KeyValuePair.Create(f.Key, (JsonNode?)f.Value))));
        }

        await Until(() => Slack.OpenSockets == 1);
        Assert.That((await _engine.Timeline(1)).Split('\n').Count(l => l.StartsWith("note: number", StringComparison.Ordinal)), Is.EqualTo(8));
    }

    private async Task<JsonNode> Readiness()
    {
        using var answer = await _engine.Http.GetAsync(new Uri("/readyz", UriKind.Relative));
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "slack")!;
    }
}
