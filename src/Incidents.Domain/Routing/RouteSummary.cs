using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>A route as it is in force: what it inherited is filled in.</summary>
public sealed record RouteSummary
{
    /// <summary>Its name, or its place in the tree when it has none; group keys begin with it.</summary>
    public required string Id { get; init; }

    public required ImmutableArray<string> Matchers { get; init; }

    public required bool Continue { get; init; }

    /// <summary><c>...</c> alone means all labels.</summary>
    public required ImmutableArray<string> GroupBy { get; init; }

    public required BySeverity<ImmutableArray<string>> Receivers { get; init; }

    public required BySeverity<bool> OpensIncident { get; init; }

    public required BySeverity<string?> EscalationPolicy { get; init; }

    public required BySeverity<ImmutableArray<string>> Playbooks { get; init; }

    public required string? Team { get; init; }

    public required BySeverity<Duration> NotifyAfter { get; init; }

    public required ImmutableArray<string> MuteTimeIntervals { get; init; }

    public required ImmutableArray<string> ActiveTimeIntervals { get; init; }

    public required ImmutableArray<RouteSummary> Routes { get; init; }
}
