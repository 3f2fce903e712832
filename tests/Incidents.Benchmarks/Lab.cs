using System.Globalization;
using Incidents.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Incidents.Benchmarks;

/// <summary>Where everything runs: one PostgreSQL as the server would start it, a receiver, and servers and Alertmanagers as a scenario needs them. Nothing of it stays.</summary>
internal sealed class Lab : IAsyncDisposable
{
    public const string Key = "benchmarks-only-key-0123456789";

    private readonly string _directory = Directory.CreateTempSubdirectory("incidents-bench-").FullName;
    private readonly EmbeddedPostgres _postgres;
    private readonly string _pgbench;
    private int _alertmanagers;

    private Lab(Machine machine, Receiver receiver, string pgbench)
    {
        (Machine, Receiver, _pgbench) = (machine, receiver, pgbench);

        // PostgreSQL does not run as root, so it must be able to reach its files.
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_directory, (UnixFileMode)0b111_101_101);

        // Everything as the server sets it, but for room for pgbench's 256 clients.
        var options = new EmbeddedPostgresOptions { DataDirectory = Path.Combine(_directory, "data"), Settings = new Dictionary<string, string> { ["max_connections"] = "400" } };
        _postgres = new EmbeddedPostgres(options, TimeProvider.System, NullLogger<EmbeddedPostgres>.Instance);
    }

    public Machine Machine { get; }

    public Receiver Receiver { get; }

    public static async Task<Lab> StartAsync()
    {
        var binaries = await EmbeddedPostgresBinaries.FindAsync(Environment.GetEnvironmentVariable("INCIDENTS_POSTGRES_BIN"), null, CancellationToken.None);
        var lab = new Lab(new Machine(), await Receiver.StartAsync(), binaries["pgbench"]);
        await lab._postgres.StartAsync(CancellationToken.None);
        lab.Machine.Adopt(lab._postgres.PostmasterPid!.Value);
        await lab.RunSqlAsync("postgres", "create database ins1");
        await lab.RunSqlAsync("ins1", "create table ins1 (id bigint generated always as identity primary key, at timestamptz not null, body jsonb not null)");
        return lab;
    }

    public Task<double> Ins1Async(int clients, double seconds) => Programs.PgbenchAsync(_pgbench, new NpgsqlConnectionStringBuilder(ConnectionTo("ins1")).Host!, clients, seconds);

    public string ConnectionTo(string database) => new NpgsqlConnectionStringBuilder(_postgres.ConnectionString) { Database = database }.ConnectionString;

    /// <summary>Our server, on a database of this name. It is made and migrated when it is not there.</summary>
    /// <param name="database">Name.</param>
    /// <param name="sends">Whether it tells our receiver. When not, what is to be told is queued all the same.</param>
    public async Task<Served> ServerAsync(string database, bool sends = true)
    {
        if ((long)(await ScalarAsync("postgres", $"select count(*) from pg_database where datname = '{database}'"))! == 0) await RunSqlAsync("postgres", $"create database {database}");
        var config = Directory.CreateDirectory(Path.Combine(_directory, "config"));
        await File.WriteAllTextAsync(Path.Combine(config.FullName, "routing.yaml"), $$"""
            version: 1
            receivers:
              - name: out
                webhook: {url: "{{Receiver.Url}}/"}
            route:
              name: default
              group_by: [instance]
              receivers: {critical: [out], warning: [out], info: [out]}
            """);
        var url = $"http://127.0.0.1:{Served.FreePort()}";
        return await Served.StartAsync("dotnet", [Environment.GetEnvironmentVariable("INCIDENTS_BENCH_SERVER") ?? typeof(EmbeddedPostgres).Assembly.Location], url, "/readyz", Path.Combine(_directory, $"{database}.log"), new Dictionary<string, string>
        {
            ["ASPNETCORE_URLS"] = url,
            ["ConnectionStrings__Incidents"] = ConnectionTo(database),
            ["Incidents__ConfigDirectory"] = config.FullName,
            ["Incidents__DataDirectory"] = Path.Combine(_directory, "unused"),
            ["Auth__BootstrapKey"] = Key,
            ["Webhook__AllowPrivateTargets"] = "true",
            ["Deliveries__Enabled"] = sends ? "true" : "false",
        });
    }

    /// <param name="groupBy"><c>'...'</c>: each alert in a group of its own.</param>
    /// <param name="sends">Whether it tells our receiver, at once.</param>
    public async Task<Served> AlertmanagerAsync(string groupBy, bool sends)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_directory, string.Create(CultureInfo.InvariantCulture, $"alertmanager{++_alertmanagers}"))).FullName;
        var config = Path.Combine(directory, "alertmanager.yml");
        await File.WriteAllTextAsync(config, $$"""
            route: {receiver: out, group_by: [{{groupBy}}], group_wait: 0s, group_interval: 1h, repeat_interval: 12h}
            receivers:
              - name: out
            {{(sends ? $"    webhook_configs: [{{url: \"{Receiver.Url}/\", send_resolved: false}}]" : "")}}
            """);
        var port = Served.FreePort();
        return await Served.StartAsync(AlertmanagerProgram(), [$"--config.file={config}", $"--storage.path={directory}/data", $"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"],
            $"http://127.0.0.1:{port}", "/-/ready", Path.Combine(directory, "log"));
    }

    /// <summary>Waits until no webhook waits in the inbox.</summary>
    public Task IngestedAsync(string database, double mostSeconds = 120) => UntilAsync(database, "select not exists (select from inbox where state = 'pending')", mostSeconds);

    /// <summary>Waits until nothing is left to send. False when the time did not do.</summary>
    public Task<bool> SentAsync(string database, double mostSeconds = 120) => UntilAsync(database, "select not exists (select from inbox where state = 'pending') and not exists (select from deliveries where state in ('queued', 'sending'))", mostSeconds);

    public async Task<object?> ScalarAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionTo(database));
        await using var command = source.CreateCommand(sql);
        command.CommandTimeout = 300;
        return await command.ExecuteScalarAsync();
    }

    public Task RunSqlAsync(string database, string sql) => ScalarAsync(database, sql);

    public async ValueTask DisposeAsync()
    {
        await _postgres.StopAsync(CancellationToken.None);
        await Receiver.DisposeAsync();
        if (Environment.GetEnvironmentVariable("INCIDENTS_BENCH_KEEP") is null) Directory.Delete(_directory, recursive: true);
    }

    private static string AlertmanagerProgram() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').SelectMany(d => new[] { Path.Combine(d, "prometheus-alertmanager"), Path.Combine(d, "alertmanager") }).First(File.Exists);

    private async Task<bool> UntilAsync(string database, string sql, double mostSeconds)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionTo(database));
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began).TotalSeconds < mostSeconds)
        {
            await using var command = source.CreateCommand(sql);
            if (await command.ExecuteScalarAsync() is true) return true;
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }

        return false;
    }
}
