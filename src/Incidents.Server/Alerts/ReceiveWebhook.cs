using System.Diagnostics;
using Incidents.Server.Web;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Alerts;

/// <summary>Webhooks of alert sources: authenticated, stored as they are, answered 202 after the commit. Nothing is read here, so nothing a sender writes can be refused for its content.</summary>
internal static class ReceiveWebhook
{
    public static void MapWebhooks(this WebApplication app)
    {
        var webhooks = app.MapGroup("/api/v1/webhooks").WithTags("Webhooks").RequireAuthorization("ingest");
        webhooks.MapPost("/alertmanager", (HttpContext http, InboxWriter inbox, IOptions<ReceiveOptions> options) => ReceiveAsync(http, inbox, options.Value, "alertmanager"))
            .WithName("receiveAlertmanagerWebhook").WithSummary("Takes a webhook of Prometheus Alertmanager")
            .WithDescription("Answers 202 with a receipt once the raw body is committed. 503 means: not stored, come again (Alertmanager does). A body that cannot be read is stored all the same and quarantined with a reason.");
        webhooks.MapPost("/grafana", (HttpContext http, InboxWriter inbox, IOptions<ReceiveOptions> options) => ReceiveAsync(http, inbox, options.Value, "grafana"))
            .WithName("receiveGrafanaWebhook").WithSummary("Takes a webhook of Grafana alerting")
            .WithDescription("As the Alertmanager webhook. Grafana does not try again by itself when it is answered 503, but at its next group interval.");
    }

    private static async Task<IResult> ReceiveAsync(HttpContext http, InboxWriter inbox, ReceiveOptions options, string kind)
    {
        if (!http.HasContentType(out var unsupported, "application/json"))
        {
            AlertMetrics.Refused("content_type");
            return unsupported;
        }

        byte[] bytes;
        using (var body = await http.ReadRawBodyAsync(options.MostBodyBytes))
        {
            if (body.Problem is { } tooLarge)
            {
                AlertMetrics.Refused("size");
                return tooLarge;
            }

            bytes = body.Bytes.ToArray();
        }

        var source = http.User.AlertSource();
        switch (await inbox.StoreAsync(source, kind, bytes, Activity.Current?.Id))
        {
            case InboxReceipt.Stored(var id):
                AlertMetrics.Received(kind);
                return Results.Json(new Receipt($"rcp_{id}"), statusCode: StatusCodes.Status202Accepted);
            case InboxReceipt.Refused(var code, var detail):
                AlertMetrics.Refused(code);
                return ApiProblem.Unavailable(code, detail, retryAfterSeconds: 1);
            default:
                throw new UnreachableException();
        }
    }

    /// <param name="Id">Names the stored webhook: <c>GET /api/v1/inbox/{id}</c> shows what became of it.</param>
    private sealed record Receipt(string Id);
}
