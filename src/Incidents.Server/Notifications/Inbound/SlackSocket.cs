using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Web;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>How Socket Mode is getting on, for <c>/readyz</c>.</summary>
internal sealed class SlackSocketHealth
{
    private volatile string? _problem;
    private int _connections;

    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Why there is no connection, in words; null when none is wanted or one stands.</summary>
    public string? Problem { get => _problem; set => _problem = value; }

    public void Opened()
    {
        Interlocked.Increment(ref _connections);
        Problem = null;
    }

    public void Closed() => Interlocked.Decrement(ref _connections);
}

/// <summary>Without Socket Mode buttons in Slack do nothing; everything else works, so the process stays in service.</summary>
internal sealed class SlackReadiness(SlackSocketHealth health, IOptionsMonitor<SlackOptions> options) : IReadinessCheck
{
    public string Name => "slack";

    public ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken) => ValueTask.FromResult(
        string.IsNullOrWhiteSpace(options.CurrentValue.AppToken) ? ReadinessResult.Ok()
        : health.Connections > 0 ? ReadinessResult.Ok("connected by Socket Mode")
        : ReadinessResult.Degraded($"buttons and commands of Slack do not arrive: {health.Problem ?? "the connection is being made"}"));
}

/// <summary>
/// Slack's Socket Mode (docs.slack.dev, "Using Socket Mode"): buttons and commands over a WebSocket that we open, so that no address of ours must be public.
/// Every replica has a connection of its own, and Slack gives each message to one of them. A message is acknowledged once it is stored; one that cannot be stored is not, and Slack says so to the person.
/// </summary>
internal sealed partial class SlackSocket(ISlackApi slack, IOptionsMonitor<SlackOptions> options, InboundActions actions, SlackSocketHealth health, TimeProvider clock, ILogger<SlackSocket> log) : BackgroundService
{
    private const int MostFrameBytes = 1024 * 1024;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PauseWhenRefused = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestHello = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LongestFarewell = TimeSpan.FromSeconds(5);

    private readonly SlackSocketHealth _health = health;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (string.IsNullOrWhiteSpace(options.CurrentValue.AppToken)) return;

        // Nothing may hold up the start of the host.
        await Task.Yield();
        Connection? current = null;
        var retired = new List<Task>();
        var failures = 0;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    // The new one first, then the old one goes: in between both are read, so that nothing is missed.
                    var next = await OpenAsync(stoppingToken);
                    if (failures > 0) LogRecovered();
                    failures = 0;
                    if (current is not null) retired.Add(current.DisposeAsync().AsTask());
                    current = next;
                    retired.RemoveAll(task => task.IsCompleted);
                    await current.NeedsSuccessor.WaitAsync(stoppingToken);
                    if (current.IsLinkDisabled) throw new SlackRefusedException("Socket Mode is switched off in the app's settings");
                    if (!current.WasAskedToGo) throw new WebSocketException("The connection was lost.");
                }
                catch (Exception error) when (error is SlackRefusedException or WebSocketException or HttpRequestException or IOException or TimeoutException || (error is OperationCanceledException && !stoppingToken.IsCancellationRequested))
                {
                    failures++;
                    var reason = error is SlackRefusedException ? error.Message : "Slack cannot be reached";
                    _health.Problem = reason;
                    if (failures == 1 || failures % 20 == 0) LogFailed(error, failures, reason);
                    var pause = error is SlackRefusedException ? PauseWhenRefused
                        : TimeSpan.FromMilliseconds(Math.Min(LongestPause.TotalMilliseconds, 250 * Math.Pow(2, Math.Min(failures, 8)) * (0.5 + Random.Shared.NextDouble())));
                    await Task.Delay(pause, clock, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The end of the process.
        }
        finally
        {
            if (current is not null) retired.Add(current.DisposeAsync().AsTask());
            await Task.WhenAll(retired);
        }
    }

    private async Task<Connection> OpenAsync(CancellationToken cancellationToken)
    {
        var (url, answer) = await slack.OpenConnectionAsync(cancellationToken);
        if (url is null) throw answer.Error is { } word && SlackErrors.Classify(answer) is not (SlackErrorClass.Throttled or SlackErrorClass.Transient)
            ? new SlackRefusedException($"Slack answered {word}; check Slack__AppToken (xapp-…, scope connections:write)")
            : new HttpRequestException($"Slack answered HTTP {answer.Status} {answer.Error}");

        // Slack's own addresses are wss; only what stands in for Slack on plain HTTP may give a plain one.
        if (url.Scheme != "wss" && !(url.Scheme == "ws" && options.CurrentValue.ApiUrl.Scheme == Uri.UriSchemeHttp)) throw new SlackRefusedException("Slack named an address that is not wss");

        var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.FromSeconds(10);
        socket.Options.KeepAliveTimeout = TimeSpan.FromSeconds(20);
        try
        {
            using var timer = new CancellationTokenSource(LongestHello, TimeProvider.System);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
            await socket.ConnectAsync(url, either.Token);
            while (await ReceiveAsync(socket, either.Token) is { } frame)
            {
                if (Word(frame.At("type")) == "hello") return new Connection(this, socket);
            }

            throw new WebSocketException("Slack closed the connection before its hello.");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The next message; null when the far side closed the connection.</summary>
    private static async Task<JsonNode?> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellationToken)
    {
        var message = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var received = await socket.ReceiveAsync(message.GetMemory(4096), cancellationToken);
            if (received.MessageType == WebSocketMessageType.Close) return null;
            message.Advance(received.Count);
            if (message.WrittenCount > MostFrameBytes) throw new WebSocketException("Slack sent a message of more than 1 MiB.");
            if (!received.EndOfMessage) continue;

            // What is none of the documented messages has nothing to acknowledge.
            return OutsideJson.Parse(message.WrittenSpan) ?? new JsonObject();
        }
    }

    /// <summary>Stores what an envelope carries. True when it may be acknowledged.</summary>
    private async Task<bool> TakeAsync(JsonNode envelope, CancellationToken cancellationToken)
    {
        var id = MessageText.Truncate(Word(envelope.At("envelope_id")), 200);
        var payload = envelope.At("payload");
        var action = Word(envelope.At("type")) switch
        {
            "interactive" => SlackRequest.FromInteraction(payload),
            "slash_commands" => SlackRequest.FromCommand(field => Word(payload.At(field))),
            _ => null,
        };
        if (action is null) return true;

        using var timer = new CancellationTokenSource(InboundActions.LongestStore, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            // One that was taken before is acknowledged again: Slack did not hear the first time.
            await actions.StoreAsync(action.Key.Length > 0 ? action : action with { Key = $"envelope:{id}" }, either.Token);
            return true;
        }
        catch (Exception trouble) when (!cancellationToken.IsCancellationRequested && (trouble is OperationCanceledException || DatabaseTrouble.IsUnavailable(trouble)))
        {
            LogNotStored(id);
            return false;
        }
    }

    private static string Word(JsonNode? node) => node.Word(12_000);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Socket Mode of Slack is not connected ({Failures} failures in a row): {Reason}; it is tried again")]
    private partial void LogFailed(Exception error, int failures, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Socket Mode of Slack is connected again")]
    private partial void LogRecovered();

    [LoggerMessage(Level = LogLevel.Error, Message = "Envelope {EnvelopeId} of Slack could not be stored and was not acknowledged")]
    private partial void LogNotStored(string envelopeId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Slack asked for a new connection of Socket Mode: {Reason}")]
    private partial void LogEnded(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "A connection of Socket Mode broke")]
    private partial void LogBroke(Exception error);

    /// <summary>One open connection and whoever reads it.</summary>
    private sealed class Connection : IAsyncDisposable
    {
        private readonly SlackSocket _owner;
        private readonly ClientWebSocket _socket;
        private readonly CancellationTokenSource _stop = new();
        private readonly TaskCompletionSource _needsSuccessor = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _reading;

        public Connection(SlackSocket owner, ClientWebSocket socket)
        {
            (_owner, _socket) = (owner, socket);
            owner._health.Opened();
            _reading = Task.Run(ReadAsync);
        }

        /// <summary>Completes when Slack wants us to connect anew, or this connection is gone.</summary>
        public Task NeedsSuccessor => _needsSuccessor.Task;

        public bool IsLinkDisabled { get; private set; }

        /// <summary>True when Slack announced the end, as it does every few hours; false when the connection just broke.</summary>
        public bool WasAskedToGo { get; private set; }

        /// <summary>Says farewell and lets what is under way end.</summary>
        public async ValueTask DisposeAsync()
        {
            using var timer = new CancellationTokenSource(LongestFarewell, TimeProvider.System);
            try
            {
                // The far side answers with its own close, which ends the reading.
                if (_socket.State == WebSocketState.Open) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, timer.Token);
                await _reading.WaitAsync(timer.Token);
            }
            catch (Exception error) when (error is WebSocketException or OperationCanceledException or IOException)
            {
                _owner.LogBroke(error);
            }
            finally
            {
                await _stop.CancelAsync();
                await _reading;
                _socket.Dispose();
                _stop.Dispose();
            }
        }

        private async Task ReadAsync()
        {
            try
            {
                while (await ReceiveAsync(_socket, _stop.Token) is { } frame)
                {
                    if (Word(frame.At("type")) == "disconnect")
                    {
                        WasAskedToGo = true;
                        IsLinkDisabled = Word(frame.At("reason")) == "link_disabled";
                        var reason = MessageText.Truncate(MessageText.SingleLine(Word(frame.At("reason"))), 60);
                        _owner.LogEnded(reason);
                        _needsSuccessor.TrySetResult();
                    }
                    else if (Word(frame.At("envelope_id")) is { Length: > 0 } id && await _owner.TakeAsync(frame, _stop.Token) && _socket.State == WebSocketState.Open)
                    {
                        var acknowledgement = new JsonObject { ["envelope_id"] = id };
                        await _socket.SendAsync(Encoding.UTF8.GetBytes(acknowledgement.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, _stop.Token);
                    }
                }

                if (_socket.State == WebSocketState.CloseReceived) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _stop.Token);
            }
            catch (Exception error) when (error is WebSocketException or IOException || (error is OperationCanceledException && _stop.IsCancellationRequested))
            {
                _owner.LogBroke(error);
            }
            catch (Exception error)
            {
                // A bug in reading one message must not leave the owner waiting for a connection that nobody reads.
                _owner.LogBroken(error);
            }
            finally
            {
                _owner._health.Closed();
                _needsSuccessor.TrySetResult();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A connection of Socket Mode was given up")]
    private partial void LogBroken(Exception error);

    /// <summary>Slack does not let us in, and will not until a person changes something.</summary>
    private sealed class SlackRefusedException(string message) : Exception(message);
}
