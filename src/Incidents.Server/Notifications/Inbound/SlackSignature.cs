using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NodaTime;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>What a signature proves.</summary>
internal enum SignatureCheck
{
    Valid,

    /// <summary>None, or not of a version that we know.</summary>
    Missing,

    /// <summary>Signed too long ago, or in the future.</summary>
    Late,

    Forged,
}

/// <summary>Slack's request signatures, version 0 (docs.slack.dev, "Verifying requests from Slack"): over the bytes as they came.</summary>
internal static class SlackSignature
{
    public const string TimestampHeader = "X-Slack-Request-Timestamp";
    public const string SignatureHeader = "X-Slack-Signature";

    private static readonly Duration Window = Duration.FromMinutes(5);

    public static SignatureCheck Check(string secret, string? timestamp, string? signature, ReadOnlySpan<byte> body, Instant now)
    {
        if (signature is not { Length: 67 } || !signature.StartsWith("v0=", StringComparison.Ordinal)) return SignatureCheck.Missing;
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > 100_000_000_000) return SignatureCheck.Missing;
        var age = now - Instant.FromUnixTimeSeconds(seconds);
        if (age > Window || age < -Window) return SignatureCheck.Late;

        // The timestamp as it was written, not as we would write it: it is part of what was signed.
        Span<byte> expected = stackalloc byte[32];
        using (var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret.Trim())))
        {
            hmac.AppendData(Encoding.ASCII.GetBytes($"v0:{timestamp}:"));
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
        }

        return Hex.TryRead(signature.AsSpan(3), out var given) && CryptographicOperations.FixedTimeEquals(expected, given) ? SignatureCheck.Valid : SignatureCheck.Forged;
    }
}

/// <summary>Hexadecimal text of a SHA-256.</summary>
internal static class Hex
{
    public static bool TryRead(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = new byte[32];
        return text.Length == 64 && Convert.FromHexString(text, bytes, out _, out var written) == System.Buffers.OperationStatus.Done && written == 32;
    }
}
