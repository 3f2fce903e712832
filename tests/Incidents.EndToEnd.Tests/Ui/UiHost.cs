using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Incidents.Server;
using Incidents.Server.Configuration;
using Incidents.Server.Tests;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Incidents.EndToEnd.Tests.Ui;

/// <summary>The whole server in this process, on real PostgreSQL, with a client that holds the admin key. It can be stopped and started again at the same address.</summary>
internal sealed class UiHost : IAsyncDisposable
{
    public const string AdminKey = "an admin key for the tests of pages";

    private readonly TestDatabase _database;
    private WebApplication? _app;

    private UiHost(TestDatabase database) => _database = database;

    public string Address { get; private set; } = "http://127.0.0.1:0";

    public HttpClient Api { get; private set; } = new();

    public static async Task<UiHost> StartAsync()
    {
        var host = new UiHost(await TestDatabase.CreateAsync());
        await host.StartAgainAsync();
        host.Api = new HttpClient { BaseAddress = new Uri(host.Address), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", AdminKey) } };
        return host;
    }

    public async Task StartAgainAsync()
    {
        _app = ServerHost.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:Incidents"] = _database.ConnectionString,
                ["Incidents:ConfigDirectory"] = Path.Combine(AppContext.BaseDirectory, "config"),
                ["Auth:BootstrapKey"] = AdminKey,
                ["Calendar:Enabled"] = "false",
                ["urls"] = Address,
            });
        }, builder => builder.Logging.ClearProviders());
        Assert.That(_app.LoadConfiguration(TestContext.Error), Is.True);
        _app.Map();
        await _app.StartAsync();
        Address = _app.Urls.First();
    }

    public async Task StopAsync()
    {
        if (_app is null) return;
        await _app.StopAsync();
        await _app.DisposeAsync();
        _app = null;
    }

    public async Task<long> OpenAsync(string title, string severity = "critical")
    {
        var answer = await Api.PostAsJsonAsync("/api/v1/incidents", new { title, severity });
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Created), await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<JsonObject>())!["number"]!.GetValue<long>();
    }

    public async Task DoAsync(long number, string verb, object? body = null) =>
        Assert.That((await Api.PostAsJsonAsync($"/api/v1/incidents/{number}/{verb}", body ?? new { })).StatusCode, Is.EqualTo(HttpStatusCode.OK));

    public async Task<JsonObject> GetAsync(string path) => (await Api.GetFromJsonAsync<JsonObject>(path))!;

    /// <summary>As Alertmanager would send it; answers the number of the incident, once there is one.</summary>
    public async Task<long?> FireAsync(string name, Dictionary<string, string> labels, Dictionary<string, string> annotations, bool opens = true)
    {
        labels["alertname"] = name;
        var starts = TimeProvider.System.GetUtcNow().ToString("o");
        var alert = new { status = "firing", labels, annotations, startsAt = starts, endsAt = "0001-01-01T00:00:00Z", generatorURL = "http://prometheus.example/graph?g0.expr=up", fingerprint = Guid.NewGuid().ToString("n")[..16] };
        var answer = await Api.PostAsJsonAsync("/api/v1/webhooks/alertmanager", new { version = "4", groupKey = "{}:{}", status = "firing", receiver = "incidents", groupLabels = new { }, commonLabels = new { }, commonAnnotations = new { }, externalURL = "http://am", alerts = new[] { alert } });
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        for (var i = 0; i < 200; i++)
        {
            var alerts = (await GetAsync($"/api/v1/alerts?label=alertname={Uri.EscapeDataString(name)}"))["items"]!.AsArray();
            if (alerts.Count > 0) return opens ? alerts[0]!["incident_number"]!.GetValue<long>() : null;
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        throw new InvalidOperationException($"{name} was never ingested.");
    }

    public async Task<(string Id, string Key)> CreateKeyAsync(string name, params string[] scopes)
    {
        var answer = (await (await Api.PostAsJsonAsync("/api/v1/api-keys", new { name, scopes })).Content.ReadFromJsonAsync<JsonObject>())!;
        return (answer["id"]!.GetValue<string>(), answer["key"]!.GetValue<string>());
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Api.Dispose();
        await _database.DisposeAsync();
    }
}
