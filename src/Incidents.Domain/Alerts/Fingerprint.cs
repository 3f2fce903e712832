using System.Buffers;
using System.Globalization;
using System.Text;

namespace Incidents.Domain.Alerts;

/// <summary>
/// The identity of a label set: FNV-1a 64 over the labels sorted by name, each as name, 0xFF, value, 0xFF.
/// It equals the fingerprint that Prometheus and Alertmanager compute (prometheus/common, model/signature.go),
/// so an alert whose sender left the fingerprint out still meets its own earlier reports.
/// </summary>
public static class Fingerprint
{
    private const ulong OffsetBasis = 14695981039346656037;
    private const ulong Prime = 1099511628211;
    private const byte Separator = 0xFF;

    /// <summary>16 lower-case hexadecimal digits.</summary>
    public static string Of(Labels labels)
    {
        var hash = OffsetBasis;
        for (var i = 0; i < labels.Count; i++)
        {
            var (name, value) = labels[i];
            hash = Add(Add(hash, name), value);
        }

        return hash.ToString("x16", CultureInfo.InvariantCulture);
    }

    private static ulong Add(ulong hash, string text)
    {
        var size = Encoding.UTF8.GetMaxByteCount(text.Length);
        var rented = size > 512 ? ArrayPool<byte>.Shared.Rent(size) : null;
        Span<byte> bytes = rented ?? stackalloc byte[512];
        var length = Encoding.UTF8.GetBytes(text, bytes);
        foreach (var b in bytes[..length]) hash = (hash ^ b) * Prime;
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        return (hash ^ Separator) * Prime;
    }
}
