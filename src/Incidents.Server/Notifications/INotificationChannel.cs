using Incidents.Domain.Notifications;

namespace Incidents.Server.Notifications;

/// <summary>
/// Tells one receiver the present state of one subject: renders, sends, reports what came back. One attempt, no retry, no look-up of people.
/// Ordering is given: two attempts for one subject and receiver never overlap.
/// </summary>
/// <typeparam name="TReceiver">What is written under the channel's key in <c>routing.yaml</c>; validated at load.</typeparam>
internal interface INotificationChannel<in TReceiver> where TReceiver : class
{
    /// <param name="notification">The subject as it is now; <see cref="Notification.Log"/> holds only what this thread has not heard.</param>
    /// <param name="receiver">The receiver's settings.</param>
    /// <param name="thread">What was told before.</param>
    /// <param name="attempt">Stable id of this delivery (the same for each of its retries) for idempotency headers: <c>dlv_123</c>.</param>
    /// <param name="cancellationToken">Cancelled at the attempt's time limit.</param>
    Task<DeliveryResult> SendAsync(Notification notification, TReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken);
}

/// <param name="Key">Stable over the retries of one delivery: <c>dlv_123</c>.</param>
/// <param name="Number">1 for the first attempt.</param>
/// <param name="Elsewhere">The newest <see cref="ThreadMemory.Reference"/> to another subject at the same receiver: where it lives, when its settings only name it. Given when an earlier attempt may have arrived.</param>
internal sealed record DeliveryAttempt(string Key, int Number, string? Elsewhere = null);
