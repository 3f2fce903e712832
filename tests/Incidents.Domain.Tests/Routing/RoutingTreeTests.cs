using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Routing;

public sealed class RoutingTreeTests
{
    private static readonly Instant Monday = Instant.FromUtc(2026, 3, 2, 12, 0);
    private static readonly TimeInterval Always = new() { Name = "always", Windows = [new TimeWindow()] };
    private static readonly TimeInterval Weekend = new() { Name = "weekend", Windows = [new TimeWindow { Weekdays = [new(6, 6), new(0, 0)] }] };

    private static BySeverity<ImmutableArray<string>?> To(params ImmutableArray<string> receivers) => BySeverity.All<ImmutableArray<string>?>(receivers);

    private static ImmutableArray<Matcher> When(string matchers) => MatcherSyntax.Parse(matchers).Matchers;

    private static RoutingTree Tree(params ImmutableArray<Route> routes) => new(
        new Route
        {
            Name = "root",
            GroupBy = ["alertname"],
            Receivers = new(["pager", "slack"], ["slack"], ["log"]),
            EscalationPolicy = new("critical", null, null),
            Playbooks = new(null, ["investigate"], null),
            Routes = routes,
        },
        SeverityMapping.Default);

    private static Labels Alert(params ReadOnlySpan<(string, string)> labels) =>
        Labels.From([new("alertname", "DiskFull"), .. Labels.Of(labels)]);

    [Test]
    public void Severity_chooses_receivers_policy_playbooks_and_whether_an_incident_opens()
    {
        var critical = Tree().Match(Alert(("severity", "P1")), Monday);
        var warning = Tree().Match(Alert(("severity", "warn")), Monday);
        var info = Tree().Match(Alert(("severity", "info")), Monday);

        Assert.That((critical.Severity, critical.SeverityWord, critical.EscalationPolicy, critical.OpensIncident), Is.EqualTo(("critical", "P1", "critical", true)));
        Assert.That(critical.Receivers, Is.EqualTo(new[] { "pager", "slack" }));
        Assert.That((warning.EscalationPolicy, warning.OpensIncident), Is.EqualTo(((string?)null, true)));
        Assert.That(warning.Playbooks, Is.EqualTo(new[] { "investigate" }));
        Assert.That(info.OpensIncident, Is.False);
        Assert.That(info.Receivers, Is.EqualTo(new[] { "log" }));
    }

    [Test]
    public void The_first_matching_child_takes_the_alert_and_inherits_what_it_does_not_say()
    {
        var tree = Tree(
            new Route { Matchers = When("team=a"), Receivers = new(["a"], null, null) },
            new Route { Name = "second", Matchers = When("team=~'a|b'".Replace('\'', '"')), Receivers = To("b") });

        var first = tree.Match(Alert(("team", "a"), ("severity", "critical")), Monday);
        var inherited = tree.Match(Alert(("team", "a")), Monday);
        var second = tree.Match(Alert(("team", "b")), Monday);

        Assert.That(first.Receivers, Is.EqualTo(new[] { "a" }));
        Assert.That(first.EscalationPolicy, Is.EqualTo("critical"));
        Assert.That(first.GroupKey, Is.EqualTo("routes[0]{alertname=\"DiskFull\"}"));
        Assert.That(inherited.Receivers, Is.EqualTo(new[] { "slack" }));
        Assert.That(second.Receivers, Is.EqualTo(new[] { "b" }));
        Assert.That(second.GroupKey, Is.EqualTo("second{alertname=\"DiskFull\"}"));
    }

    [Test]
    public void When_no_child_matches_the_parent_handles_it()
    {
        var tree = Tree(new Route { Name = "parent", Matchers = When("team=a"), Receivers = To("a"), Routes = [new Route { Matchers = When("env=prod"), Receivers = To("prod") }] });

        Assert.That(tree.Match(Alert(("team", "a"), ("env", "test")), Monday).Receivers, Is.EqualTo(new[] { "a" }));
        Assert.That(tree.Match(Alert(("team", "a"), ("env", "prod")), Monday).Receivers, Is.EqualTo(new[] { "prod" }));
        Assert.That(tree.Match(Alert(("team", "c"), ("env", "prod")), Monday).Receivers, Is.EqualTo(new[] { "slack" }));
    }

    [Test]
    public void With_continue_one_decision_unites_the_receivers_and_the_first_route_decides_the_rest()
    {
        var tree = Tree(
            new Route { Name = "one", Matchers = When("team=a"), Receivers = To("x", "y"), Continue = true, GroupBy = ["team"], EscalationPolicy = new("own", "own", "own") },
            new Route { Name = "two", Matchers = When("team=a"), Receivers = To("y", "z"), Playbooks = BySeverity.All<ImmutableArray<string>?>(["other"]) });

        var decision = tree.Match(Alert(("team", "a")), Monday);

        Assert.That(decision.Receivers, Is.EqualTo(new[] { "x", "y", "z" }));
        Assert.That(decision.GroupKey, Is.EqualTo("one{team=\"a\"}"));
        Assert.That(decision.EscalationPolicy, Is.EqualTo("own"));
        Assert.That(decision.Playbooks, Is.EqualTo(new[] { "investigate" }));
        Assert.That(decision.Path, Is.EqualTo(new[]
        {
            "route \"root\": every alert → matched",
            "routes[0] \"one\": team=\"a\" → matched, continue",
            "routes[1] \"two\": team=\"a\" → matched",
        }));
    }

    [Test]
    public void A_copy_route_that_opens_no_incident_does_not_keep_the_next_from_opening_one()
    {
        var tree = Tree(
            new Route { Name = "audit", Receivers = To("log"), Continue = true, OpensIncident = BySeverity.All<bool?>(false) },
            new Route { Name = "team", Matchers = When("team=a"), Receivers = To("pager") });

        var decision = tree.Match(Alert(("team", "a")), Monday);

        Assert.That(decision.OpensIncident, Is.True);
        Assert.That(decision.GroupKey, Does.StartWith("team{"));
        Assert.That(decision.Receivers, Is.EqualTo(new[] { "log", "pager" }));
    }

    [Test]
    public void Continue_of_an_inner_route_does_not_reach_beyond_its_siblings()
    {
        var tree = Tree(
            new Route { Matchers = When("team=a"), Routes = [new Route { Matchers = When("env=prod"), Receivers = To("inner"), Continue = true }] },
            new Route { Matchers = When("team=a"), Receivers = To("outer") });

        Assert.That(tree.Match(Alert(("team", "a"), ("env", "prod")), Monday).Receivers, Is.EqualTo(new[] { "inner" }));
    }

    [Test]
    public void A_muted_alert_has_no_receivers_and_names_the_rule()
    {
        var tree = Tree(new Route { Name = "night", Matchers = When("team=a"), MuteTimeIntervals = [Always] });

        var decision = tree.Match(Alert(("team", "a")), Monday);

        Assert.That(decision.MutedBy, Is.EqualTo("muted by time interval \"always\" on routes[0] \"night\""));
        Assert.That(decision.Receivers, Is.Empty);
        Assert.That(decision.GroupKey, Does.StartWith("night{"));
    }

    [Test]
    public void Outside_its_active_times_a_route_is_muted_and_within_them_it_is_not()
    {
        var tree = Tree(new Route { Name = "weekends", Matchers = When("team=a"), ActiveTimeIntervals = [Weekend] });

        Assert.That(tree.Match(Alert(("team", "a")), Monday).MutedBy, Does.Contain("outside time interval \"weekend\""));
        Assert.That(tree.Match(Alert(("team", "a")), Monday - Duration.FromDays(1)).MutedBy, Is.Null);
    }

    [Test]
    public void A_muted_route_does_not_silence_the_ones_it_continues_to()
    {
        var tree = Tree(
            new Route { Name = "muted", Matchers = When("team=a"), Receivers = To("x"), MuteTimeIntervals = [Always], Continue = true },
            new Route { Name = "awake", Matchers = When("team=a"), Receivers = To("y") });

        var decision = tree.Match(Alert(("team", "a")), Monday);

        Assert.That(decision.MutedBy, Is.Null);
        Assert.That(decision.Receivers, Is.EqualTo(new[] { "y" }));
        Assert.That(decision.GroupKey, Does.StartWith("awake{"));
    }

    [Test]
    public void Mute_times_are_not_inherited()
    {
        var tree = Tree(new Route { Matchers = When("team=a"), MuteTimeIntervals = [Always], Routes = [new Route { Matchers = When("env=prod") }] });

        Assert.That(tree.Match(Alert(("team", "a"), ("env", "prod")), Monday).MutedBy, Is.Null);
    }

    [Test]
    public void Group_by_all_labels_keeps_every_alert_apart_and_children_inherit_it()
    {
        var tree = Tree(new Route { Name = "all", Matchers = When("team=a"), GroupBy = ["..."], Routes = [new Route { Name = "child", Matchers = When("env=prod") }] });

        Assert.That(tree.Match(Alert(("team", "a")), Monday).GroupKey, Is.EqualTo("all{alertname=\"DiskFull\", team=\"a\"}"));
        Assert.That(tree.Match(Alert(("team", "a"), ("env", "prod")), Monday).GroupKey, Is.EqualTo("child{alertname=\"DiskFull\", env=\"prod\", team=\"a\"}"));
    }

    [Test]
    public void The_order_of_group_by_does_not_change_the_key()
    {
        Route Grouped(params ImmutableArray<string> by) => new() { Name = "r", Matchers = When("team=a"), GroupBy = by };

        Assert.That(Tree(Grouped("team", "alertname")).Match(Alert(("team", "a")), Monday).GroupKey,
            Is.EqualTo(Tree(Grouped("alertname", "team", "team")).Match(Alert(("team", "a")), Monday).GroupKey));
    }

    [Test]
    public void A_policy_of_none_ends_the_inherited_one()
    {
        var tree = Tree(new Route { Matchers = When("team=a"), EscalationPolicy = BySeverity.All<string?>("") });

        Assert.That(tree.Match(Alert(("team", "a"), ("severity", "critical")), Monday).EscalationPolicy, Is.Null);
    }

    [Test]
    public void A_warning_can_be_routed_as_critical_and_keeps_its_word_and_key()
    {
        var alert = Alert(("severity", "warn"));

        var decision = Tree().MatchAs(Severity.Critical, alert);

        Assert.That((decision.Severity, decision.SeverityWord, decision.EscalationPolicy), Is.EqualTo(("critical", "warn", "critical")));
        Assert.That(decision.GroupKey, Is.EqualTo(Tree().Match(alert, Monday).GroupKey));
    }

    [Test]
    public void What_a_person_or_the_engine_calls_for_is_muted_by_no_time_interval()
    {
        var tree = Tree(new Route { Name = "weekends", Matchers = When("env!=prod"), ActiveTimeIntervals = [Weekend] });

        foreach (var labels in new[] { Alert(), Labels.Empty })
        {
            Assert.That(tree.Match(labels, Monday).MutedBy, Is.Not.Null);
            var decision = tree.MatchAs(Severity.Critical, labels);
            Assert.That((decision.MutedBy, decision.Path[^1]), Is.EqualTo(((string?)null, "routes[0] \"weekends\": env!=\"prod\" → matched")));
            Assert.That(decision.Receivers, Is.EqualTo(new[] { "pager", "slack" }));
        }
    }

    [Test]
    public void The_walk_explains_why_a_route_was_not_taken()
    {
        var tree = Tree(new Route { Name = "payments", Matchers = When("team=\"payments\"") });

        Assert.That(tree.Explain(Alert(("team", "search")), Monday), Does.Contain("routes[0] \"payments\": team=\"payments\" → no: team is \"search\", so team=\"payments\" does not hold"));
    }

    [Test]
    public void A_root_that_leads_a_severity_to_nobody_cannot_be_built()
    {
        Assert.That(() => new RoutingTree(new Route { Receivers = new(["a"], ["a"], null) }, SeverityMapping.Default), Throws.ArgumentException.With.Message.Contains("info"));
    }

    [Test]
    public void The_usual_walk_allocates_little_more_than_the_decision_and_its_key()
    {
        var tree = Tree(
            new Route { Name = "one", Matchers = When("team=~\"x.*\"") },
            new Route { Name = "two", Matchers = When("team=a"), MuteTimeIntervals = [Weekend] });
        var labels = Alert(("team", "a"), ("severity", "critical"));
        for (var i = 0; i < 1_000; i++) tree.Match(labels, Monday);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) tree.Match(labels, Monday);
        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000;

        Assert.That(each, Is.LessThan(400));
    }
}
