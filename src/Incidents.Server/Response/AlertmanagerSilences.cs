using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Web;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Response;

/// <summary>A silence as Alertmanager has it.</summary>
/// <param name="IsExpired">It is kept there for a while after it ended.</param>
internal sealed record UpstreamSilence(string Id, IReadOnlyList<string> Matchers, string Owner, string Comment, Instant StartsAt, Instant EndsAt, bool IsExpired);

/// <summary>What Alertmanager answered.</summary>
/// <param name="Id">The silence's id from now on; an update may give another.</param>
/// <param name="Problem">Null when it was done.</param>
/// <param name="MayRetry">False: it will never take this.</param>
internal sealed record UpstreamAnswer(string? Id, string? Problem, bool MayRetry = true);

/// <summary>Alertmanager's side of silences.</summary>
internal interface IAlertmanagerSilences
{
    /// <summary>All silences, expired ones included; null with the reason when it could not be asked.</summary>
    Task<(IReadOnlyList<UpstreamSilence>? Silences, string? Why)> ListAsync(CancellationToken cancellationToken);

    /// <summary>Fingerprints of hidden alerts by the id of each silence that hides them; null when it could not be asked.</summary>
    Task<ILookup<string, string>?> HiddenAsync(CancellationToken cancellationToken);

    /// <param name="id">Its id there when it is known.</param>
    /// <param name="silence">As it is to be.</param>
    /// <param name="comment">What people read there, with our mark.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<UpstreamAnswer> SetAsync(string? id, Silence silence, string comment, CancellationToken cancellationToken);

    /// <summary>Expires it. One that is not there, or has expired, is done.</summary>
    Task<UpstreamAnswer> ExpireAsync(string id, CancellationToken cancellationToken);
}

/// <summary><c>/api/v2/silences</c>, <c>/api/v2/silence/{id}</c> and <c>/api/v2/alerts</c> (prometheus/alertmanager, api/v2/openapi.yaml).</summary>
internal sealed class AlertmanagerSilences(IHttpClientFactory http, IOptionsMonitor<AlertmanagerOptions> options, TimeProvider clock) : IAlertmanagerSilences
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public async Task<(IReadOnlyList<UpstreamSilence>? Silences, string? Why)> ListAsync(CancellationToken cancellationToken)
    {
        var (body, problem, _) = await AskAsync(HttpMethod.Get, "silences", null, cancellationToken);
        if (problem is not null) return (null, problem);
        return body is JsonArray list ? ([.. list.OfType<JsonObject>().Select(Read).OfType<UpstreamSilence>()], null) : (null, "Alertmanager's answer was not a list");
    }

    public async Task<ILookup<string, string>?> HiddenAsync(CancellationToken cancellationToken)
    {
        var (body, problem, _) = await AskAsync(HttpMethod.Get, "alerts?active=false&silenced=true&inhibited=false&unprocessed=false", null, cancellationToken);
        return problem is not null || body is not JsonArray list
            ? null
            : list.OfType<JsonObject>().SelectMany(a => (a["status"]?["silencedBy"] as JsonArray ?? []).Select(by => (By: (string?)by, Fingerprint: (string?)a["fingerprint"])))
                .Where(p => p is { By: not null, Fingerprint: not null }).ToLookup(p => p.By!, p => p.Fingerprint!, StringComparer.Ordinal);
    }

    public async Task<UpstreamAnswer> SetAsync(string? id, Silence silence, string comment, CancellationToken cancellationToken)
    {
        var request = new JsonObject
        {
            ["matchers"] = new JsonArray([.. silence.Matchers.Select(m => new JsonObject { ["name"] = m.Name, ["value"] = m.Value, ["isRegex"] = m.IsRegex, ["isEqual"] = !m.IsNegative })]),
            ["startsAt"] = InstantPattern.ExtendedIso.Format(silence.StartsAt),
            ["endsAt"] = InstantPattern.ExtendedIso.Format(silence.EndsAt!.Value),
            ["createdBy"] = silence.Owner,
            ["comment"] = comment,
        };
        if (id is not null) request["id"] = id;
        var (body, problem, status) = await AskAsync(HttpMethod.Post, "silences", request, cancellationToken);

        // An Alertmanager that lost its storage does not know the id any more.
        if (status == HttpStatusCode.NotFound && id is not null) return await SetAsync(null, silence, comment, cancellationToken);
        if (problem is not null) return new UpstreamAnswer(id, problem, MayRetry: status is not HttpStatusCode.BadRequest);
        return (string?)body?["silenceID"] is { } given ? new UpstreamAnswer(given, null) : new UpstreamAnswer(id, "Alertmanager gave no id");
    }

    public async Task<UpstreamAnswer> ExpireAsync(string id, CancellationToken cancellationToken)
    {
        var (_, problem, status) = await AskAsync(HttpMethod.Delete, $"silence/{Uri.EscapeDataString(id)}", null, cancellationToken);
        if (problem is null || status == HttpStatusCode.NotFound) return new UpstreamAnswer(id, null);

        // Versions differ in how they answer for one that has expired already.
        var (silences, _) = await ListAsync(cancellationToken);
        return silences is not null && silences.All(s => s.Id != id || s.IsExpired) ? new UpstreamAnswer(id, null) : new UpstreamAnswer(id, problem);
    }

    private async Task<(JsonNode? Body, string? Problem, HttpStatusCode? Status)> AskAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken)
    {
        if (options.CurrentValue.Url is not { } url) return (null, "Alertmanager__Url is not set", null);
        using var timer = new CancellationTokenSource(Limit, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            using var client = http.CreateClient("alertmanager");
            using var request = new HttpRequestMessage(method, new Uri($"{url.ToString().TrimEnd('/')}/api/v2/{path}"));
            if (body is not null) request.Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json"));
            using var response = await client.SendAsync(request, either.Token);
            var text = await response.Content.ReadAsStringAsync(either.Token);
            if (!response.IsSuccessStatusCode) return (null, AlertText.OneLine($"Alertmanager answered {(int)response.StatusCode}: {text}", 300), response.StatusCode);
            return (text.Length == 0 ? null : JsonNode.Parse(text), null, response.StatusCode);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (null, "Alertmanager did not answer in time", null);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or JsonException)
        {
            return (null, $"Alertmanager could not be asked: {error.GetType().Name}", null);
        }
    }

    /// <summary>Null when it is not what the peer's document says.</summary>
    private static UpstreamSilence? Read(JsonObject silence)
    {
        if (silence["id"] is not JsonValue id || !id.TryGetValue<string>(out var key)) return null;
        if (!TryTime("startsAt", out var starts) || !TryTime("endsAt", out var ends)) return null;
        var matchers = (silence["matchers"] as JsonArray ?? []).OfType<JsonObject>().Select(m =>
            Matcher.TryCreate(Text(m, "name"), ((bool?)m["isEqual"] ?? true, (bool?)m["isRegex"] ?? false) switch { (true, false) => "=", (false, false) => "!=", (true, true) => "=~", _ => "!~" }, Text(m, "value"), out _)?.ToString()).OfType<string>();
        return new UpstreamSilence(key, [.. matchers], AlertText.OneLine(Text(silence, "createdBy"), 200), AlertText.OneLine(Text(silence, "comment"), 1000), starts, ends, (string?)silence["status"]?["state"] == "expired");

        static string Text(JsonObject from, string name) => from[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";

        bool TryTime(string name, out Instant time) => Rfc3339.TryRead(Text(silence, name), out time);
    }
}
