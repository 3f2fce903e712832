using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json.Serialization;

namespace Incidents.Server.Web;

/// <summary>One thing wrong with a request. <paramref name="Pointer"/> is an RFC 6901 pointer into the body (<c>/matchers/0/name</c>), or <c>?name</c> for a query parameter.</summary>
/// <param name="Pointer">Where.</param>
/// <param name="Code">Stable, snake_case.</param>
/// <param name="Message">For people.</param>
internal sealed record FieldError(string Pointer, string Code, string Message);

/// <summary>
/// An answer that is not a success: RFC 9457 <c>application/problem+json</c>. Clients decide on <see cref="Code"/>, people read <see cref="Detail"/>;
/// every code is explained at <c>/problems</c>, where <c>type</c> points.
/// </summary>
internal sealed record ApiProblem(int Status, string Code, string Detail) : IResult, IStatusCodeHttpResult
{
    public const string MediaType = "application/problem+json";

    public ImmutableArray<FieldError> Errors { get; init; } = [];

    /// <summary>Seconds after which trying again makes sense; becomes <c>Retry-After</c>.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The current entity tag, for 412 and 428.</summary>
    public string? ETag { get; init; }

    int? IStatusCodeHttpResult.StatusCode => Status;

    public static ApiProblem BadRequest(string code, string detail) => new(400, code, detail);

    /// <summary>400 with the places: something in the request is not allowed.</summary>
    public static ApiProblem Validation(params ImmutableArray<FieldError> errors) =>
        new(400, "invalid_request", errors.Length == 1 ? errors[0].Message : $"{errors.Length} things in the request are not valid.") { Errors = errors };

    public static ApiProblem Validation(string pointer, string code, string message) => Validation(new FieldError(pointer, code, message));

    public static ApiProblem Unauthorized(string code, string detail) => new(401, code, detail);

    public static ApiProblem Forbidden(string code, string detail) => new(403, code, detail);

    public static ApiProblem NotFound(string code, string detail) => new(404, code, detail);

    /// <summary>The request is fine, the state of things is not: nothing was changed.</summary>
    public static ApiProblem Conflict(string code, string detail) => new(409, code, detail);

    public static ApiProblem PreconditionFailed(string currentETag) =>
        new(412, "precondition_failed", $"It changed since you read it; its entity tag is now {currentETag}. Read it again and decide again.") { ETag = currentETag };

    public static ApiProblem PreconditionRequired(string currentETag) =>
        new(428, "precondition_required", "Send If-Match with the entity tag you read, so that nobody's change is overwritten unseen.") { ETag = currentETag };

    public static ApiProblem TooLarge(long limit) => new(413, "body_too_large", $"The body is larger than {limit} bytes.");

    public static ApiProblem UnsupportedMediaType(string wanted) => new(415, "unsupported_media_type", $"Send Content-Type: {wanted}.");

    /// <summary>The request is well formed and cannot be carried out as it is.</summary>
    public static ApiProblem Unprocessable(string code, string detail) => new(422, code, detail);

    public static ApiProblem TooManyRequests(string detail, int retryAfterSeconds) => new(429, "too_many_requests", detail) { RetryAfter = retryAfterSeconds };

    /// <summary>Not now: safe to send again after <paramref name="retryAfterSeconds"/>.</summary>
    public static ApiProblem Unavailable(string code, string detail, int retryAfterSeconds = 5) => new(503, code, detail) { RetryAfter = retryAfterSeconds };

    /// <summary>For a status some middleware set without a body.</summary>
    public static ApiProblem ForStatus(int status, HttpRequest request) => status switch
    {
        400 => BadRequest("bad_request", "The request could not be understood."),
        401 => Unauthorized("missing_credentials", "Send an API key: Authorization: Bearer <key>."),
        403 => Forbidden("forbidden", "These credentials do not allow this."),
        404 => NotFound("route_not_found", $"There is nothing at {request.Path}. See /docs for what there is."),
        405 => new(405, "method_not_allowed", $"{request.Method} is not possible here; the Allow header says what is."),
        406 => new(406, "not_acceptable", "None of the media types in Accept can be given."),
        408 => new(408, "request_timeout", "The request took too long to arrive."),
        413 => new(413, "body_too_large", "The body is too large."),
        415 => UnsupportedMediaType("application/json"),
        429 => TooManyRequests("Too many requests.", 5),
        503 => Unavailable("unavailable", "Not able to answer now; try again shortly."),
        >= 500 => new(status, "internal_error", "Something failed inside; the trace_id finds it in the log."),
        _ => new(status, $"http_{status}", "The request was refused."),
    };

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = Status;
        response.Headers.CacheControl = "no-store";
        if (RetryAfter is { } seconds) response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (ETag is not null) response.Headers.ETag = ETag;
        if (HttpMethods.IsHead(httpContext.Request.Method)) return Task.CompletedTask;

        var body = new Problem
        {
            Type = $"/problems#{Code}",
            Title = TitleOf(Code),
            Status = Status,
            Detail = Detail,
            Instance = httpContext.Request.PathBase + httpContext.Request.Path,
            Code = Code,
            TraceId = Activity.Current?.TraceId.ToString() ?? httpContext.TraceIdentifier,
            Errors = Errors.IsDefaultOrEmpty ? null : Errors,
        };
        return response.WriteAsJsonAsync(body, ApiJson.Options, MediaType, httpContext.RequestAborted);
    }

    /// <summary><c>incident_not_found</c> → <c>Incident not found</c>: the title is the code in words, so it never changes from case to case.</summary>
    public static string TitleOf(string code) => code.Length == 0 ? "" : char.ToUpperInvariant(code[0]) + code[1..].Replace('_', ' ');
}

/// <summary>The body of every answer that is not a success (RFC 9457).</summary>
internal sealed record Problem
{
    /// <summary>Where the code is explained, relative to this server.</summary>
    public required string Type { get; init; }

    /// <summary>The code in words.</summary>
    public required string Title { get; init; }

    public required int Status { get; init; }

    /// <summary>What is wrong this time and, where possible, what to do.</summary>
    public required string Detail { get; init; }

    /// <summary>The path asked for.</summary>
    public required string Instance { get; init; }

    /// <summary>Stable; decide on this.</summary>
    public required string Code { get; init; }

    /// <summary>Finds the request in logs and traces.</summary>
    public required string TraceId { get; init; }

    /// <summary>The places in the request that are wrong, when there are any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<FieldError>? Errors { get; init; }
}
