using System.Collections.Concurrent;
using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Incidents.StandIns;

/// <summary>The other half of Slack: people who press buttons and type commands, over Socket Mode or as the signed requests that it would send.</summary>
public sealed partial class SlackStandIn : IDisposable
{
    private readonly List<WebSocket> _sockets = [];
    private readonly HashSet<string> _tickets = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _unacknowledged = new(StringComparer.Ordinal);
    private readonly List<JsonObject> _answers = [];
    private readonly SemaphoreSlim _sending = new(1);
    private int _interactions;
    private int _opened;

    /// <summary>Where this stand-in is reached.</summary>
    public Func<string> Address { get; set; } = () => "";

    public void Dispose() => _sending.Dispose();

    /// <summary>What was said to single people through <c>response_url</c>.</summary>
    public IReadOnlyList<JsonObject> Answers
    {
        get { lock (_lock) return [.. _answers]; }
    }

    /// <summary>Connections that are open now.</summary>
    public int OpenSockets
    {
        get { lock (_lock) return _sockets.Count; }
    }

    /// <summary>Connections there ever were.</summary>
    public int OpenedSockets => Volatile.Read(ref _opened);

    /// <summary>A header for a body, as Slack signs it.</summary>
    public static string Sign(string secret, string timestamp, string body) =>
        "v0=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"v0:{timestamp}:{body}")));

    /// <summary>What Slack sends when somebody presses a button or chooses an option of a message.</summary>
    public JsonObject Press(SlackMessageRecord message, string action, string? option = null, string user = "U0A1B2C3D4E", string name = "carol")
    {
        var pressed = message.Elements.First(e => e["action_id"].Word() == action);
        var what = new JsonObject { ["action_id"] = action, ["block_id"] = "incident_actions", ["type"] = pressed["type"].Word(), ["action_ts"] = NextTsNow() };
        if (option is null) what["value"] = pressed["value"].Word();
        else what["selected_option"] = pressed["options"]!.AsArray().First(o => o!["value"].Word().StartsWith(option, StringComparison.Ordinal))!.DeepClone();
        return Interaction("block_actions", message, user, name, new JsonObject
        {
            ["container"] = new JsonObject { ["type"] = "message", ["message_ts"] = message.Ts, ["channel_id"] = message.Channel, ["is_ephemeral"] = false },
            ["message"] = new JsonObject { ["type"] = "message", ["ts"] = message.Ts, ["text"] = message.Text },
            ["state"] = new JsonObject { ["values"] = new JsonObject() },
            ["actions"] = new JsonArray(what),
        });
    }

    /// <summary>What Slack sends when somebody uses the message shortcut on a reply in a message's thread.</summary>
    public JsonObject AddToTimeline(SlackMessageRecord root, string text, string author, string user = "U0A1B2C3D4E", string name = "carol") => Interaction("message_action", root, user, name, new JsonObject
    {
        ["callback_id"] = "add_to_timeline",
        ["action_ts"] = NextTsNow(),
        ["message_ts"] = "1773454999.000100",
        ["message"] = new JsonObject { ["type"] = "message", ["user"] = author, ["ts"] = "1773454999.000100", ["thread_ts"] = root.Ts, ["text"] = text },
    });

    /// <summary>The form of the slash command.</summary>
    public IReadOnlyDictionary<string, string> Command(string text, string user = "U0A1B2C3D4E", string name = "carol") => new Dictionary<string, string>
    {
        ["token"] = "deprecated", ["team_id"] = "T0A1B2C3D", ["team_domain"] = "acme", ["channel_id"] = "C0A1B2C3D4E", ["channel_name"] = "incidents", ["user_id"] = user, ["user_name"] = name,
        ["command"] = "/incident", ["text"] = text, ["response_url"] = ResponseUrl(), ["trigger_id"] = NextTrigger(), ["api_app_id"] = "A0A1B2C3D4E",
    };

    public Task PressAsync(SlackMessageRecord message, string action, string? option = null) => SendAsync("interactive", Press(message, action, option));

    /// <summary>An envelope to one of the open connections. The task ends when it was acknowledged.</summary>
    /// <exception cref="InvalidOperationException">No connection is open.</exception>
    public async Task<Task> SendAsync(string type, JsonObject payload, string? envelopeId = null)
    {
        WebSocket socket;
        lock (_lock) socket = _sockets.Count > 0 ? _sockets[Random.Shared.Next(_sockets.Count)] : throw new InvalidOperationException("Nobody is connected by Socket Mode.");
        var id = envelopeId ?? Guid.NewGuid().ToString();
        var acknowledged = _unacknowledged[id] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await WriteAsync(socket, new JsonObject { ["envelope_id"] = id, ["type"] = type, ["accepts_response_payload"] = type != "events_api", ["payload"] = payload.DeepClone() });
        return acknowledged.Task;
    }

    /// <summary>Tells every connection that its end is near: <c>warning</c>, <c>refresh_requested</c> or <c>link_disabled</c>.</summary>
    public async Task DisconnectAsync(string reason)
    {
        WebSocket[] all;
        lock (_lock) all = [.. _sockets];
        foreach (var socket in all) await WriteAsync(socket, new JsonObject { ["type"] = "disconnect", ["reason"] = reason, ["debug_info"] = new JsonObject { ["host"] = "stand-in" } });
    }

    /// <summary>As when the network breaks.</summary>
    public void DropSockets()
    {
        lock (_lock)
        {
            foreach (var socket in _sockets) socket.Abort();
        }
    }

    internal StandInAnswer TakeAnswer(StandInRequest request)
    {
        if (request.Json() is not { } body) return new StandInAnswer(400, "invalid_payload", "text/plain");
        lock (_lock) _answers.Add(body);
        return new StandInAnswer(200, "ok", "text/plain");
    }

    internal async Task ServeSocketAsync(HttpContext context)
    {
        bool isGood;
        lock (_lock) isGood = _tickets.Remove((string)context.Request.RouteValues["ticket"]!);
        if (!isGood || !context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = 403;
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        lock (_lock) _sockets.Add(socket);
        Interlocked.Increment(ref _opened);
        try
        {
            await WriteAsync(socket, new JsonObject { ["type"] = "hello", ["num_connections"] = OpenSockets, ["debug_info"] = new JsonObject { ["approximate_connection_time"] = 18060 } });
            var buffer = new byte[16 * 1024];
            while (true)
            {
                var received = await socket.ReceiveAsync(buffer, context.RequestAborted);
                if (received.MessageType == WebSocketMessageType.Close) break;
                if (JsonNode.Parse(buffer.AsSpan(0, received.Count))?["envelope_id"].Word() is { } id && _unacknowledged.TryRemove(id, out var waiting)) waiting.TrySetResult();
            }

            lock (_lock) _sockets.Remove(socket);
            if (socket.State == WebSocketState.CloseReceived) await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
        }
        catch (Exception error) when (error is WebSocketException or OperationCanceledException)
        {
            // The far side, or this stand-in, is going away.
        }
        finally
        {
            lock (_lock) _sockets.Remove(socket);
        }
    }

    private StandInAnswer OpenConnection(string token)
    {
        if (!token.StartsWith("xapp-", StringComparison.Ordinal)) return Error("not_allowed_token_type");
        var ticket = Guid.NewGuid().ToString("N");
        _tickets.Add(ticket);
        return StandInAnswer.Ok(new JsonObject { ["ok"] = true, ["url"] = $"{Address().Replace("http://", "ws://", StringComparison.Ordinal)}/slack/socket/{ticket}" });
    }

    private async Task WriteAsync(WebSocket socket, JsonObject message)
    {
        await _sending.WaitAsync();
        try
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
    }

    private JsonObject Interaction(string type, SlackMessageRecord message, string user, string name, JsonObject more)
    {
        var payload = new JsonObject
        {
            ["type"] = type,
            ["user"] = new JsonObject { ["id"] = user, ["username"] = name, ["name"] = name, ["team_id"] = "T0A1B2C3D" },
            ["api_app_id"] = "A0A1B2C3D4E",
            ["token"] = "deprecated-verification-token",
            ["trigger_id"] = NextTrigger(),
            ["team"] = new JsonObject { ["id"] = "T0A1B2C3D", ["domain"] = "acme" },
            ["enterprise"] = null,
            ["is_enterprise_install"] = false,
            ["channel"] = new JsonObject { ["id"] = message.Channel, ["name"] = NameOf(message.Channel) },
            ["response_url"] = ResponseUrl(),
        };
        foreach (var (key, value) in more.ToList())
        {
            more.Remove(key);
            payload[key] = value;
        }

        return payload;
    }

    private string ResponseUrl() => string.Create(CultureInfo.InvariantCulture, $"{Address()}/slack/response/R{Interlocked.Increment(ref _interactions):D6}");

    private string NextTrigger() => string.Create(CultureInfo.InvariantCulture, $"12466734323.{Interlocked.Increment(ref _interactions)}.{Guid.NewGuid():N}");

    private string NextTsNow()
    {
        lock (_lock) return NextTs();
    }
}
