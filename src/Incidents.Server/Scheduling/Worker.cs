using Npgsql;

namespace Incidents.Server.Scheduling;

/// <summary>
/// A background worker that does one kind of due work until none is left, then sleeps until it is woken or <paramref name="look"/> has passed.
/// An outage of the database never ends it: it waits with growing pauses and says so once.
/// </summary>
internal abstract partial class Worker(string name, WorkSignal? signal, TimeSpan look, WorkerHealth health, TimeProvider clock, ILogger log) : BackgroundService
{
    protected TimeProvider Clock { get; } = clock;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>How long to sleep when nobody wakes it; never longer than its usual look, by which its health is judged.</summary>
    protected virtual TimeSpan Pause => look;

    /// <summary>Does one portion. True when there may be more at once.</summary>
    protected abstract Task<bool> WorkAsync(CancellationToken cancellationToken);

    /// <summary>One portion, for whoever sets the pace itself.</summary>
    internal Task<bool> DoPortionAsync(CancellationToken cancellationToken) => WorkAsync(cancellationToken);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Nothing may hold up the start of the host.
        await Task.Yield();
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await WorkAsync(stoppingToken)) health.Beat(name, look, Clock);
                health.Beat(name, look, Clock);
                if (failures > 0) LogRecovered(name);
                failures = 0;
                if (signal is not null) await signal.WaitAsync(Pause, Clock, stoppingToken);
                else await Task.Delay(Pause, Clock, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                // A deadlock or a lost connection passes by itself; a bug is repeated loudly, but must not stop the work of others.
                failures++;
                health.Fail(name, look, error.Message, Clock);
                if (error is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure }) LogRetried(name, error.Message);
                else if (failures == 1 || failures % 20 == 0) LogFailed(error, name, failures);
                var delay = TimeSpan.FromMilliseconds(Math.Min(LongestPause.TotalMilliseconds, 50 * Math.Pow(2, Math.Min(failures, 10))));
                try
                {
                    await Task.Delay(delay, Clock, stoppingToken);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Worker {Worker} failed ({Failures} times in a row); it goes on")]
    private partial void LogFailed(Exception error, string worker, int failures);

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} lost a race and repeats its work: {Reason}")]
    private partial void LogRetried(string worker, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} works again")]
    private partial void LogRecovered(string worker);
}
