using System.Buffers.Text;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace Incidents.Server.Web;

/// <summary>One page of a list.</summary>
/// <param name="Items">In the order of the list.</param>
/// <param name="NextCursor">Gives the page after this one; null on the last page.</param>
/// <param name="HasMore">Whether there is a page after this one.</param>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor, bool HasMore);

/// <summary>The query parameters of every list; take it as <c>[AsParameters] PageQuery</c>.</summary>
internal sealed record PageQuery(
    [property: FromQuery(Name = "limit"), Description("Items on a page, 1 to 200. Default 50.")] int? Limit,
    [property: FromQuery(Name = "cursor"), Description("The next_cursor of the page before.")] string? Cursor)
{
    public const int DefaultLimit = 50;
    public const int MaxLimit = 200;

    /// <summary>
    /// Reads where to go on. <paramref name="after"/> is null on the first page. Fetch <c>limit + 1</c> rows and give them to <c>Page.Of</c>.
    /// </summary>
    /// <param name="list">Name of the list; a cursor of another list is refused.</param>
    public bool TryRead<TPosition>(string list, out int limit, out TPosition? after, [NotNullWhen(false)] out ApiProblem? problem) where TPosition : class
    {
        limit = Limit ?? DefaultLimit;
        after = null;
        problem = null;
        if (limit is < 1 or > MaxLimit)
        {
            problem = ApiProblem.Validation("?limit", "out_of_range", $"limit must be 1 to {MaxLimit}.");
            return false;
        }

        if (string.IsNullOrEmpty(Cursor)) return true;
        after = PageCursor.Decode<TPosition>(list, Cursor);
        if (after is not null) return true;
        problem = new ApiProblem(400, "invalid_cursor", "The cursor is damaged or belongs to another list; start again without it.")
        {
            Errors = [new FieldError("?cursor", "invalid_cursor", "Not a cursor of this list.")],
        };
        return false;
    }
}

internal static class Page
{
    /// <summary>Makes the page of the first <paramref name="limit"/> rows and sets the <c>Link</c> header when there are more.</summary>
    /// <param name="context">For the Link header.</param>
    /// <param name="fetched">Up to <c>limit + 1</c> rows, in order.</param>
    /// <param name="limit">From <see cref="PageQuery.TryRead"/>.</param>
    /// <param name="list">The same name as in <see cref="PageQuery.TryRead"/>.</param>
    /// <param name="position">Where a row stands in the order.</param>
    /// <param name="shown">What is shown of a row.</param>
    public static Page<TShown> Of<TRow, TPosition, TShown>(
        HttpContext context, IReadOnlyList<TRow> fetched, int limit, string list, Func<TRow, TPosition> position, Func<TRow, TShown> shown) where TPosition : class
    {
        var more = fetched.Count > limit;
        var items = fetched.Take(limit).Select(shown).ToArray();
        if (!more) return new Page<TShown>(items, null, false);

        var cursor = PageCursor.Encode(list, position(fetched[limit - 1]));
        context.Response.Headers.Append("Link", $"<{NextUrl(context.Request, cursor)}>; rel=\"next\"");
        return new Page<TShown>(items, cursor, true);
    }

    public static Page<TRow> Of<TRow, TPosition>(HttpContext context, IReadOnlyList<TRow> fetched, int limit, string list, Func<TRow, TPosition> position) where TPosition : class =>
        Of(context, fetched, limit, list, position, static row => row);

    /// <summary>A short list that is always given whole.</summary>
    public static Page<T> Whole<T>(IReadOnlyList<T> items) => new(items, null, false);

    private static string NextUrl(HttpRequest request, string cursor)
    {
        var query = QueryHelpers.ParseQuery(request.QueryString.Value)
            .Where(p => p.Key != "cursor")
            .SelectMany(p => p.Value, (p, value) => KeyValuePair.Create(p.Key, value))
            .Append(KeyValuePair.Create<string, string?>("cursor", cursor));
        return QueryHelpers.AddQueryString(request.PathBase + request.Path, query);
    }
}

/// <summary>
/// Opaque cursors: base64url of <c>[version, list, position]</c> behind four bytes of its SHA-256. The digest is no secret;
/// it turns a damaged or edited cursor into a clean 400 instead of a strange page.
/// </summary>
internal static class PageCursor
{
    private const int Version = 1;
    private const int DigestLength = 4;
    private const int MaxLength = 1024;

    public static string Encode<TPosition>(string list, TPosition position) where TPosition : class
    {
        var json = JsonSerializer.SerializeToUtf8Bytes<object[]>([Version, list, position], ApiJson.Options);
        return Base64Url.EncodeToString([.. SHA256.HashData(json).AsSpan(0, DigestLength), .. json]);
    }

    public static TPosition? Decode<TPosition>(string list, string cursor) where TPosition : class
    {
        if (cursor.Length > MaxLength || !Base64Url.IsValid(cursor)) return null;
        var bytes = Base64Url.DecodeFromChars(cursor);
        if (bytes.Length <= DigestLength) return null;
        var json = bytes.AsSpan(DigestLength);
        if (!SHA256.HashData(json).AsSpan(0, DigestLength).SequenceEqual(bytes.AsSpan(0, DigestLength))) return null;
        try
        {
            using var document = JsonDocument.Parse(bytes.AsMemory(DigestLength));
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Array || root.GetArrayLength() != 3
                || root[0].ValueKind != JsonValueKind.Number || !root[0].TryGetInt32(out var version) || version != Version
                || root[1].ValueKind != JsonValueKind.String || root[1].GetString() != list) return null;
            return root[2].Deserialize<TPosition>(ApiJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
