using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentValidation;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Microsoft.Extensions.Options;
using NodaTime.Text;
using Severity = Incidents.Domain.Routing.Severity;

namespace Incidents.Server.Notifications.Channels;

/// <summary>PagerDuty for receivers that say nothing else. Section <c>PagerDuty</c>.</summary>
internal sealed class PagerDutyOptions
{
    /// <summary>Address of the Events API v2. Default <c>https://events.pagerduty.com/v2/enqueue</c>; accounts in Europe have <c>https://events.eu.pagerduty.com/v2/enqueue</c>.</summary>
    public Uri EventsUrl { get; set; } = new("https://events.pagerduty.com/v2/enqueue");

    /// <summary>Integration key of the service to page, 32 characters. No default.</summary>
    public string? RoutingKey { get; set; }

    /// <summary>Secret of the v3 webhook subscription: what people do in PagerDuty is then done here too. Several, for several subscriptions or while one is replaced, are separated by commas. No default; without it those requests are refused.</summary>
    public string? WebhookSecret { get; set; }

    /// <summary>Token of PagerDuty's REST API, read-only. Needed only where webhooks name an incident without our key; then the incident's alerts are asked for it. No default.</summary>
    public string? ApiToken { get; set; }

    /// <summary>Base address of the REST API. Default <c>https://api.pagerduty.com/</c>; accounts in Europe have <c>https://api.eu.pagerduty.com/</c>.</summary>
    public Uri ApiUrl { get; set; } = new("https://api.pagerduty.com/");
}

/// <summary>What <c>pagerduty:</c> may say in <c>routing.yaml</c>.</summary>
internal sealed record PagerDutyReceiver
{
    /// <summary>Integration key of the service to page, as <c>${env:NAME}</c> or <c>${file:path}</c>. Left out: <c>PagerDuty__RoutingKey</c>.</summary>
    [Secret]
    public string? RoutingKey { get; init; }
}

internal sealed class PagerDutyReceiverValidator : AbstractValidator<PagerDutyReceiver>;

/// <summary>
/// One PagerDuty alert per subject. The dedup key is the subject's key, so a repeated event changes nothing at PagerDuty, and what was shown decides what is said.
/// </summary>
internal sealed class PagerDutyChannel(IHttpClientFactory http, IOptionsMonitor<PagerDutyOptions> options, TimeProvider clock) : INotificationChannel<PagerDutyReceiver>
{
    public const string HttpClientName = "pagerduty";

    // PagerDuty refuses events over 512 kB; the rest is room for headers it may count.
    private const int MostBytes = 500_000;
    private const int MostSummaryRunes = 1024;

    public async Task<DeliveryResult> SendAsync(
        Notification notification, PagerDutyReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        if (receiver.RoutingKey is "") return new DeliveryResult.Misconfigured("The variable or file that routing_key names is absent. Give it the integration key of a PagerDuty service, or leave the line out to use PagerDuty__RoutingKey.");
        var key = (receiver.RoutingKey ?? options.CurrentValue.RoutingKey)?.Trim();
        if (string.IsNullOrEmpty(key))
            return new DeliveryResult.Misconfigured("PagerDuty__RoutingKey is not set. Write the integration key of a PagerDuty service (Events API v2) into PagerDuty__RoutingKey, or routing_key under the receiver.");

        var actions = Actions(notification, thread);
        if (actions.Count == 0) return new DeliveryResult.NothingToSend(Shown(thread, notification, notification.State), WhyNothing(notification, thread));

        DeliveryResult.Delivered? last = null;
        foreach (var action in actions)
        {
            var answer = await PostAsync(action, notification, key, cancellationToken);
            if (Failure(answer, key) is { } failure)
            {
                return failure is DeliveryResult.RetryLater later && last is not null ? later with { Progress = last.Thread } : failure;
            }

            var shown = action switch
            {
                "resolve" => SubjectState.Resolved,
                "acknowledge" => SubjectState.Acknowledged,
                // An alert that was acknowledged stays so at PagerDuty when it is triggered again; what we show is what we will not repeat.
                _ => notification.State == SubjectState.Acknowledged && thread.ShownState == SubjectState.Acknowledged ? SubjectState.Acknowledged : SubjectState.Triggered,
            };
            last = new DeliveryResult.Delivered(
                Shown(last?.Thread ?? thread, notification, shown) with { Reference = notification.SubjectKey, MayHaveArrived = false },
                $"{string.Join(" and ", actions)} accepted (HTTP {answer.Status})");
        }

        return last!;
    }

    /// <summary>What PagerDuty must still be told, in order; empty when it already shows this.</summary>
    private static List<string> Actions(Notification notification, ThreadMemory thread)
    {
        var open = thread.ShownState is SubjectState.Triggered or SubjectState.Acknowledged;
        var isNews = notification.Revision > thread.ShownRevision || thread.ShownState is null;
        return notification.State switch
        {
            // A trigger whose answer was lost may have opened an alert; resolving one that does not exist does no harm.
            SubjectState.Resolved => open || (thread.MayHaveArrived && thread.ShownState != SubjectState.Resolved) ? ["resolve"] : [],
            SubjectState.Acknowledged when !open => ["trigger", "acknowledge"],
            SubjectState.Acknowledged when thread.ShownState == SubjectState.Triggered => ["acknowledge"],
            SubjectState.Acknowledged => isNews ? ["trigger"] : [],

            // Hidden by a silence here: PagerDuty must stop calling people, too. What still fires at the end begins anew.
            SubjectState.Triggered when notification.Occasion == Occasion.Quieted || (notification.IsQuiet && notification.Occasion == Occasion.Updated) => thread.ShownState == SubjectState.Triggered ? ["acknowledge"] : [],

            // The Events API cannot take an acknowledgement back, and PagerDuty tells nobody of a trigger for what is acknowledged there. Nobody has it any more, so it begins anew.
            // So does one that calls again while it rings, or has rung out.
            _ when thread.ShownState == SubjectState.Acknowledged => ["resolve", "trigger"],
            _ when thread.ShownState == SubjectState.Triggered && notification.Occasion is Occasion.Paged or Occasion.NobodyCame => isNews ? ["resolve", "trigger"] : [],
            _ => isNews || thread.ShownState != SubjectState.Triggered ? ["trigger"] : [],
        };
    }

    private static string WhyNothing(Notification notification, ThreadMemory thread) =>
        notification.State == SubjectState.Resolved && thread.ShownState is null ? "resolved before PagerDuty was told of it" : "PagerDuty already shows this state";

    private static ThreadMemory Shown(ThreadMemory thread, Notification notification, string state) => thread with
    {
        ShownState = state,
        ShownRevision = Math.Max(thread.ShownRevision, notification.Revision),
        LogCursor = notification.Log.IsDefaultOrEmpty ? thread.LogCursor : Math.Max(thread.LogCursor, notification.Log[^1].Id),
    };

    private async Task<HttpAnswer> PostAsync(string action, Notification notification, string key, CancellationToken cancellationToken)
    {
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Post, options.CurrentValue.EventsUrl)
        {
            Content = new ByteArrayContent(Body(action, notification, key)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        return await client.AskAsync(request, clock, cancellationToken);
    }

    private static DeliveryResult? Failure(HttpAnswer answer, string key)
    {
        if (answer.IsSuccess) return null;

        var said = answer.InWords.Replace(key, "***", StringComparison.OrdinalIgnoreCase);
        if (answer.IsTransient) return new DeliveryResult.RetryLater(said, answer.RetryAfter, MayHaveArrived: answer.Status >= 500, WholeChannel: answer.Status == 429);
        if (answer.IsRedirect) return new DeliveryResult.Misconfigured($"{said}. Redirects are not followed; write the final address into PagerDuty__EventsUrl.");
        if (answer.Status is 401 or 403 or 404 || (answer.Status == 400 && answer.Body.Contains("routing key", StringComparison.OrdinalIgnoreCase)))
            return new DeliveryResult.Misconfigured($"{said}. Check PagerDuty__RoutingKey (or the receiver's routing_key) and PagerDuty__EventsUrl.");
        return new DeliveryResult.Rejected(said);
    }

    private static byte[] Body(string action, Notification notification, string key)
    {
        if (action != "trigger") return Encode(new JsonObject { ["routing_key"] = key, ["event_action"] = action, ["dedup_key"] = notification.SubjectKey });

        // From all there is, through shorter values, to none: the page goes out in any case, and says what it lacks.
        foreach (var details in new Func<JsonObject>[]
        {
            () => Details(notification, int.MaxValue, withLabels: true),
            () => Cut(Details(notification, 1000, withLabels: true), "Details were too large for PagerDuty (512 kB): values are cut at 1,000 characters."),
            () => Cut(Details(notification, 1000, withLabels: false), "Details were too large for PagerDuty (512 kB): labels are left out and values are cut at 1,000 characters."),
        })
        {
            var body = Encode(Trigger(notification, key, details()));
            if (body.Length <= MostBytes) return body;
        }

        return Encode(Trigger(notification, key, Cut([], "Details were too large for PagerDuty (512 kB) and are left out.")));

        static JsonObject Cut(JsonObject details, string notice)
        {
            details.Insert(0, "notice", notice);
            return details;
        }
    }

    private static byte[] Encode(JsonObject body) => Encoding.UTF8.GetBytes(body.ToJsonString(JsonSerializerOptions.Web));

    private static JsonObject Trigger(Notification notification, string key, JsonObject details)
    {
        var payload = new JsonObject
        {
            ["summary"] = MessageText.TruncateRunes(Headline(notification), MostSummaryRunes),
            ["source"] = Short(notification.Service ?? notification.Cluster ?? notification.Environment) ?? "incidents",
            ["severity"] = notification.Severity is Severity.Critical or Severity.Warning or Severity.Info ? notification.Severity : "error",
            ["timestamp"] = InstantPattern.ExtendedIso.Format(notification.Since),
            ["component"] = Short(notification.Service),
            ["group"] = Short(string.Join("/", new[] { notification.Environment, notification.Cluster }.Where(part => !string.IsNullOrWhiteSpace(part)))),
            ["class"] = Short(notification.CommonLabels["alertname"]),
            ["custom_details"] = details,
        };
        foreach (var empty in payload.Where(p => p.Value is null).Select(p => p.Key).ToArray()) payload.Remove(empty);

        var body = new JsonObject
        {
            ["routing_key"] = key,
            ["event_action"] = "trigger",
            ["dedup_key"] = notification.SubjectKey,
            ["payload"] = payload,
            ["client"] = "Incidents",
        };
        if (MessageText.HttpUrl(notification.Url) is { } page) body["client_url"] = page;

        var links = new JsonArray();
        Link(notification.RunbookUrl, "Runbook");
        Link(notification.DashboardUrl, "Dashboard");
        Link(notification.SourceUrl, "Query");
        if (links.Count > 0) body["links"] = links;
        return body;

        void Link(string? url, string text)
        {
            if (MessageText.HttpUrl(url, 2000) is { } href) links.Add(new JsonObject { ["href"] = href, ["text"] = text });
        }
    }

    // Without the state in front: at PagerDuty the state is PagerDuty's own field.
    private static string Headline(Notification notification) => $"{MessageText.SeverityWord(notification.Severity)}: {MessageText.TitleAndPlace(notification)}";

    private static string? Short(string? text)
    {
        var line = MessageText.Truncate(MessageText.SingleLine(text ?? ""), 255);
        return line.Length == 0 ? null : line;
    }

    private static JsonObject Details(Notification notification, int longest, bool withLabels)
    {
        var details = new JsonObject();
        if (MessageText.Number(notification) is { } number) details["incident"] = number;
        foreach (var fact in MessageText.Facts(notification)) details[fact.Name.ToLowerInvariant().Replace(' ', '_')] = MessageText.Truncate(fact.Text, longest);
        if (notification.Summary.Length > 0) details["summary"] = MessageText.Truncate(notification.Summary, longest);
        if (notification.Description.Length > 0) details["description"] = MessageText.Truncate(notification.Description, longest);
        if (withLabels)
        {
            foreach (var (name, value) in notification.CommonLabels)
                details["label_" + MessageText.Truncate(MessageText.SingleLine(name), Math.Min(longest, 200))] = MessageText.Truncate(value, longest);
        }

        return details;
    }
}
