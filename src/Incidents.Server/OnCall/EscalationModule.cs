using Incidents.Server.Alerts;

namespace Incidents.Server.OnCall;

/// <summary>The stage that finds somebody: escalation policies at work, and the ways to reach a person.</summary>
internal static class EscalationModule
{
    public static void AddEscalation(this WebApplicationBuilder builder) => builder.Services
        .AddSingleton<PagePeople>()
        .AddSingleton<EscalationOutlook>()
        .AddSingleton<FollowIncidents>()
        .AddSingleton<IIngestStage>(services => services.GetRequiredService<FollowIncidents>())
        .AddHostedService<EscalateDue>()
        .AddHostedService<PageDue>();
}
