using System.Text.RegularExpressions;
using YamlDotNet.Core;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>One file being read: its lines, and everything found wrong in it so far.</summary>
internal sealed partial class YamlReading(string file, string text, string directory)
{
    private readonly string[] _lines = text.Split('\n');
    private readonly List<ConfigurationProblem> _problems = [];
    private readonly List<YamlScalar> _hidden = [];

    public string Text { get; } = text;

    /// <summary>Folder that <c>${file:…}</c> paths are relative to.</summary>
    public string Directory { get; } = directory;

    public int ProblemCount => _problems.Count;

    /// <summary>Full paths of the files with secrets and calendars that were referred to, found or not.</summary>
    public List<string> ReferredFiles { get; } = [];

    public bool HasErrors => _problems.Exists(p => !p.IsWarning);

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

    /// <summary>Leaves a value out of every line shown, because it may be a secret.</summary>
    public void Hide(YamlScalar scalar) => _hidden.Add(scalar);

    public void ReportAt(int line, int column, int length, string code, string message, string fix, bool isWarning = false) =>
        _problems.Add(new ConfigurationProblem(file, line, column, code, message, fix, null, length) { IsWarning = isWarning });

    /// <summary>All problems, with the lines they are on. Only now is it known what those lines may not show.</summary>
    public IEnumerable<ConfigurationProblem> Problems() => _problems.Select(p => p with { Source = Shown(p.Line) });

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
            var tab = e.Message.Contains("tab", StringComparison.OrdinalIgnoreCase) ? TabIndentedLine(1, _lines.Length) : TabIndentedLine(line - 1, line + 1);
            if (tab > 0) ReportAt(tab, Line(tab).IndexOf('\t', StringComparison.Ordinal) + 1, 1, Code.Tab, "a tab is used for indentation.", "Indent with spaces; YAML allows no tabs there.");
            else ReportAt(line, column, 1, Code.Syntax, $"not valid YAML: {Sentence(e)}", Line(line).Contains("${", StringComparison.Ordinal) ? "Inside {…} and […] a ${…} must be in quotes." : "Check indentation, quotes and brackets here and on the line before.");
            return null;
        }
    }

    private static string Sentence(YamlException e)
    {
        var message = (e.InnerException ?? e).Message.TrimEnd('.');
        return char.ToLowerInvariant(message[0]) + message[1..] + ".";
    }

    private int TabIndentedLine(int first, int last)
    {
        for (var line = first; line <= last; line++)
        {
            if (Line(line).AsSpan() is var text && text[..(text.Length - text.TrimStart().Length)].Contains('\t')) return line;
        }

        return 0;
    }

    private string Line(int number) => number >= 1 && number <= _lines.Length ? _lines[number - 1].TrimEnd('\r') : "";

    /// <summary>The line as it may be shown: it goes to logs, so hidden values and what follows a name that sounds like a secret are left out.</summary>
    private string? Shown(int number)
    {
        if (number < 1 || number > _lines.Length) return null;
        var line = Line(number).ToCharArray();
        foreach (var hidden in _hidden)
        {
            if (number < hidden.Line || number > hidden.LastLine) continue;
            var start = number == hidden.Line ? hidden.Column - 1 : 0;
            var length = hidden.LastLine == hidden.Line ? hidden.Length : line.Length;
            line.AsSpan(Math.Min(start, line.Length), Math.Max(0, Math.Min(length, line.Length - start))).Fill('*');
        }

        return SecretLooking().Replace(new string(line), "$1********");
    }

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
