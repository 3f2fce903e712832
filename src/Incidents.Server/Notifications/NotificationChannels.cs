using Incidents.Domain.Notifications;
using Incidents.Domain.Routing;
using Incidents.Server.Notifications.Channels;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Notifications;

/// <summary>How long things may take on the way out. Section <c>Notifications</c>.</summary>
internal sealed class NotificationOptions
{
    /// <summary>One attempt at one receiver takes at most this long, connecting included. Default 8 seconds; from 1 s to 20 s, so that fail-over keeps within 30 s.</summary>
    public TimeSpan AttemptTimeLimit { get; set; } = TimeSpan.FromSeconds(8);
}

/// <summary>Every channel this build knows, by key. One attempt goes in, one answer comes out; a broken network is an answer, a bug is an exception.</summary>
internal sealed class NotificationChannels(IEnumerable<ChannelSender> senders, IOptionsMonitor<NotificationOptions> options, TimeProvider clock)
{
    private readonly Dictionary<string, ChannelSender> _senders = senders.ToDictionary(sender => sender.Key, StringComparer.Ordinal);

    /// <summary>Sends once. <see cref="OperationCanceledException"/> only when <paramref name="cancellationToken"/> asked for it; the attempt's own time limit is an answer.</summary>
    /// <exception cref="InvalidOperationException">The receiver names a channel this build does not know: validation at load let it through.</exception>
    public async Task<DeliveryResult> SendAsync(
        Receiver receiver, Notification notification, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        if (!_senders.TryGetValue(receiver.Channel, out var sender))
            throw new InvalidOperationException($"Receiver {receiver.Name} uses channel {receiver.Channel}, which is not one of: {string.Join(", ", _senders.Keys)}.");

        var limit = options.CurrentValue.AttemptTimeLimit;
        using var timer = new CancellationTokenSource(limit, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            return await sender.SendAsync(receiver.Settings, notification, thread, attempt, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new DeliveryResult.RetryLater(FormattableString.Invariant($"no answer within {limit.TotalSeconds:0.#} s"), MayHaveArrived: true);
        }
        catch (Exception failure) when (NetworkFailure.IsNetwork(failure))
        {
            return NetworkFailure.Answer(failure);
        }
    }
}

/// <summary>A channel with its receiver type closed over, so that the registry can hold all kinds.</summary>
internal sealed record ChannelSender(string Key, Func<object, Notification, ThreadMemory, DeliveryAttempt, CancellationToken, Task<DeliveryResult>> SendAsync);
