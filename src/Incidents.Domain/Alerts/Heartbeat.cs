using System.Globalization;
using NodaTime;

namespace Incidents.Domain.Alerts;

/// <summary>Where a heartbeat stands; text keys, as in the database and the API.</summary>
public static class HeartbeatState
{
    /// <summary>Known, and not heard yet.</summary>
    public const string New = "new";

    public const string Up = "up";

    /// <summary>Its beat did not come: an incident says so.</summary>
    public const string Missed = "missed";
}

/// <summary>What sends a heartbeat.</summary>
public static class HeartbeatKind
{
    /// <summary>An alert that always fires (Alertmanager's Watchdog); one heartbeat for each source and fingerprint.</summary>
    public const string Watchdog = "watchdog";

    /// <summary>A request to the heartbeat's own address.</summary>
    public const string Url = "url";
}

/// <summary>A time in which nothing could be received, on any replica.</summary>
/// <param name="From">The last moment at which we were known to work.</param>
/// <param name="To">The first moment after it.</param>
public sealed record Outage(Instant From, Instant To);

/// <summary>
/// Something that must be heard again and again; its silence is the alarm. Due times are kept in its row, so a restart forgets nothing.
/// </summary>
public sealed record Heartbeat
{
    /// <summary>Alertmanager's repeat_interval unless somebody changed it: what is expected of a watchdog until it has shown its own rhythm.</summary>
    public static readonly Duration UnknownRhythm = Duration.FromHours(4);

    /// <summary>Reports closer together than this are replicas or retries of one.</summary>
    public static readonly Duration ShortestRhythm = Duration.FromSeconds(30);

    /// <summary>No silence longer than this is taken for a rhythm.</summary>
    public static readonly Duration LongestRhythm = Duration.FromHours(12);

    private const int GapsToKnow = 3;
    private const int GapsKept = 5;

    /// <summary>Given by the database.</summary>
    public long Id { get; init; }

    /// <summary>One of <see cref="HeartbeatKind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>Of a watchdog: the alert source that sends it. Empty otherwise.</summary>
    public required string Source { get; init; }

    /// <summary>Unique with kind and source: fingerprint of a watchdog, else the name.</summary>
    public required string Key { get; init; }

    public required string Name { get; init; }

    /// <summary>Whether <c>routing.yaml</c> names it; such a heartbeat is changed and removed there.</summary>
    public bool IsConfigured { get; init; }

    /// <summary>Null: what is expected of a watchdog is what it has done so far.</summary>
    public Duration? ExpectEvery { get; init; }

    /// <summary>Null: a tenth of the interval, two minutes at least.</summary>
    public Duration? Grace { get; init; }

    /// <summary>Of the incident that its silence opens.</summary>
    public required string Severity { get; init; }

    /// <summary>Route that incident.</summary>
    public required Labels Labels { get; init; }

    /// <summary>When it became known.</summary>
    public required Instant Since { get; init; }

    /// <summary>The last beat; null before the first.</summary>
    public Instant? LastAt { get; init; }

    /// <summary>The last word of any kind: a beat, or a watchdog's resolve.</summary>
    public required Instant HeardAt { get; init; }

    /// <summary>The next beat must be there by then, grace included.</summary>
    public required Instant DueAt { get; init; }

    /// <summary>One of <see cref="HeartbeatState"/>.</summary>
    public required string State { get; init; }

    public Instant? MissedAt { get; init; }

    /// <summary>Why it is due at once, when that is not for its silence: "it was resolved".</summary>
    public string? Why { get; init; }

    /// <summary>The last gaps between beats in seconds, the newest last.</summary>
    public int[] Gaps { get; init; } = [];

    /// <summary>The incident that its last silence opened.</summary>
    public long? IncidentNumber { get; init; }

    /// <summary>SHA-256 of the secret in its address; null when it has none.</summary>
    public byte[]? TokenHash { get; init; }

    /// <summary>How far apart beats are expected.</summary>
    public Duration Every =>
        ExpectEvery ?? (Gaps.Length < GapsToKnow ? UnknownRhythm : Duration.Min(LongestRhythm, Duration.FromSeconds(Gaps.Max())));

    public Duration GraceTime => Grace ?? Duration.Max(Duration.FromMinutes(2), Every / 10);

    /// <summary>A heartbeat nobody has heard yet. It is due one interval from now: one that never comes is noticed, too.</summary>
    public static Heartbeat Begin(string kind, string source, string key, string name, Duration? expectEvery, Duration? grace, string severity, Labels labels, Instant now)
    {
        var begun = new Heartbeat
        {
            Kind = kind, Source = source, Key = key, Name = name, ExpectEvery = expectEvery, Grace = grace, Severity = severity, Labels = labels,
            Since = now, HeardAt = now, DueAt = now, State = HeartbeatState.New,
        };
        return begun with { DueAt = now + begun.Every + begun.GraceTime };
    }

    /// <summary>It was heard. One that counts as missed stays so until its incident is resolved.</summary>
    public Heartbeat Beat(Instant at)
    {
        // A report that waited in the inbox says nothing that a newer one has not said.
        if (at < HeardAt) return this;
        var gap = LastAt is { } last ? at - last : Duration.Zero;
        var beaten = this with
        {
            LastAt = at,
            HeardAt = at,
            Why = null,
            State = State == HeartbeatState.New ? HeartbeatState.Up : State,
            Gaps = gap < ShortestRhythm ? Gaps : [.. Gaps.TakeLast(GapsKept - 1), (int)Math.Min(int.MaxValue, Math.Ceiling(gap.TotalSeconds))],
        };
        return beaten with { DueAt = at + beaten.Every + beaten.GraceTime };
    }

    /// <summary>Its sender says that it ends: that is as good as silence, and needs no waiting.</summary>
    public Heartbeat End(Instant at, string why) => at < HeardAt ? this : this with { HeardAt = at, DueAt = at, Why = why };

    /// <summary>Other settings for it; what was heard stays.</summary>
    public Heartbeat Change(string name, Duration? expectEvery, Duration? grace, string severity, Labels labels)
    {
        var changed = this with { Name = name, ExpectEvery = expectEvery, Grace = grace, Severity = severity, Labels = labels };
        return changed.Every == Every && changed.GraceTime == GraceTime || Why is not null ? changed : changed with { DueAt = (LastAt ?? Since) + changed.Every + changed.GraceTime };
    }

    /// <summary>
    /// When its silence becomes an incident: when it is due, except that a beat which may have come while we could not hear it is waited for once more.
    /// </summary>
    /// <param name="outage">The last time in which we could not hear; null for none.</param>
    public Instant AlarmAt(Outage? outage) =>
        Why is null && outage is { } ours && ours.From < DueAt && ours.To > DueAt - GraceTime - GraceTime
            ? Instant.Max(DueAt, ours.To + Duration.Max(Every, SettleRules.GraceAfterOutage) + GraceTime)
            : DueAt;

    public bool IsMissing(Outage? outage, Instant now) => State != HeartbeatState.Missed && AlarmAt(outage) <= now;

    /// <summary>It counts as missed and was heard again.</summary>
    public bool IsBack(Instant now) => State == HeartbeatState.Missed && DueAt > now;

    public Heartbeat Miss(Instant now, long incident) => this with { State = HeartbeatState.Missed, MissedAt = now, IncidentNumber = incident };

    public Heartbeat Return() => this with { State = HeartbeatState.Up, MissedAt = null };

    /// <summary>For the incident's title, which never changes.</summary>
    public string Title => Kind == HeartbeatKind.Watchdog ? $"{Name} from {Source} is silent" : $"No heartbeat of {Name}";

    /// <summary>For people: what is missing, since when, and what was expected.</summary>
    public string InWords(Instant now)
    {
        var last = LastAt is { } heard ? $"was last heard at {Text(heard)}, {Length(now - heard)} ago" : $"was never heard since it became known at {Text(Since)}";
        var expected = $"expected every {Length(Every)} with {Length(GraceTime)} of grace{(ExpectEvery is null ? " (learnt from what it did so far)" : "")}";
        return Kind == HeartbeatKind.Watchdog
            ? $"{Name} of source {Source} {Why ?? "is silent"}: it {last}; {expected}. Prometheus, Alertmanager or the way from there to here is broken: other alerts of this source may not arrive either."
            : $"The heartbeat {Name} {last}; {expected}.";
    }

    /// <summary>For people: that it is back, and how long it was away.</summary>
    public string BackInWords(Instant missed) =>
        $"It beats again since {Text(LastAt!.Value)}, {Length(LastAt.Value - missed)} after it was missed.";

    /// <summary><c>45 s</c>, <c>12 min</c>, <c>4.5 h</c>, <c>3 d</c>.</summary>
    public static string Length(Duration time) => time.TotalSeconds < 120 ? FormattableString.Invariant($"{Math.Max(0, time.TotalSeconds):0} s")
        : time.TotalMinutes < 120 ? FormattableString.Invariant($"{time.TotalMinutes:0.#} min")
        : time.TotalHours < 48 ? FormattableString.Invariant($"{time.TotalHours:0.#} h")
        : FormattableString.Invariant($"{time.TotalDays:0.#} d");

    private static string Text(Instant at) => at.ToString("uuuu-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
