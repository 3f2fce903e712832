using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Runs the embedded PostgreSQL beside the server: up before anything else starts, started again when it dies, down after
/// everything else has stopped.
/// </summary>
internal sealed partial class EmbeddedPostgresService(EmbeddedPostgres postgres, NpgsqlDataSource pool, WorkPool work, TimeProvider clock, ILogger<EmbeddedPostgresService> log) : IHostedLifecycleService, IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stopping = new();
    private Task _supervision = Task.CompletedTask;
    private bool _ended;

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await postgres.StartAsync(cancellationToken);
        _supervision = SuperviseAsync(_stopping.Token);
    }

    public async Task StoppedAsync(CancellationToken cancellationToken) => await EndAsync(cancellationToken);

    /// <summary>Also when the host never got as far as stopping, because another service failed to start.</summary>
    public async ValueTask DisposeAsync() => await EndAsync(CancellationToken.None);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        if (_ended) return;
        _ended = true;
        await _stopping.CancelAsync();
        await _supervision;
        _stopping.Dispose();

        // Nobody may be cut off: what the pool still holds says goodbye first.
        pool.Clear();
        work.Clear();
        await postgres.StopAsync(cancellationToken);
    }

    private async Task SuperviseAsync(CancellationToken stopping)
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(failures == 0 ? LookEvery : BackOff(failures), clock, stopping);
                if (await postgres.EnsureRunningAsync(stopping)) LogRestarted();
                failures = 0;
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was: a supervisor that gives up leaves the server without a database for good.
                failures++;
                LogRestartFailed(e, failures, BackOff(failures));
            }
        }
    }

    private static TimeSpan BackOff(int failures) =>
        TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, LookEvery.Ticks << Math.Min(failures, 10)));

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL had died and was started again")]
    private partial void LogRestarted();

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL could not be started again, failure {Failures} in a row; next try in {Wait}")]
    private partial void LogRestartFailed(Exception exception, int failures, TimeSpan wait);
}
