using System.Collections.Concurrent;
using System.Diagnostics;

namespace Incidents.Server.Tests.Web;

[NonParallelizable]
internal sealed class TraceTests
{
    [Test]
    public async Task A_span_of_an_outgoing_request_does_not_tell_its_secret_path()
    {
        var urls = new ConcurrentBag<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "System.Net.Http",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span => urls.Add(string.Join(' ', span.TagObjects.Select(t => $"{t.Key}={t.Value}"))),
        };
        ActivitySource.AddActivityListener(listener);

        // Nobody listens at the discard port; spans are made because somebody might.
        await using var engine = await Engine.StartAsync(settings: [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
        await engine.Receives(Engine.Firing("DiskFull").As("critical"));
        await engine.Audits();

        var toSlack = urls.Where(u => u.Contains("url.full=" + engine.StandIns.Url, StringComparison.Ordinal)).ToList();
        Assert.That(toSlack, Is.Not.Empty);
        Assert.That(toSlack, Has.None.Contains("/api/"));
    }
}
