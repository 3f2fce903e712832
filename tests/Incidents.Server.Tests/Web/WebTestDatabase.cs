using System.Diagnostics;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Incidents.Server.Tests.Web;

/// <summary>A PostgreSQL of its own for the tests of this folder, which may stop it to see what happens then.</summary>
internal static class WebTestDatabase
{
    private const string Binaries = "/usr/lib/postgresql/15/bin";
    private static string? _directory;
    private static int _databases;

    /// <summary>Connection string of a new database with the whole model in it.</summary>
    public static async Task<string> CreateAsync()
    {
        if (_directory is null) await CreateClusterAsync();
        var connectionString = new NpgsqlConnectionStringBuilder
        {
            Host = _directory, Username = "postgres", Database = $"web_{Interlocked.Increment(ref _databases)}", Timeout = 3, MaxPoolSize = 16,
        }.ConnectionString;
        var options = new DbContextOptionsBuilder<IncidentsDbContext>();
        Configure(options, connectionString);
        await using var db = new IncidentsDbContext(options.Options);
        await db.Database.EnsureCreatedAsync();
        return connectionString;
    }

    public static void Configure(DbContextOptionsBuilder options, string connectionString) =>
        options.UseNpgsql(connectionString, o => o.UseNodaTime()).UseSnakeCaseNamingConvention();

    public static Task StopAsync() => RunAsync("pg_ctl", "-D", _directory! + "/data", "-m", "immediate", "-w", "stop");

    public static async Task StartAsync()
    {
        await RunAsync("pg_ctl", "-D", _directory! + "/data", "-l", _directory + "/log", "-w", "-o", $"-c listen_addresses='' -c unix_socket_directories={_directory} -c fsync=off", "start");
        NpgsqlConnection.ClearAllPools();
    }

    public static async Task RemoveAsync()
    {
        if (_directory is null) return;
        await StopAsync();
        Directory.Delete(_directory, recursive: true);
        _directory = null;
    }

    private static async Task CreateClusterAsync()
    {
        _directory = Directory.CreateTempSubdirectory("incidents-web-").FullName;
        if (Environment.UserName == "root") await RunPlainAsync("chown", "postgres", _directory);
        await RunAsync("initdb", "-D", _directory + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync");
        await StartAsync();
    }

    private static Task RunAsync(string program, params string[] arguments) => Environment.UserName == "root"
        ? RunPlainAsync("runuser", ["-u", "postgres", "--", $"{Binaries}/{program}", .. arguments])
        : RunPlainAsync($"{Binaries}/{program}", arguments);

    private static async Task RunPlainAsync(string program, params string[] arguments)
    {
        // Output goes nowhere: a pipe would stay open as long as the server that pg_ctl starts.
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", "exec \"$0\" \"$@\" >/dev/null 2>&1", program, .. arguments]) { WorkingDirectory = "/" })!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}

[SetUpFixture]
internal sealed class WebTestDatabaseLifetime
{
    [OneTimeTearDown]
    public Task Remove() => WebTestDatabase.RemoveAsync();
}
