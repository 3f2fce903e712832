using System.Globalization;
using System.Text;

namespace Incidents.Benchmarks;

/// <summary>
/// What is posted. An alert has ten labels and some 600 characters of annotations, about 1.5 KB as a webhook. <c>@N@</c> stands for a number that the sender counts up:
/// where it is, each request holds alerts that nobody has seen.
/// </summary>
internal static class Payloads
{
    public const string Mark = "bench-";

    public const string Counter = "@N@";

    private static readonly string Text = string.Concat(Enumerable.Repeat("The disk of this machine fills up and nobody has cleaned it. ", 9));

    /// <summary>A webhook as Alertmanager sends it, its alerts in one group.</summary>
    public static string Webhook(string id, int alerts)
    {
        var list = string.Join(',', Enumerable.Range(0, alerts).Select(i => Alert(id, i, webhook: true)));
        return $$$"""{"version":"4","groupKey":"{}:{instance=\"{{{Mark}}}{{{id}}}\"}","truncatedAlerts":0,"status":"firing","receiver":"incidents","groupLabels":{"instance":"{{{Mark}}}{{{id}}}"},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://alertmanager.example.com:9093","alerts":[{{{list}}}]}""";
    }

    /// <summary>The same alerts for Alertmanager's own API.</summary>
    public static string ForAlertmanager(string id, int alerts) => $"[{string.Join(',', Enumerable.Range(0, alerts).Select(i => Alert(id, i, webhook: false)))}]";

    private static string Alert(string id, int number, bool webhook)
    {
        var labels = $$"""{"alertname":"DiskFull","instance":"{{Mark}}{{id}}","device":"sd{{number}}","severity":"critical","cluster":"eu-1","service":"orders","job":"node","team":"storage","env":"production","region":"eu-central"}""";
        var common = $$"""
            "labels":{{labels}},"annotations":{"summary":"The disk is full","description":"{{Text}}"},"startsAt":"2026-01-01T00:00:00.000Z","generatorURL":"http://prometheus.example.com:9090/graph?g0.expr=node_filesystem_avail"
            """;
        return webhook ? $$"""{"status":"firing",{{common}},"endsAt":"0001-01-01T00:00:00Z"}""" : $"{{{common}}}";
    }

    /// <summary>The number behind the first mark in a body, or -1.</summary>
    public static long NumberIn(ReadOnlySpan<byte> body)
    {
        var at = body.IndexOf(Encoding.UTF8.GetBytes(Mark));
        if (at < 0) return -1;
        var digits = body[(at + Mark.Length)..];
        var length = digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return long.TryParse(digits[..Math.Max(0, length)], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
    }
}
