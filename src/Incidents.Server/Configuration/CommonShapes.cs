using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using NodaTime;

namespace Incidents.Server.Configuration;

/// <summary>Values that mean the same in every configuration file.</summary>
internal static class CommonShapes
{
    public static readonly Shape<string> Version = new VersionShape();

    /// <summary>Minutes since midnight.</summary>
    public static readonly Shape<int> Minute = Shapes.Parsed("a time of day", Code.BadRange, (string text, out int minutes, out string? error) => TimeWindowSyntax.TryParseTime(text, out minutes, out error),
        "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", ["09:00", "17:30"], "Put it in quotes.");

    public static readonly Shape<DateTimeZone> Zone = Shapes.Parsed("a time zone", Code.UnknownZone, (string text, [MaybeNullWhen(false)] out DateTimeZone value, out string? error) =>
    {
        value = DateTimeZoneProviders.Tzdb.GetZoneOrNull(text);
        var nearest = value is null ? Suggestion.Nearest(text, DateTimeZoneProviders.Tzdb.Ids) : null;
        error = value is not null ? null : "is not a time zone" + (nearest is null ? "" : $"; did you mean '{nearest}'?");
        return value is not null;
    }, examples: ["Europe/Berlin"], fix: "Write the name of a tz database zone, as Europe/Berlin or UTC.");

    public static Shape<string> Name(string what) => Shapes.Parsed($"the name of {what}", Code.BadValue, (string text, [MaybeNullWhen(false)] out string value, out string? error) =>
    {
        value = text;
        error = text.Length is > 0 and <= 100 && char.IsAsciiLetterOrDigit(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? null : "is not a name";
        return error is null;
    }, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", fix: "Use up to 100 letters, digits, '-', '_' and '.', beginning with a letter or digit.");

    private sealed class VersionShape : Shape<string>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out string value)
        {
            value = node is YamlScalar { Text: "1" } ? "1" : null;
            if (value is null) reading.Report(node, Code.BadVersion, "this version of the format is not known.", "Write 'version: 1'.");
            return value is not null;
        }

        public override JsonObject Schema(SchemaWriter writer) => new() { ["type"] = "integer", ["enum"] = new JsonArray(1) };
    }
}

/// <summary>A shape with a condition on the whole value.</summary>
internal sealed class CheckedShape<T>(Shape<T> inner, Func<T, YamlNode, YamlReading, bool> check) : Shape<T>
{
    public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out T value) =>
        inner.TryRead(node, reading, out value) && check(value, node, reading);

    public override JsonObject Schema(SchemaWriter writer) => inner.Schema(writer);
}
