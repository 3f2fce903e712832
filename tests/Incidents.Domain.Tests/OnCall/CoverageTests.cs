using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class CoverageTests
{
    private static readonly Instant From = On.Utc("2026-03-01T00:00:00Z");

    private static readonly Schedule Sound = On.Schedule(On.Weekly("2026-01-05", "09:00", "ana", "bo"));

    private static PolicyStep Step(string kind, string key, int minutes = 5) => new() { Targets = [new EscalationTarget(kind, key)], EscalateAfter = Duration.FromMinutes(minutes) };

    private static EscalationPolicy Policy(params ImmutableArray<PolicyStep> steps) => new() { Key = "default", Name = "Default", Variants = [new PolicyVariant { Name = "all", Steps = steps }] };

    private static readonly EscalationPolicy Primary = Policy(Step(TargetKind.Schedule, "primary"));

    private static ImmutableArray<CoverageHole> Holes(EscalationPolicy policy, Schedule schedule, string severity = Severity.Critical, Person[]? people = null, params Override[] overrides) => Coverage.Holes(
        new Roster(people ?? [Crew.Person("ana"), Crew.Person("bo")], [], [schedule], [policy]), overrides, [new CoverageQuestion("payments", severity, "default")], Crew.Reach, From, From + Coverage.Horizon);

    [Test]
    public void A_sound_configuration_gives_no_alarm() => Assert.That(Holes(Primary, Sound), Is.Empty);

    [Test]
    public void A_gap_is_found_at_its_first_moment()
    {
        var office = Sound with { Layers = [Sound.Layers[0] with { Until = new LocalDateTime(2026, 4, 6, 9, 0) }] };
        var hole = Holes(Primary, office).Single();

        Assert.That((hole.From, hole.Until, hole.Reason), Is.EqualTo((On.Utc("2026-04-06T07:00:00Z"), From + Coverage.Horizon, MissKind.Gap)));
        Assert.That(hole.Detail, Is.EqualTo("Nobody is on call in schedule \"primary\" from 2026-04-06 07:00Z."));
    }

    [Test]
    public void A_gap_that_ends_within_the_target_is_none_when_the_policy_comes_back_in_time()
    {
        var schedule = On.Schedule(On.Layer("base", "2026-01-05", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("10:10", "10:00")] });
        var once = Holes(Primary, schedule)[0];
        var again = Holes(Primary with { Variants = [Primary.Variants[0] with { Repeat = 9 }] }, schedule);

        Assert.That((once.From, once.Until), Is.EqualTo((On.Utc("2026-03-01T09:00:00Z"), On.Utc("2026-03-01T09:10:00Z"))));
        Assert.That(again, Is.Empty);
    }

    [Test]
    public void An_empty_layer_is_a_gap_all_the_time() =>
        Assert.That(Holes(Primary, On.Schedule(On.Daily("2026-01-05", "09:00"))).Select(h => (h.From, h.Reason)), Is.EqualTo([(From, MissKind.Gap)]));

    [Test]
    public void A_removed_person_leaves_a_hole_whenever_it_would_be_their_turn()
    {
        var holes = Holes(Primary, Sound, people: [Crew.Person("ana")]);

        Assert.That((holes[0].From, holes[0].Until, holes[0].Reason), Is.EqualTo((From, On.Utc("2026-03-02T08:00:00Z"), MissKind.RemovedPerson)));
        Assert.That((holes[1].From, holes.Length), Is.EqualTo((On.Utc("2026-03-09T08:00:00Z"), 7)));
        Assert.That(holes[0].Detail, Is.EqualTo("Bo, on call in schedule \"primary\" by layer \"base\", is not among the people any more."));
    }

    [Test]
    public void An_override_to_somebody_removed_is_a_hole()
    {
        var hole = Holes(Primary, Sound, overrides: On.Over("o1", "2026-03-10T00:00:00Z", "2026-03-10T04:00:00Z", "zoe")).Single();

        Assert.That((hole.From, hole.Until, hole.Reason), Is.EqualTo((On.Utc("2026-03-10T00:00:00Z"), On.Utc("2026-03-10T04:00:00Z"), MissKind.RemovedPerson)));
    }

    [Test]
    public void Quiet_hours_are_a_hole_for_what_does_not_disturb_them_only()
    {
        Person[] people = [Crew.Person("ana") with { QuietHours = [On.Window("22:00", "06:00")] }, Crew.Person("bo")];
        var holes = Holes(Primary, Sound, Severity.Warning, people);

        Assert.That((holes[0].Reason, (holes[0].Until - holes[0].From).TotalHours), Is.EqualTo((MissKind.QuietHours, 8)));
        Assert.That(Holes(Primary, Sound, Severity.Critical, people), Is.Empty);
    }

    [Test]
    public void A_person_without_a_channel_that_works_is_a_hole() =>
        Assert.That(Holes(Primary, Sound, people: [Crew.Person("ana"), Crew.Person("bo") with { Contacts = [new ContactStep("slack", Duration.Zero)] }])[0].Reason, Is.EqualTo(MissKind.NoChannel));

    [Test]
    public void Zones_that_change_their_clocks_at_different_times_are_named()
    {
        var berlin = On.Layer("berlin", "2026-01-01", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("08:00", "20:00")] };
        var york = On.Layer("york", "2026-01-01", "00:00", TurnLength.Daily, "bo") with { Restrictions = [On.Window("14:00", "02:00")], Zone = On.Zone("America/New_York") };
        var holes = Holes(Primary, On.Schedule(berlin, york));

        Assert.That((holes[0].From, holes[0].Until, holes[0].Reason), Is.EqualTo((On.Utc("2026-03-09T06:00:00Z"), On.Utc("2026-03-09T07:00:00Z"), MissKind.ClockChange)));
        Assert.That(holes[0].Detail, Does.EndWith("because America/New_York changed its clock at 2026-03-08 07:00Z."));
        Assert.That(holes[^1].From, Is.LessThan(On.Utc("2026-03-29T01:00:00Z")), "it closes when the other zone follows");
    }

    [Test]
    public void An_ordinary_gap_is_not_blamed_on_the_clock()
    {
        var office = On.Schedule(On.Daily("2026-01-01", "00:00", "ana") with { Restrictions = [On.Window("09:00", "17:00")] });

        Assert.That(Holes(Primary, office).Select(h => h.Reason).Distinct(), Is.EqualTo([MissKind.Gap]));
    }

    [Test]
    public void A_later_step_closes_the_hole_if_it_comes_in_time()
    {
        var empty = On.Schedule();

        Assert.That(Holes(Policy(Step(TargetKind.Schedule, "primary", 60), Step(TargetKind.Person, "ana")), empty), Is.Empty, "who is not there does not wait");
        Assert.That(Holes(Policy(Step(TargetKind.Receiver, "log", 10), Step(TargetKind.Person, "ana")), empty), Is.Empty);
        Assert.That(Holes(Policy(Step(TargetKind.Receiver, "log", 20), Step(TargetKind.Person, "ana")), empty).Single().Reason, Is.EqualTo(MissKind.TooLate));
    }

    [Test]
    public void A_slack_channel_is_nobody_but_a_paging_receiver_is_somebody()
    {
        Assert.That(Holes(Policy(Step(TargetKind.Receiver, "log", 60)), Sound).Single().Reason, Is.EqualTo(MissKind.NoPerson));
        Assert.That(Holes(Policy(Step(TargetKind.Receiver, "duty")), Sound), Is.Empty);
    }

    [Test]
    public void A_first_contact_that_waits_too_long_is_too_late() =>
        Assert.That(Holes(Policy(Step(TargetKind.Person, "ana")), Sound, people: [Crew.Person("ana") with { Contacts = [new ContactStep("email", Duration.FromMinutes(20))] }]).Single().Reason, Is.EqualTo(MissKind.TooLate));

    [Test]
    public void A_missing_policy_variant_or_step_is_said()
    {
        var office = new SupportHours { Name = "office", Zone = On.Berlin, Windows = [On.Window("09:00", "17:00")] };
        var daytime = Primary with { Variants = [Primary.Variants[0] with { Within = office }] };

        Assert.That(Holes(Policy(), Sound).Single().Reason, Is.EqualTo(MissKind.NoPolicy));
        Assert.That(Holes(daytime, Sound)[1].From, Is.EqualTo(On.Utc("2026-03-01T16:00:00Z")));
        Assert.That(Coverage.Holes(new Roster([], [], [], []), [], [new("payments", Severity.Critical, null), new("payments", Severity.Critical, "gone")], Crew.Reach, From, From + Duration.FromDays(1)).Select(h => h.Reason),
            Is.EqualTo([MissKind.NoPolicy, MissKind.NoPolicy]));
    }

    /// <summary>Small configurations, minute by minute over two days with a change of the clock, against a loop that knows the rules as words only.</summary>
    [Test]
    public void Exactly_the_minutes_are_holes_that_asking_every_minute_finds()
    {
        const int Minutes = 2 * 1440;
        var from = On.Utc("2026-03-28T00:00:00Z");
        for (var number = 0; number < 300; number++)
        {
            var random = new Random(number);
            var people = new[] { "ana", "bo", "cy" }.Select(p => Crew.Person(p) with
            {
                QuietHours = random.Next(2) == 0 ? [] : [new WeeklyWindow { From = Time(random), Until = Time(random) }],
                Contacts = [new ContactStep(random.Next(8) == 0 ? "pagerduty" : "email", Duration.FromMinutes(random.Next(3) == 0 ? random.Next(20) : 0))],
            }).Where(_ => random.Next(8) != 0).ToArray();
            var schedules = Enumerable.Range(0, 2).Select(i => On.Schedule(
                new Layer
                {
                    Name = "base",
                    Rotation = new Rotation { StartsOn = new LocalDate(2026, 3, 20), HandOverAt = Time(random), Length = new TurnLength.Elapsed(Duration.FromMinutes(random.Next(60, 2000))) },
                    Turns = [Turn.Of("ana"), Turn.Of("bo"), Turn.Of()],
                    Restrictions = random.Next(2) == 0 ? [] : [new WeeklyWindow { From = Time(random), Until = Time(random) }],
                }) with { Key = $"s{i}" }).ToArray();
            var steps = Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(5) switch
            {
                0 => Step(TargetKind.Person, "cy", random.Next(0, 12)),
                1 => Step(TargetKind.Receiver, "log", random.Next(0, 12)),
                var n => Step(TargetKind.Schedule, $"s{n % 2}", random.Next(0, 12)),
            });
            var variant = new PolicyVariant { Name = "all", Steps = [.. steps], Repeat = random.Next(3), ReachWithin = Duration.FromMinutes(random.Next(5, 25)) };
            var roster = new Roster(people, [], schedules, [new EscalationPolicy { Key = "default", Name = "Default", Variants = [variant] }]);
            var holes = Coverage.Holes(roster, [], [new CoverageQuestion("payments", Severity.Warning, "default")], Crew.Reach, from, from + Duration.FromMinutes(Minutes));

            var onCall = schedules.ToDictionary(s => s.Key, s => Enumerable.Range(0, Minutes + 60).Select(m => Find(s, m)).ToArray());
            var quiet = people.ToDictionary(p => p.Key, p => Enumerable.Range(0, Minutes + 60).Select(m => p.IsQuiet(Severity.Warning, At(m))).ToArray());
            for (var minute = 0; minute < Minutes; minute++)
            {
                var isHole = holes.Any(h => h.From <= At(minute) && At(minute) < h.Until);
                if (isHole == IsReached(minute)) Assert.Fail($"Configuration {number} at {At(minute)}: {(isHole ? "a false alarm" : "a hole not found")}");
            }

            bool IsReached(int begins)
            {
                var target = variant.ReachWithin.TotalMinutes;
                var delay = 0;
                for (var round = 0; round <= variant.Repeat; round++)
                {
                    var anybody = false;
                    for (var i = 0; i < variant.Steps.Length; i++)
                    {
                        if (delay > target) return false;
                        var (kind, key) = variant.Steps[i].Targets[0];
                        string[] candidates = kind == TargetKind.Schedule ? onCall[key][begins + delay] : kind == TargetKind.Person ? [key] : [];
                        var reachable = people.Where(p => candidates.Contains(p.Key) && p.Contacts[0].Channel == "email" && !quiet[p.Key][begins + delay]).ToArray();
                        if (reachable.Any(p => delay + p.Contacts[0].Wait.TotalMinutes <= target)) return true;
                        var told = reachable.Length > 0 || kind == TargetKind.Receiver;
                        anybody |= told;
                        var own = (int)variant.Steps[i].EscalateAfter.TotalMinutes;
                        var isLast = i == variant.Steps.Length - 1;
                        delay += !isLast ? (told ? own : 0) : Math.Max(1, told || !anybody ? own : 0);
                    }
                }

                return false;
            }

            string[] Find(Schedule schedule, int minute) => [.. ScheduleCalculator.OnCallAt(schedule, [], At(minute)).Select(p => p.Person)];
        }

        Instant At(int minute) => from + Duration.FromMinutes(minute);
        static LocalTime Time(Random random) => LocalTime.Midnight.PlusMinutes(random.Next(1440));
    }
}
