using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Incidents.Server.Tests.Web;

/// <summary>How the tests of this folder reach a database, and a PostgreSQL of one test's own that it may stop to see what happens then.</summary>
internal sealed class StoppableDatabase : IAsyncDisposable
{
    private readonly EmbeddedPostgres _postgres;
    private readonly string _directory;

    private StoppableDatabase(EmbeddedPostgres postgres, string directory) => (_postgres, _directory) = (postgres, directory);

    /// <summary>With the whole schema; gives up on a connection after three seconds.</summary>
    public string ConnectionString => new NpgsqlConnectionStringBuilder(_postgres.ConnectionString) { Timeout = 3, MaxPoolSize = 16 }.ConnectionString;

    public static async Task<StoppableDatabase> StartAsync()
    {
        // PostgreSQL's account must be able to pass through.
        var directory = Directory.CreateTempSubdirectory("incidents-web-").FullName;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(directory, File.GetUnixFileMode(directory) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var settings = new Dictionary<string, string> { ["fsync"] = "off" };
        var postgres = new EmbeddedPostgres(new() { DataDirectory = directory, OrphanGrace = TimeSpan.FromSeconds(2), Settings = settings }, TimeProvider.System, NullLogger<EmbeddedPostgres>.Instance);
        await postgres.StartAsync(CancellationToken.None);
        await using var source = StorageModule.CreateDataSource(postgres.ConnectionString);
        await PrepareDatabase.MigrateAsync(source, CancellationToken.None);
        return new(postgres, directory);
    }

    public Task StopAsync() => _postgres.StopAsync(CancellationToken.None);

    public async Task StartAgainAsync()
    {
        await _postgres.StartAsync(CancellationToken.None);
        NpgsqlConnection.ClearAllPools();
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await _postgres.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    public static void Configure(DbContextOptionsBuilder options, string connectionString) =>
        options.UseNpgsql(connectionString, o => o.UseNodaTime()).UseSnakeCaseNamingConvention();
}
