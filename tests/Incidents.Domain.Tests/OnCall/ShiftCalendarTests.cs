using System.Text;
using System.Text.RegularExpressions;
using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class ShiftCalendarTests
{
    private static readonly Instant Now = On.Utc("2026-03-02T12:00:00Z");
    private static readonly Schedule Week = On.Schedule(On.Weekly("2026-01-05", "09:00", "ana", "bo"));
    private static readonly Roster Roster = new([Crew.Person("ana") with { Name = "Ana, \"the\" Ånd; \\ one\r\nBEGIN:VALARM" }], [], [], []);

    private static string Feed(Schedule schedule, Instant from, params Override[] overrides) => ShiftCalendar.OfSchedule(schedule, overrides, Roster, from, from + Duration.FromDays(28), Now);

    private static string[] All(string calendar, string property) => [.. Regex.Matches(calendar.Replace("\r\n ", ""), $"^{property}:(.*)\r$", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];

    [Test]
    public void Every_shift_is_an_event_with_its_true_beginning()
    {
        var feed = Feed(Week, Now);

        Assert.That(All(feed, "DTSTART"), Is.EqualTo(["20260302T080000Z", "20260309T080000Z", "20260316T080000Z", "20260323T080000Z", "20260330T070000Z"]));
        Assert.That(All(feed, "DTEND")[^1], Is.EqualTo("20260330T120000Z"));
        Assert.That(All(feed, "SUMMARY")[1], Is.EqualTo("bo on call: Primary"), "who is not among the people has only a key");
    }

    [Test]
    public void Lines_end_with_crlf_and_hold_at_most_75_octets_without_cutting_a_character()
    {
        var ana = Crew.Person("ana") with { Name = string.Concat(Enumerable.Repeat("Å🚒", 60)) };
        var feed = ShiftCalendar.OfPerson(ana, [Week], [], new Roster([ana], [], [], []), Now, Now + Duration.FromDays(28), Now);

        Assert.That(feed.Split("\r\n").Max(Encoding.UTF8.GetByteCount), Is.LessThanOrEqualTo(75));
        Assert.That(feed.Replace("\r\n", "").AsSpan().IndexOfAny('\r', '\n'), Is.EqualTo(-1));
        Assert.That(feed.EnumerateRunes().Any(r => r == Rune.ReplacementChar), Is.False);
        Assert.That(All(feed, "SUMMARY")[0], Is.EqualTo($"{ana.Name} on call: Primary"));
    }

    [Test]
    public void A_hostile_name_stays_text()
    {
        var feed = Feed(Week, Now);

        Assert.That(feed.Split("\r\n"), Does.Not.Contain("BEGIN:VALARM"));
        Assert.That(All(feed, "SUMMARY")[0], Is.EqualTo(@"Ana\, ""the"" Ånd\; \\ one\nBEGIN:VALARM on call: Primary"));
    }

    [Test]
    public void An_event_keeps_its_uid_from_day_to_day_and_is_told_apart_from_all_others()
    {
        var (today, tomorrow) = (All(Feed(Week, Now), "UID"), All(Feed(Week, Now + Duration.FromDays(1)), "UID"));

        Assert.That(tomorrow[..today.Length], Is.EqualTo(today));
        Assert.That(today, Is.Unique);
    }

    [Test]
    public void Who_is_always_on_call_has_one_event_that_stays()
    {
        var alone = On.Schedule(On.Daily("2020-01-01", "09:00", "ana"));

        Assert.That(All(Feed(alone, Now), "UID"), Has.Length.EqualTo(1));
        Assert.That(All(Feed(alone, Now + Duration.FromDays(9)), "UID"), Is.EqualTo(All(Feed(alone, Now), "UID")));
    }

    [Test]
    public void An_override_shows_as_who_has_it_and_gaps_are_events_of_a_schedule()
    {
        var office = On.Schedule(On.Daily("2026-03-02", "09:00", "ana") with { Restrictions = [On.Window("09:00", "17:00", IsoDayOfWeek.Monday)] });
        var feed = Feed(office, Now, On.Over("o1", "2026-03-02T14:00:00Z", "2026-03-02T18:00:00Z", "bo"));

        Assert.That(All(feed, "SUMMARY")[1..3], Is.EqualTo(["bo on call: Primary", "Nobody on call: Primary"]));
        Assert.That(All(feed, "DTSTART")[1..3], Is.EqualTo(["20260302T140000Z", "20260302T180000Z"]));
        Assert.That(All(ShiftCalendar.OfPerson(Crew.Person("bo"), [office], [], Roster, Now, Now + Duration.FromDays(9), Now), "SUMMARY"), Is.Empty);
    }
}
