using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Nodes;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>Reads a text, or says what is wrong with it in words that follow "'the text' ".</summary>
internal delegate bool TryParse<T>(string text, [MaybeNullWhen(false)] out T value, out string? error);

/// <summary>The shapes that configuration files are made of.</summary>
internal static class Shapes
{
    public static readonly Shape<string> Text = new ScalarShape<string>("a text", Code.BadValue, (string text, [MaybeNullWhen(false)] out string value, out string? error) =>
    {
        value = text;
        error = string.IsNullOrWhiteSpace(text) ? "is empty" : null;
        return error is null;
    }, () => new JsonObject { ["type"] = new JsonArray("string", "number", "boolean"), ["minLength"] = 1 });

    public static readonly Shape<bool> Bool = new ScalarShape<bool>("true or false", Code.WrongType, (string text, out bool value, out string? error) =>
    {
        value = text == "true";
        error = text is "true" or "false" ? null : "is neither true nor false";
        return error is null;
    }, () => new JsonObject { ["type"] = "boolean" }, mustBePlain: true);

    public static readonly Shape<Duration> Length = new ScalarShape<Duration>("a length of time", Code.BadDuration, (string text, out Duration value, out string? error) => PromDuration.TryParse(text, out value, out error),
        () => new JsonObject
        {
            ["type"] = "string",
            ["pattern"] = "^(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$|^0$",
            ["minLength"] = 1,
            ["examples"] = new JsonArray("30s", "5m", "1h30m"),
        }, fix: "Write whole numbers with units, as 30s, 5m or 1h30m.");

    public static readonly Shape<Uri> Url = new ScalarShape<Uri>("a URL", Code.BadValue, (string text, [MaybeNullWhen(false)] out Uri value, out string? error) =>
    {
        error = Uri.TryCreate(text, UriKind.Absolute, out value) && value.Scheme is "http" or "https" ? null : "is not an absolute http or https URL";
        return error is null;
    }, () => new JsonObject { ["type"] = "string", ["format"] = "uri" });

    public static Shape<int> Whole(int least = int.MinValue, int most = int.MaxValue) => new ScalarShape<int>("a whole number", Code.WrongType, (string text, out int value, out string? error) =>
    {
        error = !int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) ? "is not a whole number"
            : value < least ? $"is below {least}"
            : value > most ? $"is above {most}"
            : null;
        return error is null;
    }, () =>
    {
        var schema = new JsonObject { ["type"] = "integer" };
        if (least != int.MinValue) schema["minimum"] = least;
        if (most != int.MaxValue) schema["maximum"] = most;
        return schema;
    }, mustBePlain: true);

    /// <summary>A text with rules of its own.</summary>
    public static Shape<T> Parsed<T>(string what, string code, TryParse<T> parse, string? pattern = null, string[]? examples = null, string fix = "") => new ScalarShape<T>(what, code, parse, () =>
    {
        var schema = new JsonObject { ["type"] = new JsonArray("string", "number") };
        if (pattern is not null) schema["pattern"] = pattern;
        if (examples is not null) schema["examples"] = new JsonArray([.. examples.Select(e => JsonValue.Create(e))]);
        return schema;
    }, fix: fix);

    public static Shape<string> OneOf(params string[] words) => new ScalarShape<string>("one of " + string.Join(", ", words), Code.BadValue, (string text, [MaybeNullWhen(false)] out string value, out string? error) =>
    {
        value = text;
        var nearest = Suggestion.Nearest(text, words);
        error = words.Contains(text, StringComparer.Ordinal) ? null : $"is not one of {string.Join(", ", words)}" + (nearest is null ? "" : $"; did you mean '{nearest}'?");
        return error is null;
    }, () => new JsonObject { ["enum"] = new JsonArray([.. words.Select(w => JsonValue.Create(w))]) });

    public static Shape<IReadOnlyList<T>> List<T>(Shape<T> item, bool mayBeEmpty = false) => new ListShape<T>(item, mayBeEmpty);

    public static Shape<IReadOnlyDictionary<string, T>> Map<T>(Shape<T> value) => new MapShape<T>(value);

    /// <summary>One value for all severities, or a mapping with one for each.</summary>
    public static Shape<SeverityValues<T>> BySeverity<T>(Shape<T> value) => new SeverityShape<T>(value);
}

/// <summary>Values by severity as written: null where the file says nothing.</summary>
internal sealed record SeverityValues<T>(Located<T>? Critical, Located<T>? Warning, Located<T>? Info)
{
    public Located<T>? this[string severity] => new BySeverity<Located<T>?>(Critical, Warning, Info)[severity];

    public IEnumerable<Located<T>> Given => new[] { Critical, Warning, Info }.OfType<Located<T>>().Distinct();
}

internal sealed class ScalarShape<T>(string what, string code, TryParse<T> parse, Func<JsonObject> schema, bool mustBePlain = false, string fix = "") : Shape<T>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (node is not YamlScalar scalar || scalar.IsNull)
        {
            reading.Report(node, Code.WrongType, $"{what} is expected here, not {node.Kind}.", fix);
            return false;
        }

        if (mustBePlain && scalar.Style != YamlDotNet.Core.ScalarStyle.Plain)
        {
            reading.Report(node, Code.WrongType, $"{what} is expected here, not a text in quotes.", "Remove the quotes.");
            return false;
        }

        if (parse(scalar.Text, out value, out var error)) return true;
        reading.Report(node, code, $"'{scalar.Text}' {error}{(error!.EndsWith('?') ? "" : ".")}", fix);
        return false;
    }

    public override JsonObject Schema(SchemaWriter writer) => schema();
}

internal sealed class ListShape<T>(Shape<T> item, bool mayBeEmpty) : Shape<IReadOnlyList<T>>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out IReadOnlyList<T> value)
    {
        value = null;
        if (node is not YamlList list)
        {
            var example = node is YamlScalar { IsNull: false, Text: var text } ? $"[{text}]" : "[a, b]";
            reading.Report(node, Code.WrongType, $"a list is expected here, not {node.Kind}.", $"Write it in brackets: {example}.");
            return false;
        }

        var items = new List<T>(list.Items.Count);
        foreach (var itemNode in list.Items)
        {
            if (item.TryRead(itemNode, reading, out var read)) items.Add(read);
        }

        if (list.Items.Count == 0 && !mayBeEmpty)
        {
            reading.Report(node, Code.Missing, "the list is empty.", "Give it at least one entry, or remove the field.");
            return false;
        }

        value = items;
        return true;
    }

    public override JsonObject Schema(SchemaWriter writer)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = item.Schema(writer) };
        if (!mayBeEmpty) schema["minItems"] = 1;
        return schema;
    }
}

internal sealed class MapShape<T>(Shape<T> inner) : Shape<IReadOnlyDictionary<string, T>>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out IReadOnlyDictionary<string, T> value)
    {
        value = null;
        if (node is not YamlMap map)
        {
            reading.Report(node, Code.WrongType, $"a mapping is expected here, not {node.Kind}.", "Write 'name: value', one a line.");
            return false;
        }

        var read = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (key, item) in map.Entries)
        {
            if (inner.TryRead(item, reading, out var one)) read[key.Text] = one;
        }

        value = read;
        return true;
    }

    public override JsonObject Schema(SchemaWriter writer) => new() { ["type"] = "object", ["additionalProperties"] = inner.Schema(writer) };
}

internal sealed class SeverityShape<T>(Shape<T> inner) : Shape<SeverityValues<T>>
{
    private readonly ObjectShape<SeverityValues<T>> _mapping = Mapping(inner);

    private static ObjectShape<SeverityValues<T>> Mapping(Shape<T> inner)
    {
        var fields = Severity.All.Select(severity => new Field<Located<T>>(severity, inner.Located(), $"For {severity} alerts.")).ToArray();
        return new ObjectShape<SeverityValues<T>>("By severity. A severity left out is inherited.", [.. fields],
            values => new SeverityValues<T>(values.Get(fields[0]), values.Get(fields[1]), values.Get(fields[2])));
    }

    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out SeverityValues<T> value)
    {
        if (node is YamlMap) return _mapping.TryRead(node, reading, out value);
        value = inner.TryRead(node, reading, out var read) ? All(new Located<T>(read, node)) : null;
        return value is not null;
    }

    private static SeverityValues<T> All(Located<T> value) => new(value, value, value);

    public override JsonObject Schema(SchemaWriter writer) => new() { ["anyOf"] = new JsonArray(inner.Schema(writer), _mapping.Schema(writer)) };
}
