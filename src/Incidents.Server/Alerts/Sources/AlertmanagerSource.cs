using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Server.Alerts.Sources;

/// <summary>
/// Alertmanager's webhook, version 4 (prometheus/alertmanager, notify/webhook/webhook.go and template/template.go), and what else comes in that shape:
/// version 3 with a numeric group key, hand-made bodies without fingerprint, status or times, numbers as label values.
/// The status of each alert decides; the body's own status and what is absent decide nothing.
/// </summary>
internal class AlertmanagerSource : IAlertSource
{
    public const string Key = "alertmanager";

    public virtual string Kind => Key;

    public ReadWebhook Read(ReadOnlySpan<byte> body, Instant receivedAt)
    {
        try
        {
            return ReadBody(LenientJson.Sound(body), receivedAt);
        }
        catch (JsonException error)
        {
            return ReadWebhook.Nothing($"The body is not JSON: {error.Message}");
        }
    }

    private static ReadWebhook ReadBody(ReadOnlySpan<byte> body, Instant receivedAt)
    {
        var reader = new Utf8JsonReader(body, LenientJson.Options);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return ReadWebhook.Nothing("The body is not a JSON object.");

        List<RawAlert>? alerts = null;
        string status = "", receiver = "", groupKey = "";
        var truncated = false;
        var alertsAreNoArray = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("alerts"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.StartArray) alerts = ReadAlerts(ref reader);
                else
                {
                    alertsAreNoArray = true;
                    reader.Skip();
                }
            }
            else if (reader.ValueTextEquals("status"u8)) status = NextText(ref reader);
            else if (reader.ValueTextEquals("receiver"u8)) receiver = NextText(ref reader);
            else if (reader.ValueTextEquals("groupKey"u8)) groupKey = NextText(ref reader);
            else if (reader.ValueTextEquals("truncatedAlerts"u8)) truncated = NextText(ref reader) is not ("" or "0");
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        // Reading to the end makes sure that the body was whole.
        while (reader.Read()) { }

        if (alertsAreNoArray) return ReadWebhook.Nothing("\"alerts\" is not an array; expected Alertmanager's webhook, version 4.");
        if (alerts is null) return ReadWebhook.Nothing("There is no \"alerts\" array; expected Alertmanager's webhook, version 4. A custom payload cannot be read.");

        var observations = new List<Observation>(alerts.Count);
        var unreadable = new List<string>();
        for (var i = 0; i < alerts.Count; i++)
        {
            if (alerts[i].Problem is { } problem) unreadable.Add($"alerts[{i}]: {problem}");
            else observations.Add(alerts[i].ToObservation(status, receivedAt));
        }

        long? group = groupKey.Length == 0 ? null : Hash(receiver, groupKey);
        return new ReadWebhook { Observations = observations, Unreadable = unreadable, Group = group, CompleteGroup = truncated || unreadable.Count > 0 ? null : group };
    }

    private static List<RawAlert> ReadAlerts(ref Utf8JsonReader reader)
    {
        var alerts = new List<RawAlert>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                alerts.Add(new RawAlert { Problem = "is not an object" });
                continue;
            }

            alerts.Add(ReadAlert(ref reader));
        }

        return alerts;
    }

    private static RawAlert ReadAlert(ref Utf8JsonReader reader)
    {
        var alert = new RawAlert();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("labels"u8)) alert.Labels = NextLabels(ref reader);
            else if (reader.ValueTextEquals("annotations"u8)) alert.Annotations = NextLabels(ref reader) ?? Labels.Empty;
            else if (reader.ValueTextEquals("status"u8)) alert.Status = NextText(ref reader);
            else if (reader.ValueTextEquals("startsAt"u8)) alert.StartsAt = LenientJson.Time(NextText(ref reader));
            else if (reader.ValueTextEquals("endsAt"u8)) alert.EndsAt = LenientJson.Time(NextText(ref reader));
            else if (reader.ValueTextEquals("generatorURL"u8)) alert.GeneratorUrl = NextText(ref reader);
            else if (reader.ValueTextEquals("fingerprint"u8)) alert.Fingerprint = NextText(ref reader);
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        if (alert.Labels is null) alert.Problem = "has no \"labels\" object";
        else if (alert.Labels.Count == 0) alert.Problem = "has no labels, so nothing tells it from other alerts";
        return alert;
    }

    private static string NextText(ref Utf8JsonReader reader)
    {
        reader.Read();
        return LenientJson.Text(ref reader);
    }

    private static Labels? NextLabels(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        var pairs = new List<KeyValuePair<string, string>>(16);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = LenientJson.Text(ref reader);
            pairs.Add(new(name, NextText(ref reader)));
        }

        return Labels.From(pairs);
    }

    private static long Hash(string receiver, string groupKey)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{receiver}\0{groupKey}"));
        return BinaryPrimitives.ReadInt64LittleEndian(hash);
    }

    private sealed class RawAlert
    {
        private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");

        public string? Problem;
        public Labels? Labels;
        public Labels Annotations = Domain.Alerts.Labels.Empty;
        public string Status = "";
        public Instant? StartsAt;
        public Instant? EndsAt;
        public string GeneratorUrl = "";
        public string Fingerprint = "";

        public Observation ToObservation(string bodyStatus, Instant receivedAt)
        {
            var firing = IsFiring(bodyStatus, receivedAt);
            var now = Instant.FromUnixTimeTicks(receivedAt.ToUnixTimeTicks() / 10 * 10);
            return new Observation
            {
                Fingerprint = IsFingerprint(Fingerprint) ? Fingerprint : Domain.Alerts.Fingerprint.Of(Labels!),
                Labels = Labels!,
                Annotations = Annotations,
                IsFiring = firing,
                StartsAt = StartsAt ?? now,
                StartsAtIsKnown = StartsAt is not null,
                EndsAt = firing || EndsAt is not { } end ? null : end > now ? now : end,
                GeneratorUrl = GeneratorUrl.Length > 8192 ? "" : GeneratorUrl,
            };
        }

        /// <summary>The alert's own status; without one its end; without that the body's status. In doubt it fires.</summary>
        private bool IsFiring(string bodyStatus, Instant receivedAt) => Status.ToLowerInvariant() switch
        {
            "resolved" or "ok" => false,
            "firing" or "alerting" => true,
            _ when EndsAt is { } end => end > receivedAt,
            _ => !bodyStatus.Equals("resolved", StringComparison.OrdinalIgnoreCase) && !bodyStatus.Equals("ok", StringComparison.OrdinalIgnoreCase),
        };

        private static bool IsFingerprint(string text) => text.Length == 16 && text.AsSpan().IndexOfAnyExcept(LowerHex) < 0;
    }
}
