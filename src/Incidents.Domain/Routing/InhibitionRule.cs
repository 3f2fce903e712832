using System.Collections.Immutable;
using Incidents.Domain.Alerts;

namespace Incidents.Domain.Routing;

/// <summary>
/// While an alert that matches the source fires, alerts that match the target and have the same values in <see cref="Equal"/> do not page, as in Alertmanager.
/// A dependency between services is the same rule under another word.
/// </summary>
public sealed record InhibitionRule
{
    /// <summary>Unique among rules of its kind.</summary>
    public required string Name { get; init; }

    /// <summary><see cref="Muting.Inhibition"/> or <see cref="Muting.Dependency"/>.</summary>
    public required string Kind { get; init; }

    public required ImmutableArray<Matcher> SourceMatchers { get; init; }

    public required ImmutableArray<Matcher> TargetMatchers { get; init; }

    /// <summary>Names of labels. One that both lack counts as equal, as in Alertmanager.</summary>
    public ImmutableArray<string> Equal { get; init; } = [];

    public string Rule => $"{Kind}/{Name}";

    /// <summary>All that the rule says in one line: two rules with the same text are the same.</summary>
    public string Text => $"{string.Join(',', SourceMatchers)} > {string.Join(',', TargetMatchers)} = {string.Join(',', Equal)}";

    public bool IsSource(Labels labels) => Holds(SourceMatchers, labels);

    public bool IsTarget(Labels labels) => Holds(TargetMatchers, labels);

    /// <summary>Same text for alerts that have the same values in <see cref="Equal"/>.</summary>
    public string EqualKey(Labels labels) => string.Join('\u001f', Equal.Select(name => labels[name]));

    /// <summary>
    /// Whether a firing source with the same <see cref="EqualKey"/> hides a target. An alert that is both is hidden by no other that is both: otherwise each would hide the other, and itself.
    /// </summary>
    public static bool Inhibits(bool sourceIsTarget, bool targetIsSource) => !(sourceIsTarget && targetIsSource);

    public string Describe(string sourceName) => Kind == Dependency
        ? $"dependency \"{Name}\": {sourceName} fires"
        : $"inhibition \"{Name}\": {sourceName} fires";

    private const string Dependency = Muting.Dependency;

    private static bool Holds(ImmutableArray<Matcher> matchers, Labels labels)
    {
        foreach (var matcher in matchers)
        {
            if (!matcher.Matches(labels)) return false;
        }

        return true;
    }
}

/// <summary>What a service stands on: while that is down, alerts of the service are a consequence and page nobody.</summary>
/// <param name="Service">The service that suffers.</param>
/// <param name="DependsOn">Services it needs, by the values of the same label.</param>
public sealed record ServiceDependency(string Service, ImmutableArray<string> DependsOn)
{
    /// <summary>Everything each service stands on, directly or through others. A circle would hide all of its members at once and is an error: <paramref name="circle"/> names it.</summary>
    public static IReadOnlyDictionary<string, ImmutableArray<string>> Closure(IReadOnlyList<ServiceDependency> dependencies, out ImmutableArray<string> circle)
    {
        var direct = dependencies.GroupBy(d => d.Service, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.SelectMany(d => d.DependsOn).Distinct(StringComparer.Ordinal).ToArray(), StringComparer.Ordinal);
        var whole = new Dictionary<string, ImmutableArray<string>>(StringComparer.Ordinal);
        circle = [];
        foreach (var service in direct.Keys)
        {
            var reached = new List<string>();
            var seen = new HashSet<string>(StringComparer.Ordinal);
            var next = new Queue<string>(direct[service]);
            while (next.TryDequeue(out var other))
            {
                if (!seen.Add(other)) continue;
                reached.Add(other);
                if (other == service && circle.IsEmpty) circle = PathBack(direct, service);
                foreach (var further in direct.GetValueOrDefault(other) ?? []) next.Enqueue(further);
            }

            whole[service] = [.. reached.Where(r => r != service)];
        }

        return whole;
    }

    /// <summary>The shortest way from a service to itself.</summary>
    private static ImmutableArray<string> PathBack(Dictionary<string, string[]> direct, string service)
    {
        var paths = new Queue<ImmutableArray<string>>([[service]]);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (paths.TryDequeue(out var path))
        {
            foreach (var next in direct.GetValueOrDefault(path[^1]) ?? [])
            {
                if (next == service) return path.Add(service);
                if (seen.Add(next)) paths.Enqueue(path.Add(next));
            }
        }

        return [];
    }
}
