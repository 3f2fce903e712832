using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.Alerts;

namespace Incidents.Domain.Routing;

/// <summary>
/// The text that alerts of one incident share: <c>payments{cluster="eu-1", service="checkout"}</c>. Different routes or values never make the same text.
/// It fits a database index and holds no control characters, whatever the labels hold.
/// </summary>
public static class GroupKey
{
    /// <summary>The name for "all labels" in <c>group_by</c>.</summary>
    public const string AllLabels = "...";

    // PostgreSQL refuses index entries above about 2,700 bytes, and a character takes up to 3.
    private const int MaxLength = 800;
    private const int HashMark = 72;

    /// <param name="routeId">Name or place of the deciding route.</param>
    /// <param name="groupBy">Label names in ordinal order, each once; a missing label counts as empty. Null: all labels.</param>
    /// <param name="labels">Of the alert.</param>
    public static string Of(string routeId, ImmutableArray<string>? groupBy, Labels labels)
    {
        var text = new ValueText(stackalloc char[512]);
        text.AppendId(routeId);
        text.Append('{');
        if (groupBy is { } names)
        {
            for (var i = 0; i < names.Length; i++) text.AppendPair(i, names[i], labels[names[i]]);
        }
        else
        {
            for (var i = 0; i < labels.Count; i++) text.AppendPair(i, labels[i].Key, labels[i].Value);
        }

        text.Append('}');
        return text.Finish();
    }

    private ref struct ValueText(Span<char> start)
    {
        private Span<char> _chars = start;
        private int _length;

        public void Append(char c)
        {
            if (_length == _chars.Length)
            {
                var larger = new char[_chars.Length * 2];
                _chars.CopyTo(larger);
                _chars = larger;
            }

            _chars[_length++] = c;
        }

        public void AppendId(string id)
        {
            foreach (var c in id)
            {
                if (c == '{') Append('\\');
                AppendEscaped(c);
            }
        }

        public void AppendPair(int index, string name, string value)
        {
            if (index > 0) Append(", ");
            if (MatcherSyntax.IsClassicName(name))
            {
                Append(name);
            }
            else
            {
                Append('"');
                foreach (var c in name) AppendEscaped(c);
                Append('"');
            }

            Append("=\"");
            foreach (var c in value) AppendEscaped(c);
            Append('"');
        }

        public readonly string Finish()
        {
            var text = _chars[.._length];
            if (_length <= MaxLength) return new string(text);

            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(MemoryMarshal.AsBytes(text), hash);
            var keep = MaxLength - HashMark;
            if (char.IsHighSurrogate(text[keep - 1])) keep--;

            // A whole key ends in '}', so a shortened one can never equal a whole one.
            return string.Concat(text[..keep], "…sha256:", Convert.ToHexStringLower(hash));
        }

        private void Append(string text)
        {
            foreach (var c in text) Append(c);
        }

        private void AppendEscaped(char c)
        {
            switch (c)
            {
                case '\\':
                    Append("\\\\");
                    break;
                case '"':
                    Append("\\\"");
                    break;
                case '\n':
                    Append("\\n");
                    break;
                case < ' ' or '\x7f' or (>= '\ud800' and <= '\udfff'):
                    // NUL and half surrogates cannot be stored as text; whole ones are escaped with them, which keeps this per character.
                    Append("\\u");
                    Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                    break;
                default:
                    Append(c);
                    break;
            }
        }
    }
}
