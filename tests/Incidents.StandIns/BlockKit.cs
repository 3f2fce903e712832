using System.Text.Json.Nodes;

namespace Incidents.StandIns;

/// <summary>The limits of Block Kit, as Slack enforces them. Lengths are of the text as sent, that is after escaping.</summary>
public static class BlockKit
{
    private const int MostCharacters = 13_200;

    /// <summary>Slack's error word and where the mistake is; null when all is well.</summary>
    public static (string Error, string Where)? Check(JsonObject message)
    {
        var problems = new List<string>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        var characters = 0;
        var text = message["text"].Word();
        if (text.Length > 40_000) return ("msg_too_long", "/text");

        var blocks = message["blocks"] as JsonArray ?? [];
        var attachments = message["attachments"] as JsonArray ?? [];
        if (blocks.Count > 50) problems.Add("no more than 50 items allowed [json-pointer:/blocks]");
        if (attachments.Count > 100) return ("too_many_attachments", "/attachments");
        for (var i = 0; i < blocks.Count; i++) Block(blocks[i], $"/blocks/{i}");
        var inBlocks = problems.Count;
        for (var a = 0; a < attachments.Count; a++)
        {
            var inner = attachments[a]?["blocks"] as JsonArray ?? [];
            if (inner.Count > 50) problems.Add($"no more than 50 items allowed [json-pointer:/attachments/{a}/blocks]");
            for (var i = 0; i < inner.Count; i++) Block(inner[i], $"/attachments/{a}/blocks/{i}");
        }

        if (inBlocks > 0) return ("invalid_blocks", problems[0]);
        if (problems.Count > 0) return ("invalid_attachments", problems[0]);
        if (characters > MostCharacters) return ("msg_blocks_too_long", "/blocks");
        if (text.Length == 0 && blocks.Count == 0 && attachments.Count == 0) return ("no_text", "/text");
        return null;

        void Block(JsonNode? block, string at)
        {
            switch (block?["type"].Word())
            {
                case "header":
                    Text(block["text"], 150, at + "/text", mustBePlain: true);
                    break;
                case "section":
                    if (block["text"] is null && block["fields"] is null) problems.Add($"text or fields missing [json-pointer:{at}]");
                    if (block["text"] is { } words) Text(words, 3000, at + "/text");
                    if (block["fields"] is JsonArray fields)
                    {
                        Count(fields, 1, 10, at + "/fields");
                        for (var i = 0; i < fields.Count; i++) Text(fields[i], 2000, $"{at}/fields/{i}");
                    }

                    break;
                case "context":
                    var elements = block["elements"] as JsonArray ?? [];
                    Count(elements, 1, 10, at + "/elements");
                    for (var i = 0; i < elements.Count; i++) Text(elements[i], 3000, $"{at}/elements/{i}");
                    break;
                case "actions":
                    var buttons = block["elements"] as JsonArray ?? [];
                    Count(buttons, 1, 25, at + "/elements");
                    for (var i = 0; i < buttons.Count; i++) Action(buttons[i], $"{at}/elements/{i}");
                    break;
                case "divider":
                    break;
                default:
                    problems.Add($"unsupported block type [json-pointer:{at}/type]");
                    break;
            }
        }

        void Action(JsonNode? element, string at)
        {
            var id = element?["action_id"].Word() ?? "";
            if (id.Length > 255) problems.Add($"must be less than 256 characters [json-pointer:{at}/action_id]");
            if (id.Length > 0 && !ids.Add(id)) problems.Add($"action_id already exists [json-pointer:{at}/action_id]");
            switch (element?["type"].Word())
            {
                case "button":
                    Text(element["text"], 75, at + "/text", mustBePlain: true);
                    if (element["value"].Word().Length > 2000) problems.Add($"must be less than 2001 characters [json-pointer:{at}/value]");
                    if (element["url"] is { } url && (url.Word().Length > 3000 || !Uri.TryCreate(url.Word(), UriKind.Absolute, out _))) problems.Add($"invalid url [json-pointer:{at}/url]");
                    if (element["style"] is { } style && style.Word() is not ("primary" or "danger")) problems.Add($"invalid style [json-pointer:{at}/style]");
                    break;
                case "overflow":
                    var choices = element["options"] as JsonArray ?? [];
                    Count(choices, 1, 5, at + "/options");
                    for (var i = 0; i < choices.Count; i++)
                    {
                        Text(choices[i]?["text"], 75, $"{at}/options/{i}/text", mustBePlain: true);
                        if (choices[i]?["value"].Word().Length is not (> 0 and <= 150)) problems.Add($"must be less than 151 characters [json-pointer:{at}/options/{i}/value]");
                    }

                    break;
                default:
                    problems.Add($"unsupported element type [json-pointer:{at}/type]");
                    break;
            }
        }

        void Text(JsonNode? node, int longest, string at, bool mustBePlain = false)
        {
            var kind = node?["type"].Word();
            if (kind is not ("plain_text" or "mrkdwn") || (mustBePlain && kind != "plain_text")) problems.Add($"unsupported type [json-pointer:{at}/type]");
            var words = node?["text"].Word() ?? "";
            characters += words.Length;
            if (words.Length == 0) problems.Add($"must be more than 0 characters [json-pointer:{at}/text]");
            if (words.Length > longest) problems.Add($"must be less than {longest + 1} characters [json-pointer:{at}/text]");
        }

        void Count(JsonArray items, int least, int most, string at)
        {
            if (items.Count < least || items.Count > most) problems.Add($"must have from {least} to {most} items [json-pointer:{at}]");
        }
    }
}
