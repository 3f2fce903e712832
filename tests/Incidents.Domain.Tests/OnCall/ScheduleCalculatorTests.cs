using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class ScheduleCalculatorTests
{
    private static readonly IsoDayOfWeek[] Workdays = [IsoDayOfWeek.Monday, IsoDayOfWeek.Tuesday, IsoDayOfWeek.Wednesday, IsoDayOfWeek.Thursday, IsoDayOfWeek.Friday];

    [Test]
    public void A_weekly_rotation_hands_over_at_the_same_wall_clock_time_across_the_change() =>
        Assert.That(On.Lines(On.Schedule(On.Weekly("2026-03-16", "09:00", "ana", "bo")), On.Between("2026-03-16T08:00:00Z", "2026-04-06T07:00:00Z")),
            Is.EqualTo(["03-16T08:00 ana", "03-23T08:00 bo", "03-30T07:00 ana"]));

    [TestCase("2026-03-23T07:59:59Z", "ana")]
    [TestCase("2026-03-23T08:00:00Z", "bo", Description = "the start is in it, the end is not")]
    [TestCase("2026-03-16T07:59:59Z", "", Description = "before the start of the rotation")]
    public void At_the_hand_over_the_next_person_has_it(string at, string who) =>
        Assert.That(On.Who(On.Schedule(On.Weekly("2026-03-16", "09:00", "ana", "bo")), at), Is.EqualTo(who));

    [Test]
    public void A_hand_over_in_the_skipped_hour_happens_when_the_clock_jumps() =>
        Assert.That(On.Lines(On.Schedule(On.Daily("2026-03-27", "02:30", "ana", "bo")), On.Between("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")),
            Is.EqualTo(["03-28T00:00 ana", "03-28T01:30 bo", "03-29T01:00 ana", "03-30T00:30 bo"]));

    [Test]
    public void A_hand_over_in_the_repeated_hour_happens_once_the_first_time() =>
        Assert.That(On.Lines(On.Schedule(On.Daily("2026-10-23", "02:30", "ana", "bo")), On.Between("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")),
            Is.EqualTo(["10-24T00:00 ana", "10-24T00:30 bo", "10-25T00:30 ana", "10-26T01:30 bo"]));

    [Test]
    public void Turns_in_hours_are_elapsed_time_and_move_on_the_wall_clock() =>
        Assert.That(On.Lines(On.Schedule(On.Layer("base", "2026-03-28", "09:00", new TurnLength.Elapsed(Duration.FromHours(24)), "ana", "bo")), On.Between("2026-03-28T08:00:00Z", "2026-03-31T08:00:00Z")),
            Is.EqualTo(["03-28T08:00 ana", "03-29T08:00 bo", "03-30T08:00 ana"]));

    [Test]
    public void A_turn_of_a_day_that_a_zone_skips_has_no_length() =>
        Assert.That(On.Lines(On.Schedule(On.Zone("Pacific/Apia"), On.Daily("2011-12-28", "00:00", "wed", "thu", "fri", "sat")), On.Between("2011-12-28T10:00:00Z", "2012-01-01T10:00:00Z")),
            Is.EqualTo(["12-28T10:00 wed", "12-29T10:00 thu", "12-30T10:00 sat", "12-31T10:00 wed"]));

    [TestCase("2026-03-28T19:00:00Z", "2026-03-29T18:00:00Z")]
    [TestCase("2026-10-24T18:00:00Z", "2026-10-25T19:00:00Z")]
    public void Windows_that_meet_on_paper_meet_when_the_clock_is_changed(string from, string until)
    {
        var early = On.Layer("early", "2026-01-01", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("20:00", "02:30")] };
        var late = On.Layer("late", "2026-01-01", "00:00", TurnLength.Daily, "bo") with { Restrictions = [On.Window("02:30", "20:00")] };

        Assert.That(ScheduleCalculator.Shifts(On.Schedule(early, late), [], On.Between(from, until)).Select(s => s.People.Single().Person), Is.EqualTo(["ana", "bo"]));
    }

    [Test]
    public void A_window_over_midnight_belongs_to_the_day_on_which_it_begins()
    {
        var night = On.Layer("night", "2026-01-01", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("22:00", "06:00", IsoDayOfWeek.Friday)] };

        Assert.That(On.Lines(On.Schedule(night), On.Between("2026-02-05T00:00:00Z", "2026-02-09T00:00:00Z")), Is.EqualTo(["02-05T00:00 -", "02-06T21:00 ana", "02-07T05:00 -"]));
    }

    [TestCase("00:00")]
    [TestCase("09:00")]
    public void Equal_start_and_end_are_a_whole_day(string time)
    {
        var layer = On.Daily("2026-01-01", "00:00", "ana") with { Restrictions = [On.Window(time, time, IsoDayOfWeek.Saturday)] };
        var shift = ScheduleCalculator.Shifts(On.Schedule(layer), [], On.Between("2026-02-05T00:00:00Z", "2026-02-09T12:00:00Z")).Single(s => !s.IsGap);

        Assert.That(shift.Until - shift.From, Is.EqualTo(Duration.FromHours(24)));
    }

    [Test]
    public void A_restricted_layer_leaves_its_holes_to_the_layers_below_and_gaps_are_shifts()
    {
        var below = On.Layer("below", "2026-03-03", "00:00", TurnLength.Daily, "bo");
        var office = On.Layer("office", "2026-03-02", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("09:00", "17:00", [.. Workdays])] };

        Assert.That(On.Lines(On.Schedule(below, office), On.Between("2026-03-02T00:00:00Z", "2026-03-03T12:00:00Z")),
            Is.EqualTo(["03-02T00:00 -", "03-02T08:00 ana", "03-02T16:00 -", "03-02T23:00 bo", "03-03T08:00 ana"]));
    }

    [Test]
    public void The_last_layer_is_on_top_and_an_empty_turn_shows_the_one_below()
    {
        var top = On.Daily("2026-03-02", "00:00", "ana", "bo") with { Name = "top", Turns = [Turn.Of("ana"), Turn.Of()] };
        var schedule = On.Schedule(On.Daily("2026-03-01", "00:00", "cy"), top);

        Assert.That(On.Lines(schedule, On.Between("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z")), Is.EqualTo(["03-01T00:00 cy", "03-01T23:00 ana", "03-02T23:00 cy", "03-03T23:00 ana"]));
        Assert.That(ScheduleCalculator.OnCallAt(schedule, [], On.Utc("2026-03-02T12:00:00Z")).Single().Reason, Is.EqualTo(new DutyReason.ByLayer("top")));
    }

    [Test]
    public void A_layer_counts_only_between_its_own_start_and_end_without_moving_its_turns()
    {
        var layer = On.Daily("2026-01-01", "00:00", "ana", "bo") with { From = new LocalDateTime(2026, 3, 2, 12, 0), Until = new LocalDateTime(2026, 3, 3, 6, 0) };

        Assert.That(On.Lines(On.Schedule(DateTimeZone.Utc, layer), On.Between("2026-03-01T00:00:00Z", "2026-03-09T00:00:00Z")), Is.EqualTo(["03-01T00:00 -", "03-02T12:00 ana", "03-03T00:00 bo", "03-03T06:00 -"]));
    }

    [Test]
    public void Layers_in_their_own_zones_follow_the_sun_and_drift_apart_while_only_one_zone_has_changed()
    {
        var berlin = On.Layer("berlin", "2026-01-01", "00:00", TurnLength.Daily, "ana") with { Restrictions = [On.Window("08:00", "20:00")] };
        var york = On.Layer("york", "2026-01-01", "00:00", TurnLength.Daily, "bo") with { Restrictions = [On.Window("14:00", "02:00")], Zone = On.Zone("America/New_York") };

        Assert.That(On.Lines(On.Schedule(berlin, york), On.Between("2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z")),
            Is.EqualTo(["03-07T12:00 ana", "03-07T19:00 bo", "03-08T07:00 ana", "03-08T18:00 bo", "03-09T06:00 -", "03-09T07:00 ana"]));
    }

    [Test]
    public void Several_people_may_have_one_turn() =>
        Assert.That(On.Who(On.Schedule(On.Daily("2026-03-02", "00:00", "ana+bo", "cy")), "2026-03-02T12:00:00Z"), Is.EqualTo("ana+bo"));

    [Test]
    public void The_same_person_twice_in_a_row_is_no_hand_over() =>
        Assert.That(On.Lines(On.Schedule(On.Daily("2026-03-02", "00:00", "ana", "ana", "bo")), On.Between("2026-03-02T00:00:00Z", "2026-03-05T00:00:00Z")), Is.EqualTo(["03-02T00:00 ana", "03-03T23:00 bo", "03-04T23:00 ana"]));

    [Test]
    public void An_override_wins_over_all_layers_and_fills_gaps()
    {
        var schedule = On.Schedule(On.Daily("2026-03-02", "09:00", "ana", "bo"));

        Assert.That(On.Lines(schedule, On.Between("2026-03-02T06:00:00Z", "2026-03-03T00:00:00Z"), On.Over("o1", "2026-03-02T07:00:00Z", "2026-03-02T10:00:00Z", "cy+di")),
            Is.EqualTo(["03-02T06:00 -", "03-02T07:00 cy+di", "03-02T10:00 ana"]));
    }

    [Test]
    public void An_override_that_replaces_somebody_takes_only_that_place()
    {
        var schedule = On.Schedule(On.Daily("2026-03-02", "00:00", "ana+bo", "cy"));
        var over = On.Over("o1", "2026-03-02T10:00:00Z", "2026-03-04T00:00:00Z", "di+ed", replaces: "ana");

        Assert.That(On.Lines(schedule, On.Between("2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z"), over), Is.EqualTo(["03-02T00:00 ana+bo", "03-02T10:00 di+ed+bo", "03-02T23:00 cy", "03-03T23:00 di+ed+bo"]));
        Assert.That(ScheduleCalculator.OnCallAt(schedule, [over], On.Utc("2026-03-02T12:00:00Z"))[0].Reason, Is.EqualTo(new DutyReason.ByOverride("o1", "ana")));
    }

    [Test]
    public void Of_overlapping_overrides_the_one_made_last_wins_and_chains_are_followed()
    {
        var schedule = On.Schedule(On.Daily("2026-03-02", "00:00", "ana"));
        var (from, until) = ("2026-03-02T10:00:00Z", "2026-03-02T20:00:00Z");

        Assert.That(On.Who(schedule, "2026-03-02T12:00:00Z", On.Over("a", from, until, "bo", made: 2), On.Over("b", from, until, "cy", made: 1)), Is.EqualTo("bo"));
        Assert.That(On.Who(schedule, "2026-03-02T12:00:00Z", On.Over("b", from, until, "di", "bo", made: 2), On.Over("a", from, until, "bo", "ana", made: 1)), Is.EqualTo("di"));
        Assert.That(On.Who(schedule, "2026-03-02T12:00:00Z", On.Over("b", from, until, "di", "bo", made: 1), On.Over("a", from, until, "bo", "ana", made: 2)), Is.EqualTo("bo"));
    }

    [Test]
    public void An_override_never_makes_a_gap_and_one_of_another_schedule_changes_nothing()
    {
        var schedule = On.Schedule(On.Daily("2026-03-02", "00:00", "ana"));
        var (from, until) = ("2026-03-02T10:00:00Z", "2026-03-02T20:00:00Z");

        Assert.That(On.Who(schedule, "2026-03-02T12:00:00Z", On.Over("a", from, until, ""), On.Over("b", from, until, "bo") with { Schedule = "other" }), Is.EqualTo("ana"));
    }

    [Test]
    public void The_next_hand_over_names_both_sides_and_who_is_next_looks_past_a_gap()
    {
        var office = On.Daily("2026-03-02", "00:00", "ana") with { Restrictions = [On.Window("09:00", "17:00")] };
        var now = On.Utc("2026-03-02T12:00:00Z");
        var handOver = ScheduleCalculator.NextHandOver(On.Schedule(office), [], now)!;
        var next = ScheduleCalculator.WhoIsNext(On.Schedule(office), [], now)!;

        Assert.That((handOver.At, handOver.From.Single().Person, handOver.To.Length), Is.EqualTo((On.Utc("2026-03-02T16:00:00Z"), "ana", 0)));
        Assert.That((next.From, next.People.Single().Person), Is.EqualTo((On.Utc("2026-03-03T08:00:00Z"), "ana")));
    }

    [Test]
    public void Who_is_alone_has_nobody_to_hand_over_to()
    {
        var schedule = On.Schedule(On.Daily("2026-03-02", "00:00", "ana"));

        Assert.That(ScheduleCalculator.NextHandOver(schedule, [], On.Utc("2026-03-02T12:00:00Z")), Is.Null);
        Assert.That(ScheduleCalculator.WhoIsNext(schedule, [], On.Utc("2026-03-02T12:00:00Z")), Is.Null);
    }

    [Test]
    public void A_hand_over_months_away_is_found() =>
        Assert.That(ScheduleCalculator.NextHandOver(On.Schedule(DateTimeZone.Utc, On.Layer("base", "2026-01-01", "00:00", new TurnLength.Days(200), "ana", "bo")), [], On.Utc("2026-01-02T00:00:00Z"))!.At, Is.EqualTo(On.Utc("2026-07-20T00:00:00Z")));
}
