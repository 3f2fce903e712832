using System.Globalization;
using Microsoft.AspNetCore.Http.Headers;

namespace Incidents.Server.Web;

/// <summary>Reads If-Match as the revision that the caller decided on, for commands that compare it after they hold the row.</summary>
internal static class IfMatch
{
    /// <summary>Null when the header is absent or <c>*</c>.</summary>
    public static long? Read(HttpContext http)
    {
        if (http.Request.Headers.IfMatch.Count == 0) return null;
        var tags = new RequestHeaders(http.Request.Headers).IfMatch;
        if (tags.Count == 1 && tags[0].Tag == "*") return null;

        // A tag that is no revision of ours matches nothing: the command answers 412.
        return tags.Count == 1 && !tags[0].IsWeak && long.TryParse(tags[0].Tag.AsSpan().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : -1;
    }
}
