using System.Collections.Immutable;
using System.Globalization;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>The two things people make to have quiet for a time. Text keys, as in the database.</summary>
public static class SilenceKind
{
    /// <summary>From one moment to another.</summary>
    public const string Silence = "silence";

    /// <summary>Planned work: once, or again and again in windows of local time.</summary>
    public const string Maintenance = "maintenance";
}

/// <summary>
/// Alerts that somebody wants no pages about for a time, and why. It hides; it never ends an alert: whatever still fires when it ends pages then.
/// </summary>
public sealed record Silence
{
    /// <summary>A silence lasts at most this long, and so does a maintenance window that does not recur.</summary>
    public static readonly Duration Longest = Duration.FromDays(366);

    public required long Id { get; init; }

    /// <summary>One of <see cref="SilenceKind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>All must hold.</summary>
    public required ImmutableArray<Matcher> Matchers { get; init; }

    public required string Owner { get; init; }

    public required string Reason { get; init; }

    public required Instant StartsAt { get; init; }

    /// <summary>The first moment that is no longer in it. Null only for a maintenance window that recurs until it is ended.</summary>
    public Instant? EndsAt { get; init; }

    /// <summary>Empty: the whole time. Otherwise only while one of these holds, read as <c>time_intervals</c> are: an hour that the clock skips is in none, one it repeats is in twice.</summary>
    public ImmutableArray<TimeWindow> Windows { get; init; } = [];

    /// <summary>Key of the team whose alerts it hides, and those of no team; null: of every team.</summary>
    public string? Team { get; init; }

    /// <summary>Names it among all that hides: <c>silence/12</c>.</summary>
    public string Rule => string.Create(CultureInfo.InvariantCulture, $"{Kind}/{Id}");

    public bool Matches(Labels labels)
    {
        foreach (var matcher in Matchers)
        {
            if (!matcher.Matches(labels)) return false;
        }

        return true;
    }

    /// <summary>Whether it is about an alert: its labels match, and it belongs to the silence's team or to none. Nobody silences the alerts of a team that is not theirs.</summary>
    /// <param name="labels">Of the alert.</param>
    /// <param name="team">The team that the alert, or its incident, belongs to; null: none.</param>
    public bool Hides(Labels labels, string? team) => IsAbout(Team, team) && Matches(labels);

    /// <summary>Whether a silence of one team, or of all (null), may hide what belongs to another, or to none (null).</summary>
    public static bool IsAbout(string? silences, string? alerts) => silences is null || alerts is null || silences == alerts;

    public bool HoldsAt(Instant at)
    {
        if (at < StartsAt || at >= EndsAt) return false;
        if (Windows.IsEmpty) return true;
        foreach (var window in Windows)
        {
            if (window.Contains(at)) return true;
        }

        return false;
    }

    /// <summary>The next moment after <paramref name="at"/> at which it may begin or cease to hold; null when there is none.</summary>
    public Instant? NextLook(Instant at)
    {
        if (at < StartsAt) return StartsAt;
        if (at >= EndsAt) return null;
        if (Windows.IsEmpty) return EndsAt;

        // Windows begin and end on whole minutes of a wall clock, and clocks differ from each other by whole minutes.
        var minute = Minutes.After(at);
        return EndsAt < minute ? EndsAt : minute;
    }

    /// <summary><c>silence 12 of team payments by ana until 2026-03-02 10:00Z (deploy)</c>.</summary>
    public string Describe()
    {
        var until = EndsAt is { } end && Windows.IsEmpty ? $" until {end.ToString("uuuu-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture)}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{(Kind == SilenceKind.Maintenance ? "maintenance window" : "silence")} {Id}{(Team is null ? "" : $" of team {Team}")} by {AlertText.OneLine(Owner, 100)}{until} ({AlertText.OneLine(Reason, 200)})");
    }

    /// <summary>Null when conditions are sound; otherwise why nobody can mean them.</summary>
    public static string? ProblemOf(ImmutableArray<Matcher> matchers) =>
        matchers.IsDefaultOrEmpty ? "At least one matcher is needed."
        : matchers.All(m => m.MatchesValue("")) ? "Every matcher also matches an alert without the label, so it would hide nearly everything; at least one must ask for a value."
        : null;

    /// <summary>Whether somebody can mean this time; what lies far outside cannot be counted with.</summary>
    public static bool IsSound(Instant time) => time >= NodaConstants.UnixEpoch && time < Instant.FromUtc(2200, 1, 1, 0, 0);

    /// <summary>Null when the times are sound; otherwise what is wrong.</summary>
    /// <param name="kind">One of <see cref="SilenceKind"/>.</param>
    /// <param name="startsAt">From when on.</param>
    /// <param name="endsAt">Until when.</param>
    /// <param name="recurs">Whether it holds in windows only.</param>
    /// <param name="now">The time.</param>
    public static string? ProblemOf(string kind, Instant startsAt, Instant? endsAt, bool recurs, Instant now)
    {
        if (!IsSound(startsAt) || (endsAt is { } at && !IsSound(at))) return "Its times lie between the years 1970 and 2200.";
        if (recurs && kind != SilenceKind.Maintenance) return "Only a maintenance window recurs.";
        if (endsAt is not { } end) return recurs ? null : "It must end: give ends_at.";
        if (end <= startsAt) return "It ends before it begins.";
        if (end <= now) return "It ends in the past.";
        return recurs || end - startsAt <= Longest ? null : "It may last 366 days at most; what is hidden longer belongs into routing.yaml, or its rule removed.";
    }
}

/// <summary>Whole minutes, at which windows of local time begin and end.</summary>
public static class Minutes
{
    public static Instant After(Instant at) => Instant.FromUnixTimeSeconds(((at.ToUnixTimeSeconds() / 60) + 1) * 60);
}
