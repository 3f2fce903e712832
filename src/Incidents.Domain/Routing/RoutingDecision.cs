using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>
/// Where one alert goes, and why. Made by <c>RoutingTree.Match</c> from labels and time alone and stored with the alert,
/// so that the answer to "why was I paged" does not depend on today's configuration.
/// </summary>
public sealed record RoutingDecision
{
    /// <summary>One of <see cref="Severity.All"/>.</summary>
    public required string Severity { get; init; }

    /// <summary>The word the alert carried, or null when it carried none and the configured default was taken.</summary>
    public string? SeverityWord { get; init; }

    /// <summary>Names of receivers in <c>routing.yaml</c>, in the order they were met; empty when the alert is muted.</summary>
    public required ImmutableArray<string> Receivers { get; init; }

    /// <summary>
    /// Alerts with the same key share one open incident: the path of the deciding route and the values of its <c>group_by</c> labels.
    /// </summary>
    public required string GroupKey { get; init; }

    /// <summary>False for severities that only inform (by default <c>info</c>).</summary>
    public required bool OpensIncident { get; init; }

    /// <summary>Null when nobody mutes the alert; otherwise the rule that did, by name and place.</summary>
    public string? MutedBy { get; init; }

    /// <summary>The same rule by kind and name, as in <see cref="Muting.Rule"/>: <c>interval/nights</c>.</summary>
    public string? MutedRule { get; init; }

    /// <summary>The alert pages only if it still fires after this time; zero at once.</summary>
    public Duration NotifyAfter { get; init; }

    /// <summary>The deciding route, by its name or its place in the tree.</summary>
    public string RouteId { get; init; } = "";

    /// <summary>Name of the escalation policy for an incident opened by this alert, or null.</summary>
    public string? EscalationPolicy { get; init; }

    /// <summary>Names of the playbooks to start for an incident opened by this alert.</summary>
    public ImmutableArray<string> Playbooks { get; init; } = [];

    /// <summary>Key of the team that an incident opened by this alert belongs to; null: everybody's.</summary>
    public string? Team { get; init; }

    /// <summary>
    /// The walk through the tree, one line a route, in words an operator can follow:
    /// <c>routes[1] "payments": team="payments", severity=~"critical|page" → matched, continue</c>.
    /// </summary>
    public required ImmutableArray<string> Path { get; init; }
}

/// <summary>The three severities that everything downstream is written for. Text keys, as in the database and on the wire.</summary>
public static class Severity
{
    public const string Critical = "critical";
    public const string Warning = "warning";
    public const string Info = "info";

    public static readonly ImmutableArray<string> All = [Critical, Warning, Info];

    /// <summary>Higher is worse: info 0, warning 1, critical 2. An unknown key is a bug and throws.</summary>
    public static int Rank(string severity) => severity switch
    {
        Critical => 2,
        Warning => 1,
        Info => 0,
        _ => throw new ArgumentOutOfRangeException(nameof(severity), severity, "Not a severity. Use critical, warning or info."),
    };

    /// <summary>The worse of the two.</summary>
    public static string Worse(string a, string b) => Rank(a) >= Rank(b) ? a : b;
}
