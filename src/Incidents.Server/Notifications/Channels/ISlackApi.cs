using System.Text.Json.Nodes;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>
/// The few methods of Slack's Web API that messages need. Narrow on purpose: SlackNet could take this place (docs/decisions/slack-client.md).
/// Network failures are exceptions; everything Slack says, <c>ok:false</c> included, is an answer.
/// </summary>
internal interface ISlackApi
{
    /// <summary>False while <c>Slack__BotToken</c> is not set; then no method may be called.</summary>
    bool HasToken { get; }

    /// <summary><c>chat.postMessage</c>.</summary>
    Task<SlackAnswer> PostMessageAsync(SlackMessage message, CancellationToken cancellationToken);

    /// <summary><c>chat.update</c> of our own message <paramref name="ts"/>; what the message does not carry is removed.</summary>
    Task<SlackAnswer> UpdateMessageAsync(SlackMessage message, string ts, CancellationToken cancellationToken);

    /// <summary>
    /// <c>conversations.history</c> with metadata, newest first, from <paramref name="oldest"/> on: the ts of the first message of ours whose metadata has this event type
    /// and payload; <see cref="SlackAnswer.Ts"/> is null when none has.
    /// </summary>
    Task<SlackAnswer> FindMessageAsync(string channelId, string eventType, IReadOnlyDictionary<string, string> payload, Instant oldest, CancellationToken cancellationToken);

    /// <summary><c>apps.connections.open</c> with the app token: the address of one WebSocket, good for one use and a short while; null when Slack refuses.</summary>
    Task<(Uri? Url, SlackAnswer Answer)> OpenConnectionAsync(CancellationToken cancellationToken);
}

/// <summary>One message as Slack takes it. Text is already escaped.</summary>
internal sealed record SlackMessage
{
    /// <summary>Channel id (<c>C0123456789</c>) or, for posts only, a name (<c>#alerts</c>).</summary>
    public required string Channel { get; init; }

    /// <summary>What a notification shows; the whole message when there are no blocks.</summary>
    public required string Text { get; init; }

    public JsonArray? Blocks { get; init; }

    public JsonArray? Attachments { get; init; }

    /// <summary>The root's ts when this is a reply in its thread.</summary>
    public string? ThreadTs { get; init; }

    /// <summary>Shows the reply in the channel too.</summary>
    public bool Broadcast { get; init; }

    public string? EventType { get; init; }

    public IReadOnlyDictionary<string, string> EventPayload { get; init; } = new Dictionary<string, string>();
}

/// <summary>What Slack answered.</summary>
/// <param name="Status">HTTP status; 200 says nothing yet.</param>
/// <param name="Ok">True only when Slack says so.</param>
/// <param name="Error">Slack's word (<c>channel_not_found</c>); null when ok or when the body was not Slack's.</param>
/// <param name="Detail">Slack's further words on the error, one line; empty when none.</param>
/// <param name="Channel">Id of the channel the message is in.</param>
/// <param name="Ts">Key of the message within its channel. A string: as a number it loses digits.</param>
/// <param name="RetryAfter">How long Slack asks to wait.</param>
internal sealed record SlackAnswer(int Status, bool Ok, string? Error = null, string Detail = "", string? Channel = null, string? Ts = null, Duration? RetryAfter = null);
