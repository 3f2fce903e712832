using NodaTime;

namespace Incidents.Domain.Alerts;

/// <summary>What Alertmanager says of one fingerprint.</summary>
public abstract record UpstreamView
{
    private UpstreamView() { }

    /// <summary>Nobody to ask, or no answer; <paramref name="Why"/> in words.</summary>
    public sealed record Unknown(string Why) : UpstreamView;

    /// <summary>It has it, and sends it.</summary>
    public sealed record Active : UpstreamView;

    /// <summary>It has it and holds it back; <paramref name="By"/>: "silenced by 8f3c…", "inhibited by …", "muted by a time interval".</summary>
    public sealed record HeldBack(string By) : UpstreamView;

    /// <summary>It does not have it.</summary>
    public sealed record Absent : UpstreamView;
}

/// <summary>What becomes of an alert that was not heard of.</summary>
public abstract record Settlement
{
    private Settlement() { }

    /// <summary>It fires; look again at <paramref name="At"/>. <paramref name="Note"/> is told once, when it is new; <paramref name="IsSent"/>: Alertmanager sends it, so it is not missing any more.</summary>
    public sealed record StillFires(Instant At, string? Note, int Absences, bool IsSent = false) : Settlement;

    /// <summary>It is over; <paramref name="How"/> continues the alert's name in a sentence.</summary>
    public sealed record IsOver(string How) : Settlement;
}

/// <summary>
/// Absent is not resolved (P7). An alert that payloads no longer hold, or that nobody reported for long, is settled by asking Alertmanager;
/// when nobody can be asked, it is closed as stale after a time-out that says so.
/// </summary>
public static class SettleRules
{
    /// <summary>
    /// So many checks in a row must not find it. One is not enough: a restarted Alertmanager knows nothing until Prometheus has sent again, which takes up to a minute.
    /// </summary>
    public const int AbsencesToEnd = 3;

    /// <summary>
    /// Only silence that could have been broken counts: after a start or an outage of ours, senders get this long to come again before anything is taken for stale.
    /// Longer than Alertmanager waits between tries.
    /// </summary>
    public static readonly Duration GraceAfterOutage = Duration.FromMinutes(10);

    /// <param name="view">What Alertmanager says.</param>
    /// <param name="lastSeen">When the last report was received.</param>
    /// <param name="absences">How often in a row Alertmanager did not have it.</param>
    /// <param name="receivingSince">Since when reports could be received without a break.</param>
    /// <param name="now">The time.</param>
    /// <param name="settleEvery">See <c>settle_every</c>.</param>
    /// <param name="staleAfter">See <c>stale_after</c>.</param>
    public static Settlement Decide(UpstreamView view, Instant lastSeen, int absences, Instant receivingSince, Instant now, Duration settleEvery, Duration staleAfter) => view switch
    {
        UpstreamView.Active => new Settlement.StillFires(now + staleAfter, null, 0, IsSent: true),
        UpstreamView.HeldBack(var by) => new Settlement.StillFires(now + settleEvery, by, 0),
        UpstreamView.Absent when absences + 1 >= AbsencesToEnd => new Settlement.IsOver("is gone from Alertmanager, which sent no resolve"),
        UpstreamView.Absent => new Settlement.StillFires(now + settleEvery, null, absences + 1),
        UpstreamView.Unknown(var why) when now - lastSeen >= staleAfter && now - receivingSince >= GraceAfterOutage => new Settlement.IsOver($"was not seen for {InWords(now - lastSeen)} and could not be asked for ({why}); closed as stale"),
        UpstreamView.Unknown => new Settlement.StillFires(now - lastSeen >= staleAfter ? now + settleEvery : Instant.Min(now + settleEvery, lastSeen + staleAfter), null, absences),
        _ => throw new ArgumentOutOfRangeException(nameof(view), view, "A view these rules do not know."),
    };

    /// <summary>
    /// Whether what a silence hid waits a moment longer at its end. While a silence holds in Alertmanager, too, no resolve is sent; an alert that Alertmanager has just not had is being asked for and must not page
    /// for what is over. It waits only for the checks under way, and never long: what cannot be settled pages.
    /// </summary>
    /// <param name="absences">How often in a row Alertmanager did not have it.</param>
    /// <param name="endedAt">When the silence ended.</param>
    /// <param name="now">The time.</param>
    /// <param name="settleEvery">See <c>settle_every</c>.</param>
    public static bool IsBeingAsked(int absences, Instant endedAt, Instant now, Duration settleEvery) =>
        absences is > 0 and < AbsencesToEnd && now < endedAt + Duration.Min(AbsencesToEnd * settleEvery, LongestAsking);

    /// <summary>The longest that <see cref="IsBeingAsked"/> holds anything back.</summary>
    public static readonly Duration LongestAsking = Duration.FromMinutes(5);

    private static string InWords(Duration time) =>
        time.TotalHours >= 1 ? FormattableString.Invariant($"{time.TotalHours:0.#} h") : FormattableString.Invariant($"{time.TotalMinutes:0} min");
}
