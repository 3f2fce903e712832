using Incidents.Server.Notifications.Channels;
using Incidents.Server.Scheduling;
using Incidents.Server.Web;

namespace Incidents.Server.Insights;

/// <summary>What looks at everything: the ledger, its auditor, and the heartbeat that tells others of it.</summary>
internal static class InsightsModule
{
    public static void AddInsights(this WebApplicationBuilder builder)
    {
        builder.Services
            .AddSingleton<LastAudit>()
            .AddHostedService<AuditLedger>()
            .AddHostedService<MeasureQueues>();

        builder.Services.AddOptions<HeartbeatOptions>().BindConfiguration("Heartbeat").ValidateDataAnnotations()
            .Validate(o => o.Url is null || OutboundHttp.IsHttp(o.Url), "Heartbeat__Url must be an absolute http(s) address.").ValidateOnStart();
        if (string.IsNullOrWhiteSpace(builder.Configuration["Heartbeat:Url"])) return;
        builder.Services
            .AddSingleton<HeartbeatSent>()
            .AddSingleton<WorkersReadiness>()
            .AddScoped<IReadinessCheck, HeartbeatReadiness>()
            .AddHostedService<SendHeartbeat>();
    }

    public static void MapInsights(this WebApplication app)
    {
        app.MapLedger();
        app.MapMutingDebt();
    }
}
