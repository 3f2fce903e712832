namespace Incidents.Server.Scheduling;

/// <summary>
/// Wakes a worker of this process right after the commit that made its work. It remembers nothing: the work is rows, and every worker also looks by itself now and then,
/// so a lost signal costs a moment, not the work.
/// </summary>
internal class WorkSignal
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _raised = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Wakes everybody who waits now, and the next one who would have waited.</summary>
    public void Raise()
    {
        lock (_gate) _raised.TrySetResult();
    }

    /// <summary>Returns when raised since the last return, or after <paramref name="atMost"/>.</summary>
    public async Task WaitAsync(TimeSpan atMost, TimeProvider clock, CancellationToken cancellationToken)
    {
        Task raised;
        lock (_gate) raised = _raised.Task;
        try
        {
            await raised.WaitAsync(atMost, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            return;
        }

        lock (_gate)
        {
            if (_raised.Task.IsCompleted) _raised = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}

/// <summary>Webhooks wait in the inbox.</summary>
internal sealed class InboxSignal : WorkSignal;

/// <summary>Deliveries are due.</summary>
internal sealed class DeliverySignal : WorkSignal;

/// <summary>Something changed that people look at.</summary>
internal sealed class ChangeSignal : WorkSignal;
