using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using NodaTime;

namespace Incidents.Server.Configuration;

/// <summary>What is well-formed in <c>routing.yaml</c> but wrong: names that mean nothing, routes that nothing reaches or that lead to nobody.</summary>
internal sealed class RoutingChecks(RoutingEntry file, YamlReading reading)
{
    private static readonly Duration MostBeforeFailOver = Duration.FromSeconds(30);
    private static readonly Duration MostNotifyAfter = Duration.FromHours(1);
    private static readonly Duration AlertmanagersRepeat = Duration.FromHours(4);

    private readonly Dictionary<string, ReceiverEntry> _receivers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TimeIntervalEntry> _intervals = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Located<string>> _routeNames = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly HashSet<string> _usedIntervals = new(StringComparer.Ordinal);

    public void Run()
    {
        foreach (var interval in file.TimeIntervals)
        {
            if (_intervals.TryAdd(interval.Name.Value, interval)) continue;
            reading.Report(interval.Name.Node, Code.DuplicateInterval, $"time interval '{interval.Name.Value}' is defined twice; the first is on line {_intervals[interval.Name.Value].Name.Node.Line}.", "Give it another name.");
        }

        foreach (var receiver in file.Receivers)
        {
            if (_receivers.TryAdd(receiver.Name.Value, receiver)) continue;
            reading.Report(receiver.Name.Node, Code.DuplicateReceiver, $"receiver '{receiver.Name.Value}' is defined twice; the first is on line {_receivers[receiver.Name.Value].Name.Node.Line}.", "Give it another name.");
        }

        CheckFallbacks();
        if (file.Route is { } root)
        {
            CheckRoot(root);
            CheckRoute(root);
        }

        foreach (var (name, receiver) in _receivers)
        {
            if (!_used.Contains(name)) reading.Warn(receiver.Name.Node, Code.UnusedReceiver, $"receiver '{name}' is used by no route.", "Name it in a route or as a fallback, or remove it.");
        }

        foreach (var (name, interval) in _intervals)
        {
            if (!_usedIntervals.Contains(name)) reading.Warn(interval.Name.Node, Code.UnusedInterval, $"time interval '{name}' is used by no route.", "Name it in a route, or remove it.");
        }

        CheckInhibitions();
        CheckDependencies();
        CheckIncidents();
        CheckHeartbeats();
    }

    private void CheckHeartbeats()
    {
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (heartbeat, node) in file.Heartbeats)
        {
            if (!names.TryAdd(heartbeat.Name, node.Line)) reading.ReportAt(node.Line, node.Column, 1, Code.BadHeartbeat, $"heartbeat '{heartbeat.Name}' is defined twice; the first is on line {names[heartbeat.Name]}.", "Give it another name.");
            if (!char.IsAsciiLetter(heartbeat.Name[0])) reading.ReportAt(node.Line, node.Column, 1, Code.BadHeartbeat, $"the name of heartbeat '{heartbeat.Name}' does not begin with a letter.", "Begin it with a letter: numbers mean the heartbeats of watchdogs.");
            if (heartbeat.ExpectEvery < Heartbeat.ShortestRhythm) reading.ReportAt(node.Line, node.Column, 1, Code.BadHeartbeat, $"heartbeat '{heartbeat.Name}' is expected more often than every 30s.", "Write 30s or more.");
        }
    }

    private void CheckInhibitions()
    {
        var names = new Dictionary<string, Located<string>>(StringComparer.Ordinal);
        foreach (var rule in file.InhibitRules)
        {
            if (rule.Name is { } name && !names.TryAdd(name.Value, name)) reading.Report(name.Node, Code.DuplicateRule, $"inhibition rule '{name.Value}' is defined twice; the first is on line {names[name.Value].Node.Line}.", "Give it another name.");
            if (rule.Targets is { } targets && targets.All(m => m.MatchesValue("")))
                reading.ReportAt(rule.Node.Line, rule.Node.Column, 1, Code.HidesItself, "every target matcher also matches an alert without the label, so the rule would hide nearly everything.", "Let at least one target matcher ask for a value.");
        }
    }

    private void CheckDependencies()
    {
        foreach (var label in file.Dependencies.GroupBy(d => d.Label, StringComparer.Ordinal))
        {
            var seen = new Dictionary<string, Located<string>>(StringComparer.Ordinal);
            foreach (var entry in label)
            {
                if (!seen.TryAdd(entry.Service.Value, entry.Service)) reading.Report(entry.Service.Node, Code.DuplicateRule, $"the dependencies of service '{entry.Service.Value}' are given twice; the first are on line {seen[entry.Service.Value].Node.Line}.", "Join the two.");
            }

            ServiceDependency.Closure([.. label.Select(d => new ServiceDependency(d.Service.Value, [.. d.DependsOn.Select(s => s.Value)]))], out var circle);
            if (!circle.IsEmpty) reading.Report(seen[circle[0]].Node, Code.CircularDependency, $"services stand on each other: {string.Join(" → ", circle)}. When all of them are down, nobody would be told.", "Remove one of the dependencies.");
        }
    }

    private void CheckFallbacks()
    {
        foreach (var receiver in _receivers.Values)
        {
            if (receiver.Fallback is not { } fallback) continue;
            CheckReceiver(fallback);
            var seen = new HashSet<string>(StringComparer.Ordinal) { receiver.Name.Value };
            for (var next = receiver; next?.Fallback is { } target; next = _receivers.GetValueOrDefault(target.Value))
            {
                if (seen.Add(target.Value)) continue;
                if (target.Value == receiver.Name.Value) reading.Report(fallback.Node, Code.FallbackLoop, $"the fallbacks of receiver '{receiver.Name.Value}' lead back to itself.", "End the chain with a receiver that has no fallback.");
                break;
            }
        }
    }

    private void CheckRoot(RouteEntry root)
    {
        const string Why = "the root route takes every alert at every time, so it cannot have";
        if (root.MatchersKey is { } matchers) reading.Report(matchers, Code.RootRestricted, $"{Why} matchers.", "Move them to a route under 'routes'.");
        if (root.Continue is { Value: true } goOn) reading.Report(goOn.Node, Code.RootRestricted, $"{Why} continue.", "Remove it.");
        foreach (var interval in root.MuteTimeIntervals.Concat(root.ActiveTimeIntervals))
        {
            reading.Report(interval.Node, Code.RootRestricted, $"{Why} time intervals.", "Move them to a route under 'routes'.");
        }

        foreach (var severity in Severity.All)
        {
            if (root.Receivers?[severity] is null) reading.ReportAt(root.Node.Line, root.Node.Column, 1, Code.RouteToNobody, $"alerts of severity {severity} that no other route takes would go to nobody.", $"Give the root route receivers for {severity}, as 'receivers: {{{severity}: [name]}}'.");
        }
    }

    private void CheckRoute(RouteEntry route)
    {
        if (route.Name is { } name)
        {
            if (name.Value == "route") reading.Report(name.Node, Code.DuplicateRoute, "'route' is the name of a root route without a name.", "Give it another name.");
            else if (!_routeNames.TryAdd(name.Value, name)) reading.Report(name.Node, Code.DuplicateRoute, $"route '{name.Value}' is defined twice; the first is on line {_routeNames[name.Value].Node.Line}. Their alerts would share incidents.", "Give it another name.");
        }

        foreach (var names in route.Receivers?.Given ?? [])
        {
            if (names.Value.Count == 0 && IsEmptyList(names.Node)) reading.Report(names.Node, Code.RouteToNobody, "the route leads to nobody.", "Name at least one receiver. To mute alerts for a time, use mute_time_intervals or a silence, which say why.");
            foreach (var receiver in names.Value) CheckReceiver(receiver);
        }

        foreach (var interval in route.MuteTimeIntervals.Concat(route.ActiveTimeIntervals))
        {
            _usedIntervals.Add(interval.Value);
            if (!_intervals.ContainsKey(interval.Value)) reading.Report(interval.Node, Code.UndefinedInterval, $"time interval '{interval.Value}' is not defined.", DidYouMean(interval.Value, _intervals, i => i.Name, "Define it under 'time_intervals'."));
        }

        if (route.GroupBy is { Count: > 1 } groupBy && groupBy.FirstOrDefault(g => g.Value == GroupKey.AllLabels) is { } all)
        {
            reading.Report(all.Node, Code.BadGroupBy, "'...' means all labels, so it stands alone.", "Write group_by: ['...'], or name the labels.");
        }

        foreach (var time in route.NotifyAfter?.Given ?? [])
        {
            if (time.Value > MostNotifyAfter) reading.Report(time.Node, Code.TimesContradict, "an alert would wait longer than an hour before anybody hears of it.", "Write at most 1h; let the rule itself wait with 'for'.");
        }

        CheckSiblings(route.Routes);
        foreach (var child in route.Routes) CheckRoute(child);
    }

    private static bool IsEmptyList(YamlNode node) => node is YamlList { Items.Count: 0 };

    private void CheckSiblings(IReadOnlyList<RouteEntry> siblings)
    {
        for (var i = 0; i < siblings.Count; i++)
        {
            if (siblings[i].Matchers is not { } own) continue;
            for (var j = 0; j < i; j++)
            {
                if (siblings[j].Matchers is not { } earlier) continue;
                var goesOn = siblings[j].Continue is { Value: true };
                if (earlier.All(m => m.MatchesAnything))
                {
                    if (goesOn) continue;
                    Report(siblings[i], Code.UnreachableRoute, $"no alert reaches this route: the one on line {siblings[j].Node.Line} takes them all.", "Move it before that route, or give that route matchers or 'continue: true'.", isWarning: false);
                    break;
                }

                if (!own.ToHashSet().SetEquals(earlier)) continue;
                Report(siblings[i], Code.IdenticalRoutes, $"this route has the same matchers as the one on line {siblings[j].Node.Line}{(goesOn ? "" : ", which takes all its alerts")}.", "Join the two.", isWarning: goesOn);
                break;
            }
        }
    }

    private void Report(RouteEntry route, string code, string message, string fix, bool isWarning)
    {
        var node = route.MatchersKey ?? route.Name?.Node ?? route.Node;
        reading.ReportAt(node.Line, node.Column, node.Length, code, message, fix, isWarning);
    }

    private void CheckReceiver(Located<string> name)
    {
        _used.Add(name.Value);
        if (!_receivers.ContainsKey(name.Value)) reading.Report(name.Node, Code.UndefinedReceiver, $"receiver '{name.Value}' is not defined.", DidYouMean(name.Value, _receivers, r => r.Name, "Define it under 'receivers'."));
    }

    private static string DidYouMean<T>(string word, Dictionary<string, T> known, Func<T, Located<string>> name, string otherwise) =>
        Suggestion.Nearest(word, known.Keys) is { } nearest ? $"Did you mean '{nearest}' (line {name(known[nearest]).Node.Line})?" : otherwise;

    private void CheckIncidents()
    {
        var rules = file.Incidents;
        if (rules.FailOverAfter >= MostBeforeFailOver)
        {
            reading.Report(file.IncidentsField("fail_over_after"), Code.FailOverTooLate, "a page that cannot be delivered must fall over within 30s.", "Write less than 30s, as 20s.");
        }

        if (rules.StaleAfter <= AlertmanagersRepeat)
        {
            reading.Report(file.IncidentsField("stale_after"), Code.StaleTooSoon, "alerts that still fire would be taken for stale: Alertmanager repeats them only every repeat_interval (4h unless you changed it).", "Write more than 4h, as 5h.");
        }

        foreach (var (field, length) in new[] { ("fail_over_after", rules.FailOverAfter), ("settle_every", rules.SettleEvery), ("verify_resolve_after", rules.VerifyResolveAfter) })
        {
            if (length < Duration.FromSeconds(1)) reading.Report(file.IncidentsField(field), Code.TimesContradict, $"'{field}' is shorter than a second.", "Write at least 1s.");
        }

        var least = Duration.FromSeconds(1);
        if (rules.Flapping is { } flapping && (flapping.Within < least || flapping.SettleAfter < least)) reading.Report(file.IncidentsField("flapping"), Code.TimesContradict, "a time of 'flapping' is shorter than a second.", "Write at least 1s.");
        if (rules.Storm is { } storm && (storm.Within < least || storm.CalmAfter < least)) reading.Report(file.IncidentsField("storm"), Code.TimesContradict, "a time of 'storm' is shorter than a second.", "Write at least 1s.");
    }
}
