using Incidents.Server.Web;

namespace Incidents.Server.Scheduling;

/// <summary>How work is woken and watched.</summary>
internal static class SchedulingModule
{
    public static void AddScheduling(this WebApplicationBuilder builder) => builder.Services
        .AddSingleton<WorkerHealth>()
        .AddSingleton<InboxSignal>()
        .AddSingleton<DeliverySignal>()
        .AddSingleton<EscalationSignal>()
        .AddSingleton<PageSignal>()
        .AddSingleton<ChangeSignal>()
        .AddSingleton<MuteSignal>()
        .AddScoped<IReadinessCheck, WorkersReadiness>();
}
