using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>
/// One route as written in <c>routing.yaml</c>. What is null is inherited from the parent, except matchers, <c>continue</c>, and the time intervals,
/// which are a route's own.
/// </summary>
public sealed record Route
{
    /// <summary>Unique. It names the route in decisions and keeps group keys stable when the tree around it is edited. Null: the route's place is its name.</summary>
    public string? Name { get; init; }

    /// <summary>All must hold. Empty: every alert that reaches the route.</summary>
    public ImmutableArray<Matcher> Matchers { get; init; } = [];

    /// <summary>True: siblings after this route are asked too.</summary>
    public bool Continue { get; init; }

    /// <summary>Names of the labels whose values make up a group; <c>...</c> means all labels.</summary>
    public ImmutableArray<string>? GroupBy { get; init; }

    /// <summary>Receiver names by severity.</summary>
    public BySeverity<ImmutableArray<string>?> Receivers { get; init; }

    public BySeverity<bool?> OpensIncident { get; init; }

    /// <summary>The empty string means none, where null means what the parent says.</summary>
    public BySeverity<string?> EscalationPolicy { get; init; }

    public BySeverity<ImmutableArray<string>?> Playbooks { get; init; }

    /// <summary>Key of the team whose incidents these are. The empty string means none, where null means what the parent says.</summary>
    public string? Team { get; init; }

    /// <summary>An alert pages only if it still fires after this time. Null: what the parent says; zero: at once.</summary>
    public BySeverity<Duration?> NotifyAfter { get; init; }

    /// <summary>Within any of these the route tells nobody.</summary>
    public ImmutableArray<TimeInterval> MuteTimeIntervals { get; init; } = [];

    /// <summary>Outside all of these the route tells nobody. Empty: it is always active.</summary>
    public ImmutableArray<TimeInterval> ActiveTimeIntervals { get; init; } = [];

    /// <summary>The first that matches wins; when none does, this route handles the alert itself.</summary>
    public ImmutableArray<Route> Routes { get; init; } = [];
}
