using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FluentValidation;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Web;

/// <summary>The one place where an exception becomes an answer. What the client did wrong is said to the client; what is broken here is logged once and shown only as a trace id.</summary>
internal sealed partial class ProblemExceptionHandler(ILogger<ProblemExceptionHandler> log) : IExceptionHandler
{
    private const int ClientClosedRequest = 499;

    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is OperationCanceledException && httpContext.RequestAborted.IsCancellationRequested)
        {
            httpContext.Response.StatusCode = ClientClosedRequest;
            return true;
        }

        var problem = ProblemFor(exception, httpContext.Request);
        if (problem.Status == 503) LogUnavailable(httpContext.Request.Method, RouteOf(httpContext), problem.Code, exception);
        else if (problem.Status >= 500) LogFailed(httpContext.Request.Method, RouteOf(httpContext), exception);

        await (ProblemPage.IsFor(httpContext.Request) ? ProblemPage.WriteAsync(httpContext, problem) : problem.ExecuteAsync(httpContext));
        return true;
    }

    internal static ApiProblem ProblemFor(Exception exception, HttpRequest request) => exception switch
    {
        ValidationException invalid => ApiProblem.Validation([.. invalid.Errors.Select(e => new FieldError(JsonPointer.FromMemberPath(e.PropertyName), CodeOf(e.ErrorCode), e.ErrorMessage))]),
        BadHttpRequestException bad => ForBadRequest(bad, request),
        DbUpdateConcurrencyException when request.Headers.IfMatch.Count > 0 =>
            new ApiProblem(412, "precondition_failed", "It changed while this request was at work. Read it again and decide again."),
        DbUpdateConcurrencyException => ApiProblem.Conflict("conflict", "Somebody else changed the same thing at the same moment. Nothing was changed by this request; read again and decide again."),
        _ when DatabaseTrouble.IsUnavailable(exception) => ApiProblem.Unavailable("database_unavailable", "The database does not answer, and it is not known whether this was done. Read again before you repeat it, or repeat it with the same Idempotency-Key."),
        _ when DatabaseTrouble.IsConflict(exception) => ApiProblem.Conflict("conflict", "Somebody else changed the same thing at the same moment. Nothing was changed by this request; try again."),
        _ when DatabaseTrouble.IsText(exception) => ApiProblem.BadRequest("invalid_text", "A text of this request has a NUL or a broken character in it, which cannot be stored or searched for. Leave it out."),
        _ => ApiProblem.ForStatus(500, request),
    };

    private static ApiProblem ForBadRequest(BadHttpRequestException bad, HttpRequest request)
    {
        if (bad.InnerException is JsonException json) return ForJson(json);
        if (bad.StatusCode != 400) return ApiProblem.ForStatus(bad.StatusCode, request);

        if (bad.Message.EndsWith("from body.", StringComparison.Ordinal) || bad.Message.Contains("no body was provided", StringComparison.Ordinal))
            return ApiProblem.Validation("", "required", "A JSON body is required.");
        if (ParameterName().Match(bad.Message) is { Success: true } parameter)
        {
            var name = parameter.Groups["name"].Value;
            var snake = JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
            return bad.Message.StartsWith("Failed to bind", StringComparison.Ordinal)
                ? ApiProblem.Validation("?" + snake, "invalid_value", $"{snake} cannot be read as given.")
                : ApiProblem.Validation("?" + snake, "required", $"{snake} is required.");
        }

        return ApiProblem.BadRequest("bad_request", "The request could not be understood.");
    }

    /// <summary>Says where and what, without the type names that System.Text.Json puts into its messages.</summary>
    internal static ApiProblem ForJson(JsonException json)
    {
        var pointer = JsonPointer.FromJsonPath(json.Path);
        if (MissingMembers().Match(json.Message) is { Success: true } missing)
        {
            var names = QuotedName().Matches(missing.Groups["names"].Value).Select(m => m.Groups["name"].Value);
            return ApiProblem.Validation([.. names.Select(name => new FieldError($"{pointer}/{name}", "required", $"{name} is required."))]);
        }

        var where = json.LineNumber is { } line ? $" (line {line + 1}, byte {json.BytePositionInLine + 1})" : "";
        var (code, message) =
            json.Message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal) ? ("wrong_type", "The value has the wrong type")
            : json.Message.StartsWith("A time must", StringComparison.Ordinal) || json.Message.StartsWith("A duration must", StringComparison.Ordinal) ? ("invalid_value", json.Message.Split(" Path:")[0].TrimEnd('.'))
            : json.Message.Contains("doesn't allow null", StringComparison.Ordinal) || json.Message.Contains("doesn't allow setting null", StringComparison.Ordinal) ? ("required", "The value must not be null")
            : ("not_json", "This is not JSON");
        var error = new FieldError(pointer, code, $"{message}{where}.");
        return new ApiProblem(400, "malformed_json", error.Message) { Errors = [error] };
    }

    private static string CodeOf(string? validatorCode) =>
        string.IsNullOrEmpty(validatorCode) ? "invalid"
        : validatorCode.EndsWith("Validator", StringComparison.Ordinal) ? JsonNamingPolicy.SnakeCaseLower.ConvertName(validatorCode[..^"Validator".Length]) switch
        {
            "not_empty" or "not_null" => "required",
            "maximum_length" => "too_long",
            "minimum_length" => "too_short",
            "predicate" => "invalid",
            var other => other,
        }
        : validatorCode;

    /// <summary>The route pattern, never the path: a path may hold what a user typed.</summary>
    private static string RouteOf(HttpContext context) =>
        (context.Features.Get<IExceptionHandlerFeature>()?.Endpoint as RouteEndpoint ?? context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";

    [GeneratedRegex("parameter \"(?:[^\" ]+ )?(?<name>[A-Za-z_][A-Za-z0-9_]*)\"")]
    private static partial Regex ParameterName();

    [GeneratedRegex("missing required properties including: (?<names>.+)$", RegexOptions.Singleline)]
    private static partial Regex MissingMembers();

    [GeneratedRegex("'(?<name>[^']+)'")]
    private static partial Regex QuotedName();

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Route} failed")]
    private partial void LogFailed(string method, string route, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} {Route} was refused for now: {Code}")]
    private partial void LogUnavailable(string method, string route, string code, Exception exception);
}

/// <summary>RFC 6901 pointers in the names of the wire.</summary>
internal static partial class JsonPointer
{
    /// <summary><c>Matchers[0].StartsAt</c> (FluentValidation) → <c>/matchers/0/starts_at</c>.</summary>
    public static string FromMemberPath(string? path)
    {
        if (string.IsNullOrEmpty(path)) return "";
        var pointer = new StringBuilder();
        foreach (Match part in MemberPart().Matches(path))
        {
            pointer.Append('/');
            if (part.Groups["index"] is { Success: true } index) pointer.Append(index.Value);
            else pointer.Append(Escape(JsonNamingPolicy.SnakeCaseLower.ConvertName(part.Groups["name"].Value)));
        }

        return pointer.ToString();
    }

    /// <summary><c>$.matchers[0]['a.b']</c> (System.Text.Json) → <c>/matchers/0/a.b</c>.</summary>
    public static string FromJsonPath(string? path)
    {
        if (string.IsNullOrEmpty(path)) return "";
        var pointer = new StringBuilder();
        foreach (Match part in JsonPathPart().Matches(path[0] == '$' ? path[1..] : path))
            pointer.Append('/').Append(Escape(part.Groups["quoted"] is { Success: true } quoted ? quoted.Value : part.Groups["name"] is { Success: true } name ? name.Value : part.Groups["index"].Value));
        return pointer.ToString();
    }

    private static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    [GeneratedRegex(@"\[(?<index>\d+)\]|(?<name>[^.\[\]]+)")]
    private static partial Regex MemberPart();

    [GeneratedRegex(@"\['(?<quoted>[^']*)'\]|\[(?<index>\d+)\]|\.(?<name>[^.\[]+)")]
    private static partial Regex JsonPathPart();
}
