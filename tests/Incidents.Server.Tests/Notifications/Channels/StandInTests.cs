using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Server.Notifications.Channels;
using Incidents.StandIns;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

/// <summary>The stand-ins must be as strict as the real ones, or the other tests prove nothing.</summary>
public class StandInTests
{
    private ChannelHarness _harness = null!;
    private HttpClient _http = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _harness = await StartAsync();
        _http = new HttpClient { BaseAddress = new Uri(_harness.StandIns.Url) };
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        _http.Dispose();
        await _harness.DisposeAsync();
    }

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    [Test]
    public async Task Everything_received_is_on_one_page_and_in_one_document()
    {
        await _harness.SendAsync("pagerduty", new PagerDutyReceiver(), Checkout());
        await _harness.SendAsync("slack", new SlackReceiver { Channel = "#critical-alerts" }, Checkout() with { Title = "<b>bold</b>" });
        await _harness.SendAsync("email", new EmailReceiver { To = ["ana@example.org"] }, Checkout());
        await _harness.SendAsync("loki", new LokiReceiver(), Checkout() with { Log = [Line(1)] });
        await _harness.SendAsync("webhook", new WebhookReceiver { Url = new Uri(_harness.StandIns.WebhookUrl) }, Checkout());

        var page = await _http.GetStringAsync(new Uri("/", UriKind.Relative));
        var state = JsonNode.Parse(await _http.GetStringAsync(new Uri("/state", UriKind.Relative)))!;
        Assert.That(page, Does.Contain("inc-142").And.Contain("#critical-alerts").And.Contain("[CRITICAL] INC-142").And.Contain("something happened").And.Contain("incident.opened").And.Not.Contain("<b>bold"));
        Assert.That((string?)state["pagerduty"]!["incidents"]![0]!["state"], Is.EqualTo("triggered"));
        Assert.That((string?)state["slack"]!["messages"]![0]!["channel_name"], Is.EqualTo("critical-alerts"));
        Assert.That((string?)state["mails"]![0]!["recipients"]![0], Is.EqualTo("ana@example.org"));
        Assert.That(state["loki"]!["lines"]!.AsArray(), Has.Count.EqualTo(1));
        Assert.That(state.ToJsonString(), Does.Not.Contain(PagerDutyKey));
    }

    [Test]
    public async Task Faults_and_resets_can_be_ordered_over_HTTP()
    {
        await _http.PostAsJsonAsync("/faults", new { endpoint = "pagerduty", status = 503, times = 2 });

        Assert.That(await Enqueue("{}"), Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        await _http.PostAsync(new Uri("/reset", UriKind.Relative), null);
        Assert.That(await Enqueue("{}"), Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [TestCase("""{"routing_key":"short","event_action":"trigger"}""")]
    [TestCase("""{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"explode","dedup_key":"a"}""")]
    [TestCase("""{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"resolve"}""")]
    [TestCase("""{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"trigger","dedup_key":"a","payload":{"summary":"x","source":"y","severity":"CRITICAL"}}""")]
    [TestCase("""{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"trigger","dedup_key":"a","payload":{"summary":"x","source":"","severity":"critical"}}""")]
    [TestCase("""{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"trigger","dedup_key":"a","payload":{"summary":"x","source":"y","severity":"critical","custom_details":"text"}}""")]
    public async Task PagerDuty_refuses_what_the_real_one_refuses(string body) => Assert.That(await Enqueue(body), Is.EqualTo(HttpStatusCode.BadRequest));

    [TestCase("""{"text":""}""", "no_text")]
    [TestCase("""{"text":"x","blocks":[{"type":"header","text":{"type":"plain_text","text":"HUGE"}}]}""", "invalid_blocks")]
    [TestCase("""{"text":"x","blocks":[{"type":"section","text":{"type":"mrkdwn","text":""}}]}""", "invalid_blocks")]
    [TestCase("""{"text":"x","attachments":[{"blocks":[{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"1"}},{"type":"button","action_id":"a","text":{"type":"plain_text","text":"2"}}]}]}]}""", "invalid_attachments")]
    public void Slack_refuses_what_the_real_one_refuses(string body, string error) =>
        Assert.That(BlockKit.Check(JsonNode.Parse(body.Replace("HUGE", new string('x', 151), StringComparison.Ordinal))!.AsObject())?.Error, Is.EqualTo(error));

    [Test]
    public async Task Slack_refuses_a_token_that_is_none()
    {
        await using var wrong = _harness.With(("Slack:BotToken", "nonsense"));

        Assert.That(await wrong.SendAsync("slack", new SlackReceiver { Channel = "#a" }, Checkout()), Is.InstanceOf<Incidents.Domain.Notifications.DeliveryResult.Misconfigured>());
    }

    private async Task<HttpStatusCode> Enqueue(string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync(new Uri("/v2/enqueue", UriKind.Relative), content);
        return answer.StatusCode;
    }
}
