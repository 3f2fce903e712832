using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Microsoft.Extensions.Options;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>Slack's Web API. Section <c>Slack</c>.</summary>
internal sealed class SlackOptions
{
    /// <summary>Base address of the Web API. Default <c>https://slack.com/api/</c>.</summary>
    public Uri ApiUrl { get; set; } = new("https://slack.com/api/");

    /// <summary>Bot token, <c>xoxb-…</c>, with scope <c>chat:write</c>; <c>channels:history</c> lets us recognise a message whose answer was lost. No default.</summary>
    public string? BotToken { get; set; }

    /// <summary>App-level token, <c>xapp-…</c>, with scope <c>connections:write</c>: buttons and commands then arrive over Socket Mode, which needs no public address. No default.</summary>
    public string? AppToken { get; set; }

    /// <summary>Signing secret of the app: buttons and commands then arrive over HTTP at <c>/api/v1/webhooks/slack/…</c>. No default; without it those requests are refused.</summary>
    public string? SigningSecret { get; set; }

    /// <summary>What a Slack user may do whom nobody here knows: <c>nothing</c> (default; is offered to link the account), <c>acknowledge</c> (and give back), or <c>everything</c> that a linked one may.</summary>
    public string UnlinkedUsersMay { get; set; } = "nothing";
}

internal sealed class SlackApi(IHttpClientFactory http, IOptionsMonitor<SlackOptions> options, TimeProvider clock) : ISlackApi
{
    public const string HttpClientName = "slack";

    // One page of a channel's history with metadata; past it the rare double is accepted.
    private const int HistoryPage = 100;
    private const int MostHistoryBytes = 4 * 1024 * 1024;

    public bool HasToken => !string.IsNullOrWhiteSpace(options.CurrentValue.BotToken);

    public async Task<SlackAnswer> PostMessageAsync(SlackMessage message, CancellationToken cancellationToken)
    {
        var body = Common(message);
        if (message.ThreadTs is not null) body["thread_ts"] = message.ThreadTs;
        if (message.Broadcast) body["reply_broadcast"] = true;
        return Read(await CallAsync("chat.postMessage", body, cancellationToken));
    }

    public async Task<SlackAnswer> UpdateMessageAsync(SlackMessage message, string ts, CancellationToken cancellationToken)
    {
        var body = Common(message);
        body["ts"] = ts;

        // What an update leaves out stays as it was: old buttons under a new state.
        body["blocks"] ??= new JsonArray();
        body["attachments"] ??= new JsonArray();
        return Read(await CallAsync("chat.update", body, cancellationToken));
    }

    public async Task<SlackAnswer> FindMessageAsync(
        string channelId, string eventType, IReadOnlyDictionary<string, string> payload, Instant oldest, CancellationToken cancellationToken)
    {
        // Methods that read take form fields, not JSON.
        var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["channel"] = channelId,
            ["oldest"] = oldest.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture) + ".000000",
            ["inclusive"] = "true",
            ["limit"] = HistoryPage.ToString(CultureInfo.InvariantCulture),
            ["include_all_metadata"] = "true",
        });
        var answer = await SendAsync("conversations.history", form, MostHistoryBytes, cancellationToken);
        var read = Read(answer);
        if (!read.Ok) return read;

        var messages = Parse(answer.Body)?["messages"] as JsonArray;
        var ours = messages?.FirstOrDefault(message =>
            Text(message?["metadata"]?["event_type"]) == eventType
            && payload.All(field => Text(message?["metadata"]?["event_payload"]?[field.Key]) == field.Value));
        return read with { Channel = channelId, Ts = Text(ours?["ts"]) };
    }

    public async Task<(Uri? Url, SlackAnswer Answer)> OpenConnectionAsync(CancellationToken cancellationToken)
    {
        // The token goes into the header alone, with nothing in the body.
        var answer = await SendAsync("apps.connections.open", new FormUrlEncodedContent([]), 64 * 1024, cancellationToken, options.CurrentValue.AppToken);
        var read = Read(answer);
        return (read.Ok && Uri.TryCreate(Text(Parse(answer.Body)?["url"]), UriKind.Absolute, out var url) ? url : null, read);
    }

    private static JsonObject Common(SlackMessage message)
    {
        var body = new JsonObject { ["channel"] = message.Channel, ["text"] = message.Text, ["unfurl_links"] = false, ["unfurl_media"] = false };
        if (message.Blocks is not null) body["blocks"] = message.Blocks.DeepClone();
        if (message.Attachments is not null) body["attachments"] = message.Attachments.DeepClone();
        if (message.EventType is not null)
        {
            var payload = new JsonObject();
            foreach (var (name, value) in message.EventPayload) payload[name] = value;
            body["metadata"] = new JsonObject { ["event_type"] = message.EventType, ["event_payload"] = payload };
        }

        return body;
    }

    private Task<HttpAnswer> CallAsync(string method, JsonObject body, CancellationToken cancellationToken) =>
        SendAsync(method, new StringContent(body.ToJsonString(JsonSerializerOptions.Web), Encoding.UTF8, "application/json"), 1024 * 1024, cancellationToken);

    private async Task<HttpAnswer> SendAsync(string method, HttpContent content, int mostBytes, CancellationToken cancellationToken, string? token = null)
    {
        var settings = options.CurrentValue;
        var address = settings.ApiUrl.AbsoluteUri;
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((address.EndsWith('/') ? address : address + "/") + method)) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (token ?? settings.BotToken!).Trim());
        return await client.AskAsync(request, clock, cancellationToken, mostBytes);
    }

    private static SlackAnswer Read(HttpAnswer answer)
    {
        var body = Parse(answer.Body);
        var ok = answer.IsSuccess && body?["ok"] is JsonValue flag && flag.TryGetValue(out bool isOk) && isOk;
        return new SlackAnswer(answer.Status, ok, ok ? null : Text(body?["error"]), ok ? "" : Detail(body), Text(body?["channel"]), Text(body?["ts"]), answer.RetryAfter);
    }

    private static string Detail(JsonNode? body)
    {
        var words = new List<string>();
        if (Text(body?["needed"]) is { } needed) words.Add($"needed scope {needed}");
        foreach (var list in new[] { body?["errors"], body?["response_metadata"]?["messages"] })
        {
            if (list is JsonArray lines) words.AddRange(lines.Select(Text).OfType<string>());
        }

        return MessageText.Truncate(MessageText.SingleLine(string.Join("; ", words)), 200);
    }

    private static JsonNode? Parse(string body)
    {
        try
        {
            return JsonNode.Parse(body) as JsonObject;
        }
        catch (JsonException)
        {
            // A proxy's page or half an answer: the caller sees neither ok nor an error word, and decides by the status.
            return null;
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
