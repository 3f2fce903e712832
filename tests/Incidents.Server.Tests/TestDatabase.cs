using Incidents.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Incidents.Server.Tests;

/// <summary>
/// A database of its own for a fixture or a test, with the whole schema, in milliseconds: a copy of a template that was migrated once.
/// All are on one embedded PostgreSQL for the whole run, or on the server that <c>INCIDENTS_TEST_DB</c> names (a connection string
/// whose user may create databases).
/// </summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private static readonly Lazy<Task<TestDatabaseServer>> Server = new(() => TestDatabaseServer.StartAsync());

    private static int _made;

    private readonly TestDatabaseServer _server;
    private readonly string _name;

    private TestDatabase(TestDatabaseServer server, string name) => (_server, _name) = (server, name);

    /// <summary>For Npgsql; pooled.</summary>
    public string ConnectionString => _server.ConnectionTo(_name);

    /// <summary>A new copy of the template.</summary>
    public static async Task<TestDatabase> CreateAsync(CancellationToken cancellationToken = default)
    {
        var server = await Server.Value;
        var name = $"{server.Prefix}_{Interlocked.Increment(ref _made)}";
        await server.ExecuteAsync($"create database {name} template {server.Template}", cancellationToken);
        return new(server, name);
    }

    /// <summary>Drops it, even under open connections.</summary>
    public async ValueTask DisposeAsync()
    {
        await using (var pool = new NpgsqlConnection(ConnectionString)) NpgsqlConnection.ClearPool(pool);
        await _server.ExecuteAsync($"drop database if exists {_name} with (force)", CancellationToken.None);
    }

    internal static async Task StopServerAsync()
    {
        if (Server.IsValueCreated) await (await Server.Value).DisposeAsync();
    }
}

/// <summary>Stops the PostgreSQL of the run, if any test started it.</summary>
[SetUpFixture]
public sealed class TestDatabaseTearDown
{
    [OneTimeTearDown]
    public Task StopAsync() => TestDatabase.StopServerAsync();
}

/// <summary>The PostgreSQL under all test databases of a run.</summary>
internal sealed class TestDatabaseServer : IAsyncDisposable
{
    private readonly EmbeddedPostgres? _embedded;
    private readonly string? _directory;
    private readonly string _connectionString;

    private TestDatabaseServer(string connectionString, EmbeddedPostgres? embedded, string? directory)
    {
        (_connectionString, _embedded, _directory) = (connectionString, embedded, directory);
        Prefix = $"incidents_test_{Environment.ProcessId}_{Path.GetRandomFileName()[..4]}";
        Template = $"{Prefix}_template";
    }

    public string Prefix { get; }

    public string Template { get; }

    public static async Task<TestDatabaseServer> StartAsync()
    {
        TestDatabaseServer server;
        if (Environment.GetEnvironmentVariable("INCIDENTS_TEST_DB") is { Length: > 0 } given)
        {
            server = new(given, null, null);
        }
        else
        {
            // Nothing here survives the run, so nothing needs to survive a power cut.
            var directory = Directory.CreateTempSubdirectory("incidents-tests-").FullName;
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(directory, File.GetUnixFileMode(directory) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            var postgres = new EmbeddedPostgres(
                new()
                {
                    DataDirectory = directory,
                    OrphanGrace = TimeSpan.FromSeconds(2),
                    Settings = new Dictionary<string, string>
                    {
                        ["fsync"] = "off", ["synchronous_commit"] = "off", ["full_page_writes"] = "off", ["max_connections"] = "400", ["autovacuum"] = "off",
                    },
                },
                TimeProvider.System,
                NullLogger<EmbeddedPostgres>.Instance);
            await postgres.StartAsync(CancellationToken.None);
            server = new(postgres.ConnectionString, postgres, directory);
        }

        await server.ExecuteAsync($"create database {server.Template}", CancellationToken.None);
        await using var source = StorageModule.CreateDataSource(server.ConnectionTo(server.Template, pooled: false));
        await PrepareDatabase.MigrateAsync(source, CancellationToken.None);
        return server;
    }

    public string ConnectionTo(string database, bool pooled = true) => new NpgsqlConnectionStringBuilder(_connectionString)
    {
        Database = database, Pooling = pooled, IncludeErrorDetail = true,
    }.ConnectionString;

    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (_embedded is null)
        {
            await ExecuteAsync($"drop database if exists {Template} with (force)", CancellationToken.None);
            return;
        }

        await _embedded.DisposeAsync();
        Directory.Delete(_directory!, recursive: true);
    }
}
