using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Domain.Alerts;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Insights;
using Incidents.Server.Notifications;
using Incidents.Server.Notifications.Inbound;
using Incidents.Server.OnCall;
using Incidents.Server.Response;
using Incidents.Server.Response.Heartbeats;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Incidents.StandIns;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Incidents.Server.Tests;

/// <summary>
/// The whole server on a database of its own, with a clock that the test moves, stand-ins for everything it sends to, and no background workers:
/// the test runs them in a fixed order, so a story reads like the incident and ends the same way every time.
/// </summary>
internal sealed class Engine : IAsyncDisposable
{
    public const string AdminKey = "the admin key that the stories use";

    public const string Routing = """
        version: 1
        receivers:
          - name: pager
            pagerduty:
              routing_key: ${file:KEYFILE}
          - name: critical
            slack:
              channel: "#critical"
          - name: alerts
            slack:
              channel: "#alerts"
          - name: monitoring
            slack:
              channel: "#monitoring"
        route:
          name: default
          group_by: [alertname, service]
          receivers:
            critical: [pager, critical]
            warning: [alerts]
            info: [monitoring]
          opens_incident: {critical: true, warning: true, info: false}
        """;

    private static readonly TimeSpan LongestSend = TimeSpan.FromSeconds(30);
    private static readonly DateTimeOffset Start = new(2026, 3, 2, 9, 0, 0, TimeSpan.Zero);

    private readonly WebApplication _app;
    private readonly Engine? _first;
    private readonly string _directory;

    private Engine(WebApplication app, TestDatabase database, StandInServer standIns, FakeTimeProvider clock, FakeAlertmanager alertmanager, string directory, Engine? first)
    {
        (_app, Database, StandIns, Clock, Alertmanager, _directory, _first) = (app, database, standIns, clock, alertmanager, directory, first);
        Http = Client(AdminKey);
    }

    public TestDatabase Database { get; }

    public StandInServer StandIns { get; }

    public FakeTimeProvider Clock { get; }

    public FakeAlertmanager Alertmanager { get; }

    public HttpClient Http { get; }

    public IServiceProvider Services => _app.Services;

    public NpgsqlDataSource Sql => Services.GetRequiredService<NpgsqlDataSource>();

    public Instant Now => Instant.FromDateTimeOffset(Clock.GetUtcNow());

    /// <summary>Set where a far side hangs: then a step waits only this long for sends under way.</summary>
    public TimeSpan WaitForSends { get; set; } = LongestSend;

    /// <param name="routing">Text of <c>routing.yaml</c>; <c>KEYFILE</c> in it, and in <paramref name="onCall"/>, is the file with PagerDuty's key.</param>
    /// <param name="configure">The last word on services.</param>
    /// <param name="beside">Another replica: this one shares its database, clock and far sides.</param>
    /// <param name="onCall">Text of <c>oncall.yaml</c>; null: there is none.</param>
    /// <param name="settings">More settings.</param>
    public static async Task<Engine> StartAsync(string routing = Routing, Action<IServiceCollection>? configure = null, Engine? beside = null, string? onCall = null, params (string Key, string Value)[] settings)
    {
        var database = beside?.Database ?? await TestDatabase.CreateAsync();
        var standIns = beside?.StandIns ?? await StandInServer.StartAsync();
        var clock = beside?.Clock ?? new FakeTimeProvider(Start);
        var alertmanager = beside?.Alertmanager ?? new FakeAlertmanager();
        var directory = Directory.CreateTempSubdirectory("incidents-engine-").FullName;
        var keyFile = Path.Combine(directory, "pagerduty-key");
        await File.WriteAllTextAsync(keyFile, "0123456789abcdef0123456789abcdef");
        await File.WriteAllTextAsync(Path.Combine(directory, "routing.yaml"), routing.Replace("KEYFILE", keyFile, StringComparison.Ordinal));

        if (onCall is not null) await File.WriteAllTextAsync(Path.Combine(directory, "oncall.yaml"), onCall.Replace("KEYFILE", keyFile, StringComparison.Ordinal));
        var app = ServerHost.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:Incidents"] = database.ConnectionString,
                ["Incidents:ConfigDirectory"] = directory,
                ["Incidents:PublicUrl"] = "https://incidents.example.org",
                ["Auth:BootstrapKey"] = AdminKey,
                ["Receive:IngestWorkers"] = "0",
                ["Calendar:Enabled"] = "false",
                ["PagerDuty:EventsUrl"] = standIns.PagerDutyEventsUrl,
                ["Slack:ApiUrl"] = standIns.SlackApiUrl,
                ["Slack:BotToken"] = "xoxb-1-secret",
                ["Loki:Url"] = standIns.Url,
                ["Smtp:Host"] = standIns.SmtpHost,
                ["Smtp:Port"] = standIns.SmtpPort.ToString(CultureInfo.InvariantCulture),
                ["Smtp:Security"] = "none",
                ["Smtp:From"] = "incidents@example.org",
                ["Webhook:AllowPrivateTargets"] = "true",
            });
            builder.Configuration.AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value));
            builder.Services.AddSingleton<TimeProvider>(clock);
            builder.WebHost.UseUrls("http://127.0.0.1:0");
        }, builder =>
        {
            builder.Logging.ClearProviders();
            foreach (var hosted in builder.Services.Where(d => d.ServiceType == typeof(IHostedService) && d.ImplementationType is { } type && (type.IsSubclassOf(typeof(Worker)) || type == typeof(ConfigurationWatcher))).ToList())
            {
                builder.Services.Remove(hosted);
                builder.Services.TryAddSingleton(hosted.ImplementationType!);
            }

            builder.Services.Replace(ServiceDescriptor.Singleton<IAlertmanagerApi>(alertmanager));
            configure?.Invoke(builder.Services);
        });
        using var problems = new StringWriter();
        Assert.That(app.LoadConfiguration(problems), Is.True, problems.ToString());
        app.Map();
        await app.StartAsync();
        await app.Services.GetRequiredService<ApiKeyCache>().RefreshAsync();
        return new Engine(app, database, standIns, clock, alertmanager, directory, beside);
    }

    public HttpClient Client(string? key)
    {
        var client = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
        if (key is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public static TestAlert Firing(string name) => new(name) { IsFiring = true };

    public static TestAlert Resolved(string name) => new(name) { IsFiring = false };

    public static Duration Seconds(int seconds) => Duration.FromSeconds(seconds);

    public static Duration Minutes(int minutes) => Duration.FromMinutes(minutes);

    /// <summary>One webhook with these alerts arrives, and all that is due at this moment is done.</summary>
    public Task<string> Receives(params TestAlert[] alerts) => ReceivesBody(Body(null, alerts));

    /// <summary>As <see cref="Receives"/>, as the whole of an Alertmanager group: what is not in it is missing.</summary>
    public Task<string> ReceivesGroup(string groupKey, params TestAlert[] alerts) => ReceivesBody(Body(groupKey, alerts));

    /// <summary>A body as it is. Answers the receipt.</summary>
    public async Task<string> ReceivesBody(string body)
    {
        var receipt = await StoresBytes(Encoding.UTF8.GetBytes(body));
        await RunsDueWork();
        return receipt;
    }

    public async Task<string> StoresBytes(byte[] body)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var answer = await Http.PostAsync(new Uri("/api/v1/webhooks/alertmanager", UriKind.Relative), content);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Accepted), await answer.Content.ReadAsStringAsync());
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
    }

    public string Body(string? groupKey, params TestAlert[] alerts)
    {
        var body = new JsonObject
        {
            ["receiver"] = "incidents",
            ["status"] = alerts.Any(a => a.IsFiring) ? "firing" : "resolved",
            ["alerts"] = new JsonArray([.. alerts.Select(a => a.ToJson(Now))]),
            ["version"] = "4",
            ["truncatedAlerts"] = 0,
        };
        if (groupKey is not null) body["groupKey"] = groupKey;
        return body.ToJsonString();
    }

    /// <summary>Time goes by in steps; at each, what is due is done.</summary>
    public async Task Passes(Duration time)
    {
        var step = time <= Minutes(2) ? Seconds(1) : time <= Minutes(30) ? Seconds(10) : Minutes(1);
        for (var left = time; left > Duration.Zero; left -= step)
        {
            Clock.Advance(Duration.Min(step, left).ToTimeSpan());
            await RunsDueWork();
        }
    }

    /// <summary>Every worker in the order of the stages, until nothing is due.</summary>
    public async Task RunsDueWork()
    {
        var ingest = Services.GetRequiredService<IngestInbox>();
        while ((await ingest.RunOnceAsync(CancellationToken.None)).Webhooks > 0) { }
        await RunAsync<SettleAlerts>();
        await RunAsync<ReleaseMuted>();
        await RunAsync<WatchStorms>();
        await RunAsync<WatchHeartbeats>();
        await RunAsync<EndWaits>();
        await RunAsync<MirrorSilences>();
        await RunAsync<ActOnInbound>();
        await RunAsync<FailOverDue>();
        await Services.GetRequiredService<DeliverDue>().SettleAsync(TimeSpan.Zero);
        do
        {
            await EscalatesAsync();
            await DeliversAsync();
            await RunAsync<FailOverDue>();
        }
        while (await EscalatesAsync());
    }

    /// <summary>True when anything was due.</summary>
    private async Task<bool> EscalatesAsync()
    {
        var isAny = false;
        while (await RunAsync<EscalateDue>() | await RunAsync<PageDue>()) isAny = true;
        return isAny;
    }

    private async Task DeliversAsync()
    {
        var deliveries = Services.GetRequiredService<DeliverDue>();
        while (await deliveries.DoPortionAsync(CancellationToken.None)) await deliveries.SettleAsync(WaitForSends);
        await deliveries.SettleAsync(WaitForSends);
        await RunAsync<SendReplies>();
    }

    public Task Audits() => RunAsync<AuditLedger>();

    public Task SendsItsHeartbeat() => RunAsync<SendHeartbeat>();

    /// <summary>One worker until nothing is due.</summary>
    public Task Runs<TWorker>() where TWorker : Worker => RunAsync<TWorker>();

    public async Task<JsonObject> Get(string path)
    {
        using var answer = await Http.GetAsync(new Uri("/api/v1/" + path, UriKind.Relative));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.IsSuccessStatusCode, Is.True, $"{path}: {text}");
        return JsonNode.Parse(text)!.AsObject();
    }

    /// <summary>Somebody acts; what follows at once is done. The answer is whatever it is.</summary>
    public async Task<(HttpStatusCode Status, JsonObject Body)> Post(string path, object? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/" + path);
        request.Content = body is null ? null : new StringContent(System.Text.Json.JsonSerializer.Serialize(body, ApiJson.Options), Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        using var answer = await Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        await RunsDueWork();
        return (answer.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject());
    }

    /// <summary>A verb on an incident that must work.</summary>
    public async Task<JsonObject> Does(long number, string verb, object? body = null)
    {
        var (status, answer) = await Post($"incidents/{number}/{verb}", body);
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK), answer.ToJsonString());
        return answer;
    }

    /// <summary>All incidents, the oldest first.</summary>
    public async Task<IReadOnlyList<JsonNode>> Incidents() => [.. (await Get("incidents?limit=100"))["items"]!.AsArray().Reverse()!];

    /// <summary>The one incident there is.</summary>
    public async Task<JsonNode> TheIncident()
    {
        var all = await Incidents();
        Assert.That(all, Has.Count.EqualTo(1), string.Join('\n', all.Select(i => i.ToJsonString())));
        return all[0];
    }

    public async Task<string> Timeline(long number) => string.Join('\n', (await Get($"incidents/{number}/timeline?limit=100"))["items"]!.AsArray().Select(e => $"{e!["kind"]}: {e["text"]}"));

    public async Task<string> OutcomesOf(string receipt)
    {
        var webhook = await Get($"inbox/{receipt}");
        var outcomes = webhook["outcomes"]!.AsObject().Where(o => o.Value!.GetValue<int>() > 0).Select(o => $"{o.Key} {o.Value}");
        return $"{webhook["state"]}: {string.Join(", ", outcomes)}".TrimEnd(' ', ':');
    }

    /// <summary>Straight into the timeline: "note 1", "note 2" and so on.</summary>
    public async Task AddsNotes(long number, int count)
    {
        await using var command = Sql.CreateCommand("insert into timeline_entries (incident_number, at, kind, text, actor_kind, actor_name) select $1, now(), 'note', 'note ' || n, 'user', 'Ana' from generate_series(1, $2) n order by n");
        command.Parameters.AddWithValue(number);
        command.Parameters.AddWithValue(count);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<T> Query<T>(string sql)
    {
        await using var command = Sql.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Holds after every story: one open incident a group, counts that agree, and an account that balances.</summary>
    public async Task ExpectsAllAccountedFor()
    {
        Assert.That(await Query<long>("select count(*) from (select group_id from incidents where state in ('triggered','acknowledged') group by group_id having count(*) > 1) d"), Is.Zero, "groups with two open incidents");
        Assert.That(await Query<long>("select count(*) from inbox where state = 'pending'"), Is.Zero, "webhooks not ingested");
        var until = InstantPattern.ExtendedIso.Format(Now + Seconds(1));
        var ledger = await Get($"ledger?until={Uri.EscapeDataString(until)}&since={Uri.EscapeDataString(InstantPattern.ExtendedIso.Format(Now - Duration.FromDays(30)))}");
        Assert.That(ledger["balanced"]!.GetValue<bool>(), Is.True, ledger.ToJsonString());
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
        if (_first is not null) return;
        await StandIns.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>Tells whether it found anything to do.</summary>
    private async Task<bool> RunAsync<TWorker>() where TWorker : Worker
    {
        var worker = Services.GetRequiredService<TWorker>();
        var isAny = false;
        while (await worker.DoPortionAsync(CancellationToken.None)) isAny = true;
        return isAny;
    }
}

/// <summary>One alert in a webhook.</summary>
internal sealed record TestAlert(string Name)
{
    public required bool IsFiring { get; init; }

    public IReadOnlyList<(string Name, string Value)> Labels { get; init; } = [];

    /// <summary>Null: it began at nine o'clock, when every story begins.</summary>
    public string? StartsAt { get; init; }

    public string? Summary { get; init; }

    public TestAlert With(string label, string value) => this with { Labels = [.. Labels, (label, value)] };

    public TestAlert As(string severity) => With("severity", severity);

    public TestAlert Since(string startsAt) => this with { StartsAt = startsAt };

    public JsonObject ToJson(Instant now)
    {
        var labels = new JsonObject { ["alertname"] = Name };
        foreach (var (name, value) in Labels) labels[name] = value;
        return new JsonObject
        {
            ["status"] = IsFiring ? "firing" : "resolved",
            ["labels"] = labels,
            ["annotations"] = Summary is null ? [] : new JsonObject { ["summary"] = Summary },
            ["startsAt"] = StartsAt ?? "2026-03-02T09:00:00Z",
            ["endsAt"] = IsFiring ? "0001-01-01T00:00:00Z" : InstantPattern.ExtendedIso.Format(now),
            ["generatorURL"] = "https://prometheus.example.org/graph",
            ["fingerprint"] = Fingerprint.Of(Domain.Alerts.Labels.From(labels.Select(l => KeyValuePair.Create(l.Key, l.Value!.GetValue<string>())))),
        };
    }
}

/// <summary>Alertmanager's API as the test wants it.</summary>
internal sealed class FakeAlertmanager : IAlertmanagerApi
{
    /// <summary>False: none is configured.</summary>
    public bool IsConfigured { get; set; } = true;

    /// <summary>Null: it cannot be reached.</summary>
    public Dictionary<string, UpstreamView>? Alerts { get; set; } = new(StringComparer.Ordinal);

    public int Asked { get; private set; }

    public bool Knows(string kind, string source) => IsConfigured;

    public bool KnowsAllOfItsSources { get; set; } = true;

    public Task<(IReadOnlyDictionary<string, UpstreamView>? Alerts, string? Why)> ListAsync(CancellationToken cancellationToken)
    {
        Asked++;
        return Task.FromResult<(IReadOnlyDictionary<string, UpstreamView>?, string?)>(Alerts is null ? (null, "Alertmanager answered 502") : (Alerts, null));
    }
}
