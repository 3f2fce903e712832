using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Brings the database to this version before anything else touches it, and sees to it that somebody can enter. Replicas that start at once take turns under a lock;
/// a database that is not up yet is waited for.
/// </summary>
internal sealed partial class PrepareDatabase(NpgsqlDataSource database, IOptions<AuthOptions> auth, TimeProvider clock, ILogger<PrepareDatabase> log) : IHostedService
{
    // Any constant will do, as long as nobody else takes it.
    private const long MigrationLock = 0x1AC1_0E47_D8;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    /// <summary>The admin key that was made at this start and must be shown once; null when none was.</summary>
    public string? NewAdminKey { get; private set; }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await WaitForDatabaseAsync(cancellationToken);
        await MigrateAsync(database, cancellationToken);
        NewAdminKey = await BootstrapKey.EnsureAsync(database, auth.Value.BootstrapKey, clock.GetCurrentInstant(), cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Applies what is missing. Whoever comes second finds nothing to do.</summary>
    public static async Task MigrateAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        if ((await SchemaVersion.PendingAsync(database, cancellationToken)).Count == 0) return;
        await using var locked = await database.OpenConnectionAsync(cancellationToken);
        await using (var command = new NpgsqlCommand($"select pg_advisory_lock({MigrationLock})", locked)) await command.ExecuteNonQueryAsync(cancellationToken);
        try
        {
            var options = new DbContextOptionsBuilder<IncidentsDbContext>();
            options.UseIncidentsDatabase(database);
            await using var db = new IncidentsDbContext(options.Options);
            await db.Database.MigrateAsync(cancellationToken);
        }
        finally
        {
            await using var command = new NpgsqlCommand($"select pg_advisory_unlock({MigrationLock})", locked);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private async Task WaitForDatabaseAsync(CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        var said = false;
        while (true)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException error) when (error.IsTransient || error.InnerException is System.Net.Sockets.SocketException)
            {
                if (clock.GetElapsedTime(started) > LongestWait) throw;
                if (!said) LogWaiting(error.Message);
                said = true;
                await Task.Delay(TimeSpan.FromMilliseconds(500), clock, cancellationToken);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database was not reachable and is waited for: {Reason}")]
    private partial void LogWaiting(string reason);
}
