using Incidents.Domain.Routing;

namespace Incidents.Domain.Notifications;

/// <summary>Who is told when a receiver does not take a page in time (P3: never silent).</summary>
public static class FailOver
{
    private static readonly string[] ByReach = ["pagerduty", "slack", "email", "webhook"];

    /// <summary>
    /// The receiver to tell instead, or null when nobody is left. In this order: the configured fall-back; another receiver of the same subject on another channel;
    /// any configured receiver on another channel, those first that reach people best. Nobody is asked twice for one page, and a parked receiver only as a last resort.
    /// </summary>
    /// <param name="failed">Name of the receiver that did not take it; it may be gone from the configuration.</param>
    /// <param name="asked">Receivers that were asked in vain already, <paramref name="failed"/> among them.</param>
    /// <param name="subjectReceivers">All receivers of the subject, in order.</param>
    /// <param name="receivers">All configured receivers by name.</param>
    /// <param name="mayWake">False for what only informs: it goes to its configured fall-back or to its own other receivers, and never wakes anybody.</param>
    /// <param name="parked">Receivers known to be configured wrongly.</param>
    public static string? Choose(string failed, IReadOnlySet<string> asked, IReadOnlyList<string> subjectReceivers, IReadOnlyDictionary<string, Receiver> receivers, IReadOnlySet<string> parked, bool mayWake)
    {
        receivers.TryGetValue(failed, out var from);
        var candidates = new List<string>();
        if (from?.Fallback is { } configured) candidates.Add(configured);
        candidates.AddRange(subjectReceivers.Where(OnAnotherChannel));
        if (mayWake) candidates.AddRange(receivers.Values.Where(r => ByReach.Contains(r.Channel, StringComparer.Ordinal) && OnAnotherChannel(r.Name)).OrderBy(r => Array.IndexOf(ByReach, r.Channel)).ThenBy(r => r.Name, StringComparer.Ordinal).Select(r => r.Name));

        var left = candidates.Where(c => receivers.ContainsKey(c) && !asked.Contains(c)).Distinct(StringComparer.Ordinal).ToList();
        return left.FirstOrDefault(c => !parked.Contains(c)) ?? left.FirstOrDefault();

        bool OnAnotherChannel(string name) => receivers.TryGetValue(name, out var other) && other.Channel != from?.Channel && other.Channel != "loki";
    }
}
