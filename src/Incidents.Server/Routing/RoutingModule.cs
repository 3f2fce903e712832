using Incidents.Server.Alerts;

namespace Incidents.Server.Routing;

/// <summary>The stage that decides where alerts go, and what keeps them from going there for a time. The decisions themselves are the Domain's.</summary>
internal static class RoutingModule
{
    public static void AddRouting(this WebApplicationBuilder builder) => builder.Services
        .AddSingleton<IIngestStage, HearWatchdogs>()
        .AddSingleton<IIngestStage, DecideRoutes>()
        .AddSingleton<ActiveSilences>()
        .AddSingleton<Muter>()
        .AddSingleton<FiringAlerts>()
        .AddSingleton<HiddenNow>()
        .AddSingleton<MirrorSignal>()
        .AddScoped<SilenceWork>()
        .AddScoped<SilencesShown>();

    public static void MapRouting(this WebApplication app) => app.MapSilences();
}
