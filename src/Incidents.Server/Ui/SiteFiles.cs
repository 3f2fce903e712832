using System.Collections.Frozen;
using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;

namespace Incidents.Server.Ui;

/// <summary>
/// Style, scripts and the icon, compressed once at start. The address holds a hash of the content, so browsers keep them for a year and never have a stale one.
/// </summary>
public static class SiteFiles
{
    private static readonly FrozenDictionary<string, Asset> ByName = Load().ToFrozenDictionary(a => a.Name, StringComparer.Ordinal);
    private static readonly FrozenDictionary<string, Asset> ByPath = ByName.Values.ToFrozenDictionary(a => a.Path, StringComparer.Ordinal);

    /// <summary>The address of a file of <c>wwwroot</c>, by its name.</summary>
    public static string Url(string name) => ByName[name].Path;

    internal static void MapAssets(this IEndpointRouteBuilder app) =>
        app.MapGet("/assets/{file}", (HttpContext http, string file) => ByPath.TryGetValue("/assets/" + file, out var asset) ? Answer(http, asset) : Results.NotFound())
            .AllowAnonymous().ExcludeFromDescription();

    private static IResult Answer(HttpContext http, Asset asset)
    {
        http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        http.Response.Headers.Vary = HeaderNames.AcceptEncoding;
        var accepted = http.Request.Headers.AcceptEncoding.ToString();
        if (accepted.Contains("br", StringComparison.Ordinal))
        {
            http.Response.Headers.ContentEncoding = "br";
            return Results.Bytes(asset.Brotli, asset.ContentType);
        }

        if (!accepted.Contains("gzip", StringComparison.Ordinal)) return Results.Bytes(asset.Plain, asset.ContentType);
        http.Response.Headers.ContentEncoding = "gzip";
        return Results.Bytes(asset.Gzip, asset.ContentType);
    }

    private static IEnumerable<Asset> Load()
    {
        var assembly = typeof(SiteFiles).Assembly;
        foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.StartsWith("wwwroot/", StringComparison.Ordinal)))
        {
            using var stream = assembly.GetManifestResourceStream(resource)!;
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            var plain = memory.ToArray();
            var name = resource["wwwroot/".Length..];
            var extension = System.IO.Path.GetExtension(name);
            var hash = Convert.ToHexStringLower(SHA256.HashData(plain).AsSpan(0, 6));
            var type = extension switch
            {
                ".css" => "text/css; charset=utf-8",
                ".js" => "text/javascript; charset=utf-8",
                ".svg" => "image/svg+xml",
                _ => "text/plain; charset=utf-8",
            };
            yield return new Asset(
                name, $"/assets/{name[..^extension.Length]}.{hash}{extension}", type, plain,
                Compress(plain, s => new BrotliStream(s, CompressionLevel.SmallestSize)), Compress(plain, s => new GZipStream(s, CompressionLevel.SmallestSize)));
        }
    }

    private static byte[] Compress(byte[] plain, Func<Stream, Stream> compressor)
    {
        using var memory = new MemoryStream();
        using (var stream = compressor(memory)) stream.Write(plain);
        return memory.ToArray();
    }

    private sealed record Asset(string Name, string Path, string ContentType, byte[] Plain, byte[] Brotli, byte[] Gzip);
}
