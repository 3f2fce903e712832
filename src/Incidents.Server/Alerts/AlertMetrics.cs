using System.Diagnostics;
using System.Diagnostics.Metrics;
using Incidents.Domain.Alerts;

namespace Incidents.Server.Alerts;

/// <summary>What the first stages count: webhooks in, reports out by outcome, how long they waited and worked.</summary>
internal static class AlertMetrics
{
    public static readonly ActivitySource Activities = new("Incidents");

    private static readonly Meter Meter = new("Incidents");
    private static readonly Counter<long> WebhooksReceived = Meter.CreateCounter<long>("incidents_webhooks_received", description: "Webhooks answered 202, by source kind.");
    private static readonly Counter<long> WebhooksRefused = Meter.CreateCounter<long>("incidents_webhooks_refused", description: "Webhooks not taken, by reason.");
    private static readonly Counter<long> WebhooksIngested = Meter.CreateCounter<long>("incidents_webhooks_ingested", description: "Webhooks taken through all stages.");
    private static readonly Counter<long> Reports = Meter.CreateCounter<long>("incidents_alert_reports", description: "Alert reports by outcome.");
    private static readonly Histogram<double> IngestSeconds = Meter.CreateHistogram<double>("incidents_ingest_batch_duration", "s", "Time of one ingest batch, claim to commit.");
    private static readonly Histogram<double> WaitSeconds = Meter.CreateHistogram<double>("incidents_inbox_wait", "s", "Time from receipt to the end of ingest.");
    private static readonly Histogram<int> CommitSize = Meter.CreateHistogram<int>("incidents_inbox_commit_size", "{webhook}", "Webhooks that shared one commit.");

    public static void Received(string kind) => WebhooksReceived.Add(1, new KeyValuePair<string, object?>("kind", kind));

    public static void Refused(string reason) => WebhooksRefused.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public static void Committed(int webhooks) => CommitSize.Record(webhooks);

    public static void Ingested(IngestBatch batch, TimeSpan took)
    {
        IngestSeconds.Record(took.TotalSeconds);
        WebhooksIngested.Add(batch.Items.Count);
        WaitSeconds.Record((batch.Now - batch.Items[0].ReceivedAt).TotalSeconds + took.TotalSeconds);
        for (var i = 0; i < AlertOutcome.All.Length; i++)
        {
            var count = batch.Items.Sum(item => item.Outcomes[i]);
            if (count > 0) Reports.Add(count, new KeyValuePair<string, object?>("outcome", AlertOutcome.All[i]));
        }
    }
}
