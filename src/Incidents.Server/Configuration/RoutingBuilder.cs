using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using NodaTime;
using Route = Incidents.Domain.Routing.Route;

namespace Incidents.Server.Configuration;

/// <summary>Makes the domain's values of a file without problems.</summary>
internal static class RoutingBuilder
{
    public static (RoutingTree Tree, FrozenDictionary<string, Receiver> Receivers, ImmutableArray<InhibitionRule> Inhibitions) Build(RoutingEntry file)
    {
        var intervals = file.TimeIntervals.ToDictionary(i => i.Name.Value, i => new TimeInterval { Name = i.Name.Value, Windows = i.Windows }, StringComparer.Ordinal);
        var receivers = file.Receivers.Select(r => new Receiver { Name = r.Name.Value, Channel = r.Channel!.Value.Key, Settings = r.Channel.Value.Settings, Fallback = r.Fallback?.Value });
        return (new RoutingTree(Route(file.Route!), file.Severities), receivers.ToFrozenDictionary(r => r.Name, StringComparer.Ordinal), [.. Inhibitions(file), .. Dependencies(file)]);

        Route Route(RouteEntry entry) => new()
        {
            Name = entry.Name?.Value,
            Matchers = entry.Matchers!.Value,
            Continue = entry.Continue?.Value ?? false,
            GroupBy = entry.GroupBy?.Select(g => g.Value).ToImmutableArray(),
            Receivers = Pick(entry.Receivers, Names),
            OpensIncident = Pick(entry.OpensIncident, bool? (opens) => opens),
            EscalationPolicy = Pick(entry.EscalationPolicy, string? (policy) => policy == "none" ? "" : policy),
            Playbooks = Pick(entry.Playbooks, Names),
            Team = entry.Team?.Value == "none" ? "" : entry.Team?.Value,
            NotifyAfter = Pick(entry.NotifyAfter, Duration? (time) => time),
            MuteTimeIntervals = [.. entry.MuteTimeIntervals.Select(i => intervals[i.Value])],
            ActiveTimeIntervals = [.. entry.ActiveTimeIntervals.Select(i => intervals[i.Value])],
            Routes = [.. entry.Routes.Select(Route)],
        };
    }

    private static IEnumerable<InhibitionRule> Inhibitions(RoutingEntry file) => file.InhibitRules.Select((entry, i) => new InhibitionRule
    {
        Name = entry.Name?.Value ?? string.Create(CultureInfo.InvariantCulture, $"rules[{i}]"),
        Kind = Muting.Inhibition,
        SourceMatchers = entry.Sources!.Value,
        TargetMatchers = entry.Targets!.Value,
        Equal = entry.Equal,
    });

    /// <summary>A service is hidden by alerts of whatever it stands on; each entry has its own label, condition and equal labels.</summary>
    private static IEnumerable<InhibitionRule> Dependencies(RoutingEntry file)
    {
        foreach (var label in file.Dependencies.GroupBy(d => d.Label, StringComparer.Ordinal))
        {
            var whole = ServiceDependency.Closure([.. label.Select(d => new ServiceDependency(d.Service.Value, [.. d.DependsOn.Select(s => s.Value)]))], out _);
            foreach (var entry in label)
            {
                var causes = string.Join('|', whole[entry.Service.Value].Select(Regex.Escape));
                yield return new InhibitionRule
                {
                    Name = entry.Service.Value,
                    Kind = Muting.Dependency,
                    SourceMatchers = [Matcher.TryCreate(label.Key, "=~", causes, out _)!, .. entry.When!.Value],
                    TargetMatchers = [Matcher.TryCreate(label.Key, "=", entry.Service.Value, out _)!],
                    Equal = entry.Equal,
                };
            }
        }
    }

    private static ImmutableArray<string>? Names(IReadOnlyList<Located<string>> names) => [.. names.Select(n => n.Value).Distinct(StringComparer.Ordinal)];

    private static BySeverity<TOut> Pick<TIn, TOut>(SeverityValues<TIn>? values, Func<TIn, TOut> change)
    {
        return new BySeverity<TOut>(One(values?.Critical), One(values?.Warning), One(values?.Info));

        // What the file does not say is null in the domain too; every caller's TOut is nullable.
        TOut One(Located<TIn>? value) => value is null ? default! : change(value.Value);
    }
}
