namespace Incidents.Server.Ui;

/// <summary>What the page of who is on call shows; times are in words, in the zone of their schedule.</summary>
public sealed record OnCallView
{
    public required IReadOnlyList<OnCallSchedule> Schedules { get; init; }

    /// <summary>Keys and names.</summary>
    public required IReadOnlyList<(string Key, string Name)> People { get; init; }

    /// <summary>When coverage was last checked; null: never, because no route names an escalation policy.</summary>
    public required string? CheckedAt { get; init; }

    public required IReadOnlyList<OnCallHole> Holes { get; init; }

    /// <summary>Routes of which incidents of some severities have no policy: "warning on route default".</summary>
    public IReadOnlyList<string> WithoutPolicy { get; init; } = [];

    /// <summary>Why a form was refused.</summary>
    public string? Problem { get; init; }

    /// <summary>What was typed into a form that was refused.</summary>
    public OverrideTyped Typed { get; init; } = new("", "", "", "", "", "");
}

/// <param name="Key">Of the schedule.</param>
/// <param name="Name">Of the schedule.</param>
/// <param name="Zone">In which its times are.</param>
/// <param name="Now">Who has it; "Nobody" in a gap.</param>
/// <param name="IsGap">Nobody has it.</param>
/// <param name="Because">The layer, override or calendar.</param>
/// <param name="Until">When that changes; null when it does not for 400 days.</param>
/// <param name="Next">Who is next and from when; null for nobody.</param>
/// <param name="Shifts">Two weeks.</param>
/// <param name="Team">Whose it is; null: everybody's.</param>
public sealed record OnCallSchedule(string Key, string Name, string Zone, string Now, bool IsGap, string Because, OnCallTime? Until, (string Who, OnCallTime From)? Next, IReadOnlyList<OnCallShift> Shifts, string? Team);

public sealed record OnCallShift(OnCallTime From, OnCallTime Until, string Who, string Because, bool IsGap);

/// <param name="Iso">For programs.</param>
/// <param name="Text">For people.</param>
public sealed record OnCallTime(string Iso, string Text);

public sealed record OnCallHole(OnCallTime From, OnCallTime Until, string What, string Detail);

/// <summary>The form of an override as it was typed.</summary>
public sealed record OverrideTyped(string Schedule, string Person, string From, string Until, string Replaces, string Reason);
