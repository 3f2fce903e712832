using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Routing;

internal sealed class SilenceTests
{
    private static readonly Instant Nine = Instant.FromUtc(2026, 3, 2, 9, 0);

    [Test]
    public void It_holds_from_its_start_to_just_before_its_end()
    {
        var silence = Silence();
        Assert.That((silence.HoldsAt(Nine - Duration.Epsilon), silence.HoldsAt(Nine), silence.HoldsAt(Nine + Duration.FromHours(1) - Duration.Epsilon), silence.HoldsAt(Nine + Duration.FromHours(1))), Is.EqualTo((false, true, true, false)));
        Assert.That((silence.NextLook(Nine - Duration.FromDays(1)), silence.NextLook(Nine), silence.NextLook(Nine + Duration.FromHours(1))), Is.EqualTo(((Instant?)Nine, (Instant?)(Nine + Duration.FromHours(1)), (Instant?)null)));
    }

    [Test]
    public void All_of_its_matchers_must_hold() =>
        Assert.That((Silence("a=b", "c=~\"d|e\"").Matches(Labels.Of(("a", "b"), ("c", "e"))), Silence("a=b", "c=~\"d|e\"").Matches(Labels.Of(("a", "b")))), Is.EqualTo((true, false)));

    // Berlin's clock skips two to three on 29 March 2026, and repeats it on 25 October.
    [TestCase("2026-03-29T00:59:00Z", false)]
    [TestCase("2026-03-29T01:00:00Z", false, Description = "two became three: the hour is skipped, and nothing is hidden")]
    [TestCase("2026-10-25T00:30:00Z", true, Description = "the first time")]
    [TestCase("2026-10-25T01:30:00Z", true, Description = "and the second")]
    [TestCase("2026-10-25T02:00:00Z", false)]
    public void A_recurring_window_is_asked_on_the_wall_clock(string at, bool holds)
    {
        var window = Silence() with
        {
            Kind = SilenceKind.Maintenance,
            EndsAt = null,
            StartsAt = Instant.FromUtc(2026, 1, 1, 0, 0),
            Windows = [new TimeWindow { Times = [new NumberRange(120, 180)], Zone = DateTimeZoneProviders.Tzdb["Europe/Berlin"] }],
        };
        Assert.That(window.HoldsAt(NodaTime.Text.InstantPattern.ExtendedIso.Parse(at).Value), Is.EqualTo(holds));
    }

    [Test]
    public void While_a_window_recurs_each_minute_is_looked_at()
    {
        var window = Silence() with { EndsAt = null, Windows = [new TimeWindow { Times = [new NumberRange(0, 60)] }] };
        Assert.That(window.NextLook(Nine + Duration.FromSeconds(10)), Is.EqualTo(Nine + Duration.FromMinutes(1)));
    }

    [TestCase(60, false, true)]
    [TestCase(366 * 24 * 60, false, true)]
    [TestCase((366 * 24 * 60) + 1, false, false, Description = "too long")]
    [TestCase(0, false, false, Description = "no length")]
    [TestCase(null, false, false, Description = "no end")]
    [TestCase(null, true, true, Description = "recurs until it is ended")]
    public void It_ends(int? minutes, bool recurs, bool isSound) =>
        Assert.That(Domain.Routing.Silence.ProblemOf(SilenceKind.Maintenance, Nine, minutes is { } length ? Nine + Duration.FromMinutes(length) : null, recurs, Nine), isSound ? Is.Null : Is.Not.Null);

    [TestCase("a=b", true)]
    [TestCase("a!=b", false, Description = "hides all that have no a")]
    [TestCase("a=~\".*\"", false)]
    public void It_asks_for_something(string matcher, bool isSound) => Assert.That(Domain.Routing.Silence.ProblemOf(MatcherSyntax.Parse(matcher).Matchers), isSound ? Is.Null : Is.Not.Null);

    [Test]
    public void What_services_stand_on_is_followed_to_the_end_and_a_circle_is_named()
    {
        var whole = ServiceDependency.Closure([new("shop", ["cart", "search"]), new("cart", ["db"]), new("db", ["disk"])], out var circle);
        Assert.That(whole["shop"], Is.EquivalentTo(new[] { "cart", "search", "db", "disk" }));
        Assert.That(circle, Is.Empty);

        ServiceDependency.Closure([new("shop", ["cart"]), new("cart", ["db"]), new("db", ["shop"])], out circle);
        Assert.That(string.Join(' ', circle), Is.EqualTo("shop cart db shop"));
    }

    private static Silence Silence(params string[] matchers) => new()
    {
        Id = 1,
        Kind = SilenceKind.Silence,
        Matchers = [.. (matchers.Length == 0 ? ["a=b"] : matchers).SelectMany(m => MatcherSyntax.Parse(m).Matchers)],
        Owner = "Ana",
        Reason = "deploy",
        StartsAt = Nine,
        EndsAt = Nine + Duration.FromHours(1),
    };
}
