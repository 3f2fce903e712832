using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Server.Notifications.Channels;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>The one thing that PagerDuty's REST API is asked: the keys of an incident's alerts. An incident made of several alerts has no key of its own.</summary>
internal sealed class PagerDutyApi(IHttpClientFactory http, IOptionsMonitor<PagerDutyOptions> options, TimeProvider clock)
{
    private const int MostBytes = 2 * 1024 * 1024;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    public bool HasToken => !string.IsNullOrWhiteSpace(options.CurrentValue.ApiToken);

    /// <summary><c>GET /incidents/{id}/alerts</c>.</summary>
    /// <exception cref="HttpRequestException">PagerDuty did not answer with a list; it is asked again later.</exception>
    public async Task<IReadOnlyList<string>> ListAlertKeysAsync(string incidentId, CancellationToken cancellationToken)
    {
        var settings = options.CurrentValue;
        using var timer = new CancellationTokenSource(Limit, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        using var client = http.CreateClient(PagerDutyChannel.HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{settings.ApiUrl.AbsoluteUri.TrimEnd('/')}/incidents/{Uri.EscapeDataString(incidentId)}/alerts?limit=100");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/vnd.pagerduty+json;version=2"));
        request.Headers.Authorization = AuthenticationHeaderValue.Parse($"Token token={settings.ApiToken!.Trim()}");
        try
        {
            var answer = await client.AskAsync(request, clock, either.Token, MostBytes);

            // It is gone, or the token may not see it: asking again would not help.
            if (answer.Status is 401 or 403 or 404) return [];
            if (!answer.IsSuccess) throw new HttpRequestException($"PagerDuty answered HTTP {answer.Status}.");
            var alerts = OutsideJson.Parse(Encoding.UTF8.GetBytes(answer.Body)).At("alerts") as JsonArray ?? throw new HttpRequestException("PagerDuty answered with something that is no list of alerts.");
            return [.. alerts.Select(alert => alert.At("alert_key").Word(255)).Where(key => key.Length > 0)];
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException("PagerDuty did not answer in time.");
        }
    }
}
