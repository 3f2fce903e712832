using Incidents.StandIns;

// Stand-alone, for the demo: dotnet run --project tests/Incidents.StandIns -- --urls http://127.0.0.1:8090 --smtp-port 8025
string? Argument(string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

var options = new StandInOptions { Urls = Argument("--urls") ?? "http://127.0.0.1:8090", SmtpPort = int.Parse(Argument("--smtp-port") ?? "8025", System.Globalization.CultureInfo.InvariantCulture) };
await using var server = await StandInServer.StartAsync(options);
using var http = new HttpClient();
if (Argument("--pagerduty-webhook") is { } target && Argument("--pagerduty-secret") is { } secret)
{
    // In order, and none twice; what the engine does not take is lost, as this is a demonstration.
    var webhooks = System.Threading.Channels.Channel.CreateUnbounded<PagerDutyWebhookMessage>();
    server.PagerDuty.OnWebhook = webhook => webhooks.Writer.TryWrite(webhook);
    _ = Task.Run(async () =>
    {
        await foreach (var webhook in webhooks.Reader.ReadAllAsync())
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new StringContent(webhook.Body, System.Text.Encoding.UTF8, "application/json") };
            request.Headers.Add("X-PagerDuty-Signature", PagerDutyWebhookMessage.Sign(webhook.Body, secret));
            try
            {
                using var answer = await http.SendAsync(request);
                if (!answer.IsSuccessStatusCode) Console.WriteLine($"Webhook {webhook.Id} ({webhook.Type}) was answered {(int)answer.StatusCode}");
            }
            catch (HttpRequestException error)
            {
                Console.WriteLine($"Webhook {webhook.Id} ({webhook.Type}) did not arrive: {error.Message}");
            }
        }
    });
}

Console.WriteLine($"Stand-ins for PagerDuty, Slack, Loki and webhooks: {server.Url}  mail: smtp://{server.SmtpHost}:{server.SmtpPort}");
await server.WaitForShutdownAsync();
