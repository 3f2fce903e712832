using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Web;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>
/// PagerDuty's v3 webhooks (developer.pagerduty.com, "Webhooks"). Every signed event is stored once and answered 202, also one of a kind that we do not know:
/// PagerDuty switches a subscription off whose events are refused.
/// </summary>
internal static class PagerDutyWebhook
{
    public const string SignatureHeader = "X-PagerDuty-Signature";

    private const int MostBodyBytes = 512 * 1024;
    private const int LongestText = 9000;

    public static void MapPagerDutyWebhook(this WebApplication app) =>
        app.MapPost("/api/v1/webhooks/pagerduty", ReceiveAsync).AllowAnonymous().WithTags("Webhooks").WithName("ReceivePagerDutyWebhook")
            .WithSummary("Takes a v3 webhook of PagerDuty").WithDescription("Signed with the subscription's secret. Events of every type are answered 202; one that was taken before changes nothing.")
            .Produces(StatusCodes.Status202Accepted)
            .WithProblem(401, "invalid_signature", "The request does not carry a signature that the secret made.")
            .WithProblem(401, "signature_not_configured", "The secret that requests are signed with is not set.");

    private static async Task<IResult> ReceiveAsync(HttpContext http, IOptionsMonitor<PagerDutyOptions> options, InboundActions actions)
    {
        var secrets = (options.CurrentValue.WebhookSecret ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (secrets.Length == 0) return ApiProblem.Unauthorized("signature_not_configured", "PagerDuty__WebhookSecret is not set, so that nothing from PagerDuty can be trusted. Write the secret of the webhook subscription into it.");
        using var body = await http.ReadRawBodyAsync(MostBodyBytes);
        if (body.Problem is { } tooLarge) return tooLarge;
        if (!IsSigned(secrets, http.Request.Headers[SignatureHeader].ToString(), body.Bytes.Span)) return ApiProblem.Unauthorized("invalid_signature", "The signature is not one that PagerDuty__WebhookSecret makes.");

        using var timer = new CancellationTokenSource(InboundActions.LongestStore, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, http.RequestAborted);
        try
        {
            await actions.StoreAsync(Read(body.Bytes.Span, http.Request.Headers["X-Webhook-Id"].ToString()), either.Token);
            return Results.Accepted();
        }
        catch (Exception trouble) when (trouble is OperationCanceledException || DatabaseTrouble.IsUnavailable(trouble))
        {
            // PagerDuty comes again with the same event.
            return ApiProblem.Unavailable("not_stored", "It could not be stored. Send it again.", retryAfterSeconds: 5);
        }
    }

    /// <summary>Any of several signatures may match, and any of several secrets may have made it: that is how a secret is replaced.</summary>
    internal static bool IsSigned(IReadOnlyList<string> secrets, string header, ReadOnlySpan<byte> body)
    {
        var isSigned = false;
        Span<byte> expected = stackalloc byte[32];
        foreach (var secret in secrets)
        {
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), body, expected);
            foreach (var part in header.Split(',', 10, StringSplitOptions.TrimEntries))
            {
                if (part.StartsWith("v1=", StringComparison.Ordinal) && Hex.TryRead(part.AsSpan(3), out var given)) isSigned |= CryptographicOperations.FixedTimeEquals(expected, given);
            }
        }

        return isSigned;
    }

    /// <summary>What is kept of an event. One that cannot be read is kept too, under the digest of its bytes.</summary>
    internal static InboundAction Read(ReadOnlySpan<byte> body, string webhookId)
    {
        var digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(body));
        var happened = OutsideJson.Parse(body).At("event");
        if (happened is not JsonObject || Word(happened.At("event_type")) is not { Length: > 0 } type) return new InboundAction { Channel = "pagerduty", Key = digest, Kind = "unreadable", Payload = new PagerDutyEvent().Write() };

        var data = happened.At("data");
        var isIncident = Word(data.At("type")) == "incident";
        var key = Word(happened.At("id")) is { Length: > 0 } id ? $"event:{id}" : webhookId.Length > 0 ? $"webhook:{MessageText.Truncate(webhookId, 200)}" : digest;
        return new InboundAction
        {
            Channel = "pagerduty",
            Key = key,
            Kind = type,
            OccurredAt = InstantPattern.ExtendedIso.Parse(Word(happened.At("occurred_at"))) is { Success: true, Value: var at } ? at : null,
            Payload = new PagerDutyEvent
            {
                // Of everything that is not an incident itself, the incident is within.
                IncidentId = isIncident ? Word(data.At("id")) : Word(data.At("incident", "id")),
                IncidentKey = isIncident ? Word(data.At("incident_key")) : Word(data.At("incident", "incident_key")),
                ServiceId = Word(data.At("service", "id")),
                AgentId = Word(happened.At("agent", "id")),
                AgentName = Word(happened.At("agent", "summary")),
                IsByPerson = Word(happened.At("agent", "type")) is "user_reference" or "user",
                Assignee = Word((data.At("assignees") as JsonArray)?.FirstOrDefault().At("summary")),
                Priority = Word(data.At("priority", "summary")),
                Text = MessageText.Truncate(Word(data.At("content")) is { Length: > 0 } content ? content : Word(data.At("message")) is { Length: > 0 } message ? message : Word(data.At("resolve_reason", "type")), LongestText),
                Responder = Word(data.At("user", "summary")),
                ResponderState = Word(data.At("state")),
            }.Write(),
        };
    }

    private static string Word(JsonNode? node) => node.Word(LongestText);
}

/// <summary>What is kept of a PagerDuty event; a member that the event does not have is empty.</summary>
internal sealed record PagerDutyEvent
{
    /// <summary><see cref="Text"/> of a resolve that only says that its alerts went to another incident.</summary>
    public const string Merged = "merge_resolve_reason";

    /// <summary>PagerDuty's id of the incident.</summary>
    public string IncidentId { get; init; } = "";

    /// <summary>Our dedup key, if PagerDuty says it.</summary>
    public string IncidentKey { get; init; } = "";

    public string ServiceId { get; init; } = "";

    public string AgentId { get; init; } = "";

    public string AgentName { get; init; } = "";

    /// <summary>False for what a service, an integration (ours among them) or a time-out did.</summary>
    public bool IsByPerson { get; init; }

    public string Assignee { get; init; } = "";

    public string Priority { get; init; } = "";

    public string Text { get; init; } = "";

    public string Responder { get; init; } = "";

    public string ResponderState { get; init; } = "";

    public string Write() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);

    public static PagerDutyEvent Read(string payload) => JsonSerializer.Deserialize<PagerDutyEvent>(payload, JsonSerializerOptions.Web) ?? throw new JsonException("An inbound PagerDuty event has no payload.");
}
