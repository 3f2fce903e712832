using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using FluentValidation;
using Incidents.Domain.Notifications;
using Incidents.Server.Configuration;
using NodaTime.Text;

namespace Incidents.Server.Notifications.Channels;

/// <summary>What <c>webhook:</c> may say in <c>routing.yaml</c>.</summary>
internal sealed record WebhookReceiver
{
    /// <summary>Absolute http(s) address; gets one POST for each change.</summary>
    public required Uri Url { get; init; }

    /// <summary>
    /// Signs the body as Standard Webhooks does: <c>whsec_</c> and base64, or any text, as <c>${env:NAME}</c> or <c>${file:path}</c>. Left out: unsigned.
    /// </summary>
    [Secret]
    public string? Secret { get; init; }
}

internal sealed class WebhookReceiverValidator : AbstractValidator<WebhookReceiver>
{
    public WebhookReceiverValidator()
    {
        RuleFor(r => r.Url).Must(OutboundHttp.IsHttp).WithMessage("url must be an absolute http(s) address, such as https://example.org/hooks/incidents.");
        RuleFor(r => r.Secret).Must(secret => string.IsNullOrEmpty(secret) || WebhookSignature.TryKey(secret, out _))
            .WithMessage("secret begins with whsec_ and is not base64 after it.");
    }
}

/// <summary>JSON to any address. The same id travels with every retry, so that the far side can drop doubles.</summary>
internal sealed class WebhookChannel(IHttpClientFactory http, TimeProvider clock) : INotificationChannel<WebhookReceiver>
{
    public const string HttpClientName = "webhook";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        // Only ever JSON, never inside HTML; without it every letter beyond ASCII takes six bytes.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public async Task<DeliveryResult> SendAsync(
        Notification notification, WebhookReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        if (receiver.Secret is "") return new DeliveryResult.Misconfigured("The variable or file that secret names is absent; nothing is sent unsigned. Give it the secret, or leave the line out.");
        var body = JsonSerializer.SerializeToUtf8Bytes(WebhookBody.Of(notification), Json);
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Post, receiver.Url)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        var timestamp = clock.GetUtcNow().ToUnixTimeSeconds();
        request.Headers.Add("webhook-id", attempt.Key);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        if (receiver.Secret is { } secret)
        {
            if (!WebhookSignature.TryKey(secret, out var key))
                return new DeliveryResult.Misconfigured("The receiver's secret begins with whsec_ and is not base64 after it.");
            request.Headers.Add("webhook-signature", WebhookSignature.Sign(key, attempt.Key, timestamp, body));
        }

        var answer = await client.AskAsync(request, clock, cancellationToken);
        if (answer.IsSuccess)
        {
            return new DeliveryResult.Delivered(thread with
            {
                ShownState = notification.State,
                ShownRevision = notification.Revision,
                LogCursor = notification.Log.IsDefaultOrEmpty ? thread.LogCursor : Math.Max(thread.LogCursor, notification.Log.Max(line => line.Id)),
                MayHaveArrived = false,
            }, $"HTTP {answer.Status}");
        }

        // Each receiver here is somebody else's server, so even a 429 speaks for this one only.
        if (answer.IsTransient) return new DeliveryResult.RetryLater(answer.InWords, answer.RetryAfter, MayHaveArrived: answer.Status >= 500);
        if (answer.IsRedirect) return new DeliveryResult.Misconfigured($"{answer.InWords}. Redirects are not followed; write the final address into url.");
        return answer.Status is 401 or 403 or 404 or 405 or 407 or 410
            ? new DeliveryResult.Misconfigured($"{answer.InWords}. Check the receiver's url and secret.")
            : new DeliveryResult.Rejected(answer.InWords);
    }
}

/// <summary>Standard Webhooks, version 1: HMAC-SHA256 over <c>id.timestamp.body</c>.</summary>
internal static class WebhookSignature
{
    private const string Prefix = "whsec_";

    public static bool TryKey(string secret, out byte[] key)
    {
        key = [];
        var text = secret.Trim();
        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            key = Encoding.UTF8.GetBytes(text);
            return key.Length > 0;
        }

        var buffer = new byte[text.Length];
        if (!Convert.TryFromBase64String(text[Prefix.Length..], buffer, out var length) || length == 0) return false;
        key = buffer[..length];
        return true;
    }

    public static string Sign(byte[] key, string id, long timestamp, byte[] body)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")), .. body];
        return "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed));
    }
}

/// <summary>The body: <c>{type, timestamp, data}</c>, snake_case, times RFC 3339 in UTC, absent when not known.</summary>
/// <param name="Type"><c>incident.opened</c>, <c>incident.acknowledged</c>, …; <c>alerts.opened</c>, … for informational alerts.</param>
/// <param name="Timestamp">The moment <paramref name="Data"/> was true.</param>
internal sealed record WebhookBody(string Type, string Timestamp, WebhookSubject Data)
{
    public static WebhookBody Of(Notification n) => new(
        (n.IncidentNumber is null ? "alerts." : "incident.") + n.Occasion,
        Time(n.At),
        new WebhookSubject
        {
            Key = n.SubjectKey,
            Number = n.IncidentNumber,
            State = n.State,
            Severity = n.Severity,
            Title = Clean(n.Title)!,
            Service = Clean(n.Service),
            Environment = Clean(n.Environment),
            Cluster = Clean(n.Cluster),
            Value = Clean(n.Value),
            Threshold = Clean(n.Threshold),
            Since = Time(n.Since),
            Summary = MessageText.Truncate(n.Summary, MostText),
            Description = MessageText.Truncate(n.Description, MostText),
            WhatWasDone = Clean(n.WhatWasDone),
            LikelyCause = Clean(n.LikelyCause),
            RunbookUrl = MessageText.HttpUrl(n.RunbookUrl, 4000),
            DashboardUrl = MessageText.HttpUrl(n.DashboardUrl, 4000),
            SourceUrl = MessageText.HttpUrl(n.SourceUrl, 4000),
            Url = MessageText.HttpUrl(n.Url, 4000),
            FiringAlerts = n.FiringAlerts,
            TotalAlerts = n.TotalAlerts,
            AssignedTo = Clean(n.AssignedTo),
            AcknowledgedBy = Clean(n.AcknowledgedBy),
            AcknowledgedAt = n.AcknowledgedAt is { } acknowledged ? Time(acknowledged) : null,
            ResolvedBy = Clean(n.ResolvedBy),
            ResolvedAt = n.ResolvedAt is { } resolved ? Time(resolved) : null,
            ManualReviewRequired = n.ManualReviewRequired,
            Revision = n.Revision,
            Labels = Words(n.CommonLabels),
            Alerts = [.. n.Alerts.Select(a => new WebhookAlert(Clean(a.Name)!, a.Fingerprint, a.IsFiring ? "firing" : "resolved", a.Severity, Words(a.Labels), MessageText.Truncate(a.Summary, 2000), Time(a.StartsAt), a.ResolvedAt is { } at ? Time(at) : null))],
            Log = [.. n.Log.Select(line => new WebhookLogLine(line.Id, Time(line.At), line.Kind, MessageText.Truncate(line.Text, 2000)))],
        });

    private const int MostText = 20_000;

    private static string Time(NodaTime.Instant at) => InstantPattern.ExtendedIso.Format(at);

    private static string? Clean(string? text) => text is null ? null : MessageText.Truncate(MessageText.SingleLine(text), 2000);

    // Many labels or long ones are cut, never the message.
    private static Dictionary<string, string> Words(Incidents.Domain.Alerts.Labels labels)
    {
        var words = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in labels.Take(100)) words[MessageText.Truncate(name, 200)] = MessageText.Truncate(value, 1000);
        return words;
    }
}

internal sealed record WebhookSubject
{
    public required string Key { get; init; }

    public long? Number { get; init; }

    public required string State { get; init; }

    public required string Severity { get; init; }

    public required string Title { get; init; }

    public string? Service { get; init; }

    public string? Environment { get; init; }

    public string? Cluster { get; init; }

    public string? Value { get; init; }

    public string? Threshold { get; init; }

    public required string Since { get; init; }

    public required string Summary { get; init; }

    public required string Description { get; init; }

    public string? WhatWasDone { get; init; }

    public string? LikelyCause { get; init; }

    public string? RunbookUrl { get; init; }

    public string? DashboardUrl { get; init; }

    public string? SourceUrl { get; init; }

    public string? Url { get; init; }

    public required int FiringAlerts { get; init; }

    public required int TotalAlerts { get; init; }

    public string? AssignedTo { get; init; }

    public string? AcknowledgedBy { get; init; }

    public string? AcknowledgedAt { get; init; }

    public string? ResolvedBy { get; init; }

    public string? ResolvedAt { get; init; }

    public required bool ManualReviewRequired { get; init; }

    public required long Revision { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required IReadOnlyList<WebhookAlert> Alerts { get; init; }

    public required IReadOnlyList<WebhookLogLine> Log { get; init; }
}

internal sealed record WebhookAlert(string Name, string Fingerprint, string State, string Severity, IReadOnlyDictionary<string, string> Labels, string Summary, string StartsAt, string? ResolvedAt);

internal sealed record WebhookLogLine(long Id, string At, string Kind, string Text);
