using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>A named part of an object in a configuration file.</summary>
/// <param name="name">As written, snake_case.</param>
/// <param name="description">For operators; shown by editors.</param>
internal abstract class Field(string name, string description)
{
    public string Name { get; } = name;

    public string Description { get; } = description;

    public bool IsRequired { get; init; }

    /// <summary>What holds when it is left out, as YAML; null when nothing does.</summary>
    public JsonNode? Default { get; init; }

    public JsonNode? Example { get; init; }

    public abstract bool TryRead(YamlNode node, YamlReading reading, [NotNullWhen(true)] out object? value);

    public JsonObject Schema(SchemaWriter writer)
    {
        var schema = TypeSchema(writer);

        // Next to a $ref draft 07 ignores everything, so the reference moves one level in.
        if (schema.ContainsKey("$ref")) schema = new JsonObject { ["allOf"] = new JsonArray(schema) };
        schema["description"] = Description;
        if (Default is not null) schema["default"] = Default.DeepClone();
        if (Example is not null) schema["examples"] = new JsonArray(Example.DeepClone());
        return schema;
    }

    protected abstract JsonObject TypeSchema(SchemaWriter writer);
}

internal sealed class Field<T>(string name, Shape<T> shape, string description) : Field(name, description)
{
    public override bool TryRead(YamlNode node, YamlReading reading, [NotNullWhen(true)] out object? value)
    {
        value = shape.TryRead(node, reading, out var read) ? read : null;
        return value is not null;
    }

    protected override JsonObject TypeSchema(SchemaWriter writer) => shape.Schema(writer);
}

/// <summary>What was read of one object.</summary>
internal sealed class FieldValues(YamlMap node)
{
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _keys = new(StringComparer.Ordinal);

    public YamlMap Node { get; } = node;

    /// <summary>The value, or null (for value types: their default) when it is left out or was unusable.</summary>
    public T? Get<T>(Field<T> field) => _values.TryGetValue(field.Name, out var value) ? (T)value : default;

    public T Get<T>(Field<T> field, T otherwise) => _values.TryGetValue(field.Name, out var value) ? (T)value : otherwise;

    public object? Get(Field field) => _values.GetValueOrDefault(field.Name);

    /// <summary>Where the field's name is written, or the object itself when it is not.</summary>
    public YamlNode Key(Field field) => _keys.GetValueOrDefault(field.Name, Node);

    /// <summary>True when the field is written, usable or not.</summary>
    public bool Has(Field field) => _keys.ContainsKey(field.Name);

    public void Add(Field field, YamlNode key, object? value)
    {
        _keys[field.Name] = key;
        if (value is not null) _values[field.Name] = value;
    }
}

/// <summary>An object with known fields. Unknown ones are errors, for a misspelt field is a rule that silently does not hold.</summary>
/// <param name="description">For operators.</param>
/// <param name="fields">In the order editors should offer them.</param>
/// <param name="build">Makes the value; called only when no required field is missing or unusable.</param>
/// <param name="foreign">Field names of neighbouring tools that people bring along, and what to write here.</param>
internal sealed class ObjectShape<T>(string description, IReadOnlyList<Field> fields, Func<FieldValues, T> build, IReadOnlyDictionary<string, string>? foreign = null) : Shape<T>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (!TryReadFields(node, reading, out var values, out var isComplete)) return false;
        if (isComplete) value = build(values);
        return isComplete && value is not null;
    }

    public bool TryReadFields(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out FieldValues values, out bool isComplete)
    {
        values = null;
        isComplete = false;
        if (node is not YamlMap map)
        {
            reading.Report(node, Code.WrongType, $"a mapping is expected here, not {node.Kind}.", $"Its fields are {string.Join(", ", fields.Select(f => f.Name))}.");
            return false;
        }

        values = new FieldValues(map);
        isComplete = true;
        foreach (var (key, item) in map.Entries)
        {
            var field = fields.FirstOrDefault(f => f.Name == key.Text);
            if (field is null)
            {
                // A misspelt name may be that of a secret.
                if (item is YamlScalar unread) reading.Hide(unread);
                ReportUnknown(key, reading);
            }
            else if (item is YamlScalar { IsNull: true })
            {
                reading.Report(key, Code.Missing, $"'{key.Text}' has no value.", "Give it one, or remove the line.");
                values.Add(field, key, null);
                isComplete &= !field.IsRequired;
            }
            else
            {
                var isUsable = field.TryRead(item, reading, out var read);
                values.Add(field, key, read);
                isComplete &= isUsable || !field.IsRequired;
            }
        }

        foreach (var field in fields)
        {
            if (!field.IsRequired || values.Has(field)) continue;
            reading.ReportAt(map.Line, map.Column, 1, Code.Missing, $"'{field.Name}' is missing.", field.Description);
            isComplete = false;
        }

        return true;
    }

    private void ReportUnknown(YamlScalar key, YamlReading reading)
    {
        var fix = foreign?.GetValueOrDefault(key.Text)
            ?? (Suggestion.Nearest(key.Text, fields.Select(f => f.Name)) is { } nearest ? $"Did you mean '{nearest}'?" : $"Known fields are {string.Join(", ", fields.Select(f => f.Name))}.");
        reading.Report(key, Code.UnknownField, $"'{key.Text}' is not a known field.", fix);
    }

    public override JsonObject Schema(SchemaWriter writer)
    {
        var properties = new JsonObject();
        foreach (var field in fields) properties[field.Name] = field.Schema(writer);
        var schema = new JsonObject { ["type"] = "object", ["description"] = description, ["additionalProperties"] = false, ["properties"] = properties };
        var required = fields.Where(f => f.IsRequired).Select(f => JsonValue.Create(f.Name)).ToArray<JsonNode?>();
        if (required.Length > 0) schema["required"] = new JsonArray(required);
        return schema;
    }
}
