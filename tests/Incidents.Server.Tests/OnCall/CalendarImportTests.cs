using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Server.OnCall;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Tests.OnCall;

public sealed class CalendarImportTests
{
    private static readonly Schedule Primary = new() { Key = "primary", Name = "Primary", Zone = DateTimeZoneProviders.Tzdb["Europe/Berlin"], Layers = [] };

    private static readonly Roster Roster = new([Someone("ana", "Ana Sousa"), Someone("bo", "Bo Lind"), Someone("chi", "Chi")], [], [Primary], []);

    [Test]
    public void Attendees_come_before_the_summary_which_may_name_several()
    {
        var shifts = Shifts("2026-03-02T00:00:00Z", "2026-03-06T00:00:00Z",
            Event("DTSTART:20260302T080000Z", "DTEND:20260303T080000Z", "SUMMARY:Somebody", "ATTENDEE;CN=Ana:mailto:ANA@example.com"),
            Event("DTSTART:20260303T080000Z", "DTEND:20260304T080000Z", "SUMMARY:bo\\, Chi"),
            Event("DTSTART:20260304T080000Z", "DTEND:20260305T080000Z", "SUMMARY:Ana Sousa on call: Primary"),
            Event("DTSTART:20260305T080000Z", "DTEND:20260305T090000Z", "SUMMARY:Holiday"));

        Assert.That(shifts.Lines, Is.EqualTo(new[] { "03-02T08:00-03-03T08:00 ana", "03-03T08:00-03-04T08:00 bo+chi", "03-04T08:00-03-05T08:00 ana" }));
        Assert.That(shifts.Unknown, Is.EqualTo(new[] { "'Holiday'" }));
    }

    [Test]
    public void Recurrence_is_read_in_its_zone_with_exceptions_and_moved_occurrences()
    {
        var shifts = Shifts("2026-03-23T00:00:00Z", "2026-04-14T00:00:00Z",
            Event("UID:weekly", "DTSTART;TZID=Europe/Berlin:20260316T090000", "DTEND;TZID=Europe/Berlin:20260316T170000", "RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Berlin:20260406T090000", "SUMMARY:ana"),
            Event("UID:weekly", "RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000", "DTSTART;TZID=Europe/Berlin:20260331T100000", "DTEND;TZID=Europe/Berlin:20260331T180000", "SUMMARY:bo"));

        Assert.That(shifts.Lines, Is.EqualTo(new[] { "03-23T08:00-03-23T16:00 ana", "03-31T08:00-03-31T16:00 bo", "04-13T07:00-04-13T15:00 ana" }), "an hour earlier in UTC once the clock is ahead");
    }

    [Test]
    public void Whole_days_and_times_without_a_zone_are_the_schedules()
    {
        var shifts = Shifts("2026-03-27T00:00:00Z", "2026-04-01T00:00:00Z",
            Event("DTSTART;VALUE=DATE:20260329", "DTEND;VALUE=DATE:20260330", "SUMMARY:ana"),
            Event("DTSTART:20260330T090000", "DTEND:20260330T170000", "SUMMARY:bo"));

        Assert.That(shifts.Lines, Is.EqualTo(new[] { "03-28T23:00-03-29T22:00 ana", "03-30T07:00-03-30T15:00 bo" }), "the day on which the clock is set ahead has 23 hours");
    }

    [Test]
    public void Who_overlaps_is_on_call_together_and_what_was_cancelled_is_not()
    {
        var shifts = Shifts("2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z",
            Event("DTSTART:20260302T080000Z", "DTEND:20260303T080000Z", "SUMMARY:ana"),
            Event("DTSTART:20260302T200000Z", "DTEND:20260303T200000Z", "SUMMARY:bo"),
            Event("DTSTART:20260302T000000Z", "DTEND:20260304T000000Z", "STATUS:CANCELLED", "SUMMARY:chi"));

        Assert.That(shifts.Lines, Is.EqualTo(new[] { "03-02T08:00-03-02T20:00 ana", "03-02T20:00-03-03T08:00 ana+bo", "03-03T08:00-03-03T20:00 bo" }));
    }

    [Test]
    public void A_shift_that_began_weeks_ago_still_counts()
    {
        var shifts = Shifts("2026-03-20T12:00:00Z", "2026-03-20T13:00:00Z", Event("DTSTART:20260301T080000Z", "DTEND:20260331T080000Z", "SUMMARY:ana"));

        Assert.That(shifts.Lines, Is.EqualTo(new[] { "03-20T12:00-03-20T13:00 ana" }));
    }

    [TestCase("<html>sign in</html>", "does not begin with")]
    [TestCase("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n", "c")]
    [TestCase("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nDTSTART;TZID=Mars/Base:20260302T080000\r\nSUMMARY:ana\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "Mars/Base")]
    [TestCase("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nDTSTART:20260302T080000Z\r\nRRULE:FREQ=SECONDLY\r\nSUMMARY:ana\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "by the minute")]
    [TestCase("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nSUMMARY:ana\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "without a beginning")]
    public void What_cannot_be_used_is_refused_with_the_reason(string text, string why)
    {
        Assert.That(CalendarImport.Parse(text, out var problem), Is.Null);
        Assert.That(problem, Does.Contain(why));
    }

    [TestCase("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")]
    [TestCase("RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30")]
    [TestCase("EXDATE;TZID=Mars/Base:20260303T080000", "RRULE:FREQ=DAILY")]
    public void What_reads_well_and_cannot_be_expanded_is_said_and_never_thrown(params string[] lines)
    {
        var calendar = CalendarImport.Parse($"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{Event(["DTSTART:20260302T080000Z", "SUMMARY:ana", .. lines])}END:VCALENDAR\r\n", out var problem);
        if (calendar is null)
        {
            Assert.That(problem, Is.Not.Empty);
            return;
        }

        Assert.That(calendar.WhyNotExpanded(Utc("2026-03-02T00:00:00Z")), Does.StartWith("cannot be expanded: "));
        var shifts = calendar.Shifts(Primary, Roster, Utc("2026-03-02T00:00:00Z"), Utc("2026-03-12T00:00:00Z"));
        Assert.That((shifts.Shifts, shifts.Problem), Is.EqualTo((ImmutableArray<Override>.Empty, calendar.WhyNotExpanded(Utc("2026-03-02T00:00:00Z")))));
    }

    [Test]
    public void A_calendar_of_ours_can_be_read_again()
    {
        var schedule = Primary with { Layers = [new Layer { Name = "base", Rotation = new Rotation { StartsOn = new LocalDate(2026, 3, 2), HandOverAt = new LocalTime(9, 0), Length = TurnLength.Daily }, Turns = [Turn.Of("ana"), Turn.Of("bo")] }] };
        var (from, until) = (Utc("2026-03-02T08:00:00Z"), Utc("2026-03-05T08:00:00Z"));
        var calendar = CalendarImport.Parse(ShiftCalendar.OfSchedule(schedule, [], Roster, from, until, from), out _)!;

        Assert.That(calendar.Shifts(Primary, Roster, from, until).Shifts.Select(s => s.People.Single()), Is.EqualTo(new[] { "ana", "bo", "ana" }));
    }

    private static (string[] Lines, ImmutableArray<string> Unknown) Shifts(string from, string until, params string[] events)
    {
        var calendar = CalendarImport.Parse($"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{string.Concat(events)}END:VCALENDAR\r\n", out var problem);
        Assert.That(calendar, Is.Not.Null, problem);
        var shifts = calendar!.Shifts(Primary, Roster, Utc(from), Utc(until));
        return ([.. shifts.Shifts.Select(s => $"{s.From.ToString("MM-dd'T'HH:mm", null)}-{s.Until.ToString("MM-dd'T'HH:mm", null)} {string.Join('+', s.People)}")], shifts.Unknown);
    }

    private static string Event(params string[] lines)
    {
        var uid = lines.Any(l => l.StartsWith("UID:", StringComparison.Ordinal)) ? "" : $"UID:{Guid.NewGuid()}\r\n";
        return $"BEGIN:VEVENT\r\n{uid}DTSTAMP:20260101T000000Z\r\n{string.Join("\r\n", lines)}\r\nEND:VEVENT\r\n";
    }

    private static Person Someone(string key, string name) => new() { Key = key, Name = name, Email = $"{key}@example.com", Zone = DateTimeZone.Utc, Contacts = [] };

    private static Instant Utc(string text) => InstantPattern.ExtendedIso.Parse(text).Value;
}
