using System.Collections.Frozen;
using System.Collections.Immutable;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using Route = Incidents.Domain.Routing.Route;

namespace Incidents.Server.Configuration;

/// <summary>Makes the domain's values of a file without problems.</summary>
internal static class RoutingBuilder
{
    public static (RoutingTree Tree, FrozenDictionary<string, Receiver> Receivers) Build(RoutingEntry file)
    {
        var intervals = file.TimeIntervals.ToDictionary(i => i.Name.Value, i => new TimeInterval { Name = i.Name.Value, Windows = i.Windows }, StringComparer.Ordinal);
        var receivers = file.Receivers.Select(r => new Receiver { Name = r.Name.Value, Channel = r.Channel!.Value.Key, Settings = r.Channel.Value.Settings, Fallback = r.Fallback?.Value });
        return (new RoutingTree(Route(file.Route!), file.Severities), receivers.ToFrozenDictionary(r => r.Name, StringComparer.Ordinal));

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
            MuteTimeIntervals = [.. entry.MuteTimeIntervals.Select(i => intervals[i.Value])],
            ActiveTimeIntervals = [.. entry.ActiveTimeIntervals.Select(i => intervals[i.Value])],
            Routes = [.. entry.Routes.Select(Route)],
        };
    }

    private static ImmutableArray<string>? Names(IReadOnlyList<Located<string>> names) => [.. names.Select(n => n.Value).Distinct(StringComparer.Ordinal)];

    private static BySeverity<TOut> Pick<TIn, TOut>(SeverityValues<TIn>? values, Func<TIn, TOut> change)
    {
        return new BySeverity<TOut>(One(values?.Critical), One(values?.Warning), One(values?.Info));

        // What the file does not say is null in the domain too; every caller's TOut is nullable.
        TOut One(Located<TIn>? value) => value is null ? default! : change(value.Value);
    }
}
