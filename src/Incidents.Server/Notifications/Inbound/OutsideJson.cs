using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Reads JSON that came from outside: whatever its shape, asking it for something is no exception.</summary>
internal static class OutsideJson
{
    // A name that occurs twice would be found out only when it is asked for.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Null for what is no JSON.</summary>
    public static JsonNode? Parse(ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: Strict);
        }
        catch (JsonException)
        {
            // The caller decides what that means: it may be signed and still be nothing that is documented.
            return null;
        }
    }

    /// <summary>A member; null when there is none, or nothing that could have one.</summary>
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path) node = (node as JsonObject)?[name];
        return node;
    }

    /// <summary>The text of a string, without control characters; empty for anything else.</summary>
    public static string Word(this JsonNode? node, int longest)
    {
        if (node is not JsonValue value) return "";
        try
        {
            return value.TryGetValue(out string? text) ? MessageText.Truncate(text, longest) : "";
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, or bytes that are no UTF-8.
            return "";
        }
    }
}
