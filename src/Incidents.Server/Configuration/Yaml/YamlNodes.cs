using YamlDotNet.Core;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>A piece of a YAML file that knows where it stands. Lines and columns count from 1.</summary>
internal abstract class YamlNode(Mark start, Mark end)
{
    public int Line { get; } = (int)start.Line;

    public int Column { get; } = (int)start.Column;

    public int LastLine { get; } = (int)end.Line;

    /// <summary>Columns to underline: the node when it ends on its first line, else 1.</summary>
    public int Length { get; } = end.Line == start.Line && end.Column > start.Column ? (int)(end.Column - start.Column) : 1;

    /// <summary>What it is, in an operator's words.</summary>
    public abstract string Kind { get; }
}

internal sealed class YamlScalar(Mark start, Mark end, string text, ScalarStyle style) : YamlNode(start, end)
{
    public string Text { get; } = text;

    public ScalarStyle Style { get; } = style;

    public bool IsNull => Style == ScalarStyle.Plain && (Text is "" or "~" or "null" or "Null" or "NULL");

    public override string Kind => IsNull ? "nothing" : "a single value";
}

internal sealed class YamlList(Mark start, Mark end, IReadOnlyList<YamlNode> items) : YamlNode(start, end)
{
    public IReadOnlyList<YamlNode> Items { get; } = items;

    public override string Kind => "a list";
}

internal sealed class YamlMap(Mark start, Mark end, IReadOnlyList<KeyValuePair<YamlScalar, YamlNode>> entries) : YamlNode(start, end)
{
    /// <summary>In file order, each key once.</summary>
    public IReadOnlyList<KeyValuePair<YamlScalar, YamlNode>> Entries { get; } = entries;

    public override string Kind => "a mapping";
}
