using Incidents.Server.Alerts;

namespace Incidents.Server.Routing;

/// <summary>The stage that decides where alerts go. The decision itself is the Domain's.</summary>
internal static class RoutingModule
{
    public static void AddRouting(this WebApplicationBuilder builder) => builder.Services
        .AddSingleton<IIngestStage, HearWatchdogs>()
        .AddSingleton<IIngestStage, DecideRoutes>();
}
