using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Incidents.Server.Configuration;

/// <summary>
/// Reads the configuration again when its files change or on SIGHUP. File events are fast but not certain (editors replace files, Kubernetes swaps a
/// symbolic link, network disks send nothing), so the content is also compared every 5 seconds.
/// </summary>
internal sealed partial class ConfigurationWatcher(ActiveConfiguration configuration, TimeProvider clock, ILogger<ConfigurationWatcher> log) : BackgroundService
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Debounce = TimeSpan.FromMilliseconds(250);

    // One waiting signal of each kind is enough: the reading sees everything that happened before it.
    private readonly Channel<Reason> _reasons = Channel.CreateBounded<Reason>(new BoundedChannelOptions(2) { FullMode = BoundedChannelFullMode.DropWrite });
    private int _signalled;

    private enum Reason
    {
        FileEvent,
        Poll,
        Signal,
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hangUp = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            Interlocked.Exchange(ref _signalled, 1);
            _reasons.Writer.TryWrite(Reason.Signal);
        });
        await using var poll = clock.CreateTimer(_ => _reasons.Writer.TryWrite(Reason.Poll), null, PollEvery, PollEvery);
        using var files = Watch();

        try
        {
            await foreach (var reason in _reasons.Reader.ReadAllAsync(stoppingToken))
            {
                // Editors write in several steps; the pause lets them finish. A half-written file would do no harm, only noise.
                if (reason == Reason.FileEvent) await Task.Delay(Debounce, clock, stoppingToken);
                await CheckAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Exchange(ref _signalled, 0) == 1) await configuration.ReloadAsync(cancellationToken);
            else await configuration.ReloadIfChangedAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The configuration in force is untouched, and a failing watcher must not stop the server: paging goes on.
            LogFailed(e);
        }
    }

    private FileSystemWatcher? Watch()
    {
        try
        {
            var watcher = new FileSystemWatcher(configuration.Directory) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size };
            watcher.Changed += Signal;
            watcher.Created += Signal;
            watcher.Deleted += Signal;
            watcher.Renamed += Signal;
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // Most often the system's limit of watches; the poll sees changes all the same.
            LogNoEvents(e, configuration.Directory);
            return null;
        }

        void Signal(object sender, FileSystemEventArgs change) => _reasons.Writer.TryWrite(Reason.FileEvent);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Configuration reload failed; the configuration in force was kept")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "File events of {Directory} were not available; changes are found by comparing every 5 seconds")]
    private partial void LogNoEvents(Exception exception, string directory);
}
