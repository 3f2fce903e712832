using CsCheck;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Response;

internal sealed class QuietIncidentTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 14, 2, 0);
    private static readonly FlapRules Rules = new(4, Duration.FromMinutes(30), Duration.FromMinutes(15));
    private static readonly Muting Silence = new("silence/1", "silence 1 by Ana (deploy)", null);
    private static readonly Actor Ana = new("user", "Ana");

    [Test]
    public void Four_changes_within_the_time_are_flapping_and_told_once()
    {
        var incident = Open();
        Assert.That(Down(incident, 1), Is.EqualTo(Occasion.Resolved));
        Assert.That(Up(incident, 2), Is.EqualTo(Occasion.Reopened));
        Assert.That(Down(incident, 3), Is.EqualTo(Occasion.Resolved));
        Assert.That((Up(incident, 4), incident.FlappingSince), Is.EqualTo((Occasion.Reopened, (Instant?)At(4))));
        Assert.That((Down(incident, 5), incident.State, incident.Tells(Occasion.Updated)), Is.EqualTo((Occasion.Updated, IncidentState.Triggered, false)));
        Assert.That((Up(incident, 6), Down(incident, 7)), Is.EqualTo((Occasion.Updated, Occasion.Updated)));
        Assert.That(incident.Settle(At(21)), Is.Null, "fifteen minutes have not passed");
        Assert.That((incident.Settle(At(22)), incident.State, incident.FlappingSince), Is.EqualTo((Occasion.Resolved, IncidentState.Resolved, (Instant?)null)));
    }

    [Test]
    public void At_PagerDuty_what_is_hidden_counts_as_taken()
    {
        var incident = Open();
        Assert.That(PagerDutyMirror.Wanted(incident), Is.EqualTo(SubjectState.Triggered));
        incident.Quiet(Silence, At(1));
        Assert.That(PagerDutyMirror.Wanted(incident), Is.EqualTo(SubjectState.Acknowledged));
        incident.EndQuiet(At(2));
        Assert.That(PagerDutyMirror.Wanted(incident), Is.EqualTo(SubjectState.Triggered));
        incident.Resolve(Ana, null, Duration.FromMinutes(10), At(3));
        Assert.That(PagerDutyMirror.Wanted(incident), Is.EqualTo(SubjectState.Resolved));
    }

    [Test]
    public void Slow_changes_are_no_flapping()
    {
        var incident = Open();
        for (var i = 1; i < 20; i++)
        {
            Assert.That(Down(incident, i * 20), Is.EqualTo(Occasion.Resolved));
            Assert.That(Up(incident, (i * 20) + 10), Is.EqualTo(Occasion.Reopened));
        }
    }

    [Test]
    public void Alerts_that_end_one_after_another_are_one_change()
    {
        var incident = Open();
        incident.Join([.. Enumerable.Range(0, 9).Select(i => Firing($"a{i}"))], At(1), Rules);
        for (var i = 0; i < 9; i++) incident.Leave([$"a{i}"], "resolved", Actor.Alertmanager, At(2), Rules);
        Assert.That((incident.FlappingSince, incident.FiringAlerts), Is.EqualTo(((Instant?)null, 1)));
    }

    [Test]
    public void What_settles_while_it_fires_stays_open_and_is_told_as_before()
    {
        var incident = Open();
        for (var i = 1; i <= 6; i++) _ = i % 2 == 1 ? Down(incident, i) : Up(incident, i);
        Assert.That((incident.Settle(At(21)), incident.State, incident.Tells(Occasion.Updated)), Is.EqualTo((Occasion.Updated, IncidentState.Triggered, true)));
    }

    [Test]
    public void Whatever_happens_to_a_quiet_incident_nobody_is_paged_before_it_is_loud_and_then_once() => Gen.Int[0, 9].Array[1, 30].Sample(verbs =>
    {
        var incident = Open();
        var now = Start;
        Check(incident.Quiet(Silence, now) == Occasion.Quieted, "it falls quiet");
        foreach (var verb in verbs)
        {
            now += Duration.FromMinutes(7);
            var occasion = verb switch
            {
                0 => Of(incident.AddNote(Ana, "x", now)),
                1 => Of(incident.Snooze(Ana, now + Duration.FromMinutes(5), now)),
                2 => incident.EndSnooze(now),
                3 => Of(incident.Resolve(Ana, null, Duration.FromMinutes(5), now)),
                4 => incident.VerifyResolve(now),
                5 => incident.Quiet(Silence with { Reason = $"other {now}" }, now),
                6 => Of(incident.Unacknowledge(Ana, now)),
                7 => incident.Settle(now),
                8 => Of(incident.Acknowledge(Ana, now)),
                _ => Of(incident.Assign(Ana, $"Ben {now}", now)),
            };
            Check(occasion is null || !incident.IsQuiet || !(Occasion.IsPage(occasion) && incident.Tells(occasion)), "no page while it is quiet");
        }

        var (wasQuiet, state) = (incident.IsQuiet, incident.State);
        var end = incident.EndQuiet(now);
        Check((end == Occasion.QuietEnded) == (wasQuiet && state == IncidentState.Triggered), $"it pages if nobody has it: {end} in {state}");
        Check(incident.EndQuiet(now) is null, "once");
        Check(!incident.IsQuiet, "it is loud");
        return true;
    });

    [Test]
    public void What_a_person_breaks_through_hides_it_no_more_until_it_is_over_or_something_else_does()
    {
        var incident = Open();
        incident.Quiet(Silence, Start);
        incident.CallNext(Ana, null, At(1));
        Assert.That((incident.IsQuiet, incident.IsNews(Silence), incident.Quiet(Silence, At(2))), Is.EqualTo((false, false, (string?)null)));

        incident.TakeChanged();
        Assert.That((incident.IsNews(null), incident.EndQuiet(At(3)), incident.TakeChanged()), Is.EqualTo((true, (string?)null, true)), "it is over: nobody need hear of that, but it is stored");
        Assert.That((incident.IsNews(null), incident.Quiet(Silence, At(4))), Is.EqualTo((false, Occasion.Quieted)), "the next time it hides as ever");

        incident.Escalate(Ana, null, Firing("worse", Severity.Critical).Decision, At(5));
        Assert.That(incident.Quiet(new Muting("silence/2", "silence 2", null), At(6)), Is.EqualTo(Occasion.Quieted), "another hides it");
        incident.CallNext(Ana, null, At(7));
        incident.Resolve(Ana, null, Duration.FromMinutes(5), At(8));
        Assert.That((incident.LoudDespite, incident.Quiet(new Muting("silence/2", "silence 2", null), At(9))), Is.EqualTo(((string?)null, Occasion.Quieted)), "with the end it is forgotten");
    }

    [Test]
    public void Whoever_is_told_from_now_on_is_a_change_of_it()
    {
        var incident = Open();
        incident.TakeChanged();
        incident.Tell(["@ana/slack"], At(1));
        Assert.That((incident.TakeChanged(), incident.TakeChanged()), Is.EqualTo((true, false)));
        incident.Tell(["@ana/slack"], At(2));
        Assert.That(incident.TakeChanged(), Is.False);
    }

    [Test]
    public void A_storm_speaks_for_it_until_a_person_or_a_worse_alert_does()
    {
        var incident = Open();
        incident.JoinStorm(7, Start);
        Assert.That(new[] { Occasion.Opened, Occasion.Updated, Occasion.Acknowledged, Occasion.Resolved, Occasion.QuietEnded }.Where(incident.Tells), Is.Empty);
        Assert.That((incident.Join([Firing("worse", Severity.Critical)], At(1)), incident.StormNumber, incident.Tells(Occasion.SeverityRaised)), Is.EqualTo((Occasion.SeverityRaised, (long?)null, true)));
    }

    [Test]
    public void Whoever_needs_somebody_again_speaks_for_itself_also_after_a_storm()
    {
        var verified = Open();
        verified.JoinStorm(7, Start);
        verified.Resolve(Ana, null, Duration.FromMinutes(5), At(1));
        Assert.That((verified.VerifyResolve(At(9)), verified.StormNumber), Is.EqualTo((Occasion.Reopened, (long?)null)));

        var snoozed = Open();
        snoozed.JoinStorm(7, Start);
        snoozed.Snooze(Ana, At(5), At(1));
        Assert.That((snoozed.EndSnooze(At(6)), snoozed.StormNumber), Is.EqualTo((Occasion.SnoozeEnded, (long?)null)));

        var given = Open();
        given.JoinStorm(7, Start);
        given.Acknowledge(Ana, At(1));
        given.Unacknowledge(Ana, At(2));
        Assert.That(given.StormNumber, Is.Null);

        var target = Open();
        target.JoinStorm(7, Start);
        var worse = Incident.Open(2, Guid.NewGuid(), "Down", Firing("b", Severity.Critical), Start);
        worse.MergeInto(target, Ana, At(1), out var told);
        Assert.That((told, target.StormNumber, target.Tells(told)), Is.EqualTo((Occasion.SeverityRaised, (long?)null, true)));
    }

    private static string Down(Incident incident, int minute) => incident.Leave(["a"], "resolved", Actor.Alertmanager, At(minute), Rules);

    private static string Up(Incident incident, int minute) => incident.IsOpen ? incident.Join([Firing("a")], At(minute), Rules) : incident.ReopenByAlerts([Firing("a")], At(minute), Rules);

    private static string? Of(IncidentOutcome outcome) => (outcome as IncidentOutcome.Changed)?.Occasion;

    private static Instant At(int minute) => Start + Duration.FromMinutes(minute);

    private static Incident Open() => Incident.Open(1, Guid.Empty, "DiskFull", Firing("a"), Start);

    private static FiringAlert Firing(string name, string severity = Severity.Warning) =>
        new(name, new RoutingDecision { Severity = severity, Receivers = ["slack"], GroupKey = "g", OpensIncident = true, Path = ["route"] }, Start, IsKnown: false);

    private static void Check(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException(what);
    }
}
