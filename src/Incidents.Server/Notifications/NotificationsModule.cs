using Incidents.Server.Alerts;
using Incidents.Server.Notifications.Inbound;
using Incidents.Server.Web;

namespace Incidents.Server.Notifications;

/// <summary>The stage that tells people: changes to deliveries to channels.</summary>
internal static class NotificationsModule
{
    public static void AddNotifications(this WebApplicationBuilder builder)
    {
        builder.AddChannels();
        builder.AddInbound();
        builder.Services
            .AddSingleton<QueueDeliveries>()
            .AddSingleton<IIngestStage>(services => services.GetRequiredService<QueueDeliveries>())
            .AddSingleton<DeliveryPace>()
            .AddSingleton<DeliveryWork>()
            .AddSingleton<RecordAttempts>()
            .AddSingleton<FailOverSignal>()
            .AddScoped<IReadinessCheck, ReceiversReadiness>();

        // A replica that only takes webhooks in leaves telling people to the others; what is due waits for them in rows.
        if (builder.Configuration.GetValue("Deliveries:Enabled", true)) builder.Services.AddHostedService<DeliverDue>().AddHostedService<FailOverDue>();
    }

    public static void MapNotifications(this WebApplication app)
    {
        app.MapDeliveries();
        app.MapPages();
        app.MapTestPages();
        app.MapInbound();
    }
}
