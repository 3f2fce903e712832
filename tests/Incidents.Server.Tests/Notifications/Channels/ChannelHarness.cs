using Incidents.Domain.Alerts;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Notifications;
using Incidents.StandIns;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NodaTime;

namespace Incidents.Server.Tests.Notifications.Channels;

/// <summary>The real channels over real sockets, against stand-ins of what they send to.</summary>
internal sealed class ChannelHarness : IAsyncDisposable
{
    public const string PagerDutyKey = "0123456789abcdef0123456789abcdef";
    public const string Token = "xoxb-1-secret";

    public static readonly Instant Now = Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow());

    private readonly WebApplication _app;

    private readonly bool _ownsStandIns;

    private ChannelHarness(StandInServer standIns, WebApplication app, bool ownsStandIns) => (StandIns, _app, _ownsStandIns) = (standIns, app, ownsStandIns);

    public StandInServer StandIns { get; }

    public NotificationChannels Channels => _app.Services.GetRequiredService<NotificationChannels>();

    public IServiceProvider Services => _app.Services;

    public static async Task<ChannelHarness> StartAsync(Dictionary<string, string?>? settings = null, StandInOptions? options = null)
    {
        var standIns = await StandInServer.StartAsync(options);
        return new ChannelHarness(standIns, Build(standIns, settings), ownsStandIns: true);
    }

    /// <summary>The same stand-ins with other settings.</summary>
    public ChannelHarness With(params (string Key, string? Value)[] settings) => new(StandIns, Build(StandIns, settings.ToDictionary(s => s.Key, s => s.Value)), ownsStandIns: false);

    public Task<DeliveryResult> SendAsync(string channel, object settings, Notification notification, ThreadMemory? thread = null, string key = "dlv_1", string? elsewhere = null, CancellationToken cancellationToken = default) =>
        Channels.SendAsync(new Receiver { Name = "test", Channel = channel, Settings = settings }, notification, thread ?? new ThreadMemory(), new DeliveryAttempt(key, 1, elsewhere), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        if (_ownsStandIns) await StandIns.DisposeAsync();
    }

    public static Notification Checkout(string state = SubjectState.Triggered, string occasion = Occasion.Opened, long revision = 1) => new()
    {
        IncidentNumber = 142,
        SubjectKey = "inc-142",
        State = state,
        Occasion = occasion,
        Severity = "critical",
        Title = "Checkout errors 12 %",
        Service = "checkout",
        Environment = "prod",
        Value = "12 %",
        Threshold = "5 %",
        Since = Now - Duration.FromMinutes(4),
        Summary = "One in eight checkouts fails",
        RunbookUrl = "https://runbooks.example.org/checkout",
        Url = "https://incidents.example.org/i/142",
        FiringAlerts = 1,
        TotalAlerts = 1,
        CommonLabels = Labels.Of(("alertname", "CheckoutErrors"), ("service", "checkout")),
        AcknowledgedBy = state == SubjectState.Acknowledged ? "Ana" : null,
        AcknowledgedAt = state == SubjectState.Acknowledged ? Now : null,
        ResolvedAt = state == SubjectState.Resolved ? Now : null,
        Revision = revision,
        At = Now,
    };

    public static Notification Hostile() => Checkout() with
    {
        Title = "<!channel> \ud83d a\r\nBcc: everybody@example.org " + new string('&', 400),
        Service = "<script>alert(1)</script>\ud800" + new string('<', 5000),
        Environment = new string('>', 5000),
        Cluster = "c\0luster",
        Value = new string('9', 5000),
        AssignedTo = new string('&', 3000),
        NextEscalation = new string('&', 3000),
        WhatWasDone = new string('&', 3000),
        LikelyCause = new string('<', 3000),
        ManualReviewRequired = true,
        Summary = new string('<', 50_000),
        Description = string.Concat(Enumerable.Repeat("🔴&", 50_000)),
        RunbookUrl = "https://runbooks.example.org/" + new string('x', 5000),
        FiringAlerts = 20,
        TotalAlerts = 500,
        Alerts = [.. Enumerable.Range(0, 20).Select(i => new AlertLine($"Alert<{i}>", $"{i:x16}", true, "critical", Labels.Of(("n", $"{i}")), new string('&', 10_000), Now, null))],
        CommonLabels = Labels.From(Enumerable.Range(0, 1000).Select(i => KeyValuePair.Create($"label_{i}", new string('é', 1000)))),
    };

    public static LogLine Line(long id, string text = "something happened") => new(id, Now + Duration.FromSeconds(id), "note", text);

    public static ThreadMemory Thread(DeliveryResult result) => result switch
    {
        DeliveryResult.Delivered delivered => delivered.Thread,
        DeliveryResult.NothingToSend nothing => nothing.Thread,
        DeliveryResult.RetryLater { Progress: { } progress } => progress,
        _ => throw new AssertionException($"No thread in {result}"),
    };

    private static WebApplication Build(StandInServer standIns, Dictionary<string, string?>? settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["PagerDuty:EventsUrl"] = standIns.PagerDutyEventsUrl,
            ["PagerDuty:RoutingKey"] = PagerDutyKey,
            ["Slack:ApiUrl"] = standIns.SlackApiUrl,
            ["Slack:BotToken"] = Token,
            ["Loki:Url"] = standIns.Url,
            ["Smtp:Host"] = standIns.SmtpHost,
            ["Smtp:Port"] = standIns.SmtpPort.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["Smtp:Security"] = "none",
            ["Smtp:From"] = "Incidents <incidents@example.org>",
            ["Webhook:AllowPrivateTargets"] = "true",
        });
        if (settings is not null) builder.Configuration.AddInMemoryCollection(settings);
        builder.AddChannels();
        return builder.Build();
    }
}
