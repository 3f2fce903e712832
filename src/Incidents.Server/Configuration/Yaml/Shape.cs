using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>
/// What a value in a configuration file looks like. One description does both: it reads the value, reporting all that is wrong, and writes the JSON
/// schema that editors complete from, so that the two cannot differ.
/// </summary>
internal abstract class Shape<T>
{
    /// <summary>False when the value is unusable; then at least one problem was reported.</summary>
    public abstract bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out T value);

    public abstract JsonObject Schema(SchemaWriter writer);

    public Shape<Located<T>> Located() => new LocatedShape<T>(this);
}

/// <summary>A value and the node it was read from.</summary>
internal sealed record Located<T>(T Value, YamlNode Node);

/// <summary>Collects the parts of a schema that are referred to by name.</summary>
internal sealed class SchemaWriter
{
    private readonly SortedDictionary<string, JsonObject?> _definitions = new(StringComparer.Ordinal);

    public JsonObject Define(string name, Func<JsonObject> write)
    {
        // The name is taken before writing, because a definition may refer to itself.
        if (_definitions.TryAdd(name, null)) _definitions[name] = write();
        return new JsonObject { ["$ref"] = $"#/definitions/{name}" };
    }

    /// <summary>Draft 07, which is what the YAML language server reads.</summary>
    public static JsonObject Document<T>(Shape<T> shape, string title)
    {
        var writer = new SchemaWriter();
        var body = shape.Schema(writer);
        var document = new JsonObject { ["$schema"] = "http://json-schema.org/draft-07/schema#", ["title"] = title };
        foreach (var (name, value) in body.ToList())
        {
            body.Remove(name);
            document[name] = value;
        }

        var definitions = new JsonObject();
        foreach (var (name, definition) in writer._definitions) definitions[name] = definition;
        document["definitions"] = definitions;
        return document;
    }
}

internal sealed class LocatedShape<T>(Shape<T> inner) : Shape<Located<T>>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out Located<T> value)
    {
        value = inner.TryRead(node, reading, out var read) ? new Located<T>(read, node) : null;
        return value is not null;
    }

    public override JsonObject Schema(SchemaWriter writer) => inner.Schema(writer);
}

/// <summary>A part that is described once and used in several places, possibly inside itself.</summary>
internal sealed class NamedShape<T>(string name, Func<Shape<T>> inner) : Shape<T>
{
    private readonly Lazy<Shape<T>> _inner = new(inner);

    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out T value) => _inner.Value.TryRead(node, reading, out value);

    public override JsonObject Schema(SchemaWriter writer) => writer.Define(name, () => _inner.Value.Schema(writer));
}
