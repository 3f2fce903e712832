using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Web;

internal static class AuthSchemes
{
    /// <summary>The default: sends a request to <see cref="ApiKey"/>, or to <see cref="BrowserSignIn.Scheme"/> when it comes from a browser.</summary>
    public const string Default = "Incidents";

    public const string ApiKey = "ApiKey";
}

/// <summary>Set by the module that signs people in, so that pages lead to the sign-in page and a session counts on the API too.</summary>
internal sealed class BrowserSignIn
{
    /// <summary>Name of the cookie scheme; null while there are only API keys.</summary>
    public string? Scheme { get; set; }

    public static string SchemeFor(HttpContext context)
    {
        var browser = context.RequestServices.GetRequiredService<IOptions<BrowserSignIn>>().Value.Scheme;
        return browser is null || context.Request.Headers.Authorization.Count > 0 ? AuthSchemes.ApiKey : browser;
    }
}

/// <summary>A program must get 401 or 403 with a problem, never a redirect to a page, however its caller signed in.</summary>
internal sealed class ApiRefusals : IAuthorizationMiddlewareResultHandler
{
    private readonly AuthorizationMiddlewareResultHandler _pages = new();

    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        var isApi = context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase) || context.Request.Path.StartsWithSegments("/metrics", StringComparison.OrdinalIgnoreCase);
        if (isApi && authorizeResult.Challenged) return context.ChallengeAsync(AuthSchemes.ApiKey);
        if (isApi && authorizeResult.Forbidden) return context.ForbidAsync(AuthSchemes.ApiKey);
        return _pages.HandleAsync(next, context, policy, authorizeResult);
    }
}

/// <summary>
/// Takes an API key as <c>Authorization: Bearer</c>; where alerts and heartbeats are sent also as the password of HTTP basic (the user name does not matter), which is what older senders can.
/// Nowhere else: a browser keeps such a password and adds it to whatever any other site has it send.
/// </summary>
internal sealed class ApiKeyAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, ApiKeyCache keys)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Challenge = "Bearer realm=\"incidents\", Basic realm=\"incidents\"";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization;
        if (header.Count == 0) return Task.FromResult(AuthenticateResult.NoResult());
        var check = CheckAsync(header.ToString());
        return check.IsCompletedSuccessfully ? Task.FromResult(Remember(check.Result)) : AwaitAsync(check);

        async Task<AuthenticateResult> AwaitAsync(ValueTask<KeyCheck> pending) => Remember(await pending);
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (Context.Features.Get<UncheckedKey>() is not null)
            return ApiProblem.Unavailable("credentials_unchecked", "The API key could not be checked because the database does not answer. Try again shortly.").ExecuteAsync(Context);

        Response.Headers.WWWAuthenticate = TakesBasic ? Challenge : "Bearer realm=\"incidents\"";
        var problem = Request.Headers.Authorization.Count == 0
            ? ApiProblem.ForStatus(401, Request)
            : ApiProblem.Unauthorized("invalid_credentials", "The API key is unknown, expired or revoked. It goes after \"Bearer \"; for alerts and heartbeats also into the password of HTTP basic.");
        return problem.ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var missing = Context.GetEndpoint()?.Metadata.GetOrderedMetadata<IAuthorizeData>()
            .Select(a => a.Policy).FirstOrDefault(p => p is not null && Scopes.All.Contains(p) && !Scopes.Covers(Context.User, p));
        var problem = missing is null
            ? ApiProblem.ForStatus(403, Request)
            : ApiProblem.Forbidden("missing_scope", $"This caller lacks the scope \"{missing}\".");
        return problem.ExecuteAsync(Context);
    }

    private ValueTask<KeyCheck> CheckAsync(string header)
    {
        const string bearer = "Bearer ";
        const string basic = "Basic ";
        if (header.StartsWith(bearer, StringComparison.OrdinalIgnoreCase)) return keys.CheckAsync(header.AsSpan(bearer.Length).Trim(), Context.RequestAborted);
        if (!TakesBasic || !header.StartsWith(basic, StringComparison.OrdinalIgnoreCase)) return new(KeyCheck.Refused);

        var encoded = header.AsSpan(basic.Length).Trim();
        if (encoded.Length > 4096) return new(KeyCheck.Refused);
        var bytes = ArrayPool<byte>.Shared.Rent(encoded.Length);
        try
        {
            if (!Convert.TryFromBase64Chars(encoded, bytes, out var length)) return new(KeyCheck.Refused);
            var colon = bytes.AsSpan(0, length).IndexOf((byte)':');
            return colon < 0 ? new(KeyCheck.Refused) : keys.CheckAsync(Encoding.UTF8.GetString(bytes.AsSpan(0, length)[(colon + 1)..]), Context.RequestAborted);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes, clearArray: true);
        }
    }

    /// <summary>Endpoints that only take what a program sends.</summary>
    private bool TakesBasic => Context.GetEndpoint()?.Metadata.GetOrderedMetadata<IAuthorizeData>().Any(a => a.Policy == Scopes.Ingest) == true;

    private AuthenticateResult Remember(KeyCheck check)
    {
        if (check.IsUnchecked) Context.Features.Set(UncheckedKey.Instance);
        return check.Result;
    }

    private sealed class UncheckedKey
    {
        public static readonly UncheckedKey Instance = new();
    }
}
