namespace Incidents.Server.Scheduling;

/// <summary>
/// Wakes a worker of this process right after the commit that made its work. It remembers nothing: the work is rows, and every worker also looks by itself now and then,
/// so a lost signal costs a moment, not the work.
/// </summary>
internal class WorkSignal
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _raised = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _raises;

    /// <summary>How often it was raised.</summary>
    public long Raises
    {
        get
        {
            lock (_gate) return _raises;
        }
    }

    /// <summary>Wakes everybody who waits now, the next one who would have waited, and every <see cref="Watch"/>.</summary>
    public void Raise()
    {
        TaskCompletionSource next;
        lock (_gate)
        {
            _raised.TrySetResult();
            _raises++;
            (next, _next) = (_next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        next.TrySetResult();
    }

    /// <summary>For one of several who wait for the same signal: each sees every raise, whoever else has seen it.</summary>
    public Watch StartWatch()
    {
        lock (_gate) return new Watch(this, _raises);
    }

    /// <summary>One waiter's place. Not for use by several at once.</summary>
    internal sealed class Watch(WorkSignal signal, long seen)
    {
        private long _seen = seen;

        /// <summary>Returns when raised since the last return, or after <paramref name="atMost"/>.</summary>
        public async Task WaitAsync(TimeSpan atMost, TimeProvider clock, CancellationToken cancellationToken)
        {
            Task next;
            lock (signal._gate)
            {
                next = signal._raises == _seen ? signal._next.Task : Task.CompletedTask;
            }

            try
            {
                await next.WaitAsync(atMost, clock, cancellationToken);
            }
            catch (TimeoutException)
            {
                // The caller looks by itself now.
            }

            lock (signal._gate) _seen = signal._raises;
        }
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

/// <summary>More webhooks wait in the inbox than one worker takes at once.</summary>
internal sealed class BacklogSignal : WorkSignal;

/// <summary>Deliveries are due.</summary>
internal sealed class DeliverySignal : WorkSignal;

/// <summary>What hides alerts changed, or begins or ends sooner than was known.</summary>
internal sealed class MuteSignal : WorkSignal;

/// <summary>Escalations are due.</summary>
internal sealed class EscalationSignal : WorkSignal;

/// <summary>Pages of people are due: the next way to reach somebody, or what failed.</summary>
internal sealed class PageSignal : WorkSignal;

/// <summary>Something changed that people look at.</summary>
internal sealed class ChangeSignal : WorkSignal;
