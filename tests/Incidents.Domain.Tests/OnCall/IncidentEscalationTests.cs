using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

/// <summary>An incident and its escalation: what becomes of the one decides what the other does.</summary>
public sealed class IncidentEscalationTests
{
    private static readonly Instant Start = On.Utc("2026-03-14T02:00:00Z");
    private static readonly Actor Ana = new("user", "Ana");
    private static readonly EscalationSnapshot Policy = new()
    {
        Policy = "critical",
        Variant = "all",
        Severity = Severity.Critical,
        TakenAt = Start,
        Steps = [Step("ana"), Step("bo")],
        AckTimeout = Duration.FromMinutes(30),
    };

    private static Instant At(int minutes) => Start + Duration.FromMinutes(minutes);

    private static PolicyStep Step(string person) => new() { Targets = [new EscalationTarget(TargetKind.Person, person)], EscalateAfter = Duration.FromMinutes(5) };

    private static ResolvedStep Found(PolicyStep step) => new() { People = [new ReachedPerson(step.Targets[0].Key, "", [])] };

    private static RoutingDecision Decision(string severity) => new() { Severity = severity, Receivers = [], GroupKey = "g", OpensIncident = true, EscalationPolicy = "critical", Path = ["root"] };

    private static Incident Opened(string severity = Severity.Critical) => Incident.Open(1, Guid.NewGuid(), "DiskFull", new FiringAlert("DiskFull", Decision(severity), Start, false), Start);

    private static Escalation? Follow(Escalation? before, Incident incident, string occasion, int minute, EscalationSnapshot? policy = null) =>
        IncidentEscalation.Follow(before, incident, [new IncidentChange(incident, occasion, null) { By = Ana }], () => policy ?? Policy, At(minute))?.After;

    /// <summary>Opened, and Ana was told.</summary>
    private static (Incident Incident, Escalation Escalation) Running()
    {
        var incident = Opened();
        return (incident, IncidentEscalation.Advance(incident, Follow(null, incident, Occasion.Opened, 0)!, false, Found, Start).Move.After);
    }

    [Test]
    public void It_begins_with_the_incident_and_ends_with_it()
    {
        var (incident, running) = Running();
        Assert.That((running.Status, running.DueAt), Is.EqualTo((EscalationStatus.Running, (Instant?)At(5))));

        incident.Resolve(Ana, null, Duration.FromMinutes(10), At(1));
        Assert.That(Follow(running, incident, Occasion.Resolved, 1)!.Status, Is.EqualTo(EscalationStatus.Stopped));
        Assert.That(Follow(null, incident, Occasion.Resolved, 1), Is.Null, "there was none");
    }

    [Test]
    public void Whoever_takes_it_stops_it_and_giving_back_goes_on_with_what_was_left()
    {
        var (incident, running) = Running();
        incident.Acknowledge(Ana, At(2));
        var taken = Follow(running, incident, Occasion.Acknowledged, 2)!;
        Assert.That((taken.Status, taken.DueAt), Is.EqualTo((EscalationStatus.Acknowledged, (Instant?)At(32))));

        incident.Unacknowledge(Ana, At(10));
        Assert.That(Follow(taken, incident, Occasion.Unacknowledged, 10)!.DueAt, Is.EqualTo(At(13)));
    }

    [Test]
    public void A_person_who_calls_for_the_next_step_gets_it_at_once()
    {
        var (incident, running) = Running();
        Assert.That(Follow(running, incident, Occasion.NextStep, 1)!.DueAt, Is.EqualTo(At(1)));
    }

    [Test]
    public void What_hides_the_incident_holds_it_and_the_end_of_that_goes_on_with_what_was_left()
    {
        var (incident, running) = Running();
        incident.Quiet(new Muting("silence/1", "silence 1", null), At(2));
        var held = Follow(running, incident, Occasion.Quieted, 2)!;
        Assert.That((held.Status, held.NextStep), Is.EqualTo((EscalationStatus.Held, (PolicyStep?)null)));
        Assert.That(IncidentEscalation.Advance(incident, held, false, Found, At(3)).Occasion, Is.Null, "nobody is told meanwhile");

        incident.EndQuiet(At(20));
        Assert.That(Follow(held, incident, Occasion.QuietEnded, 20)!.DueAt, Is.EqualTo(At(23)));
    }

    [Test]
    public void Nobody_is_told_by_a_due_step_of_an_incident_that_is_taken_hidden_or_over()
    {
        var (incident, running) = Running();
        Assert.That(IncidentEscalation.Advance(incident, running, true, Found, At(5)).Move.After.Status, Is.EqualTo(EscalationStatus.Held), "a storm speaks for it");

        incident.Acknowledge(Ana, At(5));
        var (taken, occasion) = IncidentEscalation.Advance(incident, running, false, Found, At(5));
        Assert.That((taken.After.Status, taken.Fired.IsDefaultOrEmpty, occasion), Is.EqualTo((EscalationStatus.Acknowledged, true, (string?)null)));

        incident.Resolve(Ana, null, Duration.FromMinutes(10), At(6));
        Assert.That(IncidentEscalation.Advance(incident, running, false, Found, At(6)).Move.After.Status, Is.EqualTo(EscalationStatus.Stopped));
    }

    [Test]
    public void An_acknowledgement_that_runs_out_gives_it_back_and_the_end_is_loud()
    {
        var (incident, running) = Running();
        incident.Acknowledge(Ana, At(5));
        var taken = Follow(running, incident, Occasion.Acknowledged, 5)!;
        var (back, occasion) = IncidentEscalation.Advance(incident, taken, false, Found, At(35));
        Assert.That((incident.State, occasion, back.Fired.Single().Found.People.Single().Person), Is.EqualTo((IncidentState.Triggered, Occasion.AckTimedOut, "bo")));

        var (end, told) = IncidentEscalation.Advance(incident, back.After, false, Found, At(40));
        Assert.That((end.After.Status, told), Is.EqualTo((EscalationStatus.Ended, Occasion.NobodyCame)));
    }

    [Test]
    public void A_severity_that_rises_begins_anew_by_the_same_steps()
    {
        var warning = Policy with { Severity = Severity.Warning };
        var incident = Opened(Severity.Warning);
        var running = IncidentEscalation.Advance(incident, Follow(null, incident, Occasion.Opened, 0, warning)!, false, Found, Start).Move.After;

        incident.ChangeSeverity(Ana, Decision(Severity.Critical), At(2));
        var risen = Follow(running, incident, Occasion.SeverityRaised, 2)!;

        Assert.That((risen.Policy.Severity, risen.Step, risen.Run, risen.DueAt), Is.EqualTo((Severity.Critical, 0, 1, (Instant?)At(2))), "who was spared a warning is called now");
        Assert.That(IncidentEscalation.PagesOf(running, risen), Is.EqualTo(PagesMove.Stop));
    }

    [Test]
    public void A_severity_that_rises_after_the_end_begins_anew()
    {
        var (incident, running) = Running();
        var ended = running.Advance(At(5), Found).After.Advance(At(10), Found).After;
        Assert.That(ended.Status, Is.EqualTo(EscalationStatus.Ended));
        Assert.That(Follow(ended, incident, Occasion.SeverityRaised, 11)!.DueAt, Is.EqualTo(At(11)), "lowered and raised again: the steps are for the same severity");
    }

    [Test]
    public void A_policy_that_comes_by_a_merge_begins_when_nobody_has_the_incident()
    {
        var target = Opened();
        Assert.That(Follow(null, target, Occasion.Merged, 3)!.DueAt, Is.EqualTo(At(3)));
        Assert.That(Follow(Escalation.Start(Policy, Start).Stop("nothing is configured for it any more", Start).After, target, Occasion.Merged, 3)!.Status, Is.EqualTo(EscalationStatus.Running));

        target.Acknowledge(Ana, At(4));
        Assert.That(Follow(null, target, Occasion.Merged, 5), Is.Null, "somebody has it");
        target.Unacknowledge(Ana, At(6));
        Assert.That(Follow(null, target, Occasion.Unacknowledged, 6)!.DueAt, Is.EqualTo(At(6)));
    }

    [Test]
    public void While_it_flaps_and_nothing_fires_no_step_fires_unless_a_person_asks()
    {
        var (incident, running) = Running();
        var flapping = new FlapRules(1, Duration.FromMinutes(30), Duration.FromMinutes(15));
        incident.Leave(["DiskFull"], "resolved", Actor.Alertmanager, At(1), flapping);
        var (held, told) = IncidentEscalation.Advance(incident, running, false, Found, At(5));
        Assert.That((held.After.Status, told), Is.EqualTo((EscalationStatus.Held, (string?)null)));

        incident.CallNext(Ana, null, At(6));
        var asked = Follow(held.After, incident, Occasion.NextStep, 6)!;
        Assert.That(IncidentEscalation.Advance(incident, asked, false, Found, At(6)).Move.Fired.Single().Found.People.Single().Person, Is.EqualTo("bo"));

        var (again, _) = Running();
        again.Leave(["DiskFull"], "resolved", Actor.Alertmanager, At(1), flapping);
        again.Join([new FiringAlert("DiskFull", Decision(Severity.Critical), At(7), true)], At(7), flapping);
        Assert.That(Follow(held.After, again, Occasion.Updated, 7)!.DueAt, Is.EqualTo(At(7)), "it fires again, and the step was due");
    }

    [Test]
    public void Pages_are_held_and_go_on_with_the_escalation()
    {
        var (incident, running) = Running();
        var page = PersonPage.Start(1, new FiredStep(0, 0, new ResolvedStep()), new ReachedPerson("ana", "", [new Contact("slack", "U1", Duration.Zero), new Contact("email", "a", Duration.FromMinutes(3))]), Start).Advance(Start).After;
        incident.Acknowledge(Ana, At(1));
        var taken = Follow(running, incident, Occasion.Acknowledged, 1)!;
        Assert.That(IncidentEscalation.PagesOf(running, taken), Is.EqualTo(PagesMove.Hold));
        page = page.Hold(At(1));
        Assert.That(IncidentEscalation.Advance(incident, page, At(2)).After, Is.EqualTo(page), "somebody has it; who gives it back says so");

        incident.Unacknowledge(Ana, At(10));
        Assert.That(IncidentEscalation.PagesOf(taken, Follow(taken, incident, Occasion.Unacknowledged, 10)!), Is.EqualTo(PagesMove.GoOn));
        Assert.That(IncidentEscalation.Advance(incident, page, At(10)).After.DueAt, Is.EqualTo(At(12)));

        incident.Quiet(new Muting("silence/1", "silence 1", null), At(11));
        Assert.That(IncidentEscalation.Advance(incident, page, At(11)).After.DueAt, Is.EqualTo(At(12)), "looked at again, whoever ends what hides it");
        incident.Resolve(Ana, null, Duration.FromMinutes(10), At(13));
        Assert.That(IncidentEscalation.Advance(incident, page, At(13)).After.Status, Is.EqualTo(PageStatus.Stopped));
    }
}
