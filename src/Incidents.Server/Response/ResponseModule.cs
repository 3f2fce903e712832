using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Response.Heartbeats;

namespace Incidents.Server.Response;

/// <summary>The stage that holds incidents: opens, changes and closes them.</summary>
internal static class ResponseModule
{
    public static void AddResponse(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<EngineOptions>().BindConfiguration("Incidents");
        builder.Services.AddOptions<AlertmanagerOptions>().BindConfiguration("Alertmanager");
        builder.Services
            .AddSingleton<IIngestStage, OpenIncidents>()
            .AddScoped<IncidentWork>()
            .AddScoped<RouteIncident>()
            .AddScoped<EngineIncidents>()
            .AddScoped<HeartbeatIncidents>()
            .AddSingleton<LaterStages>()
            .AddHostedService<EndWaits>()
            .AddHostedService<SettleAlerts>()
            .AddHostedService<ReleaseMuted>()
            .AddSingleton<QuietIncidents>()
            .AddHostedService<WatchStorms>()
            .AddSingleton<MirrorPolicy>()
            .AddSingleton<MirroredEnds>()
            .AddSingleton<IMirrorPolicy>(services => services.GetRequiredService<MirrorPolicy>())
            .AddSingleton<IAlertmanagerSilences, AlertmanagerSilences>()
            .AddHostedService<MirrorSilences>()
            .AddHostedService<WatchHeartbeats>()
            .AddSingleton<IAlertmanagerApi, AlertmanagerApi>();
    }

    public static void MapResponse(this WebApplication app) 
    {
        app.MapIncidents();
        app.MapHeartbeats();
    }
}
