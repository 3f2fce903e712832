using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class StepResolverTests
{
    private static readonly Instant Noon = On.Utc("2026-03-02T12:00:00Z");

    private static readonly Roster Roster = new(
        [Crew.Person("ana"), Crew.Person("bo") with { QuietHours = [On.Window("10:00", "14:00")] }, Crew.Person("cy") with { Email = null }],
        [new Team { Key = "all", Name = "All", Members = ["ana", "bo", "cy", "di"] }, new Team { Key = "none", Name = "None", Members = [] }],
        [On.Schedule(On.Daily("2026-03-02", "00:00", "ana"))],
        []);

    private static ResolvedStep Resolve(string severity, params EscalationTarget[] targets) =>
        StepResolver.Resolve(new PolicyStep { Targets = [.. targets], EscalateAfter = Duration.Zero }, severity, Roster, [], Crew.Reach, Noon);

    [Test]
    public void Whoever_is_on_call_now_is_found_with_the_reason()
    {
        var found = Resolve(Severity.Critical, new EscalationTarget(TargetKind.Schedule, "primary"));

        Assert.That((found.People.Single().Person, found.People.Single().Why), Is.EqualTo(("ana", "on call in schedule \"primary\" by layer \"base\"")));
        Assert.That(found.People.Single().Contacts.Single(), Is.EqualTo(new Contact("email", "ana@example.org", Duration.Zero)));
    }

    [Test]
    public void Of_a_team_everybody_who_can_be_reached_is_and_of_the_others_the_reason_is_said()
    {
        var found = Resolve(Severity.Warning, new EscalationTarget(TargetKind.Team, "all"));

        Assert.That(found.People.Select(p => p.Person), Is.EqualTo(["ana"]));
        Assert.That(found.Misses.Select(m => m.Kind), Is.EqualTo([MissKind.QuietHours, MissKind.NoChannel, MissKind.RemovedPerson]));
        Assert.That(found.Misses[0].Detail, Is.EqualTo("bo, a member of team \"all\", has quiet hours"));
    }

    [Test]
    public void What_is_critical_disturbs_quiet_hours() =>
        Assert.That(Resolve(Severity.Critical, new EscalationTarget(TargetKind.Person, "bo")).People.Single().Person, Is.EqualTo("bo"));

    [Test]
    public void Nobody_is_told_twice_by_one_step() =>
        Assert.That(Resolve(Severity.Critical, new(TargetKind.Person, "ana"), new(TargetKind.Schedule, "primary"), new(TargetKind.Team, "all")).People.Select(p => p.Person), Is.EqualTo(["ana", "bo"]));

    [TestCase(TargetKind.Schedule, "gone", MissKind.Removed)]
    [TestCase(TargetKind.Team, "gone", MissKind.Removed)]
    [TestCase(TargetKind.Team, "none", MissKind.Gap)]
    [TestCase(TargetKind.Receiver, "gone", MissKind.Removed)]
    [TestCase(TargetKind.Person, "gone", MissKind.RemovedPerson)]
    [TestCase("pigeon", "gone", MissKind.Removed)]
    public void What_leads_nowhere_says_why(string kind, string key, string miss)
    {
        var found = Resolve(Severity.Critical, new EscalationTarget(kind, key));

        Assert.That((found.DoesSomething, found.Misses.Single().Kind), Is.EqualTo((false, miss)));
    }

    [Test]
    public void Contacts_wait_one_after_the_other_and_what_cannot_work_does_not_wait()
    {
        var ana = Crew.Person("ana") with { SlackId = "U1", Contacts = [new("pagerduty", Duration.FromMinutes(4)), new("slack", Duration.Zero), new("email", Duration.FromMinutes(3))] };

        Assert.That(ana.ContactsOn(Crew.Reach.Channels).Select(c => $"{c.Channel} {c.After.TotalMinutes}"), Is.EqualTo(["slack 0", "email 3"]));
    }
}

/// <summary>People who can be reached by mail.</summary>
internal static class Crew
{
    public static readonly Reach Reach = new() { Channels = new HashSet<string> { "email", "slack" }, Receivers = new HashSet<string> { "log", "duty" }, PagingReceivers = new HashSet<string> { "duty" } };

    public static Person Person(string key) => new() { Key = key, Name = key, Email = $"{key}@example.org", Zone = On.Berlin, Contacts = [new ContactStep("email", Duration.Zero)] };
}
