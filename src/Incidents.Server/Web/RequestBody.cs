using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http.Features;

namespace Incidents.Server.Web;

/// <summary>A request body as it came over the wire, in rented memory: dispose it when its bytes are no longer needed, and not before.</summary>
internal sealed class RawBody : IDisposable
{
    private byte[]? _rented;
    private readonly int _length;

    private RawBody(byte[]? rented, int length, ApiProblem? problem) => (_rented, _length, Problem) = (rented, length, problem);

    /// <summary>Not null when the body was refused (413); there are no bytes then.</summary>
    public ApiProblem? Problem { get; }

    public ReadOnlyMemory<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(_rented is null && _length > 0, this);
            return _rented.AsMemory(0, _length);
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _rented, null) is { } rented) ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>Reads the whole body, chunked or not, and never more than <paramref name="limit"/> bytes of it.</summary>
    public static async ValueTask<RawBody> ReadAsync(HttpContext context, int limit)
    {
        var request = context.Request;
        if (request.ContentLength > limit) return Refused(limit);

        // The limit here takes the place of the server-wide one, which is meant for small JSON.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } serverLimit) serverLimit.MaxRequestBodySize = null;

        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(limit, request.ContentLength ?? 8192) + 1);
        var length = 0;
        try
        {
            while (true)
            {
                var read = await request.Body.ReadAsync(buffer.AsMemory(length), context.RequestAborted);
                if (read == 0) break;
                length += read;
                if (length > limit)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    return Refused(limit);
                }

                if (length == buffer.Length) buffer = Grow(buffer, limit);
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }

        return new RawBody(buffer, length, null);
    }

    private static byte[] Grow(byte[] full, int limit)
    {
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min((long)full.Length * 2, (long)limit + 1));
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full);
        return larger;
    }

    private static RawBody Refused(int limit) => new(null, 0, ApiProblem.TooLarge(limit));
}

internal static class RequestBodyExtensions
{
    /// <summary>The raw bytes, or a 413 in <see cref="RawBody.Problem"/>. Signatures are verified on exactly these bytes.</summary>
    public static ValueTask<RawBody> ReadRawBodyAsync(this HttpContext context, int limit) => RawBody.ReadAsync(context, limit);

    /// <summary>False, with the 415 to answer, unless Content-Type is one of <paramref name="mediaTypes"/> (parameters such as charset are ignored).</summary>
    public static bool HasContentType(this HttpContext context, [NotNullWhen(false)] out ApiProblem? problem, params ReadOnlySpan<string> mediaTypes)
    {
        var given = (context.Request.ContentType ?? "").AsSpan();
        if (given.IndexOf(';') is >= 0 and var end) given = given[..end];
        given = given.Trim();
        foreach (var wanted in mediaTypes)
        {
            if (given.Equals(wanted, StringComparison.OrdinalIgnoreCase))
            {
                problem = null;
                return true;
            }
        }

        problem = ApiProblem.UnsupportedMediaType(string.Join(" or ", mediaTypes.ToArray()));
        return false;
    }
}
