using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using FluentValidation;
using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using Incidents.Server.Notifications;
using NodaTime;
using Severity = Incidents.Domain.Routing.Severity;

namespace Incidents.Server.Configuration;

/// <summary>What <c>routing.yaml</c> says, each part with its place in the file. Null where it says nothing or nothing usable.</summary>
internal sealed record RoutingEntry
{
    public required YamlMap Node { get; init; }

    public required SeverityMapping Severities { get; init; }

    public required IncidentRules Incidents { get; init; }

    /// <summary>Where each field of <c>incidents:</c> is written, by name.</summary>
    public required Func<string, YamlNode> IncidentsField { get; init; }

    public required IReadOnlyList<TimeIntervalEntry> TimeIntervals { get; init; }

    public required IReadOnlyList<ReceiverEntry> Receivers { get; init; }

    public required RouteEntry? Route { get; init; }

    public required IReadOnlyList<InhibitEntry> InhibitRules { get; init; }

    public required IReadOnlyList<DependencyEntry> Dependencies { get; init; }

    /// <summary>Null: the usual one.</summary>
    public IReadOnlyList<Watchdog>? Watchdogs { get; init; }

    public IReadOnlyList<Located<HeartbeatSettings>> Heartbeats { get; init; } = [];
}

/// <param name="Sources">Null when any of them was unusable.</param>
/// <param name="Targets">As <paramref name="Sources"/>.</param>
/// <param name="Node">The rule.</param>
internal sealed record InhibitEntry(Located<string>? Name, ImmutableArray<Matcher>? Sources, ImmutableArray<Matcher>? Targets, ImmutableArray<string> Equal, YamlMap Node);

/// <param name="When">Null when any of them was unusable.</param>
internal sealed record DependencyEntry(Located<string> Service, IReadOnlyList<Located<string>> DependsOn, string Label, ImmutableArray<Matcher>? When, ImmutableArray<string> Equal);

internal sealed record TimeIntervalEntry(Located<string> Name, ImmutableArray<TimeWindow> Windows);

/// <param name="Channel">The channel's key and settings; null when they were unusable.</param>
internal sealed record ReceiverEntry(Located<string> Name, (string Key, object Settings)? Channel, Located<string>? Fallback);

internal sealed record RouteEntry
{
    public required YamlMap Node { get; init; }

    public Located<string>? Name { get; init; }

    /// <summary>Null when any of them was unusable: nothing can be said about such a route.</summary>
    public ImmutableArray<Matcher>? Matchers { get; init; }

    public YamlNode? MatchersKey { get; init; }

    public Located<bool>? Continue { get; init; }

    public IReadOnlyList<Located<string>>? GroupBy { get; init; }

    public SeverityValues<IReadOnlyList<Located<string>>>? Receivers { get; init; }

    public SeverityValues<bool>? OpensIncident { get; init; }

    public SeverityValues<string>? EscalationPolicy { get; init; }

    public SeverityValues<IReadOnlyList<Located<string>>>? Playbooks { get; init; }

    public Located<string>? Team { get; init; }

    public SeverityValues<Duration>? NotifyAfter { get; init; }

    public IReadOnlyList<Located<string>> MuteTimeIntervals { get; init; } = [];

    public IReadOnlyList<Located<string>> ActiveTimeIntervals { get; init; } = [];

    public IReadOnlyList<RouteEntry> Routes { get; init; } = [];
}

/// <summary>The description of <c>routing.yaml</c>: how it is read and what its JSON schema says.</summary>
internal sealed class RoutingFile
{
    private readonly ObjectShape<RoutingEntry> _shape;

    /// <param name="channels">The channels that receivers may use.</param>
    /// <param name="validator">Finds the validator of a channel's settings record, or null.</param>
    public RoutingFile(IEnumerable<ChannelRegistration> channels, Func<Type, IValidator?> validator)
    {
        var registrations = channels.OrderBy(c => c.Key, StringComparer.Ordinal).ToArray();
        _shape = Whole(Receiver(registrations, validator), Route());
    }

    /// <summary>Null when nothing more can be said about the file.</summary>
    public RoutingEntry? Read(YamlReading reading) =>
        reading.Parse() is { } root && _shape.TryRead(root, reading, out var entry) ? entry : null;

    /// <summary>JSON schema, draft 07.</summary>
    public JsonObject Schema() => SchemaWriter.Document(_shape, "Incidents: routing.yaml");

    private static ObjectShape<RoutingEntry> Whole(Shape<ReceiverEntry> receiver, Shape<RouteEntry> route)
    {
        var version = new Field<string>("version", CommonShapes.Version, "Version of this file's format: 1.") { IsRequired = true, Example = 1 };
        var severity = new Field<SeverityMapping>("severity", Severities(), "How the words that alerts carry become critical, warning or info.");
        var (incidentFields, rules) = Incidents();
        var incidents = new Field<FieldValues>("incidents", new FieldsShape("How long things may take before the engine acts by itself.", incidentFields), "How long things may take before the engine acts by itself.");
        var intervals = new Field<IReadOnlyList<TimeIntervalEntry>>("time_intervals", Shapes.List(Interval(), mayBeEmpty: true), "Named times, as Alertmanager's, for mute_time_intervals and active_time_intervals of routes.");
        var inhibit = new Field<IReadOnlyList<InhibitEntry>>("inhibit_rules", Shapes.List(Inhibit(), mayBeEmpty: true), "While an alert that matches the source fires, alerts that match the target do not page. As Alertmanager's.");
        var dependencies = new Field<IReadOnlyList<DependencyEntry>>("dependencies", Shapes.List(Dependency(), mayBeEmpty: true), "What services stand on: while that is down, alerts of the service do not page.");
        var receivers = new Field<IReadOnlyList<ReceiverEntry>>("receivers", Shapes.List(receiver), "Destinations: each has a name and one channel with its settings.") { IsRequired = true };
        var root = new Field<RouteEntry>("route", route, "The tree of routes. The root takes every alert and has receivers for every severity, so that no alert goes to nobody.") { IsRequired = true };
        var watchdogs = new Field<IReadOnlyList<Watchdog>>("watchdogs", Shapes.List(Watchdogs(), mayBeEmpty: true), "Alerts that fire all the time to show that alerts arrive. They open no incident; their silence does. Left out: alertname=\"Watchdog\". []: none.");
        var heartbeats = new Field<IReadOnlyList<Located<HeartbeatSettings>>>("heartbeats", Shapes.List(Heartbeats().Located(), mayBeEmpty: true), "Jobs that report by URL (POST /api/v1/heartbeats/NAME) and open an incident when they do not.");

        return new ObjectShape<RoutingEntry>("Who hears of which alert.", [version, severity, incidents, intervals, inhibit, dependencies, receivers, watchdogs, heartbeats, root], values => new RoutingEntry
        {
            Node = values.Node,
            Severities = values.Get(severity) ?? SeverityMapping.Default,
            Incidents = values.Get(incidents) is { } given ? rules(given) : new IncidentRules(),
            IncidentsField = name => values.Get(incidents) is { } given ? given.Key(incidentFields.First(f => f.Name == name)) : values.Node,
            TimeIntervals = values.Get(intervals) ?? [],
            Receivers = values.Get(receivers) ?? [],
            Watchdogs = values.Get(watchdogs),
            Heartbeats = values.Get(heartbeats) ?? [],
            Route = values.Get(root),
            InhibitRules = values.Get(inhibit) ?? [],
            Dependencies = values.Get(dependencies) ?? [],
        });
    }

    private static ObjectShape<InhibitEntry> Inhibit()
    {
        var name = new Field<Located<string>>("name", CommonShapes.Name("an inhibition rule").Located(), "Unique name; without it, its place in the list is its name.") { Example = "cluster-down" };
        var sources = new Field<IReadOnlyList<ImmutableArray<Matcher>>>("source_matchers", Shapes.List(new MatchersShape()), "Conditions on the alert that hides others while it fires.") { IsRequired = true, Example = new JsonArray("alertname=\"ClusterDown\"") };
        var targets = new Field<IReadOnlyList<ImmutableArray<Matcher>>>("target_matchers", Shapes.List(new MatchersShape()), "Conditions on the alerts that are hidden.") { IsRequired = true, Example = new JsonArray("severity=\"warning\"") };
        var equal = new Field<IReadOnlyList<string>>("equal", Shapes.List(Shapes.Text, mayBeEmpty: true), "Labels that must have the same value in both; one that both lack counts as the same.") { Example = new JsonArray("cluster") };
        return new ObjectShape<InhibitEntry>("An inhibition rule.", [name, sources, targets, equal],
            values => new InhibitEntry(values.Get(name), Whole(values.Get(sources)), Whole(values.Get(targets)), [.. (values.Get(equal) ?? []).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)], values.Node),
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["source_match"] = "Write source_matchers: ['label=\"value\"'].",
                ["source_match_re"] = "Write source_matchers: ['label=~\"expression\"'].",
                ["target_match"] = "Write target_matchers: ['label=\"value\"'].",
                ["target_match_re"] = "Write target_matchers: ['label=~\"expression\"'].",
            });
    }

    private static ObjectShape<DependencyEntry> Dependency()
    {
        var service = new Field<Located<string>>("service", Shapes.Text.Located(), "The service that suffers, by the value of its label.") { IsRequired = true, Example = "checkout" };
        var dependsOn = new Field<IReadOnlyList<Located<string>>>("depends_on", Shapes.List(Shapes.Text.Located()), "Services it cannot work without. What those stand on counts, too.") { IsRequired = true, Example = new JsonArray("orders-db") };
        var label = new Field<string>("label", Shapes.Text, "The label that names services.") { Default = "service" };
        var when = new Field<IReadOnlyList<ImmutableArray<Matcher>>>("when", Shapes.List(new MatchersShape()), "Which alerts of the other service mean that it is down.") { Default = new JsonArray("severity=\"critical\"") };
        var equal = new Field<IReadOnlyList<string>>("equal", Shapes.List(Shapes.Text, mayBeEmpty: true), "Labels that must have the same value in both, as cluster.") { Example = new JsonArray("cluster") };
        return new ObjectShape<DependencyEntry>("What a service stands on.", [service, dependsOn, label, when, equal], values => new DependencyEntry(
            values.Get(service)!, values.Get(dependsOn)!, values.Get(label) ?? "service", values.Has(when) ? Whole(values.Get(when)) : MatcherSyntax.Parse("severity=\"critical\"").Matchers,
            [.. (values.Get(equal) ?? []).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]));
    }

    /// <summary>Null when one of them was unusable.</summary>
    private static ImmutableArray<Matcher>? Whole(IReadOnlyList<ImmutableArray<Matcher>>? read) => read is null || read.Any(m => m.IsDefault) ? null : [.. read.SelectMany(m => m)];

    private static (Field[] Fields, Func<FieldValues, IncidentRules> Build) Incidents()
    {
        var defaults = new IncidentRules();
        Field<Duration> Time(string name, Duration otherwise, string description) => new(name, Shapes.Length, description) { Default = PromDuration.Format(otherwise) };

        var reopen = Time("reopen_within", defaults.ReopenWithin, "An alert that fires again this soon after its incident was resolved reopens that incident. 0 never reopens.");
        var verify = Time("verify_resolve_after", defaults.VerifyResolveAfter, "A person resolved the incident although alerts still fired: if they still fire after this time, it reopens.");
        var stale = Time("stale_after", defaults.StaleAfter, "An alert not seen for this long is unknown: Alertmanager is asked, and when it cannot be asked the alert is closed as stale. Must be longer than Alertmanager's repeat_interval (4h unless you changed it).");
        var settle = Time("settle_every", defaults.SettleEvery, "How often alerts that were missing from a payload of their own group are settled by asking Alertmanager.");
        var echo = Time("echo_within", defaults.EchoWithin, "A firing this soon after the resolve of the same episode is a late echo of an Alertmanager replica. More than its cluster.peer-timeout, less than its group_wait.");
        var bundle = Time("bundle_updates", defaults.BundleUpdates, "Changes of an incident within this time travel in one update to each receiver. The first message never waits.");
        var failOver = Time("fail_over_after", defaults.FailOverAfter, "A page not delivered after this time goes to the fall-back receiver. Must be under 30s.");
        var flapping = new Field<FlapRules>("flapping", Flapping(), "Incidents that come and go are held open and told once instead of paging each time. Without this section they are not.");
        var storm = new Field<StormRules>("storm", Storm(), "When very many incidents open at once, those that are not critical are told in one message. Without this section each is told by itself.");
        return ([reopen, verify, stale, settle, echo, bundle, failOver, flapping, storm], values => new IncidentRules
        {
            ReopenWithin = values.Get(reopen, defaults.ReopenWithin),
            VerifyResolveAfter = values.Get(verify, defaults.VerifyResolveAfter),
            StaleAfter = values.Get(stale, defaults.StaleAfter),
            SettleEvery = values.Get(settle, defaults.SettleEvery),
            EchoWithin = values.Get(echo, defaults.EchoWithin),
            BundleUpdates = values.Get(bundle, defaults.BundleUpdates),
            FailOverAfter = values.Get(failOver, defaults.FailOverAfter),
            Flapping = values.Get(flapping),
            Storm = values.Get(storm),
        });
    }

    private static ObjectShape<FlapRules> Flapping()
    {
        var transitions = new Field<Located<int>>("transitions", Shapes.Whole(3, 50).Located(), "So many changes of direction (its alerts ended, one fired again) are flapping.") { Default = 4 };
        var within = new Field<Duration>("within", Shapes.Length, "How far back changes count.") { Default = "30m" };
        var settle = new Field<Duration>("settle_after", Shapes.Length, "So long without a change, and it has settled.") { Default = "15m" };
        return new ObjectShape<FlapRules>("When an incident flaps.", [transitions, within, settle],
            values => new FlapRules(values.Get(transitions)?.Value ?? 4, values.Get(within, Duration.FromMinutes(30)), values.Get(settle, Duration.FromMinutes(15))));
    }

    private static ObjectShape<StormRules> Storm()
    {
        var incidents = new Field<Located<int>>("incidents", Shapes.Whole(2, 100_000).Located(), "More incidents than this opened within the time are a storm.") { IsRequired = true, Example = 100 };
        var within = new Field<Duration>("within", Shapes.Length, "The time in which they are counted.") { Default = "1m" };
        var calm = new Field<Duration>("calm_after", Shapes.Length, "So long below that, and the storm is over.") { Default = "5m" };
        return new ObjectShape<StormRules>("When many incidents are a storm.", [incidents, within, calm],
            values => new StormRules(values.Get(incidents)!.Value, values.Get(within, Duration.FromMinutes(1)), values.Get(calm, Duration.FromMinutes(5))));
    }

    private static SeverityMappingShape Severities() => new();

    private static ObjectShape<Watchdog> Watchdogs()
    {
        var matchers = new Field<IReadOnlyList<ImmutableArray<Matcher>>>("matchers", Shapes.List(new MatchersShape()), "Conditions on labels, in Alertmanager's syntax; all must hold.") { IsRequired = true, Example = new JsonArray("alertname=\"Watchdog\"") };
        var every = new Field<Duration>("expect_every", Shapes.Length, "Alertmanager's repeat_interval for this alert. Left out: learnt from what it does; 4h until it has come four times. 30s at least.");
        var grace = new Field<Duration>("grace", Shapes.Length, "How much later it may be. Left out: a tenth of the interval, 2m at least.");
        var severity = new Field<string>("severity", Shapes.OneOf([.. Severity.All]), "Of the incident that its silence opens.") { Default = Severity.Critical };
        return new ObjectShape<Watchdog>("An alert whose silence is the alarm.", [matchers, every, grace, severity], values => new Watchdog
        {
            Matchers = [.. values.Get(matchers)!.Where(m => !m.IsDefault).SelectMany(m => m)],
            ExpectEvery = values.Has(every) ? Duration.Max(Heartbeat.ShortestRhythm, values.Get(every)) : null,
            Grace = values.Has(grace) ? values.Get(grace) : null,
            Severity = values.Get(severity) ?? Severity.Critical,
        });
    }

    private static ObjectShape<HeartbeatSettings> Heartbeats()
    {
        var name = new Field<string>("name", CommonShapes.Name("a heartbeat"), "Unique name; it stands in the heartbeat's address and begins with a letter.") { IsRequired = true, Example = "nightly-backup" };
        var every = new Field<Duration>("expect_every", Shapes.Length, "How far apart beats may be.") { IsRequired = true, Example = "24h" };
        var grace = new Field<Duration>("grace", Shapes.Length, "How much later one may be. Left out: a tenth of the interval, 2m at least.");
        var severity = new Field<string>("severity", Shapes.OneOf([.. Severity.All]), "Of the incident that its silence opens.") { Default = Severity.Warning };
        var labels = new Field<IReadOnlyDictionary<string, string>>("labels", Shapes.Map(Shapes.Text), "Route that incident, as labels of an alert would.") { Example = new JsonObject { ["service"] = "backup" } };
        return new ObjectShape<HeartbeatSettings>("A job that reports by URL.", [name, every, grace, severity, labels], values => new HeartbeatSettings(
            values.Get(name)!, values.Get(every), values.Has(grace) ? values.Get(grace) : null, values.Get(severity) ?? Severity.Warning, Labels.From(values.Get(labels) ?? new Dictionary<string, string>())));
    }

    private static ObjectShape<TimeIntervalEntry> Interval()
    {
        var name = new Field<Located<string>>("name", CommonShapes.Name("a time interval").Located(), "Unique name.") { IsRequired = true, Example = "business-hours" };
        var windows = new Field<IReadOnlyList<TimeWindow>>("time_intervals", Shapes.List(Window()), "The interval holds whenever one of these holds.") { IsRequired = true };
        return new ObjectShape<TimeIntervalEntry>("A named set of times.", [name, windows], values => new TimeIntervalEntry(values.Get(name)!, [.. values.Get(windows)!]));
    }

    private static ObjectShape<TimeWindow> Window()
    {
        Shape<NumberRange> Range(string what, TryParse<NumberRange> parse, params string[] examples) => Shapes.Parsed(what, Code.BadRange, parse, examples: examples);
        var minute = CommonShapes.Minute;
        var start = new Field<Located<int>>("start_time", minute.Located(), "From this minute on, HH:MM.") { IsRequired = true };
        var end = new Field<Located<int>>("end_time", minute.Located(), "Until this minute, which is no longer in it, HH:MM; 24:00 is the end of the day.") { IsRequired = true };
        var time = new CheckedShape<NumberRange>(
            new ObjectShape<NumberRange>("A time of day.", [start, end], values => new NumberRange(values.Get(start)!.Value, values.Get(end)!.Value)),
            (range, node, reading) =>
            {
                if (range.First < range.Last) return true;
                reading.Report(node, Code.BadRange, "start_time is not before end_time.", "Write a time over midnight as two: 22:00 to 24:00 and 00:00 to 06:00.");
                return false;
            });

        var times = new Field<IReadOnlyList<NumberRange>>("times", Shapes.List(time), "Times of day.");
        var weekdays = new Field<IReadOnlyList<NumberRange>>("weekdays", Shapes.List(Range("a weekday", TimeWindowSyntax.TryParseWeekdays, "monday:friday")), "Days of the week; the week begins with sunday.");
        var days = new Field<IReadOnlyList<NumberRange>>("days_of_month", Shapes.List(Range("a day of the month", TimeWindowSyntax.TryParseDaysOfMonth, "1:5", "-3:-1")), "Days of the month; negative numbers count from its end.");
        var months = new Field<IReadOnlyList<NumberRange>>("months", Shapes.List(Range("a month", TimeWindowSyntax.TryParseMonths, "january:march", "12")), "Months by name or number.");
        var years = new Field<IReadOnlyList<NumberRange>>("years", Shapes.List(Range("a year", TimeWindowSyntax.TryParseYears, "2026:2028")), "Years.");
        var zone = new Field<DateTimeZone>("location", CommonShapes.Zone, "The zone whose clock is meant.") { Default = "UTC" };

        return new ObjectShape<TimeWindow>("All fields that are given must hold.", [times, weekdays, days, months, years, zone], values => new TimeWindow
        {
            Times = [.. values.Get(times) ?? []],
            Weekdays = [.. values.Get(weekdays) ?? []],
            DaysOfMonth = [.. values.Get(days) ?? []],
            Months = [.. values.Get(months) ?? []],
            Years = [.. values.Get(years) ?? []],
            Zone = values.Get(zone) ?? DateTimeZone.Utc,
        });
    }

    private static CheckedShape<ReceiverEntry> Receiver(ChannelRegistration[] registrations, Func<Type, IValidator?> validator)
    {
        var name = new Field<Located<string>>("name", CommonShapes.Name("a receiver").Located(), "Unique name; routes refer to it.") { IsRequired = true, Example = "slack-alerts" };
        var fallback = new Field<Located<string>>("fallback", Shapes.Text.Located(), "Receiver told instead when this one cannot deliver within fail_over_after.");
        var channels = registrations.Select(r => (r.Key, Field: new Field<object>(r.Key, new SettingsShape(r.ReceiverType, r.Description, () => validator(r.ReceiverType)), r.Description))).ToArray();
        var keys = string.Join(", ", registrations.Select(r => r.Key));

        var shape = new ObjectShape<ReceiverEntry>("A destination.", [name, fallback, .. channels.Select(c => c.Field)], values =>
        {
            var used = channels.Where(c => values.Get(c.Field) is not null).ToArray();
            return new ReceiverEntry(values.Get(name)!, used.Length == 1 ? (used[0].Key, values.Get(used[0].Field)!) : null, values.Get(fallback));
        });
        return new CheckedShape<ReceiverEntry>(shape, (entry, node, reading) =>
        {
            var written = ((YamlMap)node).Entries.Where(e => channels.Any(c => c.Key == e.Key.Text)).ToArray();
            if (written.Length == 0) reading.Report(entry.Name.Node, Code.NotOneChannel, $"receiver '{entry.Name.Value}' has no channel.", $"Give it one of {keys}, with its settings.");
            foreach (var (key, _) in written.Skip(1)) reading.Report(key, Code.NotOneChannel, $"receiver '{entry.Name.Value}' has more than one channel.", "Make a receiver of each; a route may name several.");
            return true;
        });
    }

    private static NamedShape<RouteEntry> Route()
    {
        NamedShape<RouteEntry>? self = null;
        self = new NamedShape<RouteEntry>("route", () => RouteFields(self!));
        return self;
    }

    private static ObjectShape<RouteEntry> RouteFields(Shape<RouteEntry> child)
    {
        var names = Shapes.List(Shapes.Text.Located(), mayBeEmpty: true);
        var name = new Field<Located<string>>("name", CommonShapes.Name("a route").Located(), "Unique name. With it, group keys stay the same when the tree around the route is edited; without it, its place in the tree is its name.") { Example = "payments" };
        var matchers = new Field<IReadOnlyList<ImmutableArray<Matcher>>>("matchers", Shapes.List(new MatchersShape(), mayBeEmpty: true), "Conditions on labels, in Alertmanager's syntax; all must hold. None: every alert that reaches the route.") { Example = new JsonArray("team=\"payments\"", "env=~\"prod|staging\"") };
        var goOn = new Field<Located<bool>>("continue", Shapes.Bool.Located(), "true: routes after this one are asked too. The alert still opens one incident; the receivers are united.") { Default = false };
        var groupBy = new Field<IReadOnlyList<Located<string>>>("group_by", names, "Labels whose values make up a group: alerts of one group share an incident. ['...'] means all labels.") { Example = new JsonArray("alertname", "cluster") };
        var receivers = new Field<SeverityValues<IReadOnlyList<Located<string>>>>("receivers", Shapes.BySeverity(names), "Names of receivers, for all severities or by severity.") { Example = new JsonObject { ["critical"] = new JsonArray("pager", "slack-critical"), ["warning"] = new JsonArray("slack-alerts") } };
        var opens = new Field<SeverityValues<bool>>("opens_incident", Shapes.BySeverity(Shapes.Bool), "Whether alerts open an incident or only inform. At the root critical and warning do, info does not.");
        var policy = new Field<SeverityValues<string>>("escalation_policy", Shapes.BySeverity(Shapes.Text), "Name of the escalation policy of incidents opened here; 'none' for none.") { Example = new JsonObject { ["critical"] = "critical" } };
        var playbooks = new Field<SeverityValues<IReadOnlyList<Located<string>>>>("playbooks", Shapes.BySeverity(names), "Names of the playbooks to start for incidents opened here.");
        var team = new Field<Located<string>>("team", Shapes.Text.Located(), "Key of the team (oncall.yaml) whose incidents these are: its responders act on them. 'none': everybody's.") { Example = "payments" };
        var notifyAfter = new Field<SeverityValues<Duration>>("notify_after", Shapes.BySeverity(Shapes.Length), "An alert pages only if it still fires after this time; one that clears by itself before is recorded and pages nobody. At the root 0.") { Example = new JsonObject { ["warning"] = "2m" } };
        var mute = new Field<IReadOnlyList<Located<string>>>("mute_time_intervals", Shapes.List(Shapes.Text.Located()), "Within these time intervals the route tells nobody. Not inherited.");
        var active = new Field<IReadOnlyList<Located<string>>>("active_time_intervals", Shapes.List(Shapes.Text.Located()), "Outside these time intervals the route tells nobody. Not inherited.");
        var routes = new Field<IReadOnlyList<RouteEntry>>("routes", Shapes.List(child, mayBeEmpty: true), "The first that matches handles the alert; when none does, this route does.");

        var shape = new ObjectShape<RouteEntry>("A route. What it does not say it inherits from the route above it.",
            [name, matchers, goOn, groupBy, receivers, opens, policy, playbooks, team, notifyAfter, mute, active, routes],
            values => new RouteEntry
            {
                Node = values.Node,
                Name = values.Get(name),
                Matchers = values.Get(matchers) is { } read
                    ? read.Any(m => m.IsDefault) ? null : [.. read.SelectMany(m => m)]
                    : values.Has(matchers) ? null : ImmutableArray<Matcher>.Empty,
                MatchersKey = values.Has(matchers) ? values.Key(matchers) : null,
                Continue = values.Get(goOn),
                GroupBy = values.Get(groupBy),
                Receivers = values.Get(receivers),
                OpensIncident = values.Get(opens),
                EscalationPolicy = values.Get(policy),
                Playbooks = values.Get(playbooks),
                Team = values.Get(team),
                NotifyAfter = values.Get(notifyAfter),
                MuteTimeIntervals = values.Get(mute) ?? [],
                ActiveTimeIntervals = values.Get(active) ?? [],
                Routes = values.Get(routes) ?? [],
            },
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["receiver"] = "Write 'receivers: [name]': a route may have several, and others by severity.",
                ["match"] = "Write matchers: ['label=\"value\"'].",
                ["match_re"] = "Write matchers: ['label=~\"expression\"'].",
                ["group_wait"] = "Remove it: waiting to group is Alertmanager's work, the engine tells at once.",
                ["group_interval"] = "Remove it: see 'bundle_updates' under 'incidents'.",
                ["repeat_interval"] = "Remove it: an incident is repeated by its escalation policy.",
            });
        return shape;
    }

    /// <summary>An object whose values are used by somebody else, with their places.</summary>
    private sealed class FieldsShape(string description, IReadOnlyList<Field> fields) : Shape<FieldValues>
    {
        private readonly ObjectShape<FieldValues> _inner = new(description, fields, values => values);

        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out FieldValues value) => _inner.TryReadFields(node, reading, out value, out _);

        public override JsonObject Schema(SchemaWriter writer) => _inner.Schema(writer);
    }

    /// <summary>Reads to a default array when the text is unusable, so that the route knows its conditions are incomplete.</summary>
    private sealed class MatchersShape : Shape<ImmutableArray<Matcher>>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, out ImmutableArray<Matcher> value)
        {
            value = default;
            if (!Shapes.Text.TryRead(node, reading, out var text)) return true;
            var result = MatcherSyntax.Parse(text);
            if (result.Error is { } error)
            {
                var (code, fix) = error.IsRegex ? (Code.BadRegex, "Regular expressions are RE2 and must match the whole value.") : (Code.BadMatcher, "Write label=\"value\" with one of =, !=, =~, !~.");
                reading.ReportInside((YamlScalar)node, error.Offset, error.Length, code, $"{(error.IsRegex ? "in the regular expression" : "in the matcher")}: {error.Message}.", fix);
                return true;
            }

            if (result.Warning is { } warning)
            {
                reading.Warn(node, Code.AmbiguousMatcher, $"the matcher {warning}.", $"Write {string.Join(", ", result.Matchers)}.");
            }

            value = result.Matchers;
            return true;
        }

        public override JsonObject Schema(SchemaWriter writer) => new() { ["type"] = "string", ["examples"] = new JsonArray("team=\"payments\"", "severity=~\"critical|page\"") };
    }

    private sealed class SeverityMappingShape : Shape<SeverityMapping>
    {
        private readonly ObjectShape<(SeverityMapping Mapping, SeverityValues<IReadOnlyList<Located<string>>>? Words)> _inner;

        public SeverityMappingShape()
        {
            var lists = Shapes.List(Shapes.Text.Located());
            var critical = new Field<Located<IReadOnlyList<Located<string>>>>(Severity.Critical, lists.Located(), "Words that mean critical.");
            var warning = new Field<Located<IReadOnlyList<Located<string>>>>(Severity.Warning, lists.Located(), "Words that mean warning.");
            var info = new Field<Located<IReadOnlyList<Located<string>>>>(Severity.Info, lists.Located(), "Words that mean info.");
            var table = new ObjectShape<SeverityValues<IReadOnlyList<Located<string>>>>("Words by severity.", [critical, warning, info], v => new(v.Get(critical), v.Get(warning), v.Get(info)));

            var labels = new Field<IReadOnlyList<string>>("labels", Shapes.List(Shapes.Text), "Labels that may carry the word, the most telling first.")
            {
                Default = new JsonArray([.. SeverityMapping.CommonLabelNames.Select(n => JsonValue.Create(n))]),
            };
            var words = new Field<SeverityValues<IReadOnlyList<Located<string>>>>("words", table, "Words of your own, in addition to the common ones and before them. Case, spaces, '-' and '_' do not count.")
            {
                Example = new JsonObject { ["critical"] = new JsonArray("sev-2", "urgent") },
            };
            var fallback = new Field<string>("default", Shapes.OneOf([.. Severity.All]), "Severity of alerts that carry no known word.") { Default = Severity.Warning };
            _inner = new("How words become severities.", [labels, words, fallback], values =>
            {
                var own = values.Get(words);
                var mapping = new SeverityMapping(
                    values.Get(labels) is { } names ? [.. names] : SeverityMapping.CommonLabelNames,
                    SeverityMapping.Default.Words.Concat(Severity.All.SelectMany(s => own?[s]?.Value.Select(w => KeyValuePair.Create(w.Value, s)) ?? [])),
                    values.Get(fallback) ?? Severity.Warning);
                return (mapping, own);
            });
        }

        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out SeverityMapping value)
        {
            value = null;
            if (!_inner.TryRead(node, reading, out var read)) return false;
            if (read.Words is not null) CheckWords(read.Words, reading);
            value = read.Mapping;
            return true;
        }

        public override JsonObject Schema(SchemaWriter writer) => _inner.Schema(writer);

        private static void CheckWords(SeverityValues<IReadOnlyList<Located<string>>> words, YamlReading reading)
        {
            var seen = new Dictionary<string, (string Severity, int Line)>(StringComparer.Ordinal);
            foreach (var severity in Severity.All)
            {
                foreach (var word in words[severity]?.Value ?? [])
                {
                    var normal = SeverityMapping.Normalize(word.Value);
                    if (Severity.All.Contains(normal) && normal != severity)
                    {
                        reading.Report(word.Node, Code.WordTwice, $"'{word.Value}' always means {normal}.", "Remove it here.");
                    }
                    else if (!seen.TryAdd(normal, (severity, word.Node.Line)) && seen[normal] is var first && first.Severity != severity)
                    {
                        reading.Report(word.Node, Code.WordTwice, $"'{word.Value}' already means {first.Severity} (line {first.Line}).", "Keep one of them.");
                    }
                }
            }
        }
    }
}
