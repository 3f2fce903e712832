using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Incidents.Domain.Routing;

/// <summary>
/// Reads matchers as Alertmanager does: <c>team="payments", severity=~"critical|page"</c>, with or without braces.
/// There are two syntaxes, the classic one and the UTF-8 one (0.27), and a fallback between them that is the default there and here.
/// </summary>
public static class MatcherSyntax
{
    /// <summary>What was read, or why not: exactly one of Matchers and Error counts.</summary>
    public sealed record Result
    {
        public ImmutableArray<Matcher> Matchers { get; init; } = [];

        public Error? Error { get; init; }

        /// <summary>Set when the text is valid but means something else in the other syntax, or is no longer valid in it.</summary>
        public string? Warning { get; init; }
    }

    /// <summary><paramref name="Offset"/> counts characters of the text from 0.</summary>
    /// <param name="IsRegex">True when the matcher was understood and its regular expression was refused.</param>
    public sealed record Error(string Message, int Offset, int Length, bool IsRegex = false);

    /// <summary>A condition before its regular expression is compiled. Offset of the value in the text, or -1 when escapes moved its characters.</summary>
    private sealed record Term(string Name, string Operator, string Value, int Start, int Length, int ValueOffset);

    private sealed class Unreadable(string message, int offset, int length = 1) : Exception(message)
    {
        public Error Error { get; } = new(message, offset, length);
    }

    /// <summary>Alertmanager's default mode: UTF-8, else classic; where both read the text but differently, classic.</summary>
    public static Result Parse(string text)
    {
        var (utf8, utf8Error) = Try(Utf8, text);
        var (classic, classicError) = Try(Classic, text);
        if (utf8 is null && classic is null) return new Result { Error = utf8Error ?? classicError };
        if (utf8 is null) return Compile(classic!, "is not valid in the UTF-8 syntax of Alertmanager 0.27 and later; put the value in double quotes");
        if (classic is not null && !Same(utf8, classic)) return Compile(classic, "means different things in Alertmanager's classic and UTF-8 syntaxes; the classic reading is used. Put the value in double quotes and write a backslash as \\\\");
        return Compile(utf8, null);
    }

    /// <summary>Only the UTF-8 syntax (<c>utf8-strict-mode</c>).</summary>
    public static Result ParseUtf8(string text) =>
        Try(Utf8, text) is var (terms, error) && terms is not null ? Compile(terms, null) : new Result { Error = error };

    /// <summary>Only the classic syntax (<c>classic-mode</c>).</summary>
    public static Result ParseClassic(string text) =>
        Try(Classic, text) is var (terms, error) && terms is not null ? Compile(terms, null) : new Result { Error = error };

    internal static bool IsClassicName(string name)
    {
        for (var i = 0; i < name.Length; i++)
        {
            if (!(char.IsAsciiLetter(name[i]) || name[i] is '_' or ':' || (i > 0 && char.IsAsciiDigit(name[i])))) return false;
        }

        return name.Length > 0;
    }

    internal static void AppendQuoted(StringBuilder text, ReadOnlySpan<char> value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            switch (c)
            {
                case '\\':
                    text.Append("\\\\");
                    break;
                case '"':
                    text.Append("\\\"");
                    break;
                case '\n':
                    text.Append("\\n");
                    break;
                default:
                    text.Append(c);
                    break;
            }
        }

        text.Append('"');
    }

    private static (List<Term>? Terms, Error? Error) Try(Func<string, List<Term>> read, string text)
    {
        try
        {
            return (read(text), null);
        }
        catch (Unreadable unreadable)
        {
            return (null, unreadable.Error);
        }
    }

    private static bool Same(List<Term> a, List<Term> b) =>
        a.Select(t => (t.Name, t.Operator, t.Value)).SequenceEqual(b.Select(t => (t.Name, t.Operator, t.Value)));

    private static Result Compile(List<Term> terms, string? warning)
    {
        var matchers = ImmutableArray.CreateBuilder<Matcher>(terms.Count);
        foreach (var term in terms)
        {
            var matcher = Matcher.TryCreate(term.Name, term.Operator, term.Value, out var error);
            if (error is not null)
            {
                return new Result
                {
                    Error = term.ValueOffset >= 0
                        ? new Error(error.Message, term.ValueOffset + error.Offset, error.Length, IsRegex: true)
                        : new Error(error.Message, term.Start, term.Length, IsRegex: true),
                };
            }

            matchers.Add(matcher!);
        }

        return new Result { Matchers = matchers.MoveToImmutable(), Warning = warning };
    }

    private static List<Term> Utf8(string text)
    {
        var terms = new List<Term>();
        var at = SkipSpace(text, 0);
        if (at == text.Length) return terms;

        var open = -1;
        if (text[at] == '{')
        {
            open = at;
            at = SkipSpace(text, at + 1);
        }

        while (at < text.Length && text[at] != '}')
        {
            var start = at;
            var (name, _) = Utf8Token(text, ref at, "a label name");
            if (name.Length == 0) throw new Unreadable("the label name is empty", start, 2);
            at = SkipSpace(text, at);
            var @operator = Operator(text, ref at);
            at = SkipSpace(text, at);
            var valueStart = at;
            var (value, exact) = Utf8Token(text, ref at, "a value");
            var quoted = text[valueStart] == '"';
            terms.Add(new Term(name, @operator, value, start, at - start, exact ? valueStart + (quoted ? 1 : 0) : -1));

            at = SkipSpace(text, at);
            if (at == text.Length || text[at] == '}') break;
            if (text[at] != ',') throw new Unreadable($"expected ',' or the end, found '{text[at]}'", at);
            at = SkipSpace(text, at + 1);
        }

        if (at < text.Length)
        {
            if (open < 0) throw new Unreadable("a closing brace without an opening one", at);
            at = SkipSpace(text, at + 1);
            if (at < text.Length) throw new Unreadable("nothing may follow the closing brace", at);
        }
        else if (open >= 0)
        {
            throw new Unreadable("the brace is not closed by '}'", open);
        }

        return terms;
    }

    private static int SkipSpace(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        return at;
    }

    private static string Operator(string text, ref int at)
    {
        var @operator = Follows(text, at, "=~") ? "=~" : Follows(text, at, "!~") ? "!~" : Follows(text, at, "!=") ? "!=" : Follows(text, at, "=") ? "=" : null;
        if (@operator is null) throw new Unreadable("expected one of =, !=, =~, !~ after the label name", Math.Min(at, Math.Max(0, text.Length - 1)));
        at += @operator.Length;
        return @operator;
    }

    private static bool Follows(string text, int at, string wanted) => string.CompareOrdinal(text, at, wanted, 0, wanted.Length) == 0;

    private static (string Text, bool Exact) Utf8Token(string text, ref int at, string what)
    {
        if (at == text.Length) throw new Unreadable($"expected {what}, found the end", Math.Max(0, at - 1));
        if (text[at] == '"') return Quoted(text, ref at);

        var start = at;
        while (at < text.Length && !char.IsWhiteSpace(text[at]) && !"{}!=~,\\\"'`".Contains(text[at], StringComparison.Ordinal)) at++;
        if (at == start) throw new Unreadable($"expected {what}, found '{text[at]}'; put it in double quotes if it is meant", at);
        return (text[start..at], true);
    }

    /// <summary>A Go string literal in double quotes.</summary>
    private static (string Text, bool Exact) Quoted(string text, ref int at)
    {
        var start = at++;
        var value = new StringBuilder();
        var exact = true;

        // Escapes \x.. and octal stand for bytes in Go: two of them may make up one character.
        var bytes = new List<byte>();
        while (true)
        {
            if (at == text.Length) throw new Unreadable("the double quote is not closed", start);
            var c = text[at];
            if (c == '"') break;
            if (c == '\n') throw new Unreadable("a line break inside quotes is written \\n", at);
            if (c != '\\')
            {
                Flush(bytes, value, at);
                value.Append(c);
                at++;
                continue;
            }

            exact = false;
            var escape = at++;
            if (at == text.Length) throw new Unreadable("the double quote is not closed", start);
            c = text[at++];
            switch (c)
            {
                case 'x':
                    bytes.Add((byte)Digits(text, ref at, 2, 16, escape));
                    continue;
                case >= '0' and <= '7':
                    at--;
                    var octal = Digits(text, ref at, 3, 8, escape);
                    if (octal > 255) throw new Unreadable("an octal escape is at most \\377", escape, 4);
                    bytes.Add((byte)octal);
                    continue;
            }

            Flush(bytes, value, escape);
            if (c is 'u' or 'U')
            {
                var code = Digits(text, ref at, c == 'u' ? 4 : 8, 16, escape);
                if (code > 0x10FFFF || code is >= 0xD800 and <= 0xDFFF) throw new Unreadable("not a Unicode character", escape, at - escape);
                value.Append(char.ConvertFromUtf32((int)code));
                continue;
            }

            value.Append(c switch
            {
                'a' => '\a',
                'b' => '\b',
                'f' => '\f',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\v',
                '\\' or '"' => c,
                _ => throw new Unreadable($"'\\{c}' is not an escape; write \\\\ for a backslash", escape, 2),
            });
        }

        Flush(bytes, value, at);
        at++;
        return (value.ToString(), exact);
    }

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private static void Flush(List<byte> bytes, StringBuilder value, int at)
    {
        if (bytes.Count == 0) return;
        try
        {
            value.Append(StrictUtf8.GetString(bytes.ToArray()));
        }
        catch (DecoderFallbackException)
        {
            throw new Unreadable("the escaped bytes are not valid UTF-8", Math.Max(0, at - 1));
        }

        bytes.Clear();
    }

    private static long Digits(string text, ref int at, int count, int @base, int escape)
    {
        long number = 0;
        for (var i = 0; i < count; i++, at++)
        {
            if (at == text.Length || !char.IsAsciiHexDigit(text[at]) || (@base == 8 && text[at] > '7')) throw new Unreadable($"expected {count} digits in the escape", escape, 2);
            number = (number * @base) + int.Parse(text.AsSpan(at, 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }

        return number;
    }

    private static List<Term> Classic(string text)
    {
        var terms = new List<Term>();
        int start = 0, end = text.Length;
        if (end > start && text[start] == '{') start++;
        if (end > start && text[end - 1] == '}') end--;

        bool quoted = false, escaped = false;
        var from = start;
        for (var i = start; i < end; i++)
        {
            switch (text[i])
            {
                case ',' when !quoted:
                    terms.Add(ClassicTerm(text, from, i));
                    from = i + 1;
                    break;
                case '"' when !escaped:
                    quoted = !quoted;
                    break;
                case '"':
                    escaped = false;
                    break;
                case '\\':
                    escaped = !escaped;
                    break;
                default:
                    escaped = false;
                    break;
            }
        }

        // One comma may trail; an empty part elsewhere is an error.
        if (!text.AsSpan(from, end - from).IsWhiteSpace()) terms.Add(ClassicTerm(text, from, end));
        return terms;
    }

    private static Term ClassicTerm(string text, int from, int to)
    {
        while (from < to && char.IsWhiteSpace(text[from])) from++;
        while (to > from && char.IsWhiteSpace(text[to - 1])) to--;
        var at = from;
        while (at < to && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or ':')) at++;
        var name = text[from..at];
        if (!IsClassicName(name)) throw new Unreadable("expected a label name and one of =, !=, =~, !~", Math.Min(from, Math.Max(0, text.Length - 1)), Math.Max(1, to - from));
        while (at < to && char.IsWhiteSpace(text[at])) at++;
        var @operator = Operator(text[..to], ref at);
        while (at < to && char.IsWhiteSpace(text[at])) at++;

        var closing = at < to && text[at] == '"';
        if (closing) at++;
        var valueStart = at;
        var value = new StringBuilder();
        var exact = true;
        for (; at < to; at++)
        {
            var c = text[at];
            if (c == '\\' && at + 1 < to)
            {
                exact = false;
                c = text[++at];
                if (c == 'n') value.Append('\n');
                else if (c is '"' or '\\') value.Append(c);
                else value.Append('\\').Append(c);
            }
            else if (c == '"')
            {
                if (!closing || at + 1 < to) throw new Unreadable("a double quote inside the value is written \\\"", at);
                closing = false;
            }
            else
            {
                value.Append(c);
            }
        }

        if (closing) throw new Unreadable("the double quote is not closed", valueStart - 1);
        return new Term(name, @operator, value.ToString(), from, Math.Max(1, to - from), exact ? valueStart : -1);
    }
}
