using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Incidents.StandIns;

public sealed record StandInOptions
{
    /// <summary>Port 0 takes a free one.</summary>
    public string Urls { get; init; } = "http://127.0.0.1:0";

    /// <summary>0 takes a free one.</summary>
    public int SmtpPort { get; init; }

    /// <summary>How many things of each kind are kept; older ones are only counted.</summary>
    public int Keep { get; init; } = 10_000;

    /// <summary>The only token Slack's stand-in takes; null takes any that begins with <c>xoxb-</c>.</summary>
    public string? SlackToken { get; init; }

    /// <summary>The only PagerDuty key that is taken; null takes any of 32 characters.</summary>
    public string? PagerDutyKey { get; init; }

    /// <summary>Signatures of webhooks are checked with it; null does not check.</summary>
    public string? WebhookSecret { get; init; }

    /// <summary>User and password that the mail server takes; null offers no AUTH.</summary>
    public (string User, string Password)? SmtpLogin { get; init; }
}

/// <summary>Everything we send to, in one process: keeps what it got, answers as the real ones do, and fails when told to.</summary>
public sealed class StandInServer : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly WebApplication _app;

    private StandInServer(StandInOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(options.Urls);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = 64 * 1024 * 1024);
        _app = builder.Build();

        PagerDuty = new PagerDutyStandIn(options.Keep, options.PagerDutyKey);
        Slack = new SlackStandIn(options.Keep, options.SlackToken);
        Loki = new LokiStandIn(options.Keep);
        Webhook = new WebhookStandIn(options.Keep, options.WebhookSecret);
        Smtp = new SmtpStandIn(options.SmtpPort, options.Keep, options.SmtpLogin, Faults);

        Answer("/v2/enqueue", _ => "pagerduty", PagerDuty.Enqueue);
        Answer("/slack/api/{method}", context => "slack/" + context.Request.RouteValues["method"], Slack.Call);
        Answer("/slack/response/{method}", _ => "slack/response", Slack.TakeAnswer);
        _app.UseWebSockets();
        _app.MapGet("/slack/socket/{ticket}", Slack.ServeSocketAsync);
        _app.MapGet("/pagerduty/incidents/{id}/alerts", (string id) => Results.Content(PagerDuty.AlertsOf(id).ToJsonString(), "application/json"));

        // For the page: what a person would do there.
        _app.MapPost("/slack/press", async (HttpRequest request) =>
        {
            var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
            var message = Slack.Messages.FirstOrDefault(m => m.Channel == form["channel"] && m.Ts == form["ts"]);
            if (message is null || Slack.OpenSockets == 0) return Results.Text(message is null ? "There is no such message any more." : "Nobody is connected by Socket Mode: set Slack__AppToken.");
            await Slack.PressAsync(message, form["action"].ToString(), form["option"].ToString() is { Length: > 0 } option ? option : null);
            return Results.Redirect("/");
        });
        _app.MapPost("/pagerduty/do", async (HttpRequest request) =>
        {
            var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
            PagerDuty.Do(form["key"].ToString(), form["verb"].ToString());
            return Results.Redirect("/");
        });
        Answer("/loki/api/v1/push", _ => "loki", Loki.Push);
        Answer("/webhook/{**path}", _ => "webhook", Webhook.Receive);

        Slack.Address = () => Url;
        _app.MapGet("/", () => Results.Content(StatePage.Html(this), "text/html; charset=utf-8"));
        _app.MapGet("/state", () => Results.Content(State().ToJsonString(), "application/json"));
        _app.MapDemoMetrics();
        _app.MapPost("/reset", () =>
        {
            Reset();
            return Results.NoContent();
        });
        _app.MapPost("/faults", async (HttpRequest request) =>
        {
            var body = await JsonSerializer.DeserializeAsync<FaultRequest>(request.Body, Json, request.HttpContext.RequestAborted);
            if (body is not { Endpoint.Length: > 0 }) return Results.BadRequest("""write {"endpoint": "pagerduty", "status": 500, "times": 3}""");
            Faults.Add(body.Endpoint, body.Fault ?? new Fault { Times = body.Times, Status = body.Status, Body = body.Body, Headers = body.Headers ?? new(), DelayMilliseconds = body.DelayMilliseconds, Hang = body.Hang, Drop = body.Drop, TakesEffect = body.TakesEffect, When = body.When });
            return Results.NoContent();
        });
    }

    public Faults Faults { get; } = new();

    public PagerDutyStandIn PagerDuty { get; }

    public SlackStandIn Slack { get; }

    public LokiStandIn Loki { get; }

    public WebhookStandIn Webhook { get; }

    public SmtpStandIn Smtp { get; }

    /// <summary>Without a slash at the end: <c>http://127.0.0.1:41234</c>.</summary>
    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First().TrimEnd('/');

    public string PagerDutyEventsUrl => Url + "/v2/enqueue";

    public string PagerDutyApiUrl => Url + "/pagerduty/";

    public string SlackApiUrl => Url + "/slack/api/";

    public string WebhookUrl => Url + "/webhook/";

    public string SmtpHost => "127.0.0.1";

    public int SmtpPort => Smtp.Port;

    public static async Task<StandInServer> StartAsync(StandInOptions? options = null, CancellationToken cancellationToken = default)
    {
        var server = new StandInServer(options ?? new StandInOptions());
        server.Smtp.Start();
        await server._app.StartAsync(cancellationToken);
        return server;
    }

    public Task WaitForShutdownAsync(CancellationToken cancellationToken = default) => _app.WaitForShutdownAsync(cancellationToken);

    /// <summary>Forgets everything received and every fault.</summary>
    public void Reset()
    {
        Faults.Clear();
        PagerDuty.Reset();
        Slack.Reset();
        Loki.Reset();
        Webhook.Reset();
        Smtp.Reset();
    }

    /// <summary>What was received, as JSON.</summary>
    public JsonObject State() => new()
    {
        ["pagerduty"] = PagerDuty.State(),
        ["slack"] = Slack.State(),
        ["mails"] = Smtp.State(),
        ["loki"] = Loki.State(),
        ["webhook"] = Webhook.State(),
    };

    public async ValueTask DisposeAsync()
    {
        Slack.DropSockets();
        await Smtp.DisposeAsync();

        // Hanging requests end at once: nobody waits for them.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        Slack.Dispose();
    }

    private void Answer(string path, Func<HttpContext, string> endpoint, Func<StandInRequest, StandInAnswer> handle) => _app.MapPost(path, async (HttpContext context) =>
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var request = new StandInRequest(
            context.Request.RouteValues.TryGetValue("method", out var method) ? (string?)method ?? "" : context.Request.Path.Value ?? "",
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            body.ToArray());

        var fault = Faults.Take(endpoint(context), () => request.Text);
        if (fault is { DelayMilliseconds: > 0 }) await Task.Delay(TimeSpan.FromMilliseconds(fault.DelayMilliseconds), TimeProvider.System, context.RequestAborted);
        var isClean = fault is null or { Status: 0, Hang: false, Drop: false };
        var own = isClean || fault!.TakesEffect ? handle(request) : null;
        if (fault is { Hang: true })
        {
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }

        if (fault is { Drop: true })
        {
            context.Features.Get<IHttpRequestLifetimeFeature>()!.Abort();
            return;
        }

        var answer = isClean ? own! : new StandInAnswer(fault!.Status, fault.Body, fault.ContentType);
        context.Response.StatusCode = answer.Status;
        if (fault is not null)
        {
            foreach (var (name, value) in fault.Headers) context.Response.Headers[name] = value;
        }

        if (answer.Status is 204 or 304) return;
        context.Response.ContentType = answer.ContentType;
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(answer.Body), context.RequestAborted);
    });

    private sealed record FaultRequest(
        string Endpoint, int Status = 0, int Times = 1, string Body = "", Dictionary<string, string>? Headers = null, int DelayMilliseconds = 0,
        bool Hang = false, bool Drop = false, bool TakesEffect = false, string? When = null, Fault? Fault = null);
}

/// <summary>One request, wholly read.</summary>
public sealed record StandInRequest(string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    private string? _text;

    public string Text => _text ??= Encoding.UTF8.GetString(Body);

    public string Header(string name) => Headers.TryGetValue(name, out var value) ? value : "";

    /// <summary>The body as a JSON object, or null when it is none.</summary>
    public JsonObject? Json()
    {
        try
        {
            return JsonNode.Parse(Body) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

public sealed record StandInAnswer(int Status, string Body, string ContentType = "application/json")
{
    public static StandInAnswer Ok(JsonObject body, int status = 200) => new(status, body.ToJsonString());
}

internal static class JsonReading
{
    public static string Word(this JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : "";

    public static bool Is(this JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool flag) && flag;

    public static string Now() => TimeProvider.System.GetUtcNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
}
