using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Insights;
using Incidents.Server.Notifications;
using Incidents.Server.Response;
using Incidents.Server.Routing;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Ui;
using Incidents.Server.Web;

var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

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
builder.AddNotifications();
builder.AddInsights();
builder.AddUi();

var app = builder.Build();
if (app.PrintSchemaIfAsked(args, Console.Out)) return 0;
if (!app.LoadConfiguration(Console.Error)) return ConfigurationModule.InvalidConfiguration;

app.MapWeb();
app.MapConfiguration();
app.MapAlerts();
app.MapResponse();
app.MapNotifications();
app.MapInsights();
app.MapUi();
app.AnnounceWhenReady();
await app.RunAsync();
return 0;
