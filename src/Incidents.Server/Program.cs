using Incidents.Server;
using Incidents.Server.Configuration;
using Incidents.Server.Web;

var app = ServerHost.Create(args);
if (app.PrintSchemaIfAsked(args, Console.Out)) return 0;
if (!app.LoadConfiguration(Console.Error)) return ConfigurationModule.InvalidConfiguration;

app.Map();
app.AnnounceWhenReady();
try
{
    await app.RunAsync();
    return 0;
}
catch (Exception error) when (StartFailure.Explain(error) is { } reason)
{
    await Console.Error.WriteLineAsync(reason);
    return StartFailure.ExitCode;
}
