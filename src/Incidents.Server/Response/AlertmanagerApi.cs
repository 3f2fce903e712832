using System.Text.Json;
using Incidents.Domain.Alerts;
using Incidents.Server.Alerts.Sources;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Response;

/// <summary>The <c>Alertmanager</c> section: where to ask about alerts that payloads no longer hold.</summary>
internal sealed class AlertmanagerOptions
{
    /// <summary>Base address, with its path prefix if it has one: <c>http://alertmanager:9093</c>. Absent: nobody is asked, and alerts not heard of end by time-out.</summary>
    public Uri? Url { get; set; }

    /// <summary>Sources (the <c>source</c> of an ingest key, or its name) whose alerts this Alertmanager knows. Empty: all that post Alertmanager's webhooks; then it is believed about alerts it does not have only while they all come from one source.</summary>
    public List<string> Sources { get; } = [];

    /// <summary>True: silences made here are told to this Alertmanager, too, and those made there are listed here.</summary>
    public bool MirrorSilences { get; set; }
}

/// <summary>Asks Alertmanager what it has.</summary>
internal interface IAlertmanagerApi
{
    /// <param name="kind">Key of the alert source that read the alert.</param>
    /// <param name="source">Who sent it.</param>
    bool Knows(string kind, string source);

    /// <summary>True when it was said which sources it serves, so that what it does not have is gone.</summary>
    bool KnowsAllOfItsSources { get; }

    /// <summary>All alerts it has, by fingerprint; or why it could not be asked.</summary>
    Task<(IReadOnlyDictionary<string, UpstreamView>? Alerts, string? Why)> ListAsync(CancellationToken cancellationToken);
}

/// <summary><c>GET /api/v2/alerts</c> (prometheus/alertmanager, api/v2/openapi.yaml).</summary>
internal sealed class AlertmanagerApi(IHttpClientFactory http, IOptionsMonitor<AlertmanagerOptions> options, TimeProvider clock) : IAlertmanagerApi
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public bool Knows(string kind, string source)
    {
        var current = options.CurrentValue;
        return current.Url is not null && kind == AlertmanagerSource.Key && (current.Sources.Count == 0 || current.Sources.Contains(source));
    }

    public bool KnowsAllOfItsSources => options.CurrentValue.Sources.Count > 0;

    public async Task<(IReadOnlyDictionary<string, UpstreamView>? Alerts, string? Why)> ListAsync(CancellationToken cancellationToken)
    {
        if (options.CurrentValue.Url is not { } url) return (null, "Alertmanager__Url is not set");
        using var timer = new CancellationTokenSource(Limit, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            using var client = http.CreateClient("alertmanager");
            var address = new Uri(url.ToString().TrimEnd('/') + "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true");
            using var response = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (!response.IsSuccessStatusCode) return (null, $"Alertmanager answered {(int)response.StatusCode}");
            await using var body = await response.Content.ReadAsStreamAsync(either.Token);
            using var document = await JsonDocument.ParseAsync(body, cancellationToken: either.Token);
            var alerts = new Dictionary<string, UpstreamView>(StringComparer.Ordinal);
            foreach (var alert in document.RootElement.EnumerateArray())
            {
                if (alert.TryGetProperty("fingerprint", out var fingerprint) && fingerprint.GetString() is { } key) alerts[key] = View(alert);
            }

            return (alerts, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (null, "Alertmanager did not answer in time");
        }
        catch (Exception error) when (error is HttpRequestException or IOException or JsonException or InvalidOperationException)
        {
            return (null, $"Alertmanager could not be asked: {error.GetType().Name}");
        }
    }

    private static UpstreamView View(JsonElement alert)
    {
        if (!alert.TryGetProperty("status", out var status) || status.GetProperty("state").GetString() != "suppressed") return new UpstreamView.Active();
        foreach (var (name, words) in new[] { ("silencedBy", "silenced by"), ("inhibitedBy", "inhibited by"), ("mutedBy", "muted by time interval") })
        {
            if (status.TryGetProperty(name, out var by) && by.ValueKind == JsonValueKind.Array && by.GetArrayLength() > 0)
                return new UpstreamView.HeldBack($"{words} {string.Join(", ", by.EnumerateArray().Take(3).Select(b => AlertText.OneLine(b.ToString(), 80)))}");
        }

        return new UpstreamView.HeldBack("held back");
    }
}
