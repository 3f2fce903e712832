using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>
/// The routes of <c>routing.yaml</c> as a pure function from labels and time to a decision. Depth first: the first child that matches handles the
/// alert, unless it says <c>continue</c>; when no child matches, the route itself does. One alert has one decision (docs/decisions/0101): receivers
/// of all handling routes are united, and the first of them that opens an incident decides key, policy and playbooks.
/// </summary>
public sealed class RoutingTree
{
    private readonly Node _root;

    /// <param name="root">Has no matchers, no <c>continue</c>, no time intervals, and receivers for every severity; anything else is a bug and throws.</param>
    /// <param name="severities">How words become severities.</param>
    public RoutingTree(Route root, SeverityMapping severities)
    {
        if (!root.Matchers.IsEmpty || root.Continue || !root.MuteTimeIntervals.IsEmpty || !root.ActiveTimeIntervals.IsEmpty)
        {
            throw new ArgumentException("The root route takes every alert at every time: no matchers, continue or time intervals.", nameof(root));
        }

        Severities = severities;
        _root = new Node(root, null, "route");
        _root.CheckReceivers();
    }

    /// <summary>Everything to <paramref name="receivers"/>, grouped by alert name, with the common severity words.</summary>
    public static RoutingTree CatchAll(params ImmutableArray<string> receivers) =>
        new(new Route { Name = "all", GroupBy = ["alertname"], Receivers = BySeverity.All<ImmutableArray<string>?>(receivers) }, SeverityMapping.Default);

    public SeverityMapping Severities { get; }

    /// <summary>Where this alert goes now. Alerts that are muted now may be asked about again later: the time is the only thing besides labels that matters.</summary>
    public RoutingDecision Match(Labels labels, Instant at)
    {
        var (severity, word) = Severities.Read(labels);
        return Decide(labels, at, severity, word);
    }

    /// <summary>
    /// Where labels go when they are treated as <paramref name="severity"/>, whatever the hour: for what a person or the engine itself calls for, and for a failed remediation.
    /// Time intervals mute alerts, not these, so somebody always hears of it.
    /// </summary>
    public RoutingDecision MatchAs(string severity, Labels labels) => Decide(labels, null, severity, Severities.Read(labels).Word);

    /// <summary>The whole walk, a line a route that was asked, those that did not match included: for an operator who asks "why not there?".</summary>
    public ImmutableArray<string> Explain(Labels labels, Instant at)
    {
        var lines = ImmutableArray.CreateBuilder<string>();
        Explain(_root, labels, at, lines);
        return lines.ToImmutable();
    }

    /// <summary>The tree with everything inherited filled in, as it is in force.</summary>
    public RouteSummary Describe() => _root.Describe();

    private RoutingDecision Decide(Labels labels, Instant? at, string severity, string? word)
    {
        var walk = new Walk(at, severity);
        Visit(_root, labels, ref walk);

        // All handling routes are muted: the first says why, and what it would have done.
        var decider = walk.Decider ?? walk.FirstMuted!;
        var isMuted = walk.Decider is null;
        return new RoutingDecision
        {
            Severity = severity,
            SeverityWord = word,
            Receivers = isMuted ? [] : walk.Receivers,
            GroupKey = GroupKey.Of(decider.Id, decider.GroupBy, labels),
            OpensIncident = decider.OpensIncident[severity],
            MutedBy = isMuted ? walk.MutedBy : null,
            MutedRule = isMuted ? walk.MutedRule : null,
            NotifyAfter = walk.NotifyAfter ?? decider.NotifyAfter[severity],
            RouteId = decider.Id,
            EscalationPolicy = decider.EscalationPolicy[severity],
            Playbooks = decider.Playbooks[severity],
            Team = decider.Team,
            Path = walk.Path,
        };
    }

    /// <returns>True when the node took the alert.</returns>
    private static bool Visit(Node node, Labels labels, ref Walk walk)
    {
        if (!node.Matches(labels)) return false;

        var handled = false;
        foreach (var child in node.Children)
        {
            if (!Visit(child, labels, ref walk)) continue;
            handled = true;
            if (!child.Continue) break;
        }

        if (!handled) walk.Take(node);
        return true;
    }

    private static bool Explain(Node node, Labels labels, Instant at, ImmutableArray<string>.Builder lines)
    {
        foreach (var matcher in node.Matchers)
        {
            if (matcher.Matches(labels)) continue;
            var value = labels[matcher.Name];
            lines.Add($"{node.Label}: {node.Condition} → no: {matcher.Name} is {(value.Length == 0 ? "missing" : $"\"{value}\"")}, so {matcher} does not hold");
            return false;
        }

        var (mutedBy, _) = node.MutedBy(at);
        lines.Add(node.Line + (mutedBy is null ? "" : $", {mutedBy}"));
        var handled = false;
        foreach (var child in node.Children)
        {
            if (!Explain(child, labels, at, lines)) continue;
            handled = true;
            if (!child.Continue) break;
        }

        if (!handled) lines.Add($"{node.Label} handles it");
        return true;
    }

    /// <summary>What the walk has gathered. The usual case, one handling route, takes that route's ready-made arrays and allocates nothing.</summary>
    private struct Walk(Instant? at, string severity)
    {
        public Node? Decider;
        public Node? FirstMuted;
        public string? MutedBy;
        public string? MutedRule;

        /// <summary>The least of all routes that handle it: a route that waits must not hold back one that does not.</summary>
        public Duration? NotifyAfter;
        public ImmutableArray<string> Receivers = [];
        public ImmutableArray<string> Path = [];

        public void Take(Node node)
        {
            var (mutedBy, rule) = at is { } moment ? node.MutedBy(moment) : default;
            Path = Path.IsEmpty ? node.Path : Path.AddRange(node.Path.Except(Path));
            if (mutedBy is not null)
            {
                if (FirstMuted is null) (FirstMuted, MutedBy, MutedRule) = (node, mutedBy, rule);
                Path = Path.Add($"{node.Label}: {mutedBy}");
                return;
            }

            if (Decider is null || (!Decider.OpensIncident[severity] && node.OpensIncident[severity])) Decider = node;
            NotifyAfter = NotifyAfter is { } least ? Duration.Min(least, node.NotifyAfter[severity]) : node.NotifyAfter[severity];
            var receivers = node.Receivers[severity];
            Receivers = Receivers.IsEmpty ? receivers : Receivers.AddRange(receivers.Except(Receivers));
        }
    }

    /// <summary>A route with everything inherited filled in and its texts made once.</summary>
    private sealed class Node
    {
        private readonly ImmutableArray<TimeInterval> _mute;
        private readonly ImmutableArray<TimeInterval> _active;

        public Node(Route route, Node? parent, string place)
        {
            Id = route.Name ?? place;
            Matchers = [.. route.Matchers];
            Continue = route.Continue;
            _mute = route.MuteTimeIntervals;
            _active = route.ActiveTimeIntervals;
            GroupBy = route.GroupBy is not { } own ? parent?.GroupBy ?? (parent is null ? ImmutableArray<string>.Empty : null)
                : own.Contains(GroupKey.AllLabels) ? null
                : [.. own.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
            Receivers = Inherit(route.Receivers, parent?.Receivers, [], (own, inherited) => own ?? inherited);
            OpensIncident = Inherit(route.OpensIncident, parent?.OpensIncident ?? new BySeverity<bool>(true, true, false), false, (own, inherited) => own ?? inherited);
            EscalationPolicy = Inherit(route.EscalationPolicy, parent?.EscalationPolicy, null, (own, inherited) => own is null ? inherited : own.Length == 0 ? null : own);
            Playbooks = Inherit(route.Playbooks, parent?.Playbooks, [], (own, inherited) => own ?? inherited);
            NotifyAfter = Inherit(route.NotifyAfter, parent?.NotifyAfter, Duration.Zero, (own, inherited) => own ?? inherited);

            Team = route.Team is null ? parent?.Team : route.Team.Length == 0 ? null : route.Team;

            Label = route.Name is null ? place : $"{place} \"{route.Name}\"";
            Condition = Matchers.Length == 0 ? "every alert" : string.Join(", ", Matchers.Select(m => m.ToString()));
            Line = $"{Label}: {Condition} → matched{(Continue ? ", continue" : "")}";
            Path = parent is null ? [Line] : parent.Path.Add(Line);

            var prefix = parent is null ? "" : place + ".";
            Children = [.. route.Routes.Select((child, i) => new Node(child, this, $"{prefix}routes[{i}]"))];
        }

        public string Id { get; }

        public Matcher[] Matchers { get; }

        public bool Continue { get; }

        public ImmutableArray<string>? GroupBy { get; }

        public BySeverity<ImmutableArray<string>> Receivers { get; }

        public BySeverity<bool> OpensIncident { get; }

        public BySeverity<string?> EscalationPolicy { get; }

        public BySeverity<ImmutableArray<string>> Playbooks { get; }

        public string? Team { get; }

        public BySeverity<Duration> NotifyAfter { get; }

        public Node[] Children { get; }

        public string Label { get; }

        public string Condition { get; }

        public string Line { get; }

        public ImmutableArray<string> Path { get; }

        public bool Matches(Labels labels)
        {
            foreach (var matcher in Matchers)
            {
                if (!matcher.Matches(labels)) return false;
            }

            return true;
        }

        public (string? Words, string? Rule) MutedBy(Instant at)
        {
            foreach (var interval in _mute)
            {
                if (interval.Contains(at)) return ($"muted by time interval \"{interval.Name}\" on {Label}", $"{Muting.Interval}/{interval.Name}");
            }

            if (_active.IsEmpty) return default;
            foreach (var interval in _active)
            {
                if (interval.Contains(at)) return default;
            }

            return ($"muted outside time interval {string.Join(", ", _active.Select(i => $"\"{i.Name}\""))} on {Label}", $"{Muting.Interval}/{string.Join(',', _active.Select(i => i.Name))}");
        }

        public RouteSummary Describe() => new()
        {
            Id = Id,
            Matchers = [.. Matchers.Select(m => m.ToString())],
            Continue = Continue,
            GroupBy = GroupBy ?? [GroupKey.AllLabels],
            Receivers = Receivers,
            OpensIncident = OpensIncident,
            EscalationPolicy = EscalationPolicy,
            Playbooks = Playbooks,
            Team = Team,
            NotifyAfter = NotifyAfter,
            MuteTimeIntervals = [.. _mute.Select(i => i.Name)],
            ActiveTimeIntervals = [.. _active.Select(i => i.Name)],
            Routes = [.. Children.Select(c => c.Describe())],
        };

        public void CheckReceivers()
        {
            foreach (var severity in Severity.All)
            {
                if (Receivers[severity].IsEmpty) throw new ArgumentException($"{Label} leads alerts of severity {severity} to nobody.");
            }

            foreach (var child in Children) child.CheckReceivers();
        }

        private static BySeverity<TOut> Inherit<TIn, TOut>(BySeverity<TIn> own, BySeverity<TOut>? inherited, TOut nothing, Func<TIn, TOut, TOut> pick)
        {
            var from = inherited ?? BySeverity.All(nothing);
            return new BySeverity<TOut>(pick(own.Critical, from.Critical), pick(own.Warning, from.Warning), pick(own.Info, from.Info));
        }
    }
}
