using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Incidents.Domain.Notifications;
using Incidents.Domain.OnCall;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Web;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Notifications;

/// <summary>
/// Sends what is due: one taker claims in batches, sends run side by side, results are written down together. This and playbooks are the only places that talk outward,
/// and they never do so inside a transaction.
/// </summary>
internal sealed partial class DeliverDue(
    DeliveryWork work, RecordAttempts record, NotificationChannels channels, IActiveConfiguration configuration, IOptions<NotificationOptions> options, IOptions<EngineOptions> engine,
    DeliveryPace pace, DeliverySignal signal, FailOverSignal failOver, ChangeSignal changes, WorkerHealth health, TimeProvider clock, ILogger<DeliverDue> log)
    : Worker("deliveries", signal, TimeSpan.FromMilliseconds(500), health, clock, log)
{
    private const int MostUnderWay = 128;
    private const int MostPerClaim = 200;

    /// <summary>With so many sends under way a few milliseconds more are nothing to any one of them, and make portions of dozens out of portions of a few.</summary>
    private const int Busy = 16;

    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan LongestOutage = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim _slots = new(MostUnderWay);
    private readonly Channel<FinishedAttempt> _finished = Channel.CreateUnbounded<FinishedAttempt>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ConcurrentDictionary<long, Task> _underWay = new();
    private readonly ConcurrentDictionary<long, int> _unwritten = new();
    private readonly CancellationTokenSource _stopped = new();
    private Task _recorder = Task.CompletedTask;
    private Instant _lookForLostAt;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _recorder = Task.Run(RecordAllAsync, CancellationToken.None);
        return base.StartAsync(cancellationToken);
    }

    /// <summary>Stops claiming, lets what is under way end (an attempt has its own time limit), and writes down the results.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(_underWay.Values).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _finished.Writer.TryComplete();
        await _recorder.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stopped.CancelAsync();
    }

    public override void Dispose()
    {
        _stopped.Cancel();
        _stopped.Dispose();
        _slots.Dispose();
        base.Dispose();
    }

    /// <summary>Claims and sends one portion. True when more may be due at once.</summary>
    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        if (now >= _lookForLostAt)
        {
            if (await work.TakeBackLostAsync(now, [.. _unwritten.Keys], cancellationToken) is > 0 and var lost) LogTakenBack(lost);
            _lookForLostAt = now + Duration.FromSeconds(2);
        }

        var most = Math.Min(MostPerClaim, _slots.CurrentCount);
        if (most == 0)
        {
            // Every slot is taken by a slow receiver; wait for one to come free.
            await _slots.WaitAsync(cancellationToken);
            _slots.Release();
            return true;
        }

        if (_underWay.Count >= Busy) await Task.Delay(Gather, TimeProvider.System, cancellationToken);
        var current = configuration.Current;
        var budgets = pace.Budgets(current.AllReceivers(), Clock);
        var lease = Duration.FromTimeSpan(options.Value.AttemptTimeLimit) + Duration.FromSeconds(7);
        var claimed = await work.ClaimAsync(budgets, most, lease, now, cancellationToken);
        if (claimed.Count == 0) return false;

        var contents = await work.LoadAsync(claimed, engine.Value.PublicUrl, now, cancellationToken);
        foreach (var delivery in claimed)
        {
            await _slots.WaitAsync(cancellationToken);
            pace.Begin(delivery.Receiver);
            var send = Task.Run(() => SendAsync(delivery, contents[delivery.Id], current), CancellationToken.None);
            _underWay[delivery.Id] = send;

            // One that ended before it stood here could not take itself off.
            if (send.IsCompleted) _underWay.TryRemove(delivery.Id, out _);
        }

        return true;
    }

    /// <summary>Lets what is under way end, within <paramref name="atMost"/> of real time, and writes down what has ended; for whoever sets the pace itself.</summary>
    internal async Task SettleAsync(TimeSpan atMost)
    {
        await Task.WhenAll(_underWay.Values).WaitAsync(atMost, TimeProvider.System).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var portion = new List<FinishedAttempt>();
        while (_finished.Reader.TryRead(out var finished)) portion.Add(finished);
        if (portion.Count > 0) await RecordAsync(portion);
    }

    private async Task SendAsync(ClaimedDelivery delivery, DeliveryContent content, EngineConfiguration current)
    {
        var started = Clock.GetCurrentInstant();
        try
        {
            using var activity = ActivityContext.TryParse(delivery.TraceParent, null, out var parent)
                ? AlertMetrics.Activities.StartActivity("deliver", ActivityKind.Producer, parent)
                : AlertMetrics.Activities.StartActivity("deliver", ActivityKind.Producer);
            activity?.SetTag("incidents.receiver", delivery.Receiver).SetTag("incidents.number", delivery.IncidentNumber).SetTag("incidents.attempt", delivery.Attempt);

            var result = await AttemptAsync(delivery, content, current);
            var ended = Clock.GetCurrentInstant();
            var decision = RetrySchedule.Next(delivery.Attempt, delivery.FirstAttemptAt, ended, result, Random.Shared.NextDouble());
            var finished = new FinishedAttempt(delivery, content.Thread, result, decision, started, ended, content.HasMoreLines);
            activity?.SetTag("incidents.result", finished.ResultKey);
            if (!finished.IsDone) LogNotDelivered(delivery.Id, delivery.Receiver, delivery.Attempt, finished.ResultKey, finished.Detail);
            DeliveryMetrics.Attempted(finished, current.ReceiverOf(delivery.Receiver)?.Channel ?? "unknown");
            if (result is DeliveryResult.Delivered) pace.Took(delivery.Receiver, ended);
            _unwritten[delivery.Id] = delivery.Attempt;
            _finished.Writer.TryWrite(finished);
        }
        finally
        {
            pace.End(delivery.Receiver);
            _underWay.TryRemove(delivery.Id, out _);
            _slots.Release();
        }
    }

    private async Task<DeliveryResult> AttemptAsync(ClaimedDelivery delivery, DeliveryContent content, EngineConfiguration current)
    {
        if (current.ReceiverOf(delivery.Receiver) is not { } receiver)
            return new DeliveryResult.Rejected(PersonReceiver.Is(delivery.Receiver) ? "this person is no longer in oncall.yaml, or has no such address there" : "this receiver is no longer in routing.yaml");
        try
        {
            return await channels.SendAsync(receiver, content.Notification, content.Thread, new DeliveryAttempt($"dlv_{delivery.Id}", delivery.Attempt, content.Elsewhere), CancellationToken.None);
        }
        catch (Exception bug)
        {
            // A bug in one channel must not lose the page: it is logged, counted as a failure, tried again, and falls over to another receiver.
            LogChannelFailed(bug, delivery.Id, delivery.Receiver);
            return new DeliveryResult.RetryLater($"the engine failed while sending: {bug.GetType().Name}", MayHaveArrived: true);
        }
    }

    private async Task RecordAllAsync()
    {
        var portion = new List<FinishedAttempt>();
        while (await _finished.Reader.WaitToReadAsync())
        {
            if (_underWay.Count >= Busy) await Task.Delay(Gather, TimeProvider.System);
            while (portion.Count < MostPerClaim && _finished.Reader.TryRead(out var finished)) portion.Add(finished);
            await RecordAsync(portion);
            portion.Clear();
        }
    }

    /// <summary>Writes down what ended; when that cannot be done together, each alone, so that one bad row costs no other.</summary>
    private async Task RecordAsync(List<FinishedAttempt> portion)
    {
        if (await TryRecordAsync(portion, isPatient: true) is { } error)
        {
            foreach (var attempt in portion)
            {
                // Not written down: the lease runs out and the send is repeated with the same keys.
                if (portion.Count > 1) error = await TryRecordAsync([attempt], isPatient: false);
                if (error is not null) LogNotRecorded(error, attempt.Delivery.Id, attempt.Delivery.Receiver, attempt.Delivery.Attempt, attempt.ResultKey);
            }
        }

        foreach (var attempt in portion) _unwritten.TryRemove(new(attempt.Delivery.Id, attempt.Delivery.Attempt));
        if (portion.Any(p => !p.IsDone)) failOver.Raise();
        signal.Raise();
        changes.Raise();
    }

    /// <summary>A race is run again until another process may take the deliveries for lost; an outage of the database is waited out longer, for nobody can take them then.</summary>
    /// <returns>Why it could not be done, or null.</returns>
    private async Task<Exception?> TryRecordAsync(List<FinishedAttempt> portion, bool isPatient)
    {
        // Real time: a test that holds the engine's clock must not hold this.
        var started = TimeProvider.System.GetTimestamp();
        var untilLost = (portion.Min(a => a.Delivery.LeaseUntil) - Clock.GetCurrentInstant()).ToTimeSpan() - TimeSpan.FromSeconds(2);
        for (var tries = 1; ; tries++)
        {
            try
            {
                await record.RunAsync(portion, isRepeat: tries > 1 || !isPatient, _stopped.Token);
                return null;
            }
            catch (Exception error)
            {
                var limit = !isPatient ? TimeSpan.Zero
                    : DatabaseTrouble.IsUnavailable(error) ? LongestOutage
                    : DatabaseTrouble.IsConflict(error) || DatabaseTrouble.IsUniqueViolation(error) ? untilLost
                    : TimeSpan.Zero;
                if (_stopped.IsCancellationRequested || TimeProvider.System.GetElapsedTime(started) >= limit) return error;
                LogRecordedLater(portion.Count, DatabaseTrouble.InWords(error));
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(1000, 10 * Math.Pow(2, tries))), TimeProvider.System, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Delivery {DeliveryId} to {Receiver} did not arrive at attempt {Attempt}: {Result}: {Detail}")]
    private partial void LogNotDelivered(long deliveryId, string receiver, int attempt, string result, string detail);

    [LoggerMessage(Level = LogLevel.Error, Message = "The channel of {Receiver} failed on delivery {DeliveryId}")]
    private partial void LogChannelFailed(Exception error, long deliveryId, string receiver);

    [LoggerMessage(Level = LogLevel.Error, Message = "The result of delivery {DeliveryId} to {Receiver}, attempt {Attempt} ({Result}), was not recorded; it will be sent again")]
    private partial void LogNotRecorded(Exception error, long deliveryId, string receiver, int attempt, string result);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} delivery results could not be recorded yet ({Reason}); trying again")]
    private partial void LogRecordedLater(int count, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} deliveries of a process that died were taken back")]
    private partial void LogTakenBack(int count);
}
