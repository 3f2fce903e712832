using Incidents.StandIns;

// Stand-alone, for the demo: dotnet run --project tests/Incidents.StandIns -- --urls http://127.0.0.1:8090 --smtp-port 8025
string? Argument(string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

var options = new StandInOptions { Urls = Argument("--urls") ?? "http://127.0.0.1:8090", SmtpPort = int.Parse(Argument("--smtp-port") ?? "8025", System.Globalization.CultureInfo.InvariantCulture) };
await using var server = await StandInServer.StartAsync(options);
Console.WriteLine($"Stand-ins for PagerDuty, Slack, Loki and webhooks: {server.Url}  mail: smtp://{server.SmtpHost}:{server.SmtpPort}");
await server.WaitForShutdownAsync();
