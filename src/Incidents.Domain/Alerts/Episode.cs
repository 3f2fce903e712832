using NodaTime;

namespace Incidents.Domain.Alerts;

/// <summary>What is kept of one alert from its start to its end, as far as merging a new report needs it. Identified by (source, fingerprint, startsAt).</summary>
public sealed record Episode
{
    public required long Id { get; init; }

    public required Instant StartsAt { get; init; }

    public required bool IsFiring { get; init; }

    /// <summary>When the report was received that the status rests on. An older report never overrules it.</summary>
    public required Instant ObservedAt { get; init; }

    /// <summary>When the last report of it was received, to about a minute.</summary>
    public required Instant LastSeenAt { get; init; }

    /// <summary>True when the episode is another start time of one that was open already.</summary>
    public bool IsDuplicate { get; init; }

    /// <summary>Set while payloads of its group came without it.</summary>
    public bool IsMissing { get; init; }
}

/// <summary>What a report means, given the episodes known of its fingerprint.</summary>
public abstract record EpisodeStep
{
    private EpisodeStep() { }

    /// <summary>A new episode: it is routed.</summary>
    public sealed record Begins : EpisodeStep;

    /// <summary>An ended episode fires again with the start time it had: it is routed again.</summary>
    public sealed record FiresAgain(Episode Episode) : EpisodeStep;

    /// <summary>Nothing new. <paramref name="Touch"/> says that <c>last_seen_at</c> is old enough to be worth writing.</summary>
    public sealed record Repeats(Episode Episode, bool Touch) : EpisodeStep;

    /// <summary>The same alert under another start time (a second Prometheus or Alertmanager replica): recorded as a duplicate of the open one.</summary>
    public sealed record BeginsAsDuplicate(Episode Of) : EpisodeStep;

    /// <summary>A late "firing" right after the resolve of the same episode, or one older than what we know: nothing changes.</summary>
    public sealed record Echo(Episode Episode) : EpisodeStep;

    /// <summary>These open episodes end.</summary>
    public sealed record Ends(IReadOnlyList<Episode> Episodes) : EpisodeStep;

    /// <summary>A resolve of something never seen firing: recorded as an ended episode, so that its firing can be recognised as an echo.</summary>
    public sealed record EndsUnknown : EpisodeStep;

    /// <summary>A resolve of what has ended already.</summary>
    public sealed record EndedAlready(Episode Episode) : EpisodeStep;
}

/// <summary>
/// How reports of one fingerprint become episodes. The rules follow what Alertmanager does (alert/alert.go Merge, dispatch/dispatch.go):
/// delivery is at least once and unordered between replicas, start times move, absence means nothing.
/// </summary>
public static class EpisodeRules
{
    /// <summary><c>last_seen_at</c> is written at most this often: most of Alertmanager's traffic repeats what is known.</summary>
    public static readonly Duration SeenGranularity = Duration.FromMinutes(1);

    /// <param name="known">All open episodes of the fingerprint at this source, the one that started last, and the one with the report's own start time if it exists, in any order.</param>
    /// <param name="report">What the webhook said.</param>
    /// <param name="receivedAt">When the webhook was received.</param>
    /// <param name="echoWithin">See <c>echo_within</c>.</param>
    public static EpisodeStep Decide(IReadOnlyCollection<Episode> known, Observation report, Instant receivedAt, Duration echoWithin) =>
        report.IsFiring ? DecideFiring(known, report, receivedAt, echoWithin) : DecideResolved(known, report, receivedAt, echoWithin);

    /// <summary>
    /// The duplicate that speaks for the alert when the episode it duplicated has ended and it has not: from now on it counts, and it must be routed.
    /// Null when nothing fires or the one that counts still does.
    /// </summary>
    public static Episode? Successor(IEnumerable<Episode> known)
    {
        Episode? first = null;
        foreach (var episode in known)
        {
            if (!episode.IsFiring) continue;
            if (!episode.IsDuplicate) return null;
            if (first is null || episode.StartsAt < first.StartsAt) first = episode;
        }

        return first;
    }

    private static EpisodeStep DecideFiring(IReadOnlyCollection<Episode> known, Observation report, Instant receivedAt, Duration echoWithin)
    {
        var same = report.StartsAtIsKnown ? known.FirstOrDefault(e => e.StartsAt == report.StartsAt) : null;

        // A duplicate whose original ended is the alert itself now; nobody would be told of it otherwise.
        if ((same is { IsFiring: true } ? same : known.FirstOrDefault(e => e.IsFiring)) is { IsDuplicate: true } left && Successor(known) is not null) return new EpisodeStep.FiresAgain(left);
        var open = known.FirstOrDefault(e => e is { IsFiring: true, IsDuplicate: false });

        // A duplicate speaks for the episode it repeats.
        if (same is { IsFiring: true, IsDuplicate: true }) same = open;
        if (same is { IsFiring: true }) return new EpisodeStep.Repeats(same, same.IsMissing || receivedAt - same.LastSeenAt >= SeenGranularity);

        if (same is not null)
        {
            if (receivedAt <= same.ObservedAt || receivedAt - same.ObservedAt < echoWithin) return new EpisodeStep.Echo(same);
            return open is null ? new EpisodeStep.FiresAgain(same) : new EpisodeStep.Repeats(open, true);
        }

        // A report overtaken by the resolve of a later one is old news, whatever start it names.
        if (known.FirstOrDefault(e => !e.IsFiring && e.ObservedAt > receivedAt) is { } over) return new EpisodeStep.Echo(over);
        if (open is null) return new EpisodeStep.Begins();
        return report.StartsAtIsKnown
            ? new EpisodeStep.BeginsAsDuplicate(open)
            : new EpisodeStep.Repeats(open, open.IsMissing || receivedAt - open.LastSeenAt >= SeenGranularity);
    }

    private static EpisodeStep DecideResolved(IReadOnlyCollection<Episode> known, Observation report, Instant receivedAt, Duration echoWithin)
    {
        // A resolve speaks of the fingerprint: every open episode that had begun by its end is over, whatever start time each replica gave it.
        // A resolve received before the firing report the status rests on (two workers, one late) is older news and ends nothing;
        // nor does one after which it was seen to fire, by more than an echo.
        var endsAt = report.EndsAt ?? receivedAt;
        var ending = known.Where(e => e.IsFiring && (e.StartsAt <= endsAt || e.StartsAt == report.StartsAt) && e.ObservedAt <= receivedAt && e.LastSeenAt - receivedAt < Duration.Max(echoWithin, Duration.Epsilon)).ToList();
        if (ending.Count > 0) return new EpisodeStep.Ends(ending);

        var same = known.FirstOrDefault(e => e.StartsAt == report.StartsAt) ?? known.FirstOrDefault(e => !e.IsFiring && e.ObservedAt >= receivedAt);
        if (same is not null) return new EpisodeStep.EndedAlready(same);
        return new EpisodeStep.EndsUnknown();
    }
}
