using Incidents.Server;
using Incidents.Server.Configuration;
using Incidents.Server.Web;

var app = ServerHost.Create(args);
if (app.PrintSchemaIfAsked(args, Console.Out)) return 0;
if (!app.LoadConfiguration(Console.Error)) return ConfigurationModule.InvalidConfiguration;

app.Map();
app.AnnounceWhenReady();
await app.RunAsync();
return 0;
