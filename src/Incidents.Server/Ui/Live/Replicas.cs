using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Npgsql;

namespace Incidents.Server.Ui.Live;

/// <summary>
/// Tells other replicas that something changed: outside of the transactions that changed it, at most every 50 ms however many there were.
/// A lost word costs their pages seconds, because they also look by themselves.
/// </summary>
internal sealed class TellReplicas(NpgsqlDataSource database, ChangeSignal changes, ChangeFeed feed, TimeProvider clock) : BackgroundService
{
    public const string Channel = "incidents_changes";
    private static readonly TimeSpan AtMostEvery = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        var watch = changes.StartWatch();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await watch.WaitAsync(Pause, clock, stoppingToken);
                feed.Wake();
                await using (var command = database.CreateCommand("select pg_notify($1, $2)"))
                {
                    command.Parameters.Add(Sql.P(Channel));
                    command.Parameters.Add(Sql.P(HearReplicas.Me));
                    await command.ExecuteNonQueryAsync(stoppingToken);
                }

                await Task.Delay(AtMostEvery, clock, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException)
            {
                // The workers say that the database is away; here nothing is lost but a word.
                await Task.Delay(TimeSpan.FromSeconds(1), clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}

/// <summary>Hears from other replicas that something changed, on a connection of its own.</summary>
internal sealed partial class HearReplicas(NpgsqlDataSource database, ChangeFeed feed, TimeProvider clock, ILogger<HearReplicas> log) : BackgroundService
{
    public static readonly string Me = Guid.CreateVersion7().ToString();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        var failing = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(stoppingToken);
                connection.Notification += (_, told) =>
                {
                    if (told.Payload != Me) feed.Wake();
                };
                await using (var command = new NpgsqlCommand($"listen {TellReplicas.Channel}", connection)) await command.ExecuteNonQueryAsync(stoppingToken);
                if (failing) LogHears();
                failing = false;
                feed.Wake();
                while (true) await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException error)
            {
                if (!failing) LogLost(error);
                failing = true;
                await Task.Delay(TimeSpan.FromSeconds(2), clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Other replicas were not heard any more; pages follow them within 5 seconds")]
    private partial void LogLost(Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "Other replicas are heard again")]
    private partial void LogHears();
}
