using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using FluentValidation;
using NodaTime;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>
/// A settings record as the shape of a YAML mapping: its properties in snake_case, <c>required</c> and defaults honoured, secrets by reference only.
/// A FluentValidation validator for the record, when there is one, has the last word; what it refuses is shown at the field.
/// </summary>
internal sealed class SettingsShape : Shape<object>
{
    private readonly Type _type;
    private readonly string _description;
    private readonly IReadOnlyList<SettingField> _fields;
    private readonly ObjectShape<object> _mapping;
    private readonly Func<IValidator?> _validator;

    /// <param name="type">A record with init properties or a primary constructor. A property of a type that has no YAML form is a bug and throws.</param>
    /// <param name="description">For operators.</param>
    /// <param name="validator">Finds the validator for the type, or null.</param>
    public SettingsShape(Type type, string description, Func<IValidator?> validator)
    {
        _type = type;
        _description = description;
        _validator = validator;
        var nullability = new NullabilityInfoContext();
        var parameters = Constructor(type).GetParameters();
        _fields = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.SetMethod is not null && p.GetIndexParameters().Length == 0)
            .Select(p => SettingField.Of(p, parameters.FirstOrDefault(q => q.Name == p.Name), nullability))];
        _mapping = new ObjectShape<object>(description, _fields, Build);
    }

    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out object value)
    {
        value = null;
        if (!_mapping.TryReadFields(node, reading, out var values, out var isComplete) || !isComplete) return false;
        var built = Build(values);
        var problems = reading.ProblemCount;
        if (_validator() is { } validator) Validate(validator, built, values, reading);
        if (reading.ProblemCount > problems) return false;
        value = built;
        return true;
    }

    public override JsonObject Schema(SchemaWriter writer)
    {
        var schema = _mapping.Schema(writer);
        schema["description"] = _description;
        return schema;
    }

    private object Build(FieldValues values)
    {
        var constructor = Constructor(_type);
        var arguments = constructor.GetParameters()
            .Select(p => _fields.First(f => f.Property.Name == p.Name) is var field && values.Get(field) is { } value ? field.Store(value) : p.HasDefaultValue ? p.DefaultValue : null)
            .ToArray();
        var settings = constructor.Invoke(arguments);
        foreach (var field in _fields)
        {
            if (values.Get(field) is { } value) field.Property.SetValue(settings, field.Store(value));
        }

        return settings;
    }

    private static ConstructorInfo Constructor(Type type) =>
        type.GetConstructors().OrderBy(c => c.GetParameters().Length).FirstOrDefault(c => c.GetParameters() is not [var only] || only.ParameterType != type)
        ?? throw new InvalidOperationException($"{type} needs a public constructor to be read from configuration.");

    private void Validate(IValidator validator, object settings, FieldValues values, YamlReading reading)
    {
        var context = (IValidationContext)Activator.CreateInstance(typeof(ValidationContext<>).MakeGenericType(_type), settings)!;
        foreach (var failure in validator.Validate(context).Errors)
        {
            // "To[1]", "Url.Host", "Labels": the field is what stands before the first dot or bracket.
            var path = failure.PropertyName ?? "";
            var end = path.AsSpan().IndexOfAny('.', '[');
            var field = _fields.FirstOrDefault(f => f.Property.Name == (end < 0 ? path : path[..end]));
            var key = field is null ? values.Node : values.Key(field);
            var place = field is null ? values.Node : ItemOf(values.Node, field.Name, path) ?? key;
            var isSecret = field?.IsSecret == true;
            reading.Report(isSecret ? key : place, Code.RefusedSetting, Sentence(failure.ErrorMessage), field?.Description ?? "");
        }
    }

    private static string Sentence(string message) => message.EndsWith('.') ? message : message + ".";

    private static YamlNode? ItemOf(YamlMap map, string name, string path)
    {
        var value = map.Entries.FirstOrDefault(e => e.Key.Text == name).Value;
        var open = path.IndexOf('[', StringComparison.Ordinal);
        if (value is YamlList list && open > 0 && path.IndexOf(']', open) is var close and > 0 && int.TryParse(path.AsSpan(open + 1, close - open - 1), out var index) && index < list.Items.Count) return list.Items[index];
        return value is YamlScalar ? value : null;
    }

    /// <summary>One property of a settings record.</summary>
    private sealed class SettingField : Field
    {
        private readonly Shape<object> _shape;

        private SettingField(PropertyInfo property, string description, Shape<object> shape, Func<object, object?> store) : base(JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name), description)
        {
            Property = property;
            _shape = shape;
            Store = store;
        }

        public PropertyInfo Property { get; }

        public bool IsSecret { get; private init; }

        /// <summary>From what the shape reads to what the property holds.</summary>
        public Func<object, object?> Store { get; }

        public static SettingField Of(PropertyInfo property, ParameterInfo? parameter, NullabilityInfoContext nullability)
        {
            var isSecret = property.GetCustomAttribute<SecretAttribute>() is not null;
            if (isSecret && (property.PropertyType != typeof(string) || nullability.Create(property).WriteState != NullabilityState.Nullable))
            {
                throw new InvalidOperationException($"{property.DeclaringType}.{property.Name} is a secret and must be a nullable string: the variable or file may be absent.");
            }

            var (shape, store) = isSecret ? (Box(Secret.Shape), Same) : Kind(property);
            return new SettingField(property, Describe(property), shape, store)
            {
                IsSecret = isSecret,
                IsRequired = property.GetCustomAttribute<RequiredMemberAttribute>() is not null || (parameter is { HasDefaultValue: false } && nullability.Create(parameter).WriteState != NullabilityState.Nullable),
            };
        }

        public override bool TryRead(YamlNode node, YamlReading reading, [NotNullWhen(true)] out object? value) => _shape.TryRead(node, reading, out value);

        protected override JsonObject TypeSchema(SchemaWriter writer) => _shape.Schema(writer);

        private static object? Same(object value) => value;

        private static (Shape<object> Shape, Func<object, object?> Store) Kind(PropertyInfo property)
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (type == typeof(string)) return (Box(Secret.PlainText), Same);
            if (type == typeof(int)) return (Box(Shapes.Whole()), Same);
            if (type == typeof(bool)) return (Box(Shapes.Bool), Same);
            if (type == typeof(Uri)) return (Box(Shapes.Url), Same);
            if (type == typeof(Duration)) return (Box(Shapes.Length), Same);
            if (type == typeof(ImmutableArray<string>)) return (Box(Shapes.List(Secret.PlainText)), v => ((IReadOnlyList<string>)v).ToImmutableArray());
            if (type == typeof(string[])) return (Box(Shapes.List(Secret.PlainText)), v => ((IReadOnlyList<string>)v).ToArray());
            if (type == typeof(ImmutableDictionary<string, string>)) return (Box(Shapes.Map(Secret.PlainText)), v => ((IReadOnlyDictionary<string, string>)v).ToImmutableDictionary());
            if (type == typeof(FrozenDictionary<string, string>)) return (Box(Shapes.Map(Secret.PlainText)), v => ((IReadOnlyDictionary<string, string>)v).ToFrozenDictionary());
            if (type.IsAssignableFrom(typeof(List<string>))) return (Box(Shapes.List(Secret.PlainText)), v => ((IReadOnlyList<string>)v).ToList());
            if (type.IsAssignableFrom(typeof(Dictionary<string, string>))) return (Box(Shapes.Map(Secret.PlainText)), v => new Dictionary<string, string>((IReadOnlyDictionary<string, string>)v, StringComparer.Ordinal));
            throw new InvalidOperationException($"{property.DeclaringType}.{property.Name} has the type {property.PropertyType}, which has no form in YAML.");
        }

        private static BoxedShape<T> Box<T>(Shape<T> shape) where T : notnull => new(shape);

        /// <summary>The [Description], else the property's summary from the compiler's XML file, else nothing.</summary>
        private static string Describe(PropertyInfo property) =>
            property.GetCustomAttribute<DescriptionAttribute>()?.Description ?? XmlSummaries.Of(property) ?? "";
    }

    private sealed class BoxedShape<T>(Shape<T> inner) : Shape<object> where T : notnull
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out object value)
        {
            value = inner.TryRead(node, reading, out var read) ? read : null;
            return value is not null;
        }

        public override JsonObject Schema(SchemaWriter writer) => inner.Schema(writer);
    }

    private static class XmlSummaries
    {
        private static readonly ConcurrentDictionary<Assembly, Dictionary<string, string>> Files = new();

        public static string? Of(PropertyInfo property) =>
            Files.GetOrAdd(property.DeclaringType!.Assembly, Load).GetValueOrDefault($"P:{property.DeclaringType.FullName!.Replace('+', '.')}.{property.Name}");

        private static Dictionary<string, string> Load(Assembly assembly)
        {
            var path = Path.ChangeExtension(assembly.Location, ".xml");
            if (!File.Exists(path)) return [];
            var summaries = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var member in XDocument.Load(path).Descendants("member"))
            {
                if (member.Attribute("name")?.Value is { } name && member.Element("summary")?.Value is { } text) summaries[name] = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
            }

            return summaries;
        }
    }
}
