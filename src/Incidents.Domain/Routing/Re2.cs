using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Incidents.Domain.Routing;

/// <summary>
/// Regular expressions as Prometheus and Alertmanager read them (RE2), run on .NET. What RE2 lacks is refused, what .NET would read differently
/// is rewritten, and matching takes time linear in the text. The whole text must match.
/// </summary>
public static class Re2
{
    private const string Categories = " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co ";

    private static readonly Dictionary<string, string> PosixClasses = new(StringComparer.Ordinal)
    {
        ["alnum"] = "09AZaz", ["alpha"] = "AZaz", ["ascii"] = "\0\x7f", ["blank"] = "\t\t  ", ["cntrl"] = "\0\x1f\x7f\x7f", ["digit"] = "09", ["graph"] = "!~",
        ["lower"] = "az", ["print"] = " ~", ["punct"] = "!/:@[`{~", ["space"] = "\t\r  ", ["upper"] = "AZ", ["word"] = "09AZ__az", ["xdigit"] = "09AFaf",
    };

    /// <summary>Why a pattern was refused. <see cref="Offset"/> counts characters of the pattern from 0.</summary>
    public sealed record Error(string Message, int Offset, int Length = 1);

    /// <summary>Compiles a pattern that must match the whole text. Null and an error when RE2 would refuse it or it cannot be run faithfully here.</summary>
    public static Regex? TryCompile(string pattern, out Error? error)
    {
        var translation = new Translation(pattern);
        error = translation.Run();
        if (error is not null) return null;
        try
        {
            return new Regex($"^(?:{translation.Text})\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (RegexParseException e)
        {
            error = new Error($"not a valid regular expression: {Words(e.Error)}", 0, Math.Max(1, pattern.Length));
        }
        catch (NotSupportedException)
        {
            // The automaton would be too big; the other cause, constructs that need backtracking, was refused above.
            error = new Error("the expression is too large; use fewer or smaller repetitions", 0, Math.Max(1, pattern.Length));
        }

        return null;
    }

    /// <summary>The texts a pattern like <c>critical|page</c> stands for when it is nothing but such a choice; otherwise null.</summary>
    internal static string[]? LiteralChoices(string pattern)
    {
        foreach (var c in pattern)
        {
            if (c is '\\' or '.' or '+' or '*' or '?' or '(' or ')' or '[' or ']' or '{' or '}' or '^' or '$') return null;
        }

        return pattern.Split('|');
    }

    private static string Words(RegexParseError error) => error switch
    {
        RegexParseError.NestedQuantifiersNotParenthesized => "one repetition directly after another",
        RegexParseError.QuantifierAfterNothing => "a repetition with nothing before it",
        RegexParseError.ReversedQuantifierRange => "a repetition whose lower bound is above its upper bound",
        RegexParseError.InsufficientClosingParentheses => "a parenthesis is not closed",
        RegexParseError.InsufficientOpeningParentheses => "a closing parenthesis without an opening one",
        _ => error.ToString(),
    };

    private sealed class Refused(Error error) : Exception
    {
        public Error Error { get; } = error;
    }

    /// <summary>One pass over a pattern. Refusals unwind by a private exception, so that the many places that may refuse stay one line each.</summary>
    private sealed class Translation(string pattern)
    {
        private readonly StringBuilder _out = new(pattern.Length + 16);
        private readonly Stack<(bool MultiLine, int Offset)> _groups = new();
        private bool _multiLine;
        private int _at;

        public string Text => _out.ToString();

        public Error? Run()
        {
            try
            {
                while (_at < pattern.Length) Element();
                if (_groups.Count > 0) throw Refuse("the parenthesis is not closed", _groups.Peek().Offset);
                return null;
            }
            catch (Refused refused)
            {
                return refused.Error;
            }
        }

        private static Refused Refuse(string message, int offset, int length = 1) => new(new Error(message, offset, length));

        private void Element()
        {
            var c = pattern[_at];
            switch (c)
            {
                case '\\':
                    Escape();
                    break;
                case '[':
                    Class();
                    break;
                case '(':
                    Group();
                    break;
                case ')':
                    if (_groups.Count == 0) throw Refuse("a closing parenthesis without an opening one", _at);
                    _multiLine = _groups.Pop().MultiLine;
                    _out.Append(')');
                    _at++;
                    break;
                case '$':
                    // In .NET a bare $ also matches before a final line feed.
                    _out.Append(_multiLine ? "$" : "\\z");
                    _at++;
                    break;
                case '{':
                    Braces();
                    break;
                default:
                    _out.Append(c);
                    _at++;
                    break;
            }
        }

        private void Braces()
        {
            var end = _at + 1;
            while (end < pattern.Length && (char.IsAsciiDigit(pattern[end]) || pattern[end] == ',')) end++;
            var inside = pattern[(_at + 1)..end];
            var parts = inside.Split(',');
            if (end == pattern.Length || pattern[end] != '}' || parts.Length > 2 || parts[0].Length == 0)
            {
                _out.Append("\\{");
                _at++;
                return;
            }

            foreach (var part in parts)
            {
                if (part.Length > 4 || (part.Length > 0 && int.Parse(part, CultureInfo.InvariantCulture) > 1000))
                {
                    throw Refuse("a repetition count may be at most 1000", _at, end + 1 - _at);
                }
            }

            _out.Append(pattern, _at, end + 1 - _at);
            _at = end + 1;
        }

        private void Group()
        {
            var start = _at;
            if (!Follows("(?"))
            {
                // Nothing is captured here, so every group is a plain one; names need no translation.
                Open(start, 1, "(?:");
                return;
            }

            foreach (var (sign, name) in (ReadOnlySpan<(string, string)>)[("(?=", "look-ahead"), ("(?!", "look-ahead"), ("(?<=", "look-behind"), ("(?<!", "look-behind"), ("(?>", "an atomic group"), ("(?#", "a comment"), ("(?(", "a conditional"), ("(?P=", "a back-reference"), ("(?P>", "a subroutine call")])
            {
                if (Follows(sign)) throw Refuse($"RE2 has no {name.Replace("a ", "", StringComparison.Ordinal).Replace("an ", "", StringComparison.Ordinal)} '{sign}'", start, sign.Length);
            }

            var nameStart = Follows("(?P<") ? start + 4 : Follows("(?<") ? start + 3 : -1;
            if (nameStart > 0)
            {
                var end = pattern.IndexOf('>', nameStart);
                if (end <= nameStart || pattern.AsSpan(nameStart, end - nameStart).ContainsAnyExcept(WordCharacters)) throw Refuse("the group name must be letters, digits and '_', closed by '>'", start, 3);
                Open(start, end + 1 - start, "(?:");
                return;
            }

            Flags(start);
        }

        private static readonly System.Buffers.SearchValues<char> WordCharacters =
            System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        private void Flags(int start)
        {
            var at = start + 2;
            var on = true;
            var multiLine = _multiLine;
            var any = false;
            for (; at < pattern.Length && pattern[at] is not (')' or ':'); at++)
            {
                switch (pattern[at])
                {
                    case 'i' or 's':
                        break;
                    case 'm':
                        multiLine = on;
                        break;
                    case '-' when on:
                        on = false;
                        any = false;
                        continue;
                    case 'U':
                        throw Refuse("the flag U (swap greedy and lazy) is not supported; it never changes whether a whole value matches, so leave it out", at);
                    default:
                        throw Refuse($"'{pattern[at]}' is not a flag; flags are i, m and s", at);
                }

                any = true;
            }

            if (at == pattern.Length) throw Refuse("the parenthesis is not closed", start);
            if (!any && !(on && pattern[at] == ':')) throw Refuse("flags are missing", start, at + 1 - start);
            if (pattern[at] == ':')
            {
                Open(start, at + 1 - start, pattern[start..(at + 1)]);
            }
            else
            {
                _out.Append(pattern, start, at + 1 - start);
                _at = at + 1;
            }

            _multiLine = multiLine;
        }

        private void Open(int start, int length, string text)
        {
            _groups.Push((_multiLine, start));
            _out.Append(text);
            _at = start + length;
        }

        private void Escape()
        {
            var start = _at;
            if (start + 1 == pattern.Length) throw Refuse("a backslash at the end escapes nothing; write \\\\ for a backslash", start);
            var c = pattern[start + 1];
            switch (c)
            {
                case 'Q':
                    var end = pattern.IndexOf("\\E", start + 2, StringComparison.Ordinal);
                    foreach (var quoted in pattern.AsSpan((start + 2)..(end < 0 ? pattern.Length : end))) Literal(quoted);
                    _at = end < 0 ? pattern.Length : end + 2;
                    return;
                case 'A' or 'z' or 'b' or 'B':
                    _out.Append('\\').Append(c);
                    _at += 2;
                    return;
                case 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'p' or 'P':
                    _out.Append('[');
                    CharacterSet();
                    _out.Append(']');
                    return;
                default:
                    Literal(Character());
                    return;
            }
        }

        /// <summary>\d, \w, \s, \p and their negations, as the inside of a .NET class.</summary>
        private void CharacterSet()
        {
            var start = _at;
            var c = pattern[start + 1];
            _at += 2;
            switch (c)
            {
                case 'd' or 'D':
                    Ranges("09", c == 'D');
                    return;
                case 's' or 'S':
                    Ranges("\t\n\f\r  ", c == 'S');
                    return;
                case 'w' or 'W':
                    Ranges("09AZ__az", c == 'W');
                    return;
            }

            var negated = c == 'P';
            string name;
            if (_at < pattern.Length && pattern[_at] == '{')
            {
                var end = pattern.IndexOf('}', _at);
                if (end < 0) throw Refuse("the class name is not closed by '}'", start, 2);
                name = pattern[(_at + 1)..end];
                _at = end + 1;
            }
            else
            {
                if (_at == pattern.Length) throw Refuse("a class name is missing, as in \\pL or \\p{Lu}", start, 2);
                name = pattern[_at..++_at];
            }

            if (name.StartsWith('^')) (negated, name) = (!negated, name[1..]);
            if (name == "Any" && !negated) _out.Append("\\0-\\uFFFF");
            else if (name.Length > 0 && Categories.Contains($" {name} ", StringComparison.Ordinal)) _out.Append(negated ? "\\P{" : "\\p{").Append(name).Append('}');
            else throw Refuse($"the Unicode class '{name}' is not supported; use a general category such as L, Lu or Nd, or a range", start, _at - start);
        }

        /// <summary>Pairs of first and last character, in ascending order; negated means everything between them.</summary>
        private void Ranges(string pairs, bool negated)
        {
            if (!negated)
            {
                for (var i = 0; i < pairs.Length; i += 2) Range(pairs[i], pairs[i + 1]);
                return;
            }

            var next = 0;
            for (var i = 0; i < pairs.Length; i += 2)
            {
                if (pairs[i] > next) Range((char)next, (char)(pairs[i] - 1));
                next = pairs[i + 1] + 1;
            }

            Range((char)next, '\uffff');
        }

        private void Range(char low, char high)
        {
            _out.Append(CultureInfo.InvariantCulture, $"\\u{(int)low:X4}");
            if (high != low) _out.Append(CultureInfo.InvariantCulture, $"-\\u{(int)high:X4}");
        }

        private void Class()
        {
            var start = _at++;
            _out.Append('[');
            if (_at < pattern.Length && pattern[_at] == '^')
            {
                _out.Append('^');
                _at++;
            }

            for (var first = true; ; first = false)
            {
                if (_at >= pattern.Length) throw Refuse("the character class is not closed by ']'", start);
                if (pattern[_at] == ']' && !first)
                {
                    _out.Append(']');
                    _at++;
                    return;
                }

                if (Follows("[:") && pattern.IndexOf(":]", _at + 2, StringComparison.Ordinal) is var end and > 0)
                {
                    var name = pattern[(_at + 2)..end];
                    var negated = name.StartsWith('^');
                    if (!PosixClasses.TryGetValue(negated ? name[1..] : name, out var pairs)) throw Refuse($"'[:{name}:]' is not a known class", _at, end + 2 - _at);
                    Ranges(pairs, negated);
                    _at = end + 2;
                    continue;
                }

                if (pattern[_at] == '\\' && _at + 1 < pattern.Length && pattern[_at + 1] is 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'p' or 'P')
                {
                    CharacterSet();
                    continue;
                }

                var from = _at;
                var low = ClassCharacter();
                if (_at + 1 < pattern.Length && pattern[_at] == '-' && pattern[_at + 1] != ']')
                {
                    _at++;
                    var high = ClassCharacter();
                    if (high < low) throw Refuse("the range runs backwards", from, _at - from);
                    Range(low, high);
                }
                else
                {
                    Range(low, low);
                }
            }
        }

        private char ClassCharacter()
        {
            var start = _at;
            var code = pattern[_at] == '\\' ? Character() : pattern[_at++];
            if (code > 0xFFFF || char.IsSurrogate((char)code)) throw Refuse("a character beyond U+FFFF cannot stand in a class here; write it as an alternative: (?:[a-z]|😀)", start);
            return (char)code;
        }

        /// <summary>An escape that stands for one character.</summary>
        private int Character()
        {
            var start = _at;
            if (start + 1 == pattern.Length) throw Refuse("a backslash at the end escapes nothing; write \\\\ for a backslash", start);
            var c = pattern[start + 1];
            _at += 2;
            switch (c)
            {
                case 'a': return '\a';
                case 'f': return '\f';
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
                case 'v': return '\v';
                case 'x': return Hexadecimal(start);
                case '0':
                case >= '1' and <= '7' when _at < pattern.Length && pattern[_at] is >= '0' and <= '7':
                    var octal = c - '0';
                    for (var i = 0; i < 2 && _at < pattern.Length && pattern[_at] is >= '0' and <= '7'; i++) octal = (octal * 8) + (pattern[_at++] - '0');
                    return octal;
                case >= '1' and <= '9': throw Refuse("RE2 has no back-references", start, 2);
            }

            if (c < 0x80 && !char.IsAsciiLetterOrDigit(c)) return c;
            throw Refuse($"'\\{c}' is not an escape that RE2 knows", start, 2);
        }

        private int Hexadecimal(int start)
        {
            ReadOnlySpan<char> digits;
            if (_at < pattern.Length && pattern[_at] == '{')
            {
                var end = pattern.IndexOf('}', _at);
                digits = end < 0 ? default : pattern.AsSpan(_at + 1, end - _at - 1);
                _at = end < 0 ? _at : end + 1;
            }
            else
            {
                digits = pattern.AsSpan(_at, Math.Min(2, pattern.Length - _at));
                if (digits.Length < 2) digits = default;
                _at += digits.Length;
            }

            return int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && code is >= 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF)
                ? code
                : throw Refuse("write \\x and two hexadecimal digits, or \\x{10FFFF}", start, 2);
        }

        private void Literal(int code)
        {
            if (code <= 0xFFFF) Range((char)code, (char)code);
            else _out.Append("(?:").Append(char.ConvertFromUtf32(code)).Append(')');
        }

        private bool Follows(string text) => string.CompareOrdinal(pattern, _at, text, 0, text.Length) == 0;
    }
}
