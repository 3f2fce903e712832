using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Incidents.Server.Web;

/// <summary>Marks an endpoint that honours <c>Idempotency-Key</c>.</summary>
internal sealed class IdempotencyMetadata
{
    public static readonly IdempotencyMetadata Instance = new();
}

internal static class IdempotencyExtensions
{
    /// <summary>
    /// A POST repeated with the same <c>Idempotency-Key</c> within 24 hours gets the first answer again, marked <c>Idempotent-Replayed: true</c>.
    /// Never put it on an endpoint whose answer holds a secret: answers are stored.
    /// </summary>
    public static TBuilder WithIdempotency<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(IdempotencyMetadata.Instance);
}

/// <summary>
/// A middleware and not an endpoint filter, because the body must be hashed before parameters are bound from it and because an answer is
/// recorded as it goes over the wire. Comes after authorization, so that nothing is replayed to somebody who may no longer see it.
/// </summary>
internal sealed partial class IdempotencyMiddleware(RequestDelegate next, IdempotencyStore store, ILogger<IdempotencyMiddleware> log)
{
    private const int MaxBody = 1024 * 1024;
    private const int MaxKeyLength = 255;
    private static readonly string[] ReplayedHeaders = ["Content-Type", "Location", "ETag", "Link"];

    public Task InvokeAsync(HttpContext context) =>
        context.Request.Headers.TryGetValue("Idempotency-Key", out var key) && HttpMethods.IsPost(context.Request.Method)
        && context.GetEndpoint()?.Metadata.GetMetadata<IdempotencyMetadata>() is not null
            ? RunOnceAsync(context, key.ToString())
            : next(context);

    private async Task RunOnceAsync(HttpContext context, string key)
    {
        if (key.Length is 0 or > MaxKeyLength || key.Any(c => c is < '!' or > '~'))
        {
            await ApiProblem.BadRequest("invalid_idempotency_key", "An Idempotency-Key has 1 to 255 visible ASCII characters.").ExecuteAsync(context);
            return;
        }

        using var raw = await context.ReadRawBodyAsync(MaxBody);
        if (raw.Problem is { } tooLarge)
        {
            await tooLarge.ExecuteAsync(context);
            return;
        }

        var body = raw.Bytes.ToArray();
        var caller = context.User.FindFirstValue(ApiClaims.KeyId) ?? context.User.FindFirstValue(ClaimTypes.NameIdentifier) ?? context.User.FindFirstValue(ApiClaims.Name) ?? "anonymous";
        var endpoint = $"{context.Request.Method} {context.Request.PathBase}{context.Request.Path}";
        var hash = Hash(context.Request.QueryString.Value, body);
        switch (await store.ClaimAsync(caller, endpoint, key, hash, context.RequestAborted))
        {
            case IdempotencyClaim.Answered answered:
                await ReplayAsync(context.Response, answered);
                break;
            case IdempotencyClaim.UsedForAnotherRequest:
                await ApiProblem.Unprocessable("idempotency_key_reused", "This Idempotency-Key was used with another body. Use a new key for a new request.").ExecuteAsync(context);
                break;
            case IdempotencyClaim.InProgress wait:
                await (ApiProblem.Conflict("idempotency_in_progress", "A request with this Idempotency-Key is still at work. Try again after Retry-After seconds to get its answer.")
                    with { RetryAfter = (int)Math.Ceiling(wait.RetryAfter.TotalSeconds) }).ExecuteAsync(context);
                break;
            case IdempotencyClaim.Granted granted:
                context.Request.Body = new MemoryStream(body, writable: false);
                await RunAsync(context, caller, endpoint, key, granted.Holder);
                break;
        }
    }

    private async Task RunAsync(HttpContext context, string caller, string endpoint, string key, Guid holder)
    {
        var wire = context.Response.Body;
        using var recorded = new MemoryStream();
        context.Response.Body = recorded;
        var completed = false;
        try
        {
            await next(context);
            var response = context.Response;

            // "Try again" must not be answered with the same refusal for a day: what may go otherwise next time is not kept.
            if (response.StatusCode < 500 && response.StatusCode is not (401 or 403 or 404 or 409 or 412 or 429))
            {
                var headers = ReplayedHeaders.Where(response.Headers.ContainsKey).ToDictionary(name => name, name => response.Headers[name].ToString());

                // Recorded before it is sent, and whether or not the caller is still there: what was done must be answered as done.
                await store.CompleteAsync(caller, endpoint, key, holder, response.StatusCode, JsonSerializer.Serialize(headers), recorded.ToArray(), CancellationToken.None);
                completed = true;
            }
        }
        finally
        {
            context.Response.Body = wire;
            if (!completed) await AbandonAsync(caller, endpoint, key, holder);
        }

        recorded.Position = 0;
        await recorded.CopyToAsync(wire, context.RequestAborted);
    }

    private async Task AbandonAsync(string caller, string endpoint, string key, Guid holder)
    {
        try
        {
            await store.AbandonAsync(caller, endpoint, key, holder, CancellationToken.None);
        }
        catch (Exception e) when (DatabaseTrouble.Find(e) is not null)
        {
            LogNotAbandoned(holder, e); // the lease frees it within a minute
        }
    }

    private static async Task ReplayAsync(HttpResponse response, IdempotencyClaim.Answered answered)
    {
        response.StatusCode = answered.Status;
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, string>>(answered.Headers) ?? []) response.Headers[name] = value;
        response.Headers["Idempotent-Replayed"] = "true";
        if (answered.Body.Length > 0) await response.Body.WriteAsync(answered.Body, response.HttpContext.RequestAborted);
    }

    private static byte[] Hash(string? query, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(query ?? ""));
        hash.AppendData([0]);
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Idempotent request {Holder} failed and its key could not be freed; its lease ends within a minute")]
    private partial void LogNotAbandoned(Guid holder, Exception exception);
}

/// <summary>Deletes expired answers once an hour. Runs on every replica; deleting twice does no harm.</summary>
internal sealed partial class IdempotencyPurge(IdempotencyStore store, TimeProvider clock, ILogger<IdempotencyPurge> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromHours(1), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var deleted = await store.PurgeAsync(stoppingToken);
                if (deleted > 0) LogPurged(deleted);
            }
            catch (Exception e) when (DatabaseTrouble.Find(e) is not null)
            {
                LogNotPurged(e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Count} expired idempotent answers were deleted")]
    private partial void LogPurged(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Expired idempotent answers could not be deleted; tried again in an hour")]
    private partial void LogNotPurged(Exception exception);
}
