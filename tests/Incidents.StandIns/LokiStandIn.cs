using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Incidents.StandIns;

public sealed record LokiLine(string Stream, string TimestampNanoseconds, string Line, string Metadata, string Tenant);

/// <summary>Loki's push endpoint. Like the real one it keeps the good lines of a batch that it answers 400, and keeps one of identical lines.</summary>
public sealed class LokiStandIn(int keep)
{
    private readonly Recorded<LokiLine> _lines = new(keep);
    private readonly HashSet<(string, string, string, string)> _known = [];
    private readonly Lock _lock = new();

    /// <summary>A request with more bytes answers 413.</summary>
    public int MostBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>A line that contains it is refused with 400; null refuses none.</summary>
    public string? RefuseLinesWith { get; set; }

    public IReadOnlyList<LokiLine> Lines => _lines.Items;

    public long Requests { get; private set; }

    public StandInAnswer Push(StandInRequest request)
    {
        lock (_lock)
        {
            Requests++;
            if (!request.Header("Content-Type").StartsWith("application/json", StringComparison.OrdinalIgnoreCase)) return Text(400, "couldn't decode the snappy body");
            if (request.Body.Length > MostBytes) return Text(413, $"request body too large: {request.Body.Length} bytes, limit: {MostBytes} bytes");
            if (request.Json()?["streams"] is not JsonArray streams) return Text(400, "couldn't parse push request");

            var refused = "";
            foreach (var stream in streams)
            {
                if (stream?["stream"] is not JsonObject { Count: > 0 and <= 15 } labels) return Text(400, "error at least one label pair is required per stream");
                var name = "{" + string.Join(", ", labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}=\"{label.Value.Word()}\"")) + "}";
                foreach (var value in stream["values"] as JsonArray ?? [])
                {
                    if (value is not JsonArray { Count: 2 or 3 } entry || !long.TryParse(entry[0].Word(), NumberStyles.None, CultureInfo.InvariantCulture, out _)) return Text(400, "couldn't parse push request: timestamp");
                    var line = entry[1].Word();
                    if (Encoding.UTF8.GetByteCount(line) > 256 * 1024 || (RefuseLinesWith is { } bad && line.Contains(bad, StringComparison.Ordinal)))
                    {
                        refused = "max entry size exceeded";
                        continue;
                    }

                    if (entry.Count == 3 && entry[2] is not JsonObject) return Text(400, "couldn't parse push request: structured metadata");
                    var tenant = request.Header("X-Scope-OrgID");
                    if (_known.Count > keep) _known.Clear();
                    if (_known.Add((tenant, name, entry[0].Word(), line))) _lines.Add(new LokiLine(name, entry[0].Word(), line, entry.Count == 3 ? entry[2]!.ToJsonString() : "{}", tenant));
                }
            }

            return refused.Length > 0 ? Text(400, refused) : new StandInAnswer(204, "");
        }
    }

    public void Reset()
    {
        lock (_lock)
        {
            _lines.Clear();
            _known.Clear();
            Requests = 0;
            MostBytes = 4 * 1024 * 1024;
            RefuseLinesWith = null;
        }
    }

    public JsonObject State() => new()
    {
        ["total_lines"] = _lines.Total,
        ["lines"] = new JsonArray([.. _lines.Items.TakeLast(1000).Select(line => new JsonObject { ["stream"] = line.Stream, ["ts"] = line.TimestampNanoseconds, ["line"] = line.Line, ["metadata"] = line.Metadata, ["tenant"] = line.Tenant })]),
    };

    private static StandInAnswer Text(int status, string body) => new(status, body, "text/plain");
}
