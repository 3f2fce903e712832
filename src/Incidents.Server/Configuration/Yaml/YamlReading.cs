using System.Text.RegularExpressions;
using YamlDotNet.Core;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>One file being read: its lines, and everything found wrong in it so far.</summary>
internal sealed partial class YamlReading(string file, string text, string directory)
{
    private readonly string[] _lines = text.Split('\n');

    public string Text { get; } = text;

    /// <summary>Folder that <c>${file:…}</c> paths are relative to.</summary>
    public string Directory { get; } = directory;

    public List<ConfigurationProblem> Problems { get; } = [];

    /// <summary>Full paths of the secret files that were referred to, found or not.</summary>
    public List<string> SecretFiles { get; } = [];

    public bool HasErrors => Problems.Exists(p => !p.IsWarning);

    public void Report(YamlNode node, string code, string message, string fix) =>
        ReportAt(node.Line, node.Column, node.Length, code, message, fix);

    public void Warn(YamlNode node, string code, string message, string fix) =>
        ReportAt(node.Line, node.Column, node.Length, code, message, fix, isWarning: true);

    /// <summary>Points at characters inside a value.</summary>
    /// <param name="offset">Characters of the value as read, from 0.</param>
    public void ReportInside(YamlScalar scalar, int offset, int length, string code, string message, string fix)
    {
        var start = RawOffset(scalar, offset);
        var end = RawOffset(scalar, offset + length);
        if (start < 0) Report(scalar, code, message, fix);
        else ReportAt(scalar.Line, scalar.Column + start, Math.Max(1, end - start), code, message, fix);
    }

    /// <summary>Says that something is wrong without showing the value, which may be a secret.</summary>
    public void ReportHidden(YamlScalar scalar, string code, string message, string fix)
    {
        var line = Line(scalar.Line);
        Problems.Add(new ConfigurationProblem(file, scalar.Line, scalar.Column, code, message, fix, line[..Math.Min(line.Length, scalar.Column - 1)] + "********", 8));
    }

    public void ReportAt(int line, int column, int length, string code, string message, string fix, bool isWarning = false) =>
        Problems.Add(new ConfigurationProblem(file, line, column, code, message, fix, Shown(line), length) { IsWarning = isWarning });

    /// <summary>The file's one document, or null when it cannot be read as YAML at all; then the problems say why.</summary>
    public YamlNode? Parse()
    {
        try
        {
            return new YamlDocument(this).Read();
        }
        catch (YamlException e)
        {
            var (line, column) = ((int)Math.Max(1, e.Start.Line), (int)Math.Max(1, e.Start.Column));
            var tab = TabIndentedLine(line);
            if (tab > 0) ReportAt(tab, Line(tab).IndexOf('\t', StringComparison.Ordinal) + 1, 1, Code.Tab, "a tab is used for indentation.", "Indent with spaces; YAML allows no tabs there.");
            else ReportAt(line, column, 1, Code.Syntax, $"not valid YAML: {Sentence(e)}", "Check indentation, quotes and brackets here and on the line before.");
            return null;
        }
    }

    private static string Sentence(YamlException e)
    {
        var message = (e.InnerException ?? e).Message.TrimEnd('.');
        return char.ToLowerInvariant(message[0]) + message[1..] + ".";
    }

    private int TabIndentedLine(int near)
    {
        for (var line = Math.Min(near + 1, _lines.Length); line >= Math.Max(1, near - 1); line--)
        {
            if (Line(line).AsSpan() is var text && text[..(text.Length - text.TrimStart().Length)].Contains('\t')) return line;
        }

        return 0;
    }

    private string Line(int number) => number >= 1 && number <= _lines.Length ? _lines[number - 1].TrimEnd('\r') : "";

    /// <summary>The line as it may be shown: what follows a name that sounds like a secret is left out, for the line may go to logs.</summary>
    private string? Shown(int line) => line >= 1 && line <= _lines.Length ? SecretLooking().Replace(Line(line), "$1********") : null;

    [GeneratedRegex("""((?:key|secret|token|password|passwd|credential)\w*["']?\s*:\s+)(?!["']?\$\{)(?![\[{&*|>]|$)[^,}]+""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SecretLooking();

    /// <summary>Where a character of a value stands in its line, from the value's first column; -1 when the value spans lines.</summary>
    private int RawOffset(YamlScalar scalar, int offset)
    {
        if (scalar.Style is ScalarStyle.Literal or ScalarStyle.Folded) return -1;
        var raw = Line(scalar.Line);
        var at = scalar.Column - 1;
        var quote = scalar.Style switch { ScalarStyle.DoubleQuoted => '"', ScalarStyle.SingleQuoted => '\'', _ => '\0' };
        if (quote != '\0') at++;
        for (var i = 0; i < offset; i++)
        {
            if (at >= raw.Length) return -1;
            if (quote == '"' && raw[at] == '\\' && at + 1 < raw.Length) at += raw[at + 1] switch { 'x' => 4, 'u' => 6, 'U' => 10, _ => 2 };
            else if (quote == '\'' && raw[at] == '\'') at += 2;
            else at++;
        }

        return at - (scalar.Column - 1);
    }
}
