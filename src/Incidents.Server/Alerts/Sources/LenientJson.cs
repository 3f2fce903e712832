using System.Globalization;
using System.Text;
using System.Text.Json;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Alerts.Sources;

/// <summary>
/// Reads JSON as senders really write it. Text that PostgreSQL refuses (NUL) or that is no Unicode (lone surrogates, broken UTF-8) becomes U+FFFD,
/// so that one odd label never costs an alert.
/// </summary>
internal static class LenientJson
{
    private const char Replacement = '\uFFFD';

    public static readonly JsonReaderOptions Options = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 64 };

    /// <summary>The body with broken UTF-8 replaced and without a byte order mark; the same memory when it was sound.</summary>
    public static ReadOnlySpan<byte> Sound(ReadOnlySpan<byte> body)
    {
        if (body.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) body = body[3..];
        return System.Text.Unicode.Utf8.IsValid(body) ? body : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(body));
    }

    /// <summary>The text of a string token; for numbers and booleans their JSON text; for null the empty string.</summary>
    public static string Text(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String or JsonTokenType.PropertyName when !reader.ValueIsEscaped:
                var plain = Encoding.UTF8.GetString(reader.ValueSpan);
                return plain.Contains('\0', StringComparison.Ordinal) ? plain.Replace('\0', Replacement) : plain;
            case JsonTokenType.String or JsonTokenType.PropertyName:
                return Unescape(reader.ValueSpan);
            case JsonTokenType.Number:
                return Encoding.UTF8.GetString(reader.ValueSpan);
            case JsonTokenType.True:
                return "true";
            case JsonTokenType.False:
                return "false";
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                var start = reader.TokenStartIndex;
                reader.Skip();
                return $"(nested JSON of {reader.BytesConsumed - start} bytes)";
            default:
                return "";
        }
    }

    /// <summary>
    /// RFC 3339 with any offset and up to nine digits of a second, cut to whole microseconds. Null for the zero time (Go's year 1, Alertmanager's "still firing"), for years PostgreSQL or people cannot mean, and for anything else.
    /// </summary>
    public static Instant? Time(string text)
    {
        if (text.Length < 19) return null;

        // "+0100" without a colon is written by hand-made senders.
        if (text.Length > 5 && text[^5] is '+' or '-' && text[^3] != ':') text = text[..^2] + ":" + text[^2..];
        var parsed = OffsetDateTimePattern.Rfc3339.Parse(text.Replace(' ', 'T').ToUpperInvariant());
        if (!parsed.Success) return null;
        var value = parsed.Value;
        if (value.Year is < 1971 or > 9000) return null;
        var instant = value.ToInstant();
        return Instant.FromUnixTimeTicks(instant.ToUnixTimeTicks() / 10 * 10);
    }

    private static string Unescape(ReadOnlySpan<byte> raw)
    {
        var text = new StringBuilder(raw.Length);
        while (!raw.IsEmpty)
        {
            var slash = raw.IndexOf((byte)'\\');
            if (slash < 0)
            {
                text.Append(Encoding.UTF8.GetString(raw));
                break;
            }

            text.Append(Encoding.UTF8.GetString(raw[..slash]));
            var escape = (char)raw[slash + 1];
            raw = raw[(slash + 2)..];
            switch (escape)
            {
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case 'r': text.Append('\r'); break;
                case 'b': text.Append('\b'); break;
                case 'f': text.Append('\f'); break;
                case 'u':
                    text.Append((char)ushort.Parse(raw[..4], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                    raw = raw[4..];
                    break;
                default: text.Append(escape); break;
            }
        }

        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) i++;
            else if (char.IsSurrogate(text[i]) || text[i] == '\0') text[i] = Replacement;
        }

        return text.ToString();
    }
}
