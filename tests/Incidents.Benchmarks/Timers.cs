using System.Globalization;
using Incidents.Server;
using Incidents.Server.Configuration;
using Incidents.Server.OnCall;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace Incidents.Benchmarks;

/// <summary>The server's own escalation worker, run by hand on a database that holds as many pending escalations as asked for.</summary>
internal sealed class Timers : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly NpgsqlDataSource _database;
    private readonly string _directory;

    private Timers(WebApplication app, NpgsqlDataSource database, string directory) => (_app, _database, _directory) = (app, database, directory);

    /// <param name="connection">Of a database that a server has made.</param>
    public static async Task<Timers> StartAsync(string connection)
    {
        var directory = Directory.CreateTempSubdirectory("incidents-bench-timers-").FullName;
        await File.WriteAllTextAsync(Path.Combine(directory, "routing.yaml"), """
            version: 1
            receivers:
              - {name: out, webhook: {url: "http://127.0.0.1:9/"}}
              - {name: room, webhook: {url: "http://127.0.0.1:9/"}}
            route:
              name: default
              group_by: [instance]
              receivers: [out]
              escalation_policy: {critical: critical, warning: critical}
            """);
        await File.WriteAllTextAsync(Path.Combine(directory, "oncall.yaml"), """
            version: 1
            people:
              - {key: ana, name: Ana, email: ana@example.org, time_zone: UTC}
            escalation_policies:
              - key: critical
                name: Critical
                steps:
                  - {targets: [{receiver: out}], escalate_after: 5m}
                  - {targets: [{receiver: room}], escalate_after: 5m}
                  - {targets: [{person: ana}], escalate_after: 5m}
            """);
        var app = ServerHost.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:Incidents"] = connection,
                ["Incidents:ConfigDirectory"] = directory,
                ["Smtp:Host"] = "127.0.0.1",
            });
            builder.Logging.ClearProviders();
        }, builder => builder.Services.AddSingleton<EscalateDue>());
        if (!app.LoadConfiguration(Console.Error)) throw new InvalidOperationException("The benchmark's configuration is wrong.");
        return new Timers(app, NpgsqlDataSource.Create(connection), directory);
    }

    /// <summary>So many open incidents, each with an escalation whose second step is pending for tomorrow.</summary>
    public async Task PrepareAsync(int count)
    {
        await RunAsync("truncate incidents, escalations, pages, deliveries, notification_threads, timeline_entries");
        const string snapshot = """{"policy":"critical","variant":"all","severity":"critical","taken_at":"2026-01-01T00:00:00Z","steps":[{"targets":[{"kind":"receiver","key":"out"}],"escalate_after":"PT5M"},{"targets":[{"kind":"receiver","key":"room"}],"escalate_after":"PT5M"},{"targets":[{"kind":"person","key":"ana"}],"escalate_after":"PT5M"}],"repeat":0,"reach_within":"PT15M"}""";
        await RunAsync(string.Create(CultureInfo.InvariantCulture, $$$"""
            insert into incidents (number, group_key, group_id, title, severity, state, since, opened_at, resolved_by_alerts, firing_alerts, total_alerts, reopened, receivers, escalation_policy, playbooks, manual_review_required, about_engine, revision, updated_at)
            select g, 'g' || g, gen_random_uuid(), 'The disk of server ' || g || ' is full', 'critical', 'triggered', now(), now(), false, 1, 1, 0, '{out}', 'critical', '{}', false, false, 1, now() from generate_series(1, {{{count}}}) g
            """));
        await RunAsync(string.Create(CultureInfo.InvariantCulture, $$"""
            insert into escalations (number, policy, snapshot, status, step, round, run, due_at, round_reached, revision)
            select g, 'critical', '{{snapshot}}', 'running', 1, 0, 0, now() + interval '1 day', true, 1 from generate_series(1, {{count}}) g
            """));
        await RunAsync("vacuum analyze");
    }

    /// <summary>So many become due in the same second; how many a second are fired, until none is left.</summary>
    public async Task<double> FireAsync(int count)
    {
        await RunAsync("truncate pages, deliveries, notification_threads, timeline_entries");
        await RunAsync("update incidents set receivers = '{out}' where 'room' = any(receivers)");
        await RunAsync(string.Create(CultureInfo.InvariantCulture, $"update escalations set step = 1, due_at = case when number <= {count} then now() else now() + interval '1 day' end where number <= {count} or step <> 1"));
        await RunAsync("vacuum analyze escalations");
        var worker = _app.Services.GetRequiredService<EscalateDue>();
        var began = TimeProvider.System.GetTimestamp();
        while (await worker.DoPortionAsync(CancellationToken.None))
        {
        }

        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        await using var command = _database.CreateCommand("select count(*) from timeline_entries where kind = 'step_fired'");
        if ((long)(await command.ExecuteScalarAsync())! != count) throw new InvalidOperationException("Not every step fired once.");
        return count / seconds;
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        await _app.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private async Task RunAsync(string sql)
    {
        await using var command = _database.CreateCommand(sql);
        command.CommandTimeout = 600;
        await command.ExecuteNonQueryAsync();
    }
}
