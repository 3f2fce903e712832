using System.Globalization;
using Microsoft.Net.Http.Headers;

namespace Incidents.Server.Web;

/// <summary>Entity tags of things that carry a revision. Strong, because If-Match compares strongly.</summary>
internal static class ETags
{
    /// <summary><c>"42"</c>, quotes included.</summary>
    public static string For(long revision) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"");

    /// <summary>Call on every answer that shows a mutable thing.</summary>
    public static void Set(HttpContext context, long revision) => context.Response.Headers.ETag = For(revision);

    /// <summary>Null when there is no If-Match or it names the current revision; else the 412 to answer.</summary>
    public static ApiProblem? CheckIfMatch(HttpContext context, long revision)
    {
        if (context.Request.Headers.IfMatch.Count == 0) return null;
        return Names(context.Request.GetTypedHeaders().IfMatch, revision, strong: true) ? null : ApiProblem.PreconditionFailed(For(revision));
    }

    /// <summary>As <see cref="CheckIfMatch"/>, and 428 when If-Match is missing.</summary>
    public static ApiProblem? RequireIfMatch(HttpContext context, long revision) =>
        context.Request.Headers.IfMatch.Count == 0 ? ApiProblem.PreconditionRequired(For(revision)) : CheckIfMatch(context, revision);

    /// <summary>Sets ETag; gives the 304 to answer when If-None-Match already names this revision, else null.</summary>
    public static IResult? NotModified(HttpContext context, long revision)
    {
        Set(context, revision);
        if (context.Request.Headers.IfNoneMatch.Count == 0) return null;
        return Names(context.Request.GetTypedHeaders().IfNoneMatch, revision, strong: false) ? Results.StatusCode(StatusCodes.Status304NotModified) : null;
    }

    private static bool Names(IList<EntityTagHeaderValue> tags, long revision, bool strong)
    {
        var current = new EntityTagHeaderValue(For(revision));
        foreach (var tag in tags)
            if (tag.Equals(EntityTagHeaderValue.Any) || tag.Compare(current, useStrongComparison: strong)) return true;
        return false;
    }
}
