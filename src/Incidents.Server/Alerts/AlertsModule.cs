using Incidents.Server.Alerts.Sources;
using Incidents.Server.Scheduling;

namespace Incidents.Server.Alerts;

/// <summary>The stage that takes alerts in: webhooks to inbox to episodes.</summary>
internal static class AlertsModule
{
    public static void AddAlerts(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<ReceiveOptions>().BindConfiguration("Receive").ValidateDataAnnotations().ValidateOnStart();
        builder.Services
            .AddSingleton<IAlertSource, AlertmanagerSource>()
            .AddSingleton<IAlertSource, GrafanaSource>()
            .AddSingleton<InboxWriter>()
            .AddHostedService(services => services.GetRequiredService<InboxWriter>())
            .AddSingleton<IIngestStage, RecordEpisodes>()
            .AddSingleton<BacklogSignal>()
            .AddSingleton<IngestInbox>();

        var workers = builder.Configuration.GetValue("Receive:IngestWorkers", new ReceiveOptions().IngestWorkers);
        for (var i = 0; i < workers; i++)
        {
            var number = i + 1;
            builder.Services.AddSingleton<IHostedService>(services => new IngestWorker(
                number, services.GetRequiredService<IngestInbox>(), number == 1 ? services.GetRequiredService<InboxSignal>() : services.GetRequiredService<BacklogSignal>(), services.GetRequiredService<WorkerHealth>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<IngestWorker>>()));
        }
    }

    public static void MapAlerts(this WebApplication app)
    {
        app.MapWebhooks();
        app.MapAlertList();
        app.MapInbox();
    }

    /// <summary>The first takes what comes; the others are woken when there is more than one can take at once, so that a single alert wakes nobody in vain.</summary>
    private sealed class IngestWorker(int number, IngestInbox ingest, WorkSignal signal, WorkerHealth health, TimeProvider clock, ILogger<IngestWorker> log)
        : Worker($"ingest-{number}", signal, TimeSpan.FromSeconds(1), health, clock, log)
    {
        protected override async Task<bool> WorkAsync(CancellationToken cancellationToken) => (await ingest.RunOnceAsync(cancellationToken)).MayBeMore;
    }
}
