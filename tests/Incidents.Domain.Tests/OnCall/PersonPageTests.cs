using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class PersonPageTests
{
    private static readonly Instant Start = On.Utc("2026-03-14T02:00:00Z");

    private static Instant At(double minutes) => Start + Duration.FromMinutes(minutes);

    private static PersonPage Three() => PersonPage.Start(1, new FiredStep(0, 0, new ResolvedStep()), new ReachedPerson("ana", "",
        [new Contact("slack", "U1", Duration.Zero), new Contact("email", "ana@example.org", Duration.FromMinutes(3)), new Contact("pagerduty", "key", Duration.FromMinutes(8))]), Start);

    [Test]
    public void Each_contact_begins_after_its_wait()
    {
        var (page, log) = (Three(), new List<string>());
        for (var minute = 0; minute < 20; minute++)
        {
            var move = page.Advance(At(minute));
            if (move.Begins is not null) log.Add($"{minute} {move.Begins}");
            page = move.After;
        }

        Assert.That(log, Is.EqualTo(["0 slack", "3 email", "8 pagerduty"]));
        Assert.That((page.Status, page.DueAt), Is.EqualTo((PageStatus.Running, (Instant?)null)));
    }

    [Test]
    public void A_contact_that_fails_gives_way_at_once_and_those_after_keep_their_distance()
    {
        var page = Three().Advance(Start).After.Fail("slack", At(1));
        var email = page.Advance(At(1));

        Assert.That((email.Begins, email.After.DueAt), Is.EqualTo(("email", (Instant?)At(6))));
    }

    [Test]
    public void It_is_in_vain_only_when_every_contact_has_failed()
    {
        var page = Three().Advance(Start).After.Fail("slack", At(1)).Advance(At(1)).After.Fail("email", At(2)).Advance(At(2)).After;
        Assert.That(page.Advance(At(30)).After.Status, Is.EqualTo(PageStatus.Running));

        page = page.Fail("pagerduty", At(31)).Advance(At(31)).After;
        Assert.That((page.Status, page.DueAt), Is.EqualTo((PageStatus.InVain, (Instant?)null)));
    }

    [Test]
    public void A_failure_that_comes_while_the_next_has_its_time_does_not_hasten_what_follows() =>
        Assert.That(Three().Advance(Start).After.Advance(At(3)).After.Fail("slack", At(4)).DueAt, Is.EqualTo(At(8)));

    [Test]
    public void A_late_failure_of_what_was_passed_already_changes_nothing_of_what_works()
    {
        var page = Three().Advance(Start).After.Advance(At(3)).After.Advance(At(8)).After.Fail("slack", At(9)).Advance(At(9)).After;

        Assert.That((page.Status, page.DueAt), Is.EqualTo((PageStatus.Running, (Instant?)null)));
        Assert.That(page.Fail("slack", At(10)), Is.SameAs(page));
        Assert.That(page.Fail("sms", At(10)), Is.SameAs(page));
    }

    [Test]
    public void What_is_held_goes_on_with_what_was_left()
    {
        var held = Three().Advance(Start).After.Hold(At(1));
        Assert.That((held.Status, held.DueAt, held.Advance(At(30)).Begins), Is.EqualTo((PageStatus.Held, (Instant?)null, (string?)null)));

        var page = held.GoOn(At(30));
        Assert.That((page.Status, page.DueAt, page.Advance(At(32)).Begins), Is.EqualTo((PageStatus.Running, (Instant?)At(32), "email")));
        Assert.That(page.GoOn(At(40)), Is.SameAs(page), "it goes on once");

        var last = Three().Advance(Start).After.Advance(At(3)).After.Advance(At(8)).After.Hold(At(9)).GoOn(At(20));
        Assert.That((last.Status, last.DueAt), Is.EqualTo((PageStatus.Running, (Instant?)null)), "nothing was left to try");
    }

    [Test]
    public void What_fails_while_it_is_held_gives_way_as_soon_as_it_goes_on() =>
        Assert.That(Three().Advance(Start).After.Hold(At(1)).Fail("slack", At(1)).GoOn(At(30)).DueAt, Is.EqualTo(At(30)));

    [Test]
    public void What_is_stopped_stays_so()
    {
        var page = Three().Advance(Start).After.Hold(At(1)).Stop();
        Assert.That((page.Status, page.GoOn(At(2)), page.Hold(At(2)), page.Fail("slack", At(2))), Is.EqualTo((PageStatus.Stopped, page, page, page)));
    }

    [TestCase("@ana/slack", "ana", "slack")]
    [TestCase("@a.b/email", "a.b", "email")]
    public void A_person_on_a_channel_is_a_receiver(string name, string who, string how)
    {
        Assert.That(PersonReceiver.TryParse(name, out var person, out var channel), Is.True);
        Assert.That((person, channel, PersonReceiver.NameOf(who, how)), Is.EqualTo((who, how, name)));
    }

    [TestCase("slack-alerts")]
    [TestCase("@")]
    [TestCase("@/slack")]
    [TestCase("@ana")]
    public void Other_names_are_no_people(string name) => Assert.That(PersonReceiver.TryParse(name, out _, out _), Is.False);
}
