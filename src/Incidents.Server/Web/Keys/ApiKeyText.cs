using System.Security.Cryptography;
using System.Text;

namespace Incidents.Server.Web;

/// <summary>
/// The key as its holder has it: <c>inc_&lt;prefix&gt;_&lt;secret&gt;</c>, 10 and 52 characters of a base 32 without look-alikes (50 and 260 random bits).
/// Any other text can be a key too (a bootstrap key chosen by the operator); its prefix is then the first 8 hex digits of its SHA-256.
/// </summary>
internal static class ApiKeyText
{
    public const string Lead = "inc_";
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int PrefixLength = 10;
    private const int SecretLength = 52;

    // Longer than any key anybody would choose; keeps hashing of nonsense cheap.
    private const int MaxLength = 512;

    public static string Generate() => $"{Lead}{RandomNumberGenerator.GetString(Alphabet, PrefixLength)}_{RandomNumberGenerator.GetString(Alphabet, SecretLength)}";

    /// <summary>False only for text that cannot be a key (empty, or longer than 512 characters).</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out string prefix, out byte[] hash)
    {
        (prefix, hash) = ("", []);
        if (text.Length is 0 or > MaxLength) return false;

        Span<byte> utf8 = stackalloc byte[MaxLength * 3];
        hash = SHA256.HashData(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
        prefix = text.Length == Lead.Length + PrefixLength + 1 + SecretLength && text.StartsWith(Lead, StringComparison.Ordinal) && text[Lead.Length + PrefixLength] == '_'
            ? text.Slice(Lead.Length, PrefixLength).ToString()
            : Convert.ToHexStringLower(hash.AsSpan(0, 4));
        return true;
    }
}
