using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Insights;
using Incidents.Server.Notifications;
using Incidents.Server.OnCall;
using Incidents.Server.PostMortems;
using Incidents.Server.Response;
using Incidents.Server.Routing;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Ui;
using Incidents.Server.Web;

namespace Incidents.Server;

/// <summary>The stages on one screen: how the server is put together, for the program and for tests that host it.</summary>
internal static class ServerHost
{
    /// <param name="args">Of the command line.</param>
    /// <param name="before">Settings and services that the modules must find already there.</param>
    /// <param name="after">The last word on what was registered.</param>
    public static WebApplication Create(string[] args, Action<WebApplicationBuilder>? before = null, Action<WebApplicationBuilder>? after = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory, ApplicationName = typeof(ServerHost).Assembly.GetName().Name });
        before?.Invoke(builder);

        // Hosted services start in this order: first the database, then what stands on it.
        builder.AddDatabaseConnection();
        builder.AddStorage();
        builder.AddScheduling();
        builder.AddConfiguration();
        builder.AddWeb();

        // The stages, in the order data flows.
        builder.AddAlerts();
        builder.AddRouting();
        builder.AddResponse();
        builder.AddOnCall();
        builder.AddEscalation();
        builder.AddNotifications();
        builder.AddPostMortems();
        builder.AddInsights();
        builder.AddCalendar();
        builder.AddUi();

        after?.Invoke(builder);
        return builder.Build();
    }

    /// <summary>Every endpoint, after the configuration was read.</summary>
    public static void Map(this WebApplication app)
    {
        app.MapWeb();
        app.MapConfiguration();
        app.MapAlerts();
        app.MapRouting();
        app.MapResponse();
        app.MapOnCall();
        app.MapNotifications();
        app.MapPostMortems();
        app.MapInsights();
        app.MapUi();
    }
}
