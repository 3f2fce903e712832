using System.Globalization;
using System.Text;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>Recorded text as Markdown that shows it literally. Labels and notes are hostile input: none of them may become a heading, a link, an image or HTML.</summary>
public static class PostMortemText
{
    private const int LongestPlain = 2000;

    /// <summary>One line with every character of meaning to Markdown escaped.</summary>
    public static string Plain(string text)
    {
        var line = new StringBuilder(text.Length + 16);
        var space = false;
        foreach (var c in text.AsSpan(0, Cut(text)))
        {
            if (char.IsControl(c) || char.IsWhiteSpace(c) || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.Format)
            {
                space = line.Length > 0;
                continue;
            }

            if (space) line.Append(' ');
            space = false;
            if (c is '<') line.Append("&lt;");
            else if (c is '>') line.Append("&gt;");
            else if (c is '&') line.Append("&amp;");
            else
            {
                // A bare address would become a link; the escaped colon, or the escaped dot of "www.", keeps it text.
                if (char.IsAscii(c) && (char.IsPunctuation(c) || char.IsSymbol(c)) && c is not (',' or ';' or '?' or '/' or '%' or '\'' or '"')) line.Append('\\');
                line.Append(c);
            }
        }

        if (text.Length > LongestPlain) line.Append('…');
        return line.ToString();
    }

    // Never inside a surrogate pair: half a pair cannot be stored, and so could never be published.
    private static int Cut(string text) => text.Length <= LongestPlain ? text.Length : char.IsHighSurrogate(text[LongestPlain - 1]) ? LongestPlain - 1 : LongestPlain;

    /// <summary>To the second, in UTC.</summary>
    public static string Time(Instant at) => at.ToString("uuuu-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + " UTC";

    /// <summary><c>1 h 4 min</c>; seconds only below an hour.</summary>
    public static string Length(Duration length)
    {
        if (length < Duration.Zero) return "-" + Length(-length);
        var parts = new List<string>(3);
        if (length.Days > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{length.Days} d"));
        if (length.Hours > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{length.Hours} h"));
        if (length.Minutes > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{length.Minutes} min"));
        if (length < Duration.FromHours(1) && (length.Seconds > 0 || parts.Count == 0)) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{length.Seconds} s"));
        return string.Join(' ', parts);
    }
}
