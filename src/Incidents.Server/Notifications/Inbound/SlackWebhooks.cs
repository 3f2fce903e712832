using System.Text;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Web;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using NodaTime.Extensions;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>
/// Buttons, commands and events of Slack over HTTP. Each carries Slack's signature and is checked on its raw bytes; it is stored, then answered, then done:
/// Slack waits three seconds and no longer.
/// </summary>
internal static class SlackWebhooks
{
    private const int MostBodyBytes = 1024 * 1024;

    public static void MapSlackWebhooks(this WebApplication app)
    {
        var slack = app.MapGroup("/api/v1/webhooks/slack").WithTags("Webhooks").AllowAnonymous();
        Post(slack, "interactions", "ReceiveSlackInteraction", "Takes buttons, menus and message shortcuts of Slack", InteractionAsync);
        Post(slack, "commands", "ReceiveSlackCommand", "Takes the slash command /incident of Slack", CommandAsync);
        Post(slack, "events", "ReceiveSlackEvent", "Takes events of Slack; answers the challenge that Slack checks the address with", EventAsync);

        // Slack probes the address of a command now and then.
        slack.MapGet("commands", () => Results.Ok()).WithName("ProbeSlackCommand").WithSummary("Answers when Slack looks whether the address of the command is there").Produces(StatusCodes.Status200OK);
    }

    private static void Post(RouteGroupBuilder group, string path, string name, string summary, Func<Received, CancellationToken, Task<IResult>> handle) =>
        group.MapPost(path, (HttpContext http, IOptionsMonitor<SlackOptions> options, InboundActions actions, TimeProvider clock) => ReceiveAsync(http, options.CurrentValue, actions, clock, handle))
            .WithName(name).WithSummary(summary).WithDescription("Signed by Slack (version 0 of its request signatures). A request is taken once, and not later than five minutes after it was signed.")
            .WithProblem(401, "invalid_signature", "The request does not carry a signature that the secret made.")
            .WithProblem(401, "late_request", "The signature is older than five minutes, or the clocks differ by that much.")
            .WithProblem(401, "replayed_request", "A request with this signature was taken before.")
            .WithProblem(401, "signature_not_configured", "The secret that requests are signed with is not set.");

    private static async Task<IResult> ReceiveAsync(HttpContext http, SlackOptions options, InboundActions actions, TimeProvider clock, Func<Received, CancellationToken, Task<IResult>> handle)
    {
        if (string.IsNullOrWhiteSpace(options.SigningSecret)) return ApiProblem.Unauthorized("signature_not_configured", "Slack__SigningSecret is not set, so that nothing from Slack can be trusted. Write the app's signing secret into it, or use Socket Mode.");
        using var body = await http.ReadRawBodyAsync(MostBodyBytes);
        if (body.Problem is { } tooLarge) return tooLarge;

        var signature = http.Request.Headers[SlackSignature.SignatureHeader].ToString();
        switch (SlackSignature.Check(options.SigningSecret, http.Request.Headers[SlackSignature.TimestampHeader], signature, body.Bytes.Span, clock.GetCurrentInstant()))
        {
            case SignatureCheck.Late:
                return ApiProblem.Unauthorized("late_request", "The request was signed more than five minutes ago, or this server's clock is wrong.");
            case not SignatureCheck.Valid:
                return ApiProblem.Unauthorized("invalid_signature", "The signature is not one that Slack__SigningSecret makes.");
        }

        using var timer = new CancellationTokenSource(InboundActions.LongestStore, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, http.RequestAborted);
        try
        {
            return await handle(new Received(body.Bytes, signature, actions), either.Token);
        }
        catch (Exception trouble) when (trouble is OperationCanceledException || DatabaseTrouble.IsUnavailable(trouble))
        {
            // Slack shows the person a warning at the button; a 200 would tell them that it worked.
            return ApiProblem.Unavailable("not_stored", "It could not be stored in time, and was not done. Try again.", retryAfterSeconds: 1);
        }
    }

    private static async Task<IResult> InteractionAsync(Received received, CancellationToken cancellationToken)
    {
        var action = SlackRequest.FromInteraction(OutsideJson.Parse(Encoding.UTF8.GetBytes(received.Form["payload"].ToString())));
        return action is null ? Results.Ok() : await StoreAsync(received, action, cancellationToken);
    }

    private static async Task<IResult> CommandAsync(Received received, CancellationToken cancellationToken)
    {
        if (received.Form["ssl_check"] == "1") return Results.Ok();
        var action = SlackRequest.FromCommand(name => received.Form[name].ToString());
        return action is null ? Results.Ok() : await StoreAsync(received, action, cancellationToken);
    }

    private static Task<IResult> EventAsync(Received received, CancellationToken cancellationToken)
    {
        var body = OutsideJson.Parse(received.Body.Span);
        return Task.FromResult(body.At("type").Word(100) == "url_verification" ? Results.Json(new { challenge = body.At("challenge").Word(1000) }) : Results.Ok());
    }

    private static async Task<IResult> StoreAsync(Received received, InboundAction action, CancellationToken cancellationToken) =>
        await received.Actions.StoreAsync(action with { Key = action.Key.Length > 0 ? action.Key : $"signature:{received.Signature}", Signature = $"slack:{received.Signature}" }, cancellationToken)
            ? Results.Ok()
            : ApiProblem.Unauthorized("replayed_request", "This request was taken before.");

    /// <param name="Body">As it came.</param>
    /// <param name="Signature">Verified.</param>
    /// <param name="Actions">Where it is stored.</param>
    private sealed record Received(ReadOnlyMemory<byte> Body, string Signature, InboundActions Actions)
    {
        public IReadOnlyDictionary<string, StringValues> Fields { get; } = QueryHelpers.ParseQuery(Encoding.UTF8.GetString(Body.Span));

        public FormFields Form => new(Fields);
    }

    /// <summary>Empty for a field that is absent.</summary>
    private readonly record struct FormFields(IReadOnlyDictionary<string, StringValues> Fields)
    {
        public StringValues this[string name] => Fields.TryGetValue(name, out var value) ? value : StringValues.Empty;
    }
}
