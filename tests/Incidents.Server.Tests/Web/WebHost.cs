using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NodaTime;

namespace Incidents.Server.Tests.Web;

/// <summary>A real server on a free port: the web module, a few endpoints of the test's own, and PostgreSQL.</summary>
internal sealed class WebHost : IAsyncDisposable
{
    public const string AdminKey = "an admin key that the tests chose";

    private readonly WebApplication _app;
    private readonly TestDatabase? _database;

    private WebHost(WebApplication app, TestDatabase? database, FakeConfiguration configuration, LogLines log) => (_app, _database, Configuration, Log) = (app, database, configuration, log);

    public FakeConfiguration Configuration { get; }

    public LogLines Log { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<WebHost> StartAsync(Action<WebApplication>? map = null, Action<WebApplicationBuilder>? configure = null, string? connectionString = null, string environment = "Production")
    {
        var database = connectionString is null ? await TestDatabase.CreateAsync() : null;
        var connection = connectionString ?? database!.ConnectionString;
        var configuration = new FakeConfiguration();
        var log = new LogLines();
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = environment, ApplicationName = typeof(WebModule).Assembly.GetName().Name });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Logging:LogLevel:Default"] = "Information" });
        builder.Logging.ClearProviders();
        builder.Services.AddDbContext<IncidentsDbContext>(o => StoppableDatabase.Configure(o, connection));
        builder.Services.AddSingleton(_ => StorageModule.CreateDataSource(connection));
        builder.Services.AddSingleton<IActiveConfiguration>(configuration);
        configure?.Invoke(builder);
        builder.AddWeb();
        builder.Logging.ClearProviders().AddProvider(log);
        builder.WebHost.UseUrls("http://127.0.0.1:0");

        // Only the web module is here: handlers of the stages, which nobody calls, cannot be made.
        builder.Host.UseDefaultServiceProvider(o => o.ValidateOnBuild = false);

        var app = builder.Build();
        app.MapWeb();
        map?.Invoke(app);
        await BootstrapKey.EnsureAsync(app.Services.GetRequiredService<Npgsql.NpgsqlDataSource>(), AdminKey, Instant.FromUtc(2026, 1, 1, 0, 0), CancellationToken.None);
        await app.StartAsync();
        await app.Services.GetRequiredService<ApiKeyCache>().RefreshAsync();
        return new WebHost(app, database, configuration, log);
    }

    /// <summary>A client with this key, or without any.</summary>
    public HttpClient Client(string? key = AdminKey)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(_app.Urls.First()) };
        if (key is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public async Task<string> CreateKeyAsync(string name, params string[] scopes)
    {
        using var admin = Client();
        var answer = await admin.PostAsync("/api/v1/api-keys", Json(new { name, scopes }));
        return (await answer.ReadAsync())["key"]!.GetValue<string>();
    }

    public async Task<T> WithDatabaseAsync<T>(Func<IncidentsDbContext, Task<T>> use)
    {
        await using var scope = Services.CreateAsyncScope();
        return await use(scope.ServiceProvider.GetRequiredService<IncidentsDbContext>());
    }

    public static HttpContent Json(object body) => Raw(JsonSerializer.Serialize(body, ApiJson.Options));

    public static HttpContent Raw(string text, string mediaType = "application/json") => new StringContent(text, Encoding.UTF8, new MediaTypeHeaderValue(mediaType));

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
    }
}

internal static class ResponseExtensions
{
    public static async Task<JsonObject> ReadAsync(this HttpResponseMessage response) => (await response.Content.ReadFromJsonAsync<JsonObject>())!;

    /// <summary>The code of a problem; fails the test when the answer is not one.</summary>
    public static async Task<string> ProblemCodeAsync(this HttpResponseMessage response)
    {
        Assert.That(response.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
        return (await response.ReadAsync())["code"]!.GetValue<string>();
    }
}

internal sealed class FakeConfiguration : IActiveConfiguration
{
    public EngineConfiguration Current { get; } = new()
    {
        Version = "0123456789ab",
        LoadedAt = Instant.FromUtc(2026, 1, 1, 0, 0),
        Routing = null!, // nothing here routes
        Receivers = System.Collections.Frozen.FrozenDictionary<string, Receiver>.Empty,
        Incidents = new IncidentRules(),
    };

    public IReadOnlyList<ConfigurationProblem> Problems { get; set; } = [];

    public Task<IReadOnlyList<ConfigurationProblem>> ReloadAsync(CancellationToken cancellationToken) => Task.FromResult(Problems);
}

/// <summary>Everything that was logged, with exceptions.</summary>
internal sealed class LogLines : ILoggerProvider
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(LogLines all, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            all._lines.Enqueue($"{logLevel} {category}: {formatter(state, exception)} {exception}");
    }
}
