using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class EscalationTests
{
    private static readonly Instant Start = On.Utc("2026-03-14T02:00:00Z");

    private static Instant At(double minutes) => Start + Duration.FromMinutes(minutes);

    private static PolicyStep Step(string key, int minutes = 5) => new() { Targets = [new EscalationTarget(TargetKind.Person, key)], EscalateAfter = Duration.FromMinutes(minutes) };

    private static EscalationSnapshot Snapshot(int repeat, params ImmutableArray<PolicyStep> steps) =>
        new() { Policy = "critical", Variant = "all", Severity = Severity.Critical, TakenAt = Start, Steps = steps, Repeat = repeat };

    /// <summary>Finds the person a step names, unless they are away.</summary>
    private static Func<PolicyStep, ResolvedStep> Everybody(params string[] away) => step => away.Contains(step.Targets[0].Key)
        ? new ResolvedStep { Misses = [new Miss(MissKind.Gap, step.Targets[0], $"{step.Targets[0].Key} is away")] }
        : new ResolvedStep { People = [new ReachedPerson(step.Targets[0].Key, "", [])] };

    /// <summary>Lets time pass a minute at a time, as a worker would; lines of what fired and what was loud.</summary>
    private static (Escalation After, List<string> Log) Pass(Escalation escalation, int from, int until, params string[] away)
    {
        var log = new List<string>();
        for (var minute = from; minute <= until; minute++)
        {
            var move = escalation.Advance(At(minute), Everybody(away));
            log.AddRange(move.Fired.Select(f => $"{minute} {f.Found.People.Single().Person}"));
            log.AddRange(move.Events.Where(e => e.IsLoud).Select(e => $"{minute} {e.Kind}"));
            escalation = move.After;
        }

        return (escalation, log);
    }

    private static Escalation Three(int repeat = 0) => Escalation.Start(Snapshot(repeat, Step("ana"), Step("bo", 10), Step("cy", 15)), Start);

    [Test]
    public void Each_step_fires_once_at_its_time_and_the_end_is_loud()
    {
        var (after, log) = Pass(Three(), 0, 100);

        Assert.That(log, Is.EqualTo(["0 ana", "5 bo", "15 cy", "30 policy_ended"]));
        Assert.That((after.Status, after.DueAt), Is.EqualTo((EscalationStatus.Ended, (Instant?)null)));
    }

    [Test]
    public void All_steps_are_repeated_as_often_as_the_policy_says() =>
        Assert.That(Pass(Three(repeat: 1), 0, 100).Log, Is.EqualTo(["0 ana", "5 bo", "15 cy", "30 ana", "35 bo", "45 cy", "60 policy_ended"]));

    [Test]
    public void A_step_that_finds_nobody_is_passed_over_at_once_and_says_so()
    {
        var move = Three().Advance(Start, Everybody("ana"));

        Assert.That(move.Fired.Single().Found.People.Single().Person, Is.EqualTo("bo"));
        Assert.That(move.Events.Select(e => e.Text), Is.EqualTo(["Step 1 of 3: ana is away.", "Step 1 of 3 found nobody; going on at once.", "Step 2 of 3: telling bo."]));
        Assert.That(move.After.DueAt, Is.EqualTo(At(10)));
    }

    [Test]
    public void A_policy_that_reaches_nobody_is_loud_at_once() =>
        Assert.That(Pass(Three(), 0, 0, "ana", "bo", "cy").Log, Is.EqualTo(["0 step_found_nobody", "0 step_found_nobody", "0 step_found_nobody", "0 round_reached_nobody", "0 policy_ended"]));

    [Test]
    public void A_round_in_vain_is_loud_and_tried_again_later()
    {
        var (after, log) = Pass(Three(repeat: 1), 0, 14, "ana", "bo", "cy");

        Assert.That(log[^1], Is.EqualTo("0 round_reached_nobody"));
        Assert.That(Pass(after, 15, 15).Log, Is.EqualTo(["15 ana"]));
    }

    [Test]
    public void A_step_that_only_starts_a_playbook_has_its_time_but_reaches_nobody()
    {
        var move = Escalation.Start(Snapshot(0, Step("auto", 3)), Start).Advance(Start, _ => new ResolvedStep { Playbooks = ["restart"] });

        Assert.That(move.After.DueAt, Is.EqualTo(At(3)));
        Assert.That(move.Events.Select(e => e.Kind), Is.EqualTo([EscalationEventKind.StepFired, EscalationEventKind.RoundReachedNobody]));
    }

    [Test]
    public void A_policy_without_steps_ends_loudly() => Assert.That(Pass(Escalation.Start(Snapshot(0), Start), 0, 0).Log, Is.EqualTo(["0 policy_ended"]));

    [Test]
    public void Acknowledging_stops_it_and_giving_back_goes_on_with_what_was_left()
    {
        var acknowledged = Pass(Three(), 0, 5).After.Acknowledge("Ana", At(8)).After;

        Assert.That((acknowledged.Status, acknowledged.Remaining, acknowledged.StoppedReason), Is.EqualTo((EscalationStatus.Acknowledged, Duration.FromMinutes(7), "acknowledged by Ana")));
        Assert.That(Pass(acknowledged, 8, 60).Log, Is.Empty);
        Assert.That(Pass(acknowledged.Unacknowledge("Ana", At(60)).After, 60, 90).Log, Is.EqualTo(["67 cy", "82 policy_ended"]));
    }

    [Test]
    public void An_acknowledgement_that_runs_out_goes_on_with_what_was_left()
    {
        var escalation = Escalation.Start(Snapshot(0, Step("ana"), Step("bo")) with { AckTimeout = Duration.FromMinutes(30) }, Start);

        Assert.That(Pass(Pass(escalation, 0, 0).After.Acknowledge("Ana", At(2)).After, 2, 60).Log, Is.EqualTo(["35 bo", "40 policy_ended"]));
    }

    [Test]
    public void Giving_back_after_the_end_begins_anew_because_silence_would_follow()
    {
        var acknowledged = Pass(Three(), 0, 30).After.Acknowledge("Ana", At(40)).After;

        Assert.That(Pass(acknowledged.Unacknowledge("Ana", At(50)).After, 50, 51).Log, Is.EqualTo(["50 ana"]));
    }

    [Test]
    public void A_snooze_ends_by_itself_and_keeps_what_an_acknowledgement_had_left()
    {
        var snoozed = Pass(Three(), 0, 0).After.Acknowledge("Ana", At(1)).After.Snooze("Ana", At(20), At(10)).After;

        Assert.That(Pass(snoozed, 10, 25).Log, Is.EqualTo(["24 bo"]));
    }

    [Test]
    public void Escalating_now_fires_the_next_step_even_while_somebody_has_it()
    {
        var acknowledged = Pass(Three(), 0, 0).After.Acknowledge("Ana", At(1)).After;

        Assert.That(Pass(acknowledged.EscalateNow("Ana", At(2)).After, 2, 12).Log, Is.EqualTo(["2 bo", "12 cy"]));
        Assert.That(Pass(Pass(Three(), 0, 30).After.EscalateNow("Ana", At(31)).After, 31, 31).Log, Is.EqualTo(["31 ana"]));
    }

    [Test]
    public void A_step_whose_people_cannot_be_told_does_not_wait()
    {
        var fired = Pass(Three(), 0, 5).After;

        Assert.That(fired.StepFailed(0, 0, 0, "nobody", At(6)).After, Is.SameAs(fired), "that step is over");
        Assert.That(Pass(fired.StepFailed(0, 0, 1, "nobody", At(6)).After, 6, 6).Log, Is.EqualTo(["6 cy"]));
    }

    [Test]
    public void What_is_held_keeps_what_was_left_and_cannot_be_forgotten()
    {
        var held = Pass(Three(), 0, 0).After.Hold("hidden", At(2)).After;

        Assert.That((held.Status, held.Remaining, held.DueAt), Is.EqualTo((EscalationStatus.Held, Duration.FromMinutes(3), At(3))));
        Assert.That(held.Hold("hidden", At(3)).After.Remaining, Is.EqualTo(Duration.FromMinutes(3)), "held again");
        Assert.That(Pass(held.Release(At(10)).After, 10, 13).Log, Is.EqualTo(["13 bo"]));
        Assert.That(Pass(held.Acknowledge("Ana", At(4)).After.Unacknowledge("Ana", At(5)).After, 5, 8).Log, Is.EqualTo(["8 bo"]));
    }

    [Test]
    public void Each_beginning_has_a_key_of_its_own()
    {
        var ended = Pass(Three(), 0, 30).After;

        Assert.That(ended.EscalateNow("Ana", At(31)).After.Run, Is.EqualTo(1));
        Assert.That(ended.Acknowledge("Ana", At(31)).After.Unacknowledge("Ana", At(32)).After.Run, Is.EqualTo(1));
        Assert.That(Escalation.Start(ended.Policy, At(40), ended).Run, Is.EqualTo(1));
        Assert.That(Pass(Three(), 0, 0).After.EscalateNow("Ana", At(1)).After.Run, Is.Zero);
    }

    [Test]
    public void Only_the_first_step_of_a_new_escalation_begins_with_the_incident()
    {
        Assert.That(Three().BeginsWithIncident, Is.True);
        Assert.That(Pass(Three(), 0, 0).After.BeginsWithIncident, Is.False);
        Assert.That(Pass(Three(), 0, 30).After.EscalateNow("Ana", At(31)).After.BeginsWithIncident, Is.False);
    }

    [Test]
    public void A_stopped_escalation_never_fires_again()
    {
        var stopped = Pass(Three(), 0, 0).After.Stop("resolved by Ana", At(1)).After;

        foreach (var verb in new[] { stopped.Acknowledge("Bo", At(2)), stopped.Unacknowledge("Bo", At(2)), stopped.Snooze("Bo", At(9), At(2)), stopped.EscalateNow("Bo", At(2)), stopped.Stop("again", At(2)) })
        {
            Assert.That((verb.After, verb.Events.Length), Is.EqualTo((stopped, 0)));
        }

        Assert.That(Pass(stopped, 2, 100).Log, Is.Empty);
    }

    [Test]
    public void Firing_twice_changes_nothing()
    {
        var once = Three().Fire(Everybody()(Step("ana")), Start).After;

        Assert.That(once.Fire(Everybody()(Step("ana")), Start), Is.EqualTo(new EscalationMove(once, [])));
    }

    [Test]
    public void After_a_long_sleep_only_the_due_step_fires_and_its_people_have_their_whole_time()
    {
        var move = Three().Advance(At(600), Everybody());

        Assert.That((move.Fired.Length, move.After.DueAt), Is.EqualTo((1, At(605))));
    }

    [Test]
    public void What_is_to_come_is_known_beforehand() =>
        Assert.That(Pass(Three(repeat: 1), 0, 0).After.Upcoming().Select(u => $"{(u.At - Start).TotalMinutes} {u.Step.Targets[0].Key}"), Is.EqualTo(["5 bo", "15 cy", "30 ana", "35 bo", "45 cy"]));

    [Test]
    public void Whatever_is_done_it_never_falls_silent_while_nobody_has_it()
    {
        for (var number = 0; number < 20_000; number++)
        {
            var random = new Random(number);
            var escalation = Escalation.Start(Snapshot(random.Next(3), Step("ana", random.Next(6)), Step("bo", 10)) with { AckTimeout = random.Next(2) == 0 ? null : Duration.FromMinutes(20) }, Start);
            var (now, saidTheEnd) = (Start, false);
            for (var i = 0; i < 30; i++)
            {
                now += Duration.FromSeconds(random.Next(400));
                var verb = random.Next(8);
                var move = verb switch
                {
                    0 => escalation.Acknowledge("Ana", now),
                    1 => escalation.Unacknowledge("Ana", now),
                    2 => escalation.Snooze("Ana", now + Duration.FromMinutes(3), now),
                    3 => escalation.EscalateNow("Ana", now),
                    4 => escalation.Advance(now, Everybody("bo")),
                    5 => escalation.Advance(now, Everybody("ana", "bo")),
                    _ => escalation.Advance(now, Everybody()),
                };
                escalation = move.After;
                saidTheEnd = escalation.Status == EscalationStatus.Ended && (saidTheEnd || move.Events.Any(e => e is { Kind: EscalationEventKind.PolicyEnded, IsLoud: true }));
                var holds = escalation.Status switch
                {
                    EscalationStatus.Ended => saidTheEnd && escalation.DueAt is null,
                    EscalationStatus.Acknowledged => escalation.DueAt is not null == escalation.Policy.AckTimeout is not null,
                    _ => escalation.DueAt is not null,
                };
                if (!holds || (verb >= 4 && escalation.IsDue(now))) Assert.Fail($"Sequence {number}, verb {i}: {escalation}");
            }
        }
    }

    [Test]
    public void A_policy_picks_its_variant_by_severity_and_by_the_hour_of_the_beginning()
    {
        var office = new SupportHours { Name = "office", Zone = On.Berlin, Windows = [On.Window("09:00", "17:00", IsoDayOfWeek.Friday, IsoDayOfWeek.Monday)], Holidays = [new LocalDate(2026, 4, 3)] };
        var policy = new EscalationPolicy
        {
            Key = "default",
            Name = "Default",
            Variants =
            [
                new PolicyVariant { Name = "critical", Severities = [Severity.Critical], Steps = [Step("ana")] },
                new PolicyVariant { Name = "day", Within = office, Steps = [Step("bo")] },
                new PolicyVariant { Name = "night", Outside = office, Severities = [Severity.Warning], Steps = [Step("cy")] },
            ],
        };

        Assert.That(policy.Select(Severity.Critical, On.Utc("2026-03-27T12:00:00Z"))!.Variant, Is.EqualTo("critical"));
        Assert.That(policy.Select(Severity.Warning, On.Utc("2026-03-27T12:00:00Z"))!.Variant, Is.EqualTo("day"));
        Assert.That(policy.Select(Severity.Warning, On.Utc("2026-03-27T16:00:00Z"))!.Variant, Is.EqualTo("night"));
        Assert.That(policy.Select(Severity.Warning, On.Utc("2026-04-03T12:00:00Z"))!.Variant, Is.EqualTo("night"), "a holiday");
        Assert.That(policy.Select(Severity.Info, On.Utc("2026-03-28T12:00:00Z")), Is.Null);
    }

    [TestCase(typeof(EscalationSnapshot))]
    [TestCase(typeof(PolicyStep))]
    [TestCase(typeof(EscalationTarget))]
    public void What_is_stored_as_json_is_plain_data(Type type) => Assert.That(type.GetProperties().Where(p => !p.CanWrite), Is.Empty);
}
