using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.StandIns;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>What came back.</summary>
internal sealed record WebAnswer(HttpStatusCode Status, string Body);

/// <summary>What people do in Slack and PagerDuty, as it arrives at the engine.</summary>
internal static class Elsewhere
{
    /// <summary>The secret of Slack's own example.</summary>
    public const string SlackSecret = "8f742231b10e8888abcd99yyyzzz85a5";

    public const string PagerDutySecret = "a-secret-of-a-subscription";
    public const string Carol = "U0A1B2C3D4E";

    public static SlackMessageRecord TheSlackMessage(this Engine engine) => engine.StandIns.Slack.Roots.Single();

    public static Task<Engine> StartAsync(params (string Key, string Value)[] settings) =>
        Engine.StartAsync(settings: [("Slack:SigningSecret", SlackSecret), ("PagerDuty:WebhookSecret", PagerDutySecret), .. settings]);

    /// <summary>From now on Carol of Slack is Ana here.</summary>
    public static async Task LinksCarolAsync(this Engine engine)
    {
        using var answer = await engine.Http.PutAsJsonAsync(new Uri($"/api/v1/account-links/slack/{Carol}", UriKind.Relative), new { name = "Ana" });
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.NoContent), await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A signed request of Slack; nothing that follows is done yet.</summary>
    public static async Task<WebAnswer> SlackSendsAsync(this Engine engine, string path, string body, string? signature = null, long? timestamp = null, string contentType = "application/x-www-form-urlencoded")
    {
        var at = (timestamp ?? engine.Now.ToUnixTimeSeconds()).ToString(CultureInfo.InvariantCulture);
        using var client = engine.Client(null);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/webhooks/slack/{path}") { Content = new StringContent(body, Encoding.UTF8, contentType) };
        request.Headers.Add("X-Slack-Request-Timestamp", at);
        request.Headers.Add("X-Slack-Signature", signature ?? SlackStandIn.Sign(SlackSecret, at, body));
        using var answer = await client.SendAsync(request);
        return new WebAnswer(answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Somebody presses a button, and what follows at once is done.</summary>
    public static async Task PressesAsync(this Engine engine, string action, string? option = null, string user = Carol)
    {
        var (status, body) = await engine.SlackSendsAsync("interactions", Form(engine.StandIns.Slack.Press(engine.TheSlackMessage(), action, option, user)));
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK), body);
        Assert.That(body, Is.Empty, "Slack shows no text that comes with the acknowledgement");
        await engine.RunsDueWork();
    }

    /// <summary>Somebody types the command. The answer is what only they see.</summary>
    public static async Task<string> TypesAsync(this Engine engine, string text, string user = Carol)
    {
        var fields = engine.StandIns.Slack.Command(text, user);
        var (status, _) = await engine.SlackSendsAsync("commands", string.Join('&', fields.Select(f => $"{f.Key}={Uri.EscapeDataString(f.Value)}")));
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK));
        await engine.RunsDueWork();
        return engine.LastAnswer();
    }

    public static string LastAnswer(this Engine engine) => engine.StandIns.Slack.Answers[^1]["text"]!.GetValue<string>();

    public static string Form(JsonObject payload) => "payload=" + Uri.EscapeDataString(payload.ToJsonString());

    /// <summary>PagerDuty sends a webhook; nothing that follows is done yet.</summary>
    public static async Task<HttpStatusCode> PagerDutySendsAsync(this Engine engine, string body, string? signature = null)
    {
        using var client = engine.Client(null);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/pagerduty") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("X-PagerDuty-Signature", signature ?? PagerDutyWebhookMessage.Sign(body, PagerDutySecret));
        using var answer = await client.SendAsync(request);
        return answer.StatusCode;
    }

    /// <summary>Every webhook that waits at PagerDuty arrives, and what follows is done, until none is left.</summary>
    public static async Task PagerDutyIsHeardAsync(this Engine engine)
    {
        while (engine.StandIns.PagerDuty.TakeWebhooks() is { Count: > 0 } waiting)
        {
            foreach (var webhook in waiting) Assert.That(await engine.PagerDutySendsAsync(webhook.Body), Is.EqualTo(HttpStatusCode.Accepted));
            await engine.RunsDueWork();
        }
    }

    public static async Task<string> State(this Engine engine) => (await engine.TheIncident())["state"]!.GetValue<string>();

    public static async Task<IReadOnlyList<JsonNode>> InboundAsync(this Engine engine) => [.. (await engine.Get("inbound-actions"))["items"]!.AsArray().Reverse()!];

    /// <summary>What arrived about one incident, from the table.</summary>
    public static async Task<IReadOnlyList<string>> InboundAsync(this Engine engine, long number)
    {
        await using var command = engine.Sql.CreateCommand("select id || ' ' || occurred_at || ' ' || kind || ': ' || coalesce(outcome, state) from inbound_actions where incident_number = $1 order by id");
        command.Parameters.AddWithValue(number);
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync()) lines.Add(reader.GetString(0));
        return lines;
    }
}
