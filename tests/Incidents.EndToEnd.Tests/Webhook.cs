using System.Text.Json.Nodes;

namespace Incidents.EndToEnd.Tests;

/// <summary>Bodies as Alertmanager writes them.</summary>
internal static class Webhook
{
    public static JsonObject Of(string name, string service, string severity, bool firing, DateTimeOffset startsAt, DateTimeOffset? endsAt = null)
    {
        JsonObject Labels() => new() { ["alertname"] = name, ["service"] = service, ["severity"] = severity };
        var status = firing ? "firing" : "resolved";
        return new JsonObject
        {
            ["version"] = "4",
            ["groupKey"] = $"{{}}:{{alertname=\"{name}\", service=\"{service}\"}}",
            ["truncatedAlerts"] = 0,
            ["status"] = status,
            ["receiver"] = "incidents",
            ["groupLabels"] = new JsonObject { ["alertname"] = name, ["service"] = service },
            ["commonLabels"] = Labels(),
            ["commonAnnotations"] = new JsonObject(),
            ["externalURL"] = "http://alertmanager.example.com",
            ["alerts"] = new JsonArray(new JsonObject
            {
                ["status"] = status,
                ["labels"] = Labels(),
                ["annotations"] = new JsonObject { ["summary"] = $"{name} of {service}" },
                ["startsAt"] = startsAt.ToString("O"),
                ["endsAt"] = firing ? "0001-01-01T00:00:00Z" : (endsAt ?? startsAt.AddSeconds(1)).ToString("O"),
                ["generatorURL"] = "http://prometheus.example.com/graph",
                ["fingerprint"] = "",
            }),
        };
    }
}
