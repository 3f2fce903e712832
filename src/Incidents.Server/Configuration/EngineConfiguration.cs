using System.Collections.Frozen;
using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.Configuration;

/// <summary>One consistent, validated reading of everything in the configuration directory. Never changes; a reload makes a new one.</summary>
internal sealed record EngineConfiguration
{
    /// <summary>First 12 hex digits of the SHA-256 over the files read; the same on replicas that read the same files.</summary>
    public required string Version { get; init; }

    public required Instant LoadedAt { get; init; }

    public required RoutingTree Routing { get; init; }

    /// <summary>By <see cref="Receiver.Name"/>.</summary>
    public required FrozenDictionary<string, Receiver> Receivers { get; init; }

    public required IncidentRules Incidents { get; init; }

    /// <summary>Inhibition rules, and those that dependencies between services make; usually none.</summary>
    public ImmutableArray<InhibitionRule> Inhibitions { get; init; } = [];

    /// <summary>Alerts whose silence is the alarm.</summary>
    public IReadOnlyList<Watchdog> Watchdogs { get; init; } = [Watchdog.Usual];

    /// <summary>Heartbeats by URL that the file names.</summary>
    public IReadOnlyList<HeartbeatSettings> Heartbeats { get; init; } = [];

    /// <summary>Of <c>oncall.yaml</c>; nobody when there is no such file.</summary>
    public Roster OnCall { get; init; } = Roster.Empty;

    /// <summary>Calendars that schedules are read from, by the schedule's key.</summary>
    public IReadOnlyDictionary<string, CalendarSource> Calendars { get; init; } = FrozenDictionary<string, CalendarSource>.Empty;

    /// <summary>Names of the receivers that are told of hand-overs, by the schedule's key; only schedules that have some.</summary>
    public IReadOnlyDictionary<string, ImmutableArray<string>> HandOverReceivers { get; init; } = FrozenDictionary<string, ImmutableArray<string>>.Empty;

    /// <summary>Keys of the teams that the files know: those of <c>oncall.yaml</c>, and those that routes and schedules name.</summary>
    public IReadOnlyCollection<string> TeamKeys()
    {
        var keys = new SortedSet<string>(OnCall.Teams.Keys.Concat(OnCall.Schedules.Values.Select(s => s.Team).OfType<string>()), StringComparer.Ordinal);
        Add(Routing.Describe());
        return keys;

        void Add(RouteSummary route)
        {
            if (route.Team is { } team) keys.Add(team);
            foreach (var child in route.Routes) Add(child);
        }
    }

    /// <summary>What this machine can send by: channels and receivers whose settings and secrets are there. A receiver that is parked now is still in it.</summary>
    public Reach Reach { get; init; } = Reach.Nothing;

    /// <summary>What is valid but hardly meant, such as a receiver that no route uses. It stops nothing.</summary>
    public IReadOnlyList<ConfigurationProblem> Warnings { get; init; } = [];
}

/// <summary>A heartbeat by URL.</summary>
/// <param name="Name">Unique; stands in its address.</param>
/// <param name="ExpectEvery">How far apart beats may be.</param>
/// <param name="Grace">How much later one may be; null: a tenth of the interval, two minutes at least.</param>
/// <param name="Severity">Of the incident that its silence opens.</param>
/// <param name="Labels">Route that incident.</param>
internal sealed record HeartbeatSettings(string Name, Duration ExpectEvery, Duration? Grace, string Severity, Labels Labels);

/// <summary>The configuration in force. Readers take <see cref="Current"/> once and use that one reading for the whole of their work.</summary>
internal interface IActiveConfiguration
{
    EngineConfiguration Current { get; }

    /// <summary>Why the newest files are not in force; empty when they are.</summary>
    IReadOnlyList<ConfigurationProblem> Problems { get; }

    /// <summary>Reads the files again. On any problem the configuration in force stays and the problems are returned; else the new one is in force and the list is empty.</summary>
    Task<IReadOnlyList<ConfigurationProblem>> ReloadAsync(CancellationToken cancellationToken);
}

/// <summary>One thing wrong in a configuration file, said so that it can be mended without looking anything up.</summary>
/// <param name="File">Path relative to the configuration directory's parent: <c>config/routing.yaml</c>.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1.</param>
/// <param name="Code">Stable: <c>IR103</c>; listed in docs/configuration-errors.md.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Fix">What to write instead.</param>
/// <param name="Source">The offending line of the file, for the caret display; null when there is none (file missing).</param>
/// <param name="Length">Columns to underline, at least 1.</param>
internal sealed record ConfigurationProblem(string File, int Line, int Column, string Code, string Message, string Fix, string? Source = null, int Length = 1)
{
    /// <summary>True when the file may be used all the same.</summary>
    public bool IsWarning { get; init; }
}
