using CsCheck;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Response;

internal sealed class IncidentTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 14, 2, 0);
    private static readonly Duration ReopenWithin = Duration.FromMinutes(15);
    private static readonly Duration VerifyAfter = Duration.FromMinutes(10);
    private static readonly Actor Ana = new("user", "Ana");
    private static readonly Actor Ben = new("user", "Ben");

    [Test]
    public void Whatever_is_done_in_whatever_order_it_stays_in_a_state_that_makes_sense() => Gen.Select(Gen.Int[0, 15], Gen.Int[1, 700]).Array[1, 40].Sample(verbs =>
    {
        var incident = Open();
        var target = Open(number: 2);
        var (now, firing) = (Start, 1);
        incident.TakeEntries();
        foreach (var (verb, wait) in verbs)
        {
            now += Duration.FromSeconds(wait);
            var (before, wasClosed, revision, wasIn) = (incident.Revision, incident.State == IncidentState.Closed, incident.Revision, incident.Receivers.ToHashSet());
            var outcome = Do(incident, target, verb, now, ref firing);
            var entries = incident.TakeEntries();
            Check(incident.Revision >= before, "the revision never goes back");
            Check(incident.Revision - before == entries.Count || verb == 8, "each entry is a revision");
            Check(outcome is not (IncidentOutcome.AlreadySo or IncidentOutcome.Impossible) || incident.Revision == revision, "a refusal changes nothing");
            Check(outcome is not IncidentOutcome.Changed || incident.Revision > revision, "a change is visible");
            Check(!wasClosed || incident.State == IncidentState.Closed, "closed is final");
            Check(IncidentState.All.Contains(incident.State), "a known state");
            Check(incident.State != IncidentState.Acknowledged || (incident.AcknowledgedBy is not null && incident.AcknowledgedAt is not null), "somebody has what is acknowledged");
            Check(incident.State != IncidentState.Triggered || (incident.AcknowledgedBy is null && incident.SnoozedUntil is null && incident.ResolvedAt is null), "nobody has what is triggered");
            Check(incident.IsOpen || incident.SnoozedUntil is null, "what is over is not snoozed");
            Check(incident.State == IncidentState.Closed || incident.FiringAlerts == firing, "it counts what fires");
            Check(incident.FiringAlerts >= 0, "no count below zero");
            Check(wasIn.IsSubsetOf(incident.Receivers), "who was told hears the end");
            Check((incident.State == IncidentState.Closed) == (incident.ClosedAt is not null), "closed has a time");
            Check(incident.VerifyResolveAt is null || incident.State == IncidentState.Resolved, "only a resolve is verified");
        }

        return true;
    });

    [Test]
    public void A_receiver_that_joins_by_a_small_change_hears_that_it_opened_and_only_once()
    {
        var incident = Open(Severity.Warning, "slack");
        Assert.That(incident.TakeJoined(), Is.Empty, "the first ones hear that it opened anyway");
        Assert.That(incident.Join([Alert(Severity.Warning, "team")], Start), Is.EqualTo(Occasion.Updated));
        var joined = incident.TakeJoined();
        Assert.That(joined, Is.EqualTo(new[] { "team" }));
        Assert.That(incident.TakeJoined(), Is.Empty);

        var target = Open(Severity.Warning, "other", number: 2);
        incident.MergeInto(target, Ana, Start);
        Assert.That(target.TakeJoined(), Is.EqualTo(new[] { "slack", "team" }));
        Assert.That((Occasion.For(Occasion.Updated, joins: true, isOpen: true), Occasion.For(Occasion.Updated, joins: false, isOpen: true), Occasion.For(Occasion.Resolved, joins: true, isOpen: false)), Is.EqualTo((Occasion.Opened, Occasion.Updated, Occasion.Resolved)));
    }

    [Test]
    public void The_second_acknowledge_says_who_was_first()
    {
        var incident = Open();
        incident.Acknowledge(Ana, Start);
        Assert.That(incident.Acknowledge(Ben, Start + Duration.FromMinutes(1)), Is.EqualTo(new IncidentOutcome.AlreadySo("Already acknowledged by Ana at 2026-03-14 02:00:00Z.")));
        Assert.That(incident.AcknowledgedBy, Is.EqualTo("Ana"));
    }

    [Test]
    public void Resolved_by_hand_while_it_fires_warns_and_reopens_if_it_still_does()
    {
        var incident = Open();
        var answer = (IncidentOutcome.Changed)incident.Resolve(Ana, "restarted", VerifyAfter, Start);
        Assert.That(answer.Warning, Does.Contain("1 alert"));
        Assert.That(incident.VerifyResolve(Start + VerifyAfter - Duration.FromSeconds(1)), Is.Null);
        Assert.That(incident.VerifyResolve(Start + VerifyAfter), Is.EqualTo(Occasion.Reopened));
        Assert.That((incident.State, incident.Reopened), Is.EqualTo((IncidentState.Triggered, 1)));
    }

    [Test]
    public void The_timeline_says_who_resolved_what_did_not_hold()
    {
        var incident = Open();
        incident.Resolve(Ana, null, VerifyAfter, Start);
        incident.TakeEntries();
        incident.VerifyResolve(Start + VerifyAfter);
        Assert.That(incident.TakeEntries().Single().Text, Is.EqualTo("Reopened: resolved by Ana, but 1 alert still firing when it was verified."));
    }

    [Test]
    public void A_resolve_whose_alerts_end_meanwhile_holds()
    {
        var incident = Open();
        incident.Resolve(Ana, null, VerifyAfter, Start);
        incident.Leave(["DiskFull"], "resolved", Actor.Alertmanager, Start + Duration.FromMinutes(1));
        Assert.That(incident.VerifyResolve(Start + VerifyAfter), Is.Null);
        Assert.That(incident.State, Is.EqualTo(IncidentState.Resolved));
    }

    [Test]
    public void A_worse_alert_raises_it_and_brings_its_receivers()
    {
        var incident = Open(Severity.Warning, "slack");
        Assert.That(incident.Join([Alert(Severity.Critical, "pager")], Start), Is.EqualTo(Occasion.SeverityRaised));
        Assert.That((incident.Severity, string.Join(',', incident.Receivers)), Is.EqualTo(("critical", "slack,pager")));
        Assert.That(incident.Join([Alert(Severity.Warning, "slack")], Start), Is.EqualTo(Occasion.Updated));
        Assert.That(incident.Severity, Is.EqualTo(Severity.Critical));
    }

    [Test]
    public void The_window_for_reopening_has_an_end()
    {
        var incident = Open();
        incident.Leave(["DiskFull"], "resolved", Actor.Alertmanager, Start);
        Assert.That(incident.MayReopen(Start + ReopenWithin - Duration.FromSeconds(1), ReopenWithin), Is.True);
        Assert.That(incident.MayReopen(Start + ReopenWithin, ReopenWithin), Is.False);
        Assert.That(incident.Close(Start + ReopenWithin - Duration.FromSeconds(1), ReopenWithin), Is.False);
        Assert.That(incident.Close(Start + ReopenWithin, ReopenWithin), Is.True);
    }

    [Test]
    public void A_merge_hands_alerts_severity_and_receivers_to_the_other()
    {
        var (incident, target) = (Open(Severity.Critical, "pager"), Open(Severity.Warning, "slack", 2));
        Assert.That(incident.MergeInto(target, Ana, Start), Is.EqualTo(new IncidentOutcome.Changed(Occasion.Resolved)));
        Assert.That((incident.State, incident.MergedInto, incident.FiringAlerts), Is.EqualTo((IncidentState.Closed, (long?)2, 0)));
        Assert.That((target.FiringAlerts, target.Severity, string.Join(',', target.Receivers)), Is.EqualTo((2, "critical", "slack,pager")));
        Assert.That(incident.MergeInto(target, Ana, Start), Is.InstanceOf<IncidentOutcome.AlreadySo>());
        Assert.That(incident.Reopen(Ana, null, Start), Is.EqualTo(new IncidentOutcome.Impossible("It was merged into INC-2; reopen that one.")));
    }

    [Test]
    public void It_is_not_merged_into_itself_nor_into_what_is_over()
    {
        var (incident, target) = (Open(), Open(number: 2));
        Assert.That(incident.MergeInto(incident, Ana, Start), Is.InstanceOf<IncidentOutcome.Impossible>());
        target.Leave(["DiskFull"], "resolved", Actor.Alertmanager, Start);
        Assert.That(incident.MergeInto(target, Ana, Start), Is.InstanceOf<IncidentOutcome.Impossible>());
    }

    [Test]
    public void A_snooze_ends_by_triggering_again()
    {
        var incident = Open();
        incident.Snooze(Ana, Start + Duration.FromHours(1), Start);
        Assert.That((incident.State, incident.AcknowledgedBy), Is.EqualTo((IncidentState.Acknowledged, "Ana")));
        Assert.That(incident.EndSnooze(Start + Duration.FromMinutes(59)), Is.Null);
        Assert.That(incident.EndSnooze(Start + Duration.FromHours(1)), Is.EqualTo(Occasion.SnoozeEnded));
        Assert.That(Occasion.IsPage(Occasion.SnoozeEnded), Is.True, "it is quiet for nobody any more");
        Assert.That(incident.State, Is.EqualTo(IncidentState.Triggered));
    }

    [Test]
    public void A_snooze_has_a_limit()
    {
        var incident = Open();
        Assert.That(incident.Snooze(Ana, Start + Duration.FromDays(7) + Duration.FromSeconds(1), Start), Is.EqualTo(new IncidentOutcome.Impossible("A snooze lasts at most 7 days.")));
        Assert.That(incident.Snooze(Ana, Start + Duration.FromDays(7), Start), Is.InstanceOf<IncidentOutcome.Changed>());
    }

    [Test]
    public void A_storm_is_one_entry()
    {
        var incident = Open();
        incident.TakeEntries();
        incident.Join([.. Enumerable.Range(0, 500).Select(_ => Alert(Severity.Critical, "pager"))], Start);
        Assert.That(incident.TakeEntries().Single().Text, Is.EqualTo("DiskFull, DiskFull, DiskFull and 497 more joined; 501 alerts firing."));
    }

    [Test]
    public void Calling_the_next_step_gives_it_back_and_leaves_severity_and_receivers()
    {
        var incident = Open();
        incident.Acknowledge(Ana, Start);
        var before = (incident.Severity, incident.Receivers);

        Assert.That(incident.CallNext(Ana, "needs a network person", Start), Is.EqualTo(new IncidentOutcome.Changed(Occasion.NextStep)));
        Assert.That((incident.State, incident.AcknowledgedBy, (incident.Severity, incident.Receivers)), Is.EqualTo((IncidentState.Triggered, (string?)null, before)));
        incident.Resolve(Ana, null, VerifyAfter, Start);
        Assert.That(incident.CallNext(Ana, null, Start), Is.InstanceOf<IncidentOutcome.Impossible>());
    }

    [Test]
    public void An_acknowledgement_that_ran_out_says_whose_it_was()
    {
        var incident = Open();
        Assert.That(incident.TimeOutAcknowledgement(Start), Is.Null, "nobody has it");
        incident.Acknowledge(Ana, Start);
        incident.TakeEntries();

        Assert.That((incident.TimeOutAcknowledgement(Start), incident.State), Is.EqualTo((Occasion.AckTimedOut, IncidentState.Triggered)));
        Assert.That(incident.TakeEntries().Single().Text, Does.Contain("Acknowledged by Ana"));
    }

    [Test]
    public void The_weightiest_occasion_names_the_message()
    {
        string[] all = [Occasion.Opened, Occasion.Reopened, Occasion.NobodyCame, Occasion.Escalated, Occasion.Paged, Occasion.SeverityRaised, Occasion.SnoozeEnded, Occasion.QuietEnded, Occasion.AckTimedOut, Occasion.Resolved, Occasion.Unacknowledged, Occasion.NextStep, Occasion.Merged, Occasion.Acknowledged, Occasion.Flapping, Occasion.Quieted, Occasion.Updated];
        Assert.That(all.Select(Occasion.Weight), Is.EqualTo(Enumerable.Range(0, all.Length)));
        Assert.That(Occasion.Weightier(Occasion.Updated, Occasion.SeverityRaised), Is.EqualTo(Occasion.SeverityRaised));
    }

    private static IncidentOutcome? Do(Incident incident, Incident target, int verb, Instant now, ref int firing)
    {
        switch (verb)
        {
            case 0: return incident.Acknowledge(Ana, now);
            case 1: return incident.Unacknowledge(Ben, now);
            case 2: return incident.Resolve(Ben, "done", VerifyAfter, now);
            case 3: return incident.Reopen(Ana, null, now);
            case 4: return incident.Snooze(Ana, now + Duration.FromMinutes(5), now);
            case 5: return incident.Assign(Ana, "Ben", now);
            case 6: return incident.Escalate(Ana, null, Decision(Severity.Critical, "pager"), now);
            case 7: return incident.AddNote(Ana, "note", now);
            case 8: return incident.ChangeSeverity(Ana, Decision(Severity.Warning, "slack"), now);
            case 9:
                incident.EndSnooze(now);
                return null;
            case 10:
                incident.VerifyResolve(now);
                return null;
            case 11:
                incident.Close(now, ReopenWithin);
                return null;
            case 12 or 13 when incident.IsOpen:
                incident.Join([Alert(Severity.Critical, "pager")], now);
                firing++;
                return null;
            case 12 or 13 when incident.MayReopen(now, ReopenWithin):
                incident.ReopenByAlerts([Alert(Severity.Warning, "slack")], now);
                firing++;
                return null;
            case 14 when firing > 0 && incident.State != IncidentState.Closed:
                incident.Leave(["DiskFull"], "resolved", Actor.Alertmanager, now);
                firing--;
                return null;
            case 15 when now.ToUnixTimeSeconds() % 5 == 0:
                return incident.MergeInto(target, Ana, now);
            default:
                return null;
        }
    }

    private static void Check(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException($"Does not hold: {what}.");
    }

    private static RoutingDecision Decision(string severity, string receiver) => new() { Severity = severity, Receivers = [receiver], GroupKey = "g", OpensIncident = true, Path = ["default"] };

    private static FiringAlert Alert(string severity, string receiver) => new("DiskFull", Decision(severity, receiver), Start, false);

    private static Incident Open(string severity = Severity.Critical, string receiver = "pager", long number = 1) => Incident.Open(number, Guid.Empty, "Disk full", Alert(severity, receiver), Start);
}
