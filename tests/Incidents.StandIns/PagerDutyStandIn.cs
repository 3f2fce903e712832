using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Incidents.StandIns;

/// <summary>One event as it came in.</summary>
public sealed record PagerDutyEvent(string Action, string DedupKey, string RoutingKey, JsonObject Body, int Bytes, string At, bool TookEffect);

/// <summary>An alert at PagerDuty: <c>triggered</c>, <c>acknowledged</c> or <c>resolved</c>.</summary>
public sealed record PagerDutyAlert(string DedupKey, string State, string Summary, string Severity, int Triggers)
{
    /// <summary>Of the incident that it is in; a new one each time that it begins anew.</summary>
    public string IncidentId { get; init; } = "";
}

/// <summary>A v3 webhook that PagerDuty would send.</summary>
public sealed record PagerDutyWebhookMessage(string Id, string Type, string DedupKey, string Body)
{
    /// <summary>The header's value; several secrets give several signatures, as while a secret is replaced.</summary>
    public static string Sign(string body, params string[] secrets) =>
        string.Join(',', secrets.Select(secret => "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body)))));
}

/// <summary>PagerDuty's Events API v2, the people who use PagerDuty, and the v3 webhooks that tell of what either did.</summary>
public sealed class PagerDutyStandIn(int keep, string? onlyKey)
{
    private const int MostBytes = 512 * 1024;

    private readonly Recorded<PagerDutyEvent> _events = new(keep);
    private readonly ConcurrentDictionary<string, PagerDutyAlert> _alerts = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly List<PagerDutyWebhookMessage> _webhooks = [];
    private DateTimeOffset _last;
    private int _incidents;
    private int _happened;

    /// <summary>What it takes the time of events from.</summary>
    public TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <summary>False: webhooks name no key, as for incidents made of several alerts; the REST API must be asked.</summary>
    public bool SaysKeys { get; set; } = true;

    /// <summary>Hears of each webhook as it would be sent; without it they wait in <see cref="TakeWebhooks"/>.</summary>
    public Action<PagerDutyWebhookMessage>? OnWebhook { get; set; }

    public IReadOnlyList<PagerDutyEvent> Events => _events.Items;

    public long TotalEvents => _events.Total;

    /// <summary>By dedup key.</summary>
    public IReadOnlyDictionary<string, PagerDutyAlert> Alerts => _alerts;

    public StandInAnswer Enqueue(StandInRequest request)
    {
        if (request.Body.Length > MostBytes) return new StandInAnswer(413, """{"status":"invalid event","message":"Event is too large"}""");
        if (request.Json() is not { } body) return Invalid("Event object is malformed");

        var key = body["routing_key"].Word();
        if (key.Length != 32 || (onlyKey is not null && key != onlyKey))
            return new StandInAnswer(400, """{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}""");

        var action = body["event_action"].Word();
        if (action is not ("trigger" or "acknowledge" or "resolve")) return Invalid("'event_action' is missing or not valid");
        var dedup = body["dedup_key"].Word();
        if (dedup.Length > 255) return Invalid("'dedup_key' is longer than 255 characters");
        if (dedup.Length == 0 && action != "trigger") return Invalid("'dedup_key' is missing");
        if (action == "trigger" && Wrong(body["payload"]) is { } wrong) return Invalid(wrong);
        if (dedup.Length == 0) dedup = Guid.NewGuid().ToString("N");

        var took = Apply(action, dedup, body["payload"]);
        _events.Add(new PagerDutyEvent(action, dedup, key, body, request.Body.Length, JsonReading.Now(), took));
        return StandInAnswer.Ok(new JsonObject { ["status"] = "success", ["message"] = "Event processed", ["dedup_key"] = dedup }, 202);
    }

    public void Reset()
    {
        lock (_lock)
        {
            _events.Clear();
            _alerts.Clear();
            _webhooks.Clear();
            SaysKeys = true;
        }
    }

    /// <summary>Webhooks that were not sent yet, in the order they came about.</summary>
    public IReadOnlyList<PagerDutyWebhookMessage> TakeWebhooks()
    {
        lock (_lock)
        {
            PagerDutyWebhookMessage[] taken = [.. _webhooks];
            _webhooks.Clear();
            return taken;
        }
    }

    /// <summary>Somebody does something in PagerDuty: <c>acknowledge</c>, <c>resolve</c>, <c>reopen</c>, <c>reassign</c>, <c>annotate</c>, <c>escalate</c>; or nobody does, and time does: <c>time-out</c>, <c>auto-resolve</c>.</summary>
    /// <param name="dedup">Our key of the alert.</param>
    /// <param name="verb">What.</param>
    /// <param name="person">Who, by name.</param>
    /// <param name="text">Of a note; of a reassignment, to whom.</param>
    /// <returns>False when its state does not allow it.</returns>
    public bool Do(string dedup, string verb, string person = "Tenex Engineer", string text = "looking into it")
    {
        lock (_lock)
        {
            if (!_alerts.TryGetValue(dedup, out var alert)) return false;
            switch (verb)
            {
                case "acknowledge" when alert.State == "triggered":
                    Become(alert with { State = "acknowledged" }, "acknowledged", person);
                    return true;
                case "time-out" when alert.State == "acknowledged":
                    Become(alert with { State = "triggered" }, "unacknowledged", null);
                    return true;
                case "resolve" when alert.State != "resolved":
                    Become(alert with { State = "resolved" }, "resolved", person);
                    return true;
                case "auto-resolve" when alert.State != "resolved":
                    Become(alert with { State = "resolved" }, "resolved", null);
                    return true;
                case "reopen" when alert.State == "resolved":
                    Become(alert with { State = "triggered" }, "reopened", person);
                    return true;
                case "reassign":
                    Become(alert, "reassigned", person, text);
                    return true;
                case "escalate":
                    Become(alert, "escalated", person, text);
                    return true;
                case "annotate":
                    Become(alert, "annotated", person, text);
                    return true;
                default:
                    return false;
            }
        }
    }

    /// <summary><c>GET /incidents/{id}/alerts</c> of the REST API.</summary>
    public JsonObject AlertsOf(string incidentId) => new()
    {
        ["alerts"] = new JsonArray([.. _alerts.Values.Where(a => a.IncidentId == incidentId).Select(a => new JsonObject { ["type"] = "alert", ["alert_key"] = a.DedupKey, ["status"] = a.State })]),
    };

    public JsonObject State() => new()
    {
        ["total_events"] = _events.Total,
        ["incidents"] = new JsonArray([.. _alerts.Values.Select(a => new JsonObject { ["dedup_key"] = a.DedupKey, ["state"] = a.State, ["summary"] = a.Summary, ["severity"] = a.Severity, ["triggers"] = a.Triggers })]),
        ["events"] = new JsonArray([.. _events.Items.TakeLast(1000).Select(e => new JsonObject { ["at"] = e.At, ["event_action"] = e.Action, ["dedup_key"] = e.DedupKey, ["body"] = Masked(e.Body) })]),
    };

    private bool Apply(string action, string dedup, JsonNode? payload)
    {
        lock (_lock)
        {
            _alerts.TryGetValue(dedup, out var alert);
            if (action == "trigger")
            {
                var (summary, severity) = (payload?["summary"].Word() ?? "", payload?["severity"].Word() ?? "");
                if (alert is { State: not "resolved" }) _alerts[dedup] = alert with { Summary = summary, Severity = severity, Triggers = alert.Triggers + 1 };
                else Become(new PagerDutyAlert(dedup, "triggered", summary, severity, (alert?.Triggers ?? 0) + 1) { IncidentId = string.Create(CultureInfo.InvariantCulture, $"P{++_incidents:D6}") }, "triggered", null);
                return true;
            }

            // Of unknown and resolved keys the real one says 202 too, and does nothing.
            if (alert is null or { State: "resolved" }) return false;
            if (action == "resolve") Become(alert with { State = "resolved" }, "resolved", null);
            else if (alert.State == "triggered") Become(alert with { State = "acknowledged" }, "acknowledged", null);
            return true;
        }
    }

    /// <summary>The alert is so now, and a webhook tells of it. Without a person it was the service.</summary>
    private void Become(PagerDutyAlert alert, string type, string? person, string? text = null)
    {
        _alerts[alert.DedupKey] = alert;

        // Milliseconds, and each event later than the one before.
        var now = Clock.GetUtcNow();
        _last = now > _last.AddMilliseconds(1) ? now : _last.AddMilliseconds(1);
        var id = string.Create(CultureInfo.InvariantCulture, $"01STANDIN{++_happened:D10}");
        var incident = new JsonObject
        {
            ["id"] = alert.IncidentId,
            ["type"] = "incident",
            ["html_url"] = $"https://acme.pagerduty.com/incidents/{alert.IncidentId}",
            ["status"] = alert.State,
            ["incident_key"] = SaysKeys ? alert.DedupKey : null,
            ["title"] = alert.Summary,
            ["service"] = new JsonObject { ["id"] = "PF9KMXH", ["summary"] = "API Service", ["type"] = "service_reference" },
            ["assignees"] = type is "reassigned" or "escalated" ? new JsonArray(new JsonObject { ["id"] = "PTUXL6G", ["summary"] = text, ["type"] = "user_reference" }) : new JsonArray(),
            ["priority"] = null,
            ["urgency"] = "high",
            ["resolve_reason"] = null,
        };
        var data = type == "annotated"
            ? new JsonObject { ["id"] = "PNOTE01", ["type"] = "incident_note", ["content"] = text, ["trimmed"] = false, ["incident"] = new JsonObject { ["id"] = alert.IncidentId, ["type"] = "incident_reference" } }
            : incident;
        var body = new JsonObject
        {
            ["event"] = new JsonObject
            {
                ["id"] = id,
                ["event_type"] = "incident." + type,
                ["resource_type"] = "incident",
                ["occurred_at"] = _last.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
                ["agent"] = person is null
                    ? new JsonObject { ["id"] = "PF9KMXH", ["summary"] = "API Service", ["type"] = "service_reference" }
                    : new JsonObject { ["id"] = "PLH1HKV", ["summary"] = person, ["type"] = "user_reference" },
                ["client"] = null,
                ["data"] = data,
            },
        };
        var webhook = new PagerDutyWebhookMessage(id, "incident." + type, alert.DedupKey, body.ToJsonString());
        if (OnWebhook is { } send) send(webhook);
        else _webhooks.Add(webhook);
        if (_webhooks.Count > keep) _webhooks.RemoveAt(0);
    }

    private static string? Wrong(JsonNode? payload)
    {
        var summary = payload?["summary"].Word() ?? "";
        if (summary.Length == 0) return "'payload.summary' is missing or blank";
        if (summary.EnumerateRunes().Count() > 1024) return "'payload.summary' is longer than 1024 characters";
        if ((payload?["source"].Word() ?? "").Length == 0) return "'payload.source' is missing or blank";
        if (payload?["severity"].Word() is not ("critical" or "error" or "warning" or "info")) return "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')";
        return payload["custom_details"] is null or JsonObject ? null : "'payload.custom_details' is not an object";
    }

    private static JsonObject Masked(JsonObject body)
    {
        var copy = (JsonObject)body.DeepClone();
        copy["routing_key"] = "***";
        return copy;
    }

    private static StandInAnswer Invalid(string error) => StandInAnswer.Ok(
        new JsonObject { ["status"] = "invalid event", ["message"] = "Event object is invalid", ["errors"] = new JsonArray(error) }, 400);
}
