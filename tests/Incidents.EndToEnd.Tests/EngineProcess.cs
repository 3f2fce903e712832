using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Server.Storage;
using Incidents.StandIns;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Incidents.EndToEnd.Tests;

/// <summary>The server as it is shipped, in a process of its own, with its own data directory, configuration and port. It can be killed and started again.</summary>
internal sealed class EngineProcess : IAsyncDisposable
{
    public const string Key = "end-to-end-key-of-the-tests";

    private readonly Dictionary<string, string> _environment;
    private readonly EmbeddedPostgres _postgres;
    private readonly string _directory;
    private ChildProcess? _process;

    public EngineProcess(StandInServer standIns, string? routing = null, string? database = null, IReadOnlyDictionary<string, string>? settings = null)
    {
        // PostgreSQL's account must be able to pass through.
        _directory = Directory.CreateTempSubdirectory("incidents e2e-").FullName;
        File.SetUnixFileMode(_directory, File.GetUnixFileMode(_directory) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        Directory.CreateDirectory(ConfigDirectory);
        File.WriteAllText(RoutingFile, routing ?? File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "config", "routing.yaml")));

        var data = Path.Combine(_directory, "data");
        _postgres = new EmbeddedPostgres(new() { DataDirectory = data }, TimeProvider.System, NullLogger<EmbeddedPostgres>.Instance);
        Database = database ?? _postgres.ConnectionString;
        Url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ChildProcess.FreePort()}");
        Http = new HttpClient { BaseAddress = new Uri(Url), Timeout = TimeSpan.FromSeconds(20) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        _environment = new()
        {
            ["ASPNETCORE_URLS"] = Url,
            ["Incidents__DataDirectory"] = data,
            ["Incidents__ConfigDirectory"] = ConfigDirectory,
            ["ConnectionStrings__Incidents"] = database ?? "",
            ["Auth__BootstrapKey"] = Key,
            ["PagerDuty__EventsUrl"] = standIns.PagerDutyEventsUrl,
            ["PagerDuty__RoutingKey"] = "endtoendendtoendendtoendendtoend",
            ["Slack__ApiUrl"] = standIns.SlackApiUrl,
            ["Slack__BotToken"] = "xoxb-end-to-end",
            ["Smtp__Host"] = standIns.SmtpHost,
            ["Smtp__Port"] = standIns.SmtpPort.ToString(CultureInfo.InvariantCulture),
            ["Smtp__Security"] = "none",
            ["Smtp__From"] = "incidents@example.com",
            ["Loki__Url"] = standIns.Url,
            ["Webhook__AllowPrivateTargets"] = "true",
        };
        foreach (var (name, value) in settings ?? new Dictionary<string, string>()) _environment[name] = value;
    }

    public string Url { get; }

    public HttpClient Http { get; }

    public string Database { get; }

    public string ConfigDirectory => Path.Combine(_directory, "config");

    public string RoutingFile => Path.Combine(ConfigDirectory, "routing.yaml");

    public string Printed => _process?.Printed ?? "";

    public ChildProcess Process => _process ?? throw new InvalidOperationException("it was not started");

    public int? PostmasterPid => _postgres.PostmasterPid;

    /// <summary>Starts the process and does not wait.</summary>
    public void Launch() => _process = ChildProcess.Start("dotnet", [Path.Combine(AppContext.BaseDirectory, "Incidents.Server.dll")], _directory, _environment);

    public async Task StartAsync()
    {
        Launch();
        await Eventually.IsAsync(
            async () =>
            {
                if (Process.HasExited) Assert.Fail($"The server ended:\n{Printed}");
                using var answer = await Http.GetAsync("/readyz");
                return (int)answer.StatusCode;
            },
            Is.EqualTo(200), "the server becomes ready", 90);
    }

    public async Task KillAsync()
    {
        await Process.KillAsync();
        await Process.DisposeAsync();
    }

    public static async Task KillAsync(int pid)
    {
        using var kill = System.Diagnostics.Process.Start("kill", ["-9", pid.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    public async Task<JsonNode> GetAsync(string path)
    {
        using var answer = await Http.GetAsync(path);
        answer.EnsureSuccessStatusCode();
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    public async Task<JsonNode> PostAsync(string path)
    {
        using var answer = await Http.PostAsync(path, null);
        Assert.That(answer.IsSuccessStatusCode, Is.True, $"{path}: {answer.StatusCode}");
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    /// <summary>Posts one webhook once; the status and, when it was taken, the receipt.</summary>
    public async Task<(HttpStatusCode Status, string? Receipt)> SendAsync(JsonObject webhook)
    {
        using var content = new StringContent(webhook.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await Http.PostAsync("/api/v1/webhooks/alertmanager", content);
        return (answer.StatusCode, answer.StatusCode == HttpStatusCode.Accepted ? (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["id"] : null);
    }

    public async Task<T> QueryAsync<T>(string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Database) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (_process is not null)
        {
            if (!_process.HasExited) await _process.StopAsync();
            await _process.DisposeAsync();
        }

        await _postgres.DisposeAsync();

        // The guard of a killed server may still hold a file for a moment.
        await Eventually.IsAsync(() => TryDelete(_directory), Is.True, $"{_directory} can be removed");
    }

    private static bool TryDelete(string directory)
    {
        try
        {
            if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
