using System.Text.Json;
using System.Text.Json.Serialization;
using System.Xml;
using NodaTime;
using NodaTime.Serialization.SystemTextJson;
using NodaTime.Text;

namespace Incidents.Server.Web;

/// <summary>How JSON looks on our wire: snake_case, RFC 3339 in UTC, durations as ISO 8601 (<c>PT15M</c>), enums lower case, unknown input fields ignored.</summary>
internal static class ApiJson
{
    public static readonly JsonSerializerOptions Options = Create();

    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DictionaryKeyPolicy = null; // label names are data, not our names
        options.PropertyNameCaseInsensitive = false;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip;
        options.RespectNullableAnnotations = true;

        // A constructor parameter without a default must be sent; what may be left out has "= null" (or another default).
        options.RespectRequiredConstructorParameters = true;
        options.NumberHandling = JsonNumberHandling.Strict;

        // The first converter that fits wins, so ours come before NodaTime's own.
        options.Converters.Insert(0, new InstantConverter());
        options.Converters.Insert(1, new DurationConverter());
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower));
        options.ConfigureForNodaTime(DateTimeZoneProviders.Tzdb);
    }

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        Configure(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>Writes UTC; reads any RFC 3339 offset.</summary>
    private sealed class InstantConverter : JsonConverter<Instant>
    {
        public override Instant Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.String && Rfc3339.TryRead(reader.GetString(), out var time)) return time;
            throw new JsonException("A time must be RFC 3339, such as 2026-01-31T08:30:00Z.");
        }

        public override void Write(Utf8JsonWriter writer, Instant value, JsonSerializerOptions options) =>
            writer.WriteStringValue(InstantPattern.ExtendedIso.Format(value));
    }

    private sealed class DurationConverter : JsonConverter<Duration>
    {
        public override Duration Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            try
            {
                if (reader.TokenType == JsonTokenType.String) return Duration.FromTimeSpan(XmlConvert.ToTimeSpan(reader.GetString()!));
            }
            catch (Exception e) when (e is FormatException or OverflowException)
            {
                // said below
            }

            throw new JsonException("A duration must be ISO 8601, such as PT15M.");
        }

        public override void Write(Utf8JsonWriter writer, Duration value, JsonSerializerOptions options) =>
            writer.WriteStringValue(XmlConvert.ToString(value.ToTimeSpan()));
    }
}
