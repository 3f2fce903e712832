using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.WebUtilities;

namespace Incidents.StandIns;

/// <summary>One message in a channel as it is now.</summary>
public sealed class SlackMessageRecord
{
    public required string Channel { get; init; }

    public required string Ts { get; init; }

    /// <summary>The root it replies to; null for a root.</summary>
    public string? ThreadTs { get; init; }

    public bool Broadcast { get; init; }

    public required JsonObject Body { get; set; }

    public int Updates { get; set; }

    public string Text => Body["text"].Word();

    /// <summary>Every text of its blocks, one a line: what a person reads.</summary>
    public string Words => string.Join('\n', TextsOf(Body["blocks"]).Concat(TextsOf(Body["attachments"])));

    /// <summary>Buttons and menus, as JSON.</summary>
    internal IEnumerable<JsonObject> Elements => (Body["attachments"] as JsonArray ?? []).SelectMany(a => a?["blocks"] as JsonArray ?? []).Where(b => b?["type"].Word() == "actions").SelectMany(b => b!["elements"] as JsonArray ?? []).OfType<JsonObject>();

    /// <summary>What can be pressed: action, option of a menu, text.</summary>
    public IReadOnlyList<(string Action, string? Option, string Text)> Buttons =>
    [
        .. Elements.Where(e => e["url"] is null).SelectMany(e => e["options"] is JsonArray options
            ? options.Select(o => (e["action_id"].Word(), (string?)o!["value"].Word(), o["text"]!["text"].Word()))
            : [(e["action_id"].Word(), null, e["text"]!["text"].Word())]),
    ];

    private static IEnumerable<string> TextsOf(JsonNode? node) => node switch
    {
        JsonArray array => array.SelectMany(TextsOf),
        JsonObject thing => thing.SelectMany(p => p is { Key: "text", Value: JsonValue } ? [p.Value.Word()] : TextsOf(p.Value)),
        _ => [],
    };
}

/// <summary>Slack's Web API: chat.postMessage, chat.update, conversations.history, auth.test. Channels exist when they are first named.</summary>
public sealed partial class SlackStandIn(int keep, string? onlyToken)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Channel, string Ts), SlackMessageRecord> _messages = [];
    private readonly Queue<(string Channel, string Ts)> _order = new();
    private readonly Dictionary<string, string> _channelIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _calls = new(StringComparer.Ordinal);
    private long _last;

    /// <summary>Channels (names or ids) that answer <c>channel_not_found</c>.</summary>
    public HashSet<string> UnknownChannels { get; } = new(StringComparer.Ordinal);

    /// <summary>Scopes the token lacks: <c>channels:history</c> makes the look-up answer <c>missing_scope</c>.</summary>
    public HashSet<string> MissingScopes { get; } = new(StringComparer.Ordinal);

    public IReadOnlyList<SlackMessageRecord> Messages
    {
        get { lock (_lock) return [.. _messages.Values.OrderBy(message => message.Ts, StringComparer.Ordinal)]; }
    }

    /// <summary>Messages that are no replies.</summary>
    public IReadOnlyList<SlackMessageRecord> Roots => [.. Messages.Where(message => message.ThreadTs is null)];

    public IReadOnlyList<SlackMessageRecord> Replies(string ts) => [.. Messages.Where(message => message.ThreadTs == ts)];

    /// <summary>Calls that took effect or were answered by the stand-in itself, by method.</summary>
    public long Calls(string method)
    {
        lock (_lock) return _calls.GetValueOrDefault(method);
    }

    public StandInAnswer Call(StandInRequest request)
    {
        lock (_lock)
        {
            _calls[request.Path] = _calls.GetValueOrDefault(request.Path) + 1;
            var token = request.Header("Authorization");
            if (!token.StartsWith("Bearer ", StringComparison.Ordinal)) return Error("not_authed");
            token = token["Bearer ".Length..];
            if (request.Path == "apps.connections.open") return OpenConnection(token);
            if (onlyToken is null ? !token.StartsWith("xoxb-", StringComparison.Ordinal) : token != onlyToken) return Error("invalid_auth");

            return request.Path switch
            {
                "auth.test" => StandInAnswer.Ok(new JsonObject { ["ok"] = true, ["team"] = "stand-in", ["user"] = "incidents", ["bot_id"] = "B000000001" }),
                "chat.postMessage" => WithJson(request, Post),
                "chat.update" => WithJson(request, Update),
                "conversations.history" => History(request),
                _ => Error("unknown_method"),
            };
        }
    }

    /// <summary>As if a person deleted it.</summary>
    public void Delete(string channel, string ts)
    {
        lock (_lock) _messages.Remove((channel, ts));
    }

    public void Reset()
    {
        lock (_lock)
        {
            _messages.Clear();
            _order.Clear();
            _calls.Clear();
            UnknownChannels.Clear();
            MissingScopes.Clear();
            _answers.Clear();
        }
    }

    public JsonObject State()
    {
        lock (_lock)
        {
            var calls = new JsonObject();
            foreach (var (method, count) in _calls) calls[method] = count;
            return new JsonObject
            {
                ["calls"] = calls,
                ["messages"] = new JsonArray([.. Messages.TakeLast(1000).Select(m => new JsonObject
                {
                    ["channel"] = m.Channel,
                    ["channel_name"] = NameOf(m.Channel),
                    ["ts"] = m.Ts,
                    ["thread_ts"] = m.ThreadTs,
                    ["broadcast"] = m.Broadcast,
                    ["updates"] = m.Updates,
                    ["text"] = m.Text,
                    ["words"] = m.Words,
                    ["body"] = m.Body.DeepClone(),
                })]),
            };
        }
    }

    internal string NameOf(string channelId)
    {
        lock (_lock) return _channelIds.FirstOrDefault(pair => pair.Value == channelId).Key ?? channelId;
    }

    private static StandInAnswer WithJson(StandInRequest request, Func<JsonObject, StandInAnswer> handle) =>
        !request.Header("Content-Type").StartsWith("application/json", StringComparison.OrdinalIgnoreCase) ? Error("invalid_post_type")
            : request.Json() is { } body ? handle(body) : Error("json_not_object");

    private StandInAnswer Post(JsonObject body)
    {
        if (ChannelId(body["channel"].Word()) is not { } channel) return Error("channel_not_found");
        if (BlockKit.Check(body) is { } wrong) return Error(wrong.Error, wrong.Where);

        string? thread = null;
        if (body["thread_ts"] is { } parent)
        {
            thread = parent.Word();
            if (!_messages.TryGetValue((channel, thread), out var root)) return Error("thread_not_found");
            if (root.ThreadTs is not null) return Error("cannot_reply_to_message");
        }

        var ts = NextTs();
        _messages[(channel, ts)] = new SlackMessageRecord { Channel = channel, Ts = ts, ThreadTs = thread, Broadcast = body["reply_broadcast"].Is(), Body = body };
        _order.Enqueue((channel, ts));
        if (_order.Count > keep) _messages.Remove(_order.Dequeue());
        return StandInAnswer.Ok(new JsonObject { ["ok"] = true, ["channel"] = channel, ["ts"] = ts, ["message"] = new JsonObject { ["text"] = body["text"].Word() } });
    }

    private StandInAnswer Update(JsonObject body)
    {
        var channel = body["channel"].Word();

        // Unlike a post, an update takes the id only.
        if (!_channelIds.ContainsValue(channel)) return Error("channel_not_found");
        if (!_messages.TryGetValue((channel, body["ts"].Word()), out var message)) return Error("message_not_found");
        if (body["text"].Word().Length > 4000) return Error("msg_too_long");
        if (BlockKit.Check(body) is { } wrong) return Error(wrong.Error, wrong.Where);

        var updated = (JsonObject)body.DeepClone();
        if (!updated.ContainsKey("attachments") && message.Body["attachments"] is { } kept) updated["attachments"] = kept.DeepClone();
        if (!updated.ContainsKey("metadata") && message.Body["metadata"] is { } metadata) updated["metadata"] = metadata.DeepClone();
        message.Body = updated;
        message.Updates++;
        return StandInAnswer.Ok(new JsonObject { ["ok"] = true, ["channel"] = channel, ["ts"] = message.Ts, ["text"] = message.Text });
    }

    private StandInAnswer History(StandInRequest request)
    {
        if (MissingScopes.Contains("channels:history"))
            return StandInAnswer.Ok(new JsonObject { ["ok"] = false, ["error"] = "missing_scope", ["needed"] = "channels:history", ["provided"] = "chat:write" });

        var form = new FormReader(request.Text).ReadForm();
        var channel = form.TryGetValue("channel", out var value) ? value.ToString() : "";
        if (!_channelIds.ContainsValue(channel)) return Error("channel_not_found");
        var oldest = form.TryGetValue("oldest", out var from) ? from.ToString() : "0";
        var limit = form.TryGetValue("limit", out var most) ? int.Parse(most.ToString(), CultureInfo.InvariantCulture) : 100;
        var withMetadata = form.TryGetValue("include_all_metadata", out var all) && all == "true";
        var found = _messages.Values.Where(m => m.Channel == channel && (m.ThreadTs is null || m.Broadcast) && string.CompareOrdinal(m.Ts, oldest) >= 0)
            .OrderByDescending(m => m.Ts, StringComparer.Ordinal).Take(limit);
        return StandInAnswer.Ok(new JsonObject
        {
            ["ok"] = true,
            ["messages"] = new JsonArray([.. found.Select(m =>
            {
                var message = new JsonObject { ["type"] = "message", ["ts"] = m.Ts, ["text"] = m.Text };
                if (withMetadata && m.Body["metadata"] is { } metadata) message["metadata"] = metadata.DeepClone();
                return message;
            })]),
            ["has_more"] = false,
        });
    }

    private string? ChannelId(string channel)
    {
        if (channel.Length == 0 || UnknownChannels.Contains(channel)) return null;
        var name = channel.TrimStart('#');
        if (_channelIds.TryGetValue(name, out var known)) return known;
        if (_channelIds.ContainsValue(channel)) return channel;

        // A member's id stands for the direct message with them, which has an id of its own.
        if (channel.Length >= 9 && channel[0] is 'U' or 'W' && channel.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c))) return _channelIds[name] = $"D{channel[1..]}";
        var isId = channel.Length >= 9 && channel[0] is 'C' or 'G' or 'D' && channel.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c));
        return _channelIds[name] = isId ? channel : string.Create(CultureInfo.InvariantCulture, $"C{_channelIds.Count + 1:D9}");
    }

    private string NextTs()
    {
        // Microseconds now, and always later than the last one.
        var now = (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        _last = Math.Max(_last + 1, now);
        return string.Create(CultureInfo.InvariantCulture, $"{_last / 1_000_000}.{_last % 1_000_000:D6}");
    }

    private static StandInAnswer Error(string word, string? where = null)
    {
        var body = new JsonObject { ["ok"] = false, ["error"] = word };
        if (where is not null)
        {
            body["errors"] = new JsonArray(where);
            body["response_metadata"] = new JsonObject { ["messages"] = new JsonArray($"[ERROR] {where}") };
        }

        return StandInAnswer.Ok(body);
    }
}
