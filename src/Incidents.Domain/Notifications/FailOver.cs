using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>Who is told when a receiver does not take a page in time (P3: never silent).</summary>
public static class FailOver
{
    private static readonly string[] ByReach = ["pagerduty", "slack", "email", "webhook"];

    /// <summary>
    /// The receiver to tell instead, in this order: the same person in another way; the configured fall-back; another receiver of the same subject on another channel;
    /// any configured receiver on another channel, those first that reach people best. Nobody is asked twice for one page, nobody who fails at this subject himself
    /// (two that fail would only name each other), and a parked receiver only as a last resort.
    /// </summary>
    /// <param name="failed">Name of the receiver that did not take it; it may be gone from the configuration.</param>
    /// <param name="asked">Receivers that were asked in vain already, <paramref name="failed"/> among them.</param>
    /// <param name="standings">How it stands with the receivers that were told of the subject, or are being told.</param>
    /// <param name="subjectReceivers">All receivers of the subject, in order.</param>
    /// <param name="receivers">All configured receivers by name.</param>
    /// <param name="parked">Receivers known to be configured wrongly.</param>
    /// <param name="mayWake">False for what only informs: it goes to its configured fall-back or to its own other receivers, and never wakes anybody.</param>
    /// <param name="others">Names of the other ways of reaching the person that <paramref name="failed"/> is; empty when it is nobody.</param>
    public static FailOverChoice Choose(
        string failed, IReadOnlySet<string> asked, IReadOnlyDictionary<string, Standing> standings, IReadOnlyList<string> subjectReceivers, IReadOnlyDictionary<string, Receiver> receivers, IReadOnlySet<string> parked, bool mayWake,
        params IReadOnlyList<string> others)
    {
        receivers.TryGetValue(failed, out var from);
        var candidates = others.ToList();
        if (from?.Fallback is { } configured) candidates.Add(configured);
        candidates.AddRange(subjectReceivers.Where(OnAnotherChannel));
        if (mayWake) candidates.AddRange(receivers.Values.Where(r => ByReach.Contains(r.Channel, StringComparer.Ordinal) && OnAnotherChannel(r.Name)).OrderBy(r => Array.IndexOf(ByReach, r.Channel)).ThenBy(r => r.Name, StringComparer.Ordinal).Select(r => r.Name));

        var left = candidates.Where(c => (receivers.ContainsKey(c) || others.Contains(c, StringComparer.Ordinal)) && !asked.Contains(c) && StandingOf(c) != Standing.Failing).Distinct(StringComparer.Ordinal).ToList();
        return (left.FirstOrDefault(c => !parked.Contains(c)) ?? left.FirstOrDefault()) is not { } to ? new FailOverChoice.NobodyLeft() : StandingOf(to) switch
        {
            Standing.Knows => new FailOverChoice.KnowsAlready(to),
            Standing.BeingTold => new FailOverChoice.IsBeingTold(to),
            _ => new FailOverChoice.Tell(to),
        };

        bool OnAnotherChannel(string name) => receivers.TryGetValue(name, out var other) && other.Channel != from?.Channel && other.Channel != "loki";
        Standing StandingOf(string name) => standings.GetValueOrDefault(name, Standing.Untold);
    }

    /// <summary>How it stands with a receiver of the subject.</summary>
    /// <param name="wasShown">It was told of the subject before.</param>
    /// <param name="hasRefused">It refused what is announced now.</param>
    /// <param name="unfinished">Its deliveries of the subject that are not done: at most one waits and one is under way.</param>
    /// <param name="now">When.</param>
    public static Standing StandingOf(bool wasShown, bool hasRefused, IReadOnlyList<UnfinishedDelivery> unfinished, Instant now)
    {
        if (hasRefused || unfinished.Any(d => d.HasFailed || (d.IsPage && d.IsLate(now)))) return Standing.Failing;
        if (unfinished.Any(d => d.IsPage)) return Standing.BeingTold;
        return wasShown ? Standing.Knows : Standing.Untold;
    }
}

/// <summary>How far a receiver is with a subject.</summary>
public enum Standing
{
    /// <summary>It has not heard of it, and nothing that would reach anybody is on its way.</summary>
    Untold,

    /// <summary>It has all of it.</summary>
    Knows,

    /// <summary>A page is on its way, and its time is not over: if it fails too, it falls over by itself.</summary>
    BeingTold,

    /// <summary>It was tried in vain, or its own time is over.</summary>
    Failing,
}

/// <summary>A delivery that has not arrived yet.</summary>
/// <param name="IsUnderWay">An attempt is being made now; else it waits.</param>
/// <param name="Attempts">How many were begun.</param>
/// <param name="Occasion">What it announces.</param>
/// <param name="FailOverAt">When it falls over; null when it need not, or has.</param>
public sealed record UnfinishedDelivery(bool IsUnderWay, int Attempts, string Occasion, Instant? FailOverAt)
{
    internal bool HasFailed => Attempts > (IsUnderWay ? 1 : 0);

    internal bool IsPage => Response.Occasion.IsPage(Occasion);

    internal bool IsLate(Instant now) => FailOverAt is not { } at || at <= now;
}

/// <summary>What becomes of a page that a receiver did not take in time.</summary>
public abstract record FailOverChoice
{
    private FailOverChoice() { }

    /// <summary>This one is told instead.</summary>
    public sealed record Tell(string Receiver) : FailOverChoice;

    /// <summary>This one has it already.</summary>
    public sealed record KnowsAlready(string Receiver) : FailOverChoice;

    /// <summary>This one is being told on its own account.</summary>
    public sealed record IsBeingTold(string Receiver) : FailOverChoice;

    /// <summary>Loud: no receiver can be asked any more.</summary>
    public sealed record NobodyLeft : FailOverChoice;
}
