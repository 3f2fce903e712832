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

    /// <summary>It fires; look again at <paramref name="At"/>. <paramref name="Note"/> is told once, when it is new.</summary>
    public sealed record StillFires(Instant At, string? Note, int Absences) : Settlement;

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

    public static Settlement Decide(UpstreamView view, Instant lastSeen, int absences, Instant now, Duration settleEvery, Duration staleAfter) => view switch
    {
        UpstreamView.Active => new Settlement.StillFires(now + staleAfter, null, 0),
        UpstreamView.HeldBack(var by) => new Settlement.StillFires(now + settleEvery, by, 0),
        UpstreamView.Absent when absences + 1 >= AbsencesToEnd => new Settlement.IsOver("is gone from Alertmanager, which sent no resolve"),
        UpstreamView.Absent => new Settlement.StillFires(now + settleEvery, null, absences + 1),
        UpstreamView.Unknown(var why) when now - lastSeen >= staleAfter => new Settlement.IsOver($"was not seen for {InWords(now - lastSeen)} and could not be asked for ({why}); closed as stale"),
        UpstreamView.Unknown => new Settlement.StillFires(Instant.Min(now + settleEvery, lastSeen + staleAfter), null, absences),
        _ => throw new ArgumentOutOfRangeException(nameof(view), view, "A view these rules do not know."),
    };

    private static string InWords(Duration time) =>
        time.TotalHours >= 1 ? FormattableString.Invariant($"{time.TotalHours:0.#} h") : FormattableString.Invariant($"{time.TotalMinutes:0} min");
}
