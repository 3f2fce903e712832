using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Incidents.Domain.Alerts;

namespace Incidents.Server.Alerts;

/// <summary>Labels and annotations as the JSON object that the database and the API hold.</summary>
internal static class AlertJson
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static string Write(Labels labels)
    {
        if (labels.Count == 0) return "{}";
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, Plain))
        {
            writer.WriteStartObject();
            for (var i = 0; i < labels.Count; i++) writer.WriteString(labels[i].Key, labels[i].Value);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static Labels Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Labels.From(document.RootElement.EnumerateObject().Select(p => new KeyValuePair<string, string>(p.Name, p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString()! : p.Value.GetRawText())));
    }
}
