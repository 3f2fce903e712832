using System.Diagnostics.Metrics;

namespace Incidents.Server.Notifications;

/// <summary>What goes out: attempts and their results, and the time from a change to its arrival.</summary>
internal static class DeliveryMetrics
{
    private static readonly Meter Meter = new("Incidents");
    private static readonly Counter<long> Attempts = Meter.CreateCounter<long>("incidents_delivery_attempts", description: "Attempts to deliver, by channel, receiver and result.");
    private static readonly Counter<long> FellOver = Meter.CreateCounter<long>("incidents_delivery_fail_overs", description: "Pages handed to another receiver because the first did not take them in time; to=none means that nobody was left.");
    private static readonly Histogram<double> Seconds = Meter.CreateHistogram<double>("incidents_notification_delivery", "s", "Time from the change to its arrival at the receiver.");

    public static void Attempted(FinishedAttempt attempt, string channel)
    {
        Attempts.Add(1, new("channel", channel), new("receiver", attempt.Delivery.Receiver), new("result", attempt.ResultKey));
        if (attempt.ResultKey == "delivered") Seconds.Record((attempt.EndedAt - attempt.Delivery.CreatedAt).TotalSeconds, new KeyValuePair<string, object?>("channel", channel));
    }

    public static void HandedOver(string from, string? to) => FellOver.Add(1, new("from", from), new("to", to ?? "none"));
}
