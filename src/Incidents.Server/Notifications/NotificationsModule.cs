using Incidents.Server.Alerts;
using Incidents.Server.Web;

namespace Incidents.Server.Notifications;

/// <summary>The stage that tells people: changes to deliveries to channels.</summary>
internal static class NotificationsModule
{
    public static void AddNotifications(this WebApplicationBuilder builder)
    {
        builder.AddChannels();
        builder.Services
            .AddSingleton<QueueDeliveries>()
            .AddSingleton<IIngestStage>(services => services.GetRequiredService<QueueDeliveries>())
            .AddSingleton<DeliveryPace>()
            .AddSingleton<DeliveryWork>()
            .AddSingleton<RecordAttempts>()
            .AddSingleton<FailOverSignal>()
            .AddHostedService<DeliverDue>()
            .AddHostedService<FailOverDue>()
            .AddScoped<IReadinessCheck, ReceiversReadiness>();
    }

    public static void MapNotifications(this WebApplication app) => app.MapDeliveries();
}
