using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;

namespace Incidents.StandIns;

/// <summary>One event as it came in.</summary>
public sealed record PagerDutyEvent(string Action, string DedupKey, string RoutingKey, JsonObject Body, int Bytes, string At, bool TookEffect);

/// <summary>An alert at PagerDuty: <c>triggered</c>, <c>acknowledged</c> or <c>resolved</c>.</summary>
public sealed record PagerDutyAlert(string DedupKey, string State, string Summary, string Severity, int Triggers);

/// <summary>PagerDuty's Events API v2.</summary>
public sealed class PagerDutyStandIn(int keep, string? onlyKey)
{
    private const int MostBytes = 512 * 1024;

    private readonly Recorded<PagerDutyEvent> _events = new(keep);
    private readonly ConcurrentDictionary<string, PagerDutyAlert> _alerts = new(StringComparer.Ordinal);

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
        _events.Clear();
        _alerts.Clear();
    }

    public JsonObject State() => new()
    {
        ["total_events"] = _events.Total,
        ["incidents"] = new JsonArray([.. _alerts.Values.Select(a => new JsonObject { ["dedup_key"] = a.DedupKey, ["state"] = a.State, ["summary"] = a.Summary, ["severity"] = a.Severity, ["triggers"] = a.Triggers })]),
        ["events"] = new JsonArray([.. _events.Items.TakeLast(1000).Select(e => new JsonObject { ["at"] = e.At, ["event_action"] = e.Action, ["dedup_key"] = e.DedupKey, ["body"] = Masked(e.Body) })]),
    };

    private bool Apply(string action, string dedup, JsonNode? payload)
    {
        var took = false;
        if (action == "trigger")
        {
            took = true;
            var (summary, severity) = (payload?["summary"].Word() ?? "", payload?["severity"].Word() ?? "");
            _alerts.AddOrUpdate(dedup,
                _ => new PagerDutyAlert(dedup, "triggered", summary, severity, 1),
                (_, alert) => alert with { State = alert.State == "resolved" ? "triggered" : alert.State, Summary = summary, Severity = severity, Triggers = alert.Triggers + 1 });
        }
        else if (_alerts.TryGetValue(dedup, out var alert) && alert.State != "resolved")
        {
            // Of unknown and resolved keys the real one says 202 too, and does nothing.
            took = true;
            _alerts[dedup] = alert with { State = action == "resolve" ? "resolved" : "acknowledged" };
        }

        return took;
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
