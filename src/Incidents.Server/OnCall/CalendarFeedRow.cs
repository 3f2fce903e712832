using NodaTime;

namespace Incidents.Server.OnCall;

/// <summary>The last good copy of a calendar that a schedule is read from, and how the newest try to fetch it went.</summary>
internal sealed class CalendarFeedRow
{
    /// <summary>Key of the schedule.</summary>
    public required string Schedule { get; init; }

    /// <summary>SHA-256 of the address, which may be a secret. While replicas have different files, each address has its own copy.</summary>
    public required string Source { get; init; }

    /// <summary>SHA-256 of the text; null until it was fetched once.</summary>
    public string? Content { get; set; }

    public string? Body { get; set; }

    /// <summary>The far side's entity tag for <see cref="Body"/>.</summary>
    public string? ETag { get; set; }

    /// <summary>When <see cref="Body"/> was last fetched or confirmed.</summary>
    public Instant? FetchedAt { get; set; }

    public Instant DueAt { get; set; }

    /// <summary>Why the newest try failed; null when it did not.</summary>
    public string? Problem { get; set; }

    public int Failures { get; set; }
}

/// <summary>Which of the secret addresses of a calendar are good: those of the present generation.</summary>
internal sealed class CalendarLinkRow
{
    /// <summary><c>schedule</c> or <c>person</c>.</summary>
    public required string Kind { get; init; }

    public required string Key { get; init; }

    public int Generation { get; set; }
}

/// <summary>Who was on call in a schedule when somebody last looked, so that a hand-over is announced once.</summary>
internal sealed class DutyWatchRow
{
    public required string Schedule { get; init; }

    public required string[] People { get; set; }

    public Instant Since { get; set; }
}

/// <summary>The newest check of coverage; one row.</summary>
internal sealed class CoverageCheckRow
{
    public int Id { get; init; }

    /// <summary>What was examined: configuration and overrides. When it is another now, it is checked anew.</summary>
    public required string Examined { get; set; }

    public Instant CheckedAt { get; set; }

    /// <summary>What was found, as JSON.</summary>
    public required string Holes { get; set; }
}
