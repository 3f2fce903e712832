using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Incidents.StandIns;

public sealed record WebhookCall(string Path, string Id, string Timestamp, string Signature, bool IsSigned, JsonObject Body, int Bytes, string At);

/// <summary>A receiver of Standard Webhooks: checks the signature when it knows the secret, and keeps one call per id in <see cref="Distinct"/>.</summary>
public sealed class WebhookStandIn(int keep, string? secret)
{
    private readonly Recorded<WebhookCall> _calls = new(keep);

    public IReadOnlyList<WebhookCall> Calls => _calls.Items;

    /// <summary>Without the repeats of an id.</summary>
    public IReadOnlyList<WebhookCall> Distinct => [.. _calls.Items.DistinctBy(call => call.Id)];

    public StandInAnswer Receive(StandInRequest request)
    {
        var (id, timestamp, signature) = (request.Header("webhook-id"), request.Header("webhook-timestamp"), request.Header("webhook-signature"));
        var isSigned = secret is not null && signature.Split(' ').Any(part => Matches(part, id, timestamp, request.Body));
        if (secret is not null && !isSigned) return new StandInAnswer(401, """{"error":"bad signature"}""");
        if (request.Json() is not { } body) return new StandInAnswer(400, """{"error":"not JSON"}""");
        _calls.Add(new WebhookCall(request.Path, id, timestamp, signature, isSigned, body, request.Body.Length, JsonReading.Now()));
        return new StandInAnswer(200, """{"ok":true}""");
    }

    public void Reset() => _calls.Clear();

    public JsonObject State() => new()
    {
        ["total"] = _calls.Total,
        ["calls"] = new JsonArray([.. _calls.Items.TakeLast(1000).Select(call => new JsonObject { ["at"] = call.At, ["path"] = call.Path, ["webhook_id"] = call.Id, ["signed"] = call.IsSigned, ["body"] = call.Body.DeepClone() })]),
    };

    private bool Matches(string part, string id, string timestamp, byte[] body)
    {
        if (!part.StartsWith("v1,", StringComparison.Ordinal)) return false;
        var key = secret!.StartsWith("whsec_", StringComparison.Ordinal) ? Convert.FromBase64String(secret["whsec_".Length..]) : Encoding.UTF8.GetBytes(secret);
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        var expected = Convert.ToBase64String(HMACSHA256.HashData(key, signed));
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(expected), Encoding.ASCII.GetBytes(part[3..]));
    }
}
