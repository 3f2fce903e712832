using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications.Channels;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>What somebody did in Slack, as far as it is needed to do it here: the same from HTTP and from Socket Mode.</summary>
internal sealed record SlackRequest
{
    public const string Button = "button";
    public const string Command = "command";
    public const string Shortcut = "shortcut";

    /// <summary>Callback id of the message shortcut "Add to timeline".</summary>
    public const string AddToTimeline = "add_to_timeline";

    private const int LongestText = 9000;

    public required string UserId { get; init; }

    public string UserName { get; init; } = "";

    /// <summary>Of a button its action id, or the value of the chosen option; of a shortcut its callback id.</summary>
    public string Action { get; init; } = "";

    /// <summary>The incident as the button names it: <c>INC-142</c>. Anybody may send any number here; whether they may act is asked of who they are.</summary>
    public string? Incident { get; init; }

    /// <summary>What was typed after the command, or the message of a shortcut.</summary>
    public string Text { get; init; } = "";

    public string? Channel { get; init; }

    public string? MessageTs { get; init; }

    public string? ThreadTs { get; init; }

    /// <summary>Who wrote the message of a shortcut.</summary>
    public string? AuthorId { get; init; }

    public string Write() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);

    public static SlackRequest Read(string payload) => JsonSerializer.Deserialize<SlackRequest>(payload, JsonSerializerOptions.Web) ?? throw new JsonException("An inbound Slack action has no payload.");

    /// <summary>A button, a menu or a message shortcut. Null for what asks nothing of us (a link button, a view, an action that we do not know): Slack is answered 200 all the same.</summary>
    public static InboundAction? FromInteraction(JsonNode? payload)
    {
        var type = Word(payload.At("type"));
        var user = Word(payload.At("user", "id"));
        if (user.Length == 0) return null;

        var common = new SlackRequest
        {
            UserId = user,
            UserName = First(payload.At("user", "name"), payload.At("user", "username")),
            Channel = Nullable(First(payload.At("channel", "id"), payload.At("container", "channel_id"))),
            MessageTs = Nullable(First(payload.At("message", "ts"), payload.At("message_ts"), payload.At("container", "message_ts"))),
            ThreadTs = Nullable(First(payload.At("message", "thread_ts"), payload.At("container", "thread_ts"))),
        };
        switch (type)
        {
            case "block_actions":
                var action = (payload.At("actions") as JsonArray)?.FirstOrDefault(IsOurs);
                if (action is null) return null;

                // An option says what and of which incident; a button's id says what, its value of which.
                var chosen = Word(action.At("selected_option", "value")).Split(' ', 2);
                var isMenu = action.At("selected_option") is not null;
                return Make(Button, payload, Word(action.At("action_ts")), common with
                {
                    Action = isMenu ? chosen[0] : Word(action.At("action_id")),
                    Incident = Nullable(isMenu ? chosen.ElementAtOrDefault(1) : Word(action.At("value"))),
                });
            case "message_action" when Word(payload.At("callback_id")) == AddToTimeline:
                return Make(Shortcut, payload, Word(payload.At("action_ts")), common with
                {
                    Action = AddToTimeline,
                    Text = MessageText.Truncate(Word(payload.At("message", "text")), LongestText),
                    AuthorId = Nullable(First(payload.At("message", "user"), payload.At("message", "bot_id"))),
                });
            default:
                return null;
        }

        static bool IsOurs(JsonNode? action) => Word(action.At("action_id")) is SlackLayout.AcknowledgeAction or SlackLayout.UnacknowledgeAction or SlackLayout.ResolveAction or SlackLayout.ReopenAction or SlackLayout.MoreAction;
    }

    /// <summary>The slash command; <paramref name="field"/> gives its form fields, empty for one that is absent.</summary>
    public static InboundAction? FromCommand(Func<string, string> field)
    {
        if (field("user_id").Length == 0) return null;
        return new InboundAction
        {
            Channel = "slack",
            Key = field("trigger_id") is { Length: > 0 } trigger ? $"trigger:{Cut(trigger)}" : "",
            Kind = Command,
            ReplyTo = Nullable(field("response_url")),
            Payload = new SlackRequest
            {
                UserId = Cut(field("user_id")),
                UserName = Cut(field("user_name")),
                Action = Cut(field("command")),
                Text = MessageText.Truncate(field("text"), LongestText),
                Channel = Nullable(Cut(field("channel_id"))),
            }.Write(),
        };
    }

    private static InboundAction Make(string kind, JsonNode? payload, string actionTs, SlackRequest request) => new()
    {
        Channel = "slack",

        // One interaction has one trigger, whichever way and however often it comes.
        Key = First(payload.At("trigger_id")) is { Length: > 0 } trigger ? $"trigger:{trigger}" : actionTs.Length > 0 ? $"action:{request.UserId}:{actionTs}" : "",
        Kind = kind,
        ReplyTo = Nullable(Word(payload.At("response_url"), 1000)),
        Payload = request.Write(),
    };

    private static string First(params ReadOnlySpan<JsonNode?> nodes)
    {
        foreach (var node in nodes)
        {
            if (Cut(Word(node)) is { Length: > 0 } word) return word;
        }

        return "";
    }

    private static string Word(JsonNode? node, int longest = 12_000) => node.Word(longest);

    private static string Cut(string text) => MessageText.Truncate(text, 200);

    private static string? Nullable(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
