using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Web;

/// <summary>What a person reads when the server is up: where it is, the admin key if it was just made, and what to paste into Alertmanager.</summary>
internal static class Announcement
{
    public static void AnnounceWhenReady(this WebApplication app) => app.Lifetime.ApplicationStarted.Register(() =>
    {
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? "http://localhost:8080";
        var url = address.Replace("[::]", "localhost", StringComparison.Ordinal).Replace("0.0.0.0", "localhost", StringComparison.Ordinal).Replace("//*", "//localhost", StringComparison.Ordinal).Replace("//+", "//localhost", StringComparison.Ordinal);

        // Without a configured address, links in messages lead to this machine: right on a laptop, said here so that it is changed elsewhere.
        var engine = app.Services.GetRequiredService<IOptions<EngineOptions>>().Value;
        engine.PublicUrl ??= new Uri(url);

        var output = Console.Out;
        output.WriteLine();
        output.WriteLine($"Incidents is ready: {url}");
        if (app.Services.GetRequiredService<PrepareDatabase>().NewAdminKey is { } key)
        {
            output.WriteLine($"Admin key (shown only now): {key}");
            output.WriteLine($"Try it: curl -H 'Authorization: Bearer {key}' {url}/api/v1/ledger");
        }
        else
        {
            output.WriteLine(app.Services.GetRequiredService<IOptions<AuthOptions>>().Value.BootstrapKey is { Length: > 0 } ? "Admin key: the one in Auth__BootstrapKey." : "Admin key: the one printed at the first start.");
        }

        output.WriteLine($"""
            Paste into alertmanager.yml, with a key of scope ingest (POST {url}/api/v1/api-keys):
              receivers:
                - name: incidents
                  webhook_configs:
                    - url: {url}/api/v1/webhooks/alertmanager
                      send_resolved: true
                      http_config:
                        authorization:
                          credentials: <key>
            """);
        output.Flush();
    });
}
