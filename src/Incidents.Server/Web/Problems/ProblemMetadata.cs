namespace Incidents.Server.Web;

/// <summary>A problem an endpoint can answer with; OpenAPI and <c>/problems</c> are made of these.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Code">The <c>code</c> member.</param>
/// <param name="Meaning">One sentence for the reader of the documentation.</param>
internal sealed record ProblemMetadata(int Status, string Code, string Meaning);

internal static class ProblemMetadataExtensions
{
    /// <summary>Documents a problem this endpoint answers with. Those that follow from the endpoint's shape (401, 403, 413, 415, 500, 503 …) need no mention.</summary>
    public static TBuilder WithProblem<TBuilder>(this TBuilder builder, int status, string code, string meaning) where TBuilder : IEndpointConventionBuilder =>
        builder.WithMetadata(new ProblemMetadata(status, code, meaning));
}

/// <summary>Problems that any endpoint may answer with because of what it is, not what it does.</summary>
internal static class CommonProblems
{
    public static readonly ProblemMetadata InvalidRequest = new(400, "invalid_request", "Something in the request is not allowed; errors[] says where.");
    public static readonly ProblemMetadata MalformedJson = new(400, "malformed_json", "The body is not JSON, or a value has the wrong type.");
    public static readonly ProblemMetadata MissingCredentials = new(401, "missing_credentials", "No API key was sent.");
    public static readonly ProblemMetadata InvalidCredentials = new(401, "invalid_credentials", "The API key is unknown, expired or revoked.");
    public static readonly ProblemMetadata MissingScope = new(403, "missing_scope", "The API key is valid and lacks the scope named in the detail.");
    public static readonly ProblemMetadata RouteNotFound = new(404, "route_not_found", "There is nothing at this path.");
    public static readonly ProblemMetadata MethodNotAllowed = new(405, "method_not_allowed", "The path exists and does not take this method.");
    public static readonly ProblemMetadata Conflict = new(409, "conflict", "Somebody else changed the same thing at the same moment; nothing was changed by this request.");
    public static readonly ProblemMetadata IdempotencyInProgress = new(409, "idempotency_in_progress", "A request with this Idempotency-Key is still at work.");
    public static readonly ProblemMetadata PreconditionFailed = new(412, "precondition_failed", "The entity tag in If-Match is not the current one.");
    public static readonly ProblemMetadata BodyTooLarge = new(413, "body_too_large", "The body is larger than this endpoint takes.");
    public static readonly ProblemMetadata UnsupportedMediaType = new(415, "unsupported_media_type", "The Content-Type is not one this endpoint takes.");
    public static readonly ProblemMetadata IdempotencyKeyReused = new(422, "idempotency_key_reused", "This Idempotency-Key was used with another request.");
    public static readonly ProblemMetadata InvalidIdempotencyKey = new(400, "invalid_idempotency_key", "An Idempotency-Key has 1 to 255 visible ASCII characters.");
    public static readonly ProblemMetadata PreconditionRequired = new(428, "precondition_required", "If-Match is missing.");
    public static readonly ProblemMetadata TooManyRequests = new(429, "too_many_requests", "Wait as long as Retry-After says.");
    public static readonly ProblemMetadata InternalError = new(500, "internal_error", "A defect or a broken part; trace_id finds it in the log.");
    public static readonly ProblemMetadata DatabaseUnavailable = new(503, "database_unavailable", "The database does not answer; nothing was changed. Try again after Retry-After seconds.");
    public static readonly ProblemMetadata CredentialsUnchecked = new(503, "credentials_unchecked", "The API key could not be checked because the database does not answer.");
    public static readonly ProblemMetadata InvalidCursor = new(400, "invalid_cursor", "The cursor is damaged or belongs to another list; start again without it.");

    public static readonly IReadOnlyList<ProblemMetadata> Everywhere =
    [
        InvalidRequest, MalformedJson, MissingCredentials, InvalidCredentials, MissingScope, RouteNotFound, MethodNotAllowed, Conflict, IdempotencyInProgress,
        PreconditionFailed, BodyTooLarge, UnsupportedMediaType, IdempotencyKeyReused, InvalidIdempotencyKey, PreconditionRequired, TooManyRequests,
        InternalError, DatabaseUnavailable, CredentialsUnchecked, InvalidCursor,
    ];

    /// <summary>Those that follow from an endpoint's metadata.</summary>
    public static IEnumerable<ProblemMetadata> Of(IEnumerable<object> endpointMetadata, string method)
    {
        var metadata = endpointMetadata as IReadOnlyCollection<object> ?? [.. endpointMetadata];
        var anonymous = metadata.OfType<Microsoft.AspNetCore.Authorization.IAllowAnonymous>().Any();
        if (!anonymous)
        {
            yield return MissingCredentials;
            yield return InvalidCredentials;
            yield return CredentialsUnchecked;
            if (metadata.OfType<Microsoft.AspNetCore.Authorization.IAuthorizeData>().Any()) yield return MissingScope;
        }

        if (metadata.OfType<Microsoft.AspNetCore.Http.Metadata.IAcceptsMetadata>().Any() && !HttpMethods.IsGet(method))
        {
            yield return InvalidRequest;
            yield return MalformedJson;
            yield return BodyTooLarge;
            yield return UnsupportedMediaType;
        }

        if (metadata.OfType<IdempotencyMetadata>().Any())
        {
            yield return InvalidIdempotencyKey;
            yield return IdempotencyInProgress;
            yield return IdempotencyKeyReused;
        }

        yield return InternalError;
        yield return DatabaseUnavailable;
    }
}
