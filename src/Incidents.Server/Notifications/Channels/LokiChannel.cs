using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FluentValidation;
using Incidents.Domain.Notifications;
using Microsoft.Extensions.Options;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>Where log lines go. Section <c>Loki</c>.</summary>
internal sealed class LokiOptions
{
    /// <summary>Base address, such as <c>http://loki:3100</c>; <c>/loki/api/v1/push</c> is added. No default.</summary>
    public Uri? Url { get; set; }

    /// <summary>Tenant (<c>X-Scope-OrgID</c>) for receivers that name none. Left out: no header.</summary>
    public string? Tenant { get; set; }

    /// <summary>For a proxy that asks for HTTP basic. Left out: none is sent.</summary>
    public string? User { get; set; }

    public string? Password { get; set; }
}

/// <summary>What <c>loki:</c> may say in <c>routing.yaml</c>.</summary>
internal sealed record LokiReceiver
{
    /// <summary>Labels added to every stream. Few and with few values: each combination is a stream of its own in Loki.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Left out: <c>Loki__Tenant</c>.</summary>
    public string? Tenant { get; init; }
}

internal sealed partial class LokiReceiverValidator : AbstractValidator<LokiReceiver>
{
    public LokiReceiverValidator()
    {
        RuleFor(r => r.Labels).Must(labels => labels.Count <= 10).WithMessage("labels has more than 10 entries; Loki takes 15 in all and we add some.");
        RuleForEach(r => r.Labels).Must(label => Name().IsMatch(label.Key)).WithMessage("A label name may have letters, digits and _, and must not begin with a digit.")
            .Must(label => label.Value is { Length: > 0 and <= 2048 }).WithMessage("A label value must have from 1 to 2,048 characters.");
        RuleFor(r => r.Tenant).Must(tenant => tenant is null || (tenant.Length > 0 && !tenant.Contains('|', StringComparison.Ordinal) && !tenant.Any(char.IsControl)))
            .WithMessage("tenant must be one tenant's name; a|b is for reading only.");
    }

    [GeneratedRegex("^[a-zA-Z_][a-zA-Z0-9_]*$")]
    private static partial Regex Name();
}

/// <summary>
/// Log lines to Loki: one for each entry of an incident's timeline, one for each change of an informational alert. Timestamps come from what happened,
/// never from now, so a line that is pushed twice is the same line and Loki keeps one.
/// </summary>
internal sealed class LokiChannel(IHttpClientFactory http, IOptionsMonitor<LokiOptions> options, TimeProvider clock) : INotificationChannel<LokiReceiver>
{
    public const string HttpClientName = "loki";

    private const int MostLineBytes = 64 * 1024;
    private const int MostShortLineBytes = 1024;

    public async Task<DeliveryResult> SendAsync(
        Notification notification, LokiReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        if (options.CurrentValue.Url is null)
            return new DeliveryResult.Misconfigured("Loki__Url is not set. Write the base address of Loki into Loki__Url, such as http://loki:3100.");

        var entries = notification.IncidentNumber is null ? AlertEntries(notification, receiver, thread) : LogEntries(notification, receiver, thread);
        var after = After(notification, thread);
        if (entries.Count == 0) return new DeliveryResult.NothingToSend(after, "nothing new to log");

        var refused = new List<string>();
        var failure = await PushAsync(entries, receiver.Tenant ?? options.CurrentValue.Tenant, refused, cancellationToken);
        if (failure is not null) return failure;
        if (refused.Count == entries.Count) return new DeliveryResult.Rejected($"Loki refused every line: {refused[0]}");
        var stored = string.Create(CultureInfo.InvariantCulture, $"{entries.Count - refused.Count} {(entries.Count - refused.Count == 1 ? "line" : "lines")} stored");
        return new DeliveryResult.Delivered(after, refused.Count == 0 ? stored : string.Create(CultureInfo.InvariantCulture, $"{stored}, {refused.Count} refused: {refused[0]}"));
    }

    /// <summary>Pushes; halves what Loki will not take in one piece, down to the lines it will not take at all.</summary>
    private async Task<DeliveryResult?> PushAsync(List<Entry> entries, string? tenant, List<string> refused, CancellationToken cancellationToken)
    {
        var answer = await PostAsync(entries, tenant, cancellationToken);
        if (answer.Status is 400 or 413)
        {
            if (entries.Count > 1)
            {
                // After a 400 the good lines may be stored; they are sent again all the same, for Loki drops what it has.
                var half = entries.Count / 2;
                return await PushAsync(entries[..half], tenant, refused, cancellationToken) ?? await PushAsync(entries[half..], tenant, refused, cancellationToken);
            }

            if (answer.Status == 413 && Encoding.UTF8.GetByteCount(entries[0].Line) > MostShortLineBytes)
                return await PushAsync([entries[0] with { Line = MessageText.TruncateUtf8(entries[0].Line, MostShortLineBytes) }], tenant, refused, cancellationToken);

            refused.Add(answer.InWords);
            return null;
        }

        return answer.Status switch
        {
            260 => new DeliveryResult.Misconfigured($"{answer.InWords}. Loki blocks ingestion for this tenant; ask whoever runs it."),
            >= 200 and < 300 => null,
            401 or 403 or 404 or (>= 300 and < 400) => new DeliveryResult.Misconfigured($"{answer.InWords}. Check Loki__Url, Loki__Tenant, Loki__User and Loki__Password."),
            408 or 425 or 429 or >= 500 => new DeliveryResult.RetryLater(answer.InWords, answer.RetryAfter, MayHaveArrived: answer.Status >= 500, WholeChannel: answer.Status == 429),
            _ => new DeliveryResult.Rejected(answer.InWords),
        };
    }

    private async Task<HttpAnswer> PostAsync(List<Entry> entries, string? tenant, CancellationToken cancellationToken)
    {
        var settings = options.CurrentValue;
        var streams = new JsonArray();
        foreach (var stream in entries.GroupBy(entry => entry.StreamKey, StringComparer.Ordinal))
        {
            var labels = new JsonObject();
            foreach (var (name, value) in stream.First().Labels) labels[name] = value;
            var values = new JsonArray();
            foreach (var entry in stream)
            {
                var metadata = new JsonObject();
                foreach (var (name, value) in entry.Metadata) metadata[name] = value;
                values.Add(new JsonArray(UnixNanoseconds(entry.At), entry.Line, metadata));
            }

            streams.Add(new JsonObject { ["stream"] = labels, ["values"] = values });
        }

        var body = new JsonObject { ["streams"] = streams };
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(settings.Url!.AbsoluteUri.TrimEnd('/') + "/loki/api/v1/push"))
        {
            // Without this exact type Loki reads the body as Protobuf.
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString(JsonSerializerOptions.Web))) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        if (!string.IsNullOrWhiteSpace(tenant)) request.Headers.Add("X-Scope-OrgID", tenant.Trim());
        if (!string.IsNullOrEmpty(settings.User))
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{settings.User}:{settings.Password}")));
        return await client.AskAsync(request, clock, cancellationToken);
    }

    private static List<Entry> LogEntries(Notification notification, LokiReceiver receiver, ThreadMemory thread) =>
        [.. notification.Log.Where(line => line.Id > thread.LogCursor).OrderBy(line => line.Id).Select(line => new Entry(
            line.At,
            MessageText.TruncateUtf8($"{MessageText.Number(notification)} {MessageText.SeverityWord(notification.Severity)}: {MessageText.TitleAndPlace(notification)}: {MessageText.SingleLine(line.Text)}", MostLineBytes),
            Labels(receiver, notification, line.Kind, notification.Severity),
            Metadata(notification, ("log_id", line.Id.ToString(CultureInfo.InvariantCulture)))))];

    private static List<Entry> AlertEntries(Notification notification, LokiReceiver receiver, ThreadMemory thread)
    {
        var told = Told(thread.Reference);
        return [.. notification.Alerts.Where(alert => !told.Contains(Key(alert))).Select(alert => new Entry(
            alert.IsFiring ? alert.StartsAt : alert.ResolvedAt ?? alert.StartsAt,
            MessageText.TruncateUtf8($"{MessageText.SeverityWord(alert.Severity)} {(alert.IsFiring ? "firing" : "resolved")}: {MessageText.SingleLine(alert.Name)}: {MessageText.SingleLine(alert.Summary)} {alert.Labels}", MostLineBytes),
            Labels(receiver, notification, alert.IsFiring ? "alert_firing" : "alert_resolved", alert.Severity),
            Metadata(notification, ("fingerprint", alert.Fingerprint)))).OrderBy(entry => entry.At)];
    }

    private static ThreadMemory After(Notification notification, ThreadMemory thread) => thread with
    {
        // Those of the notification only: what has left it does not come back in the same state.
        Reference = notification.IncidentNumber is null ? JsonSerializer.Serialize(notification.Alerts.Select(Key), JsonSerializerOptions.Web) : thread.Reference,
        ShownState = notification.State,
        ShownRevision = notification.Revision,
        LogCursor = notification.Log.IsDefaultOrEmpty ? thread.LogCursor : Math.Max(thread.LogCursor, notification.Log.Max(line => line.Id)),
        MayHaveArrived = false,
    };

    private static HashSet<string> Told(string? reference) =>
        reference is null ? [] : JsonSerializer.Deserialize<HashSet<string>>(reference, JsonSerializerOptions.Web) ?? [];

    private static string Key(AlertLine alert) => string.Create(CultureInfo.InvariantCulture, $"{alert.Fingerprint} {(alert.IsFiring ? "firing" : "resolved")} {alert.StartsAt.ToUnixTimeTicks()}");

    // Few values each, whatever the alerts carry: names and numbers go into the structured metadata.
    private static SortedDictionary<string, string> Labels(LokiReceiver receiver, Notification notification, string kind, string severity)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["app"] = "incidents", ["event"] = kind, ["severity"] = severity };
        if (!string.IsNullOrWhiteSpace(notification.Environment)) labels["env"] = MessageText.Truncate(MessageText.SingleLine(notification.Environment), 200);
        foreach (var (name, value) in receiver.Labels) labels[name] = value;
        return labels;
    }

    private static List<KeyValuePair<string, string>> Metadata(Notification notification, (string Name, string Value) own)
    {
        var metadata = new List<KeyValuePair<string, string>> { new("subject", notification.SubjectKey), new(own.Name, own.Value) };
        if (MessageText.Number(notification) is { } number) metadata.Add(new("incident", number));
        if (!string.IsNullOrWhiteSpace(notification.Service)) metadata.Add(new("service", MessageText.Truncate(MessageText.SingleLine(notification.Service), 500)));
        if (!string.IsNullOrWhiteSpace(notification.Cluster)) metadata.Add(new("cluster", MessageText.Truncate(MessageText.SingleLine(notification.Cluster), 500)));
        return metadata;
    }

    // A string: as a JSON number it loses digits.
    private static string UnixNanoseconds(Instant at) => (at - NodaConstants.UnixEpoch).ToBigIntegerNanoseconds().ToString(CultureInfo.InvariantCulture);

    private sealed record Entry(Instant At, string Line, SortedDictionary<string, string> Labels, List<KeyValuePair<string, string>> Metadata)
    {
        public string StreamKey { get; } = string.Join('\u0001', Labels.Select(label => $"{label.Key}={label.Value}"));
    }
}
