using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using ScalarEvent = YamlDotNet.Core.Events.Scalar;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>
/// Builds nodes from YamlDotNet's events. YamlDotNet's own representation model stops at the first duplicate key; this one notes it and reads on,
/// so that all problems of a file are told at once.
/// </summary>
internal sealed class YamlDocument(YamlReading reading)
{
    // Aliases multiply: a file of a few lines can stand for billions of values.
    private const int MostNodes = 200_000;
    private const int DeepestNesting = 64;

    private readonly Parser _parser = new(new StringReader(reading.Text));
    private readonly Dictionary<string, (YamlNode Node, int Size)> _anchors = new(StringComparer.Ordinal);
    private int _size;
    private int _depth;

    public YamlNode? Read()
    {
        _parser.Consume<StreamStart>();
        if (_parser.Accept<StreamEnd>(out _))
        {
            reading.ReportAt(1, 1, 1, Code.EmptyFile, "the file is empty.", "Restore it from version control, or begin with 'version: 1'.");
            return null;
        }

        _parser.Consume<DocumentStart>();
        var root = Node();
        _parser.Consume<DocumentEnd>();
        if (_parser.Accept<DocumentStart>(out var second))
        {
            reading.ReportAt((int)second.Start.Line, (int)second.Start.Column, 3, Code.SeveralDocuments, "the file holds more than one YAML document.", "Remove the '---' line.");
        }

        if (root is not YamlScalar { IsNull: true }) return root;
        reading.ReportAt(1, 1, 1, Code.EmptyFile, "the file is empty.", "Restore it from version control, or begin with 'version: 1'.");
        return null;
    }

    private YamlNode Node()
    {
        if (++_size > MostNodes) throw new YamlException(_parser.Current!.Start, _parser.Current.End, "the file stands for more than 200,000 values");
        if (_depth > DeepestNesting) throw new YamlException(_parser.Current!.Start, _parser.Current.End, "the nesting is deeper than 64 levels");
        var before = _size;
        _depth++;
        var (node, anchor) = Read(_parser);
        _depth--;
        if (!anchor.IsEmpty) _anchors[anchor.Value] = (node, _size - before + 1);
        return node;
    }

    private (YamlNode Node, AnchorName Anchor) Read(IParser parser)
    {
        if (parser.TryConsume<ScalarEvent>(out var scalar)) return (new YamlScalar(scalar.Start, scalar.End, scalar.Value, scalar.Style), scalar.Anchor);
        if (parser.TryConsume<AnchorAlias>(out var alias)) return (Aliased(alias), AnchorName.Empty);
        if (parser.TryConsume<SequenceStart>(out var list))
        {
            var items = new List<YamlNode>();
            while (!parser.Accept<SequenceEnd>(out _)) items.Add(Node());
            parser.Consume<SequenceEnd>();
            return (new YamlList(list.Start, list.End, items), list.Anchor);
        }

        var map = parser.Consume<MappingStart>();
        var entries = new List<KeyValuePair<YamlScalar, YamlNode>>();
        var merged = new List<YamlNode>();
        while (!parser.Accept<MappingEnd>(out _))
        {
            var keyNode = Node();
            var value = Node();
            if (keyNode is not YamlScalar key) reading.Report(keyNode, Code.WrongType, $"a name is expected here, not {keyNode.Kind}.", "Write 'name: value'.");
            else if (key.Text == "<<") merged.Add(value);
            else if (entries.Find(e => e.Key.Text == key.Text).Key is { } first) reading.Report(key, Code.DuplicateKey, $"'{key.Text}' is given twice; the first is on line {first.Line}.", "Keep one of them.");
            else entries.Add(new(key, value));
        }

        parser.Consume<MappingEnd>();
        foreach (var other in merged.SelectMany(m => m is YamlList several ? several.Items : [m]))
        {
            if (other is YamlMap mapping) entries.AddRange(mapping.Entries.Where(e => !entries.Exists(own => own.Key.Text == e.Key.Text)).ToList());
            else reading.Report(other, Code.WrongType, $"'<<' merges mappings, and this is {other.Kind}.", "Refer to a mapping, as in '<<: *name'.");
        }

        return (new YamlMap(map.Start, map.End, entries), map.Anchor);
    }

    private YamlNode Aliased(AnchorAlias alias)
    {
        if (_anchors.TryGetValue(alias.Value.Value, out var anchored))
        {
            _size += anchored.Size;
            return anchored.Node;
        }

        // Within its own anchor, too: a value that contains itself has no end.
        reading.ReportAt((int)alias.Start.Line, (int)alias.Start.Column, alias.Value.Value.Length + 1, Code.UnknownAlias,
            $"the alias '*{alias.Value.Value}' refers to no anchor above it.", $"Define '&{alias.Value.Value}' earlier in the file.");
        return new YamlScalar(alias.Start, alias.End, "", ScalarStyle.DoubleQuoted);
    }
}
