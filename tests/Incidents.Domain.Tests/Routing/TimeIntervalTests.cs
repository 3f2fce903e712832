using Incidents.Domain.Routing;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Domain.Tests.Routing;

public sealed class TimeIntervalTests
{
    private static readonly DateTimeZone Berlin = DateTimeZoneProviders.Tzdb["Europe/Berlin"];

    private static Instant At(string text) => InstantPattern.ExtendedIso.Parse(text).Value;

    [TestCase("2026-03-02T09:00:00Z", true)]
    [TestCase("2026-03-02T08:59:59Z", false)]
    [TestCase("2026-03-02T16:59:59Z", true)]
    [TestCase("2026-03-02T17:00:00Z", false, Description = "the end is not in it")]
    [TestCase("2026-03-01T12:00:00Z", false, Description = "a Sunday")]
    [TestCase("2026-03-06T12:00:00Z", true, Description = "a Friday")]
    public void Times_and_weekdays_must_both_hold(string at, bool holds)
    {
        var window = new TimeWindow { Times = [new(540, 1020)], Weekdays = [new(1, 5)] };

        Assert.That(window.Contains(At(at)), Is.EqualTo(holds));
    }

    [TestCase("2026-02-28T12:00:00Z", true)]
    [TestCase("2026-02-26T12:00:00Z", true)]
    [TestCase("2026-02-25T12:00:00Z", false)]
    [TestCase("2028-02-27T12:00:00Z", true)]
    [TestCase("2028-02-26T12:00:00Z", false)]
    public void Negative_days_count_from_the_end_of_the_month(string at, bool holds)
    {
        Assert.That(new TimeWindow { DaysOfMonth = [new(-3, -1)] }.Contains(At(at)), Is.EqualTo(holds));
    }

    [Test]
    public void A_day_that_a_month_lacks_is_not_in_it()
    {
        var window = new TimeWindow { DaysOfMonth = [new(31, 31)] };

        Assert.That(window.Contains(At("2026-04-30T12:00:00Z")), Is.False);
        Assert.That(window.Contains(At("2026-05-31T12:00:00Z")), Is.True);
    }

    [TestCase("2026-01-15T08:30:00Z", true, Description = "winter: 09:30 in Berlin")]
    [TestCase("2026-07-15T08:30:00Z", true, Description = "summer: 10:30 in Berlin")]
    [TestCase("2026-01-15T07:30:00Z", false)]
    [TestCase("2026-07-15T07:30:00Z", true, Description = "summer: 09:30 in Berlin")]
    [TestCase("2026-07-15T15:30:00Z", false, Description = "summer: 17:30 in Berlin")]
    public void The_wall_clock_of_the_zone_counts(string at, bool holds)
    {
        Assert.That(new TimeWindow { Times = [new(540, 1020)], Zone = Berlin }.Contains(At(at)), Is.EqualTo(holds));
    }

    [Test]
    public void An_hour_that_the_clock_change_repeats_is_in_it_twice_and_a_skipped_one_never()
    {
        var window = new TimeWindow { Times = [new(120, 180)], Zone = Berlin };

        Assert.That(window.Contains(At("2026-10-25T00:30:00Z")), Is.True);
        Assert.That(window.Contains(At("2026-10-25T01:30:00Z")), Is.True);
        Assert.That(Enumerable.Range(0, 24 * 60).Any(m => window.Contains(At("2026-03-28T23:00:00Z") + Duration.FromMinutes(m))), Is.False);
    }

    [TestCase("09:00", 540)]
    [TestCase("24:00", 1440)]
    [TestCase("9:00", null)]
    [TestCase("24:01", null)]
    [TestCase("12:60", null)]
    public void Times_of_day(string text, int? minutes)
    {
        Assert.That(TimeWindowSyntax.TryParseTime(text, out var read, out _) ? read : (int?)null, Is.EqualTo(minutes));
    }

    [TestCase("monday:friday", "1-5")]
    [TestCase("Sunday", "0-0")]
    [TestCase("friday:monday", null)]
    [TestCase("mon", null)]
    public void Weekdays(string text, string? range) =>
        Assert.That(TimeWindowSyntax.TryParseWeekdays(text, out var read, out _) ? $"{read.First}-{read.Last}" : null, Is.EqualTo(range));

    [TestCase("january:march", "1-3")]
    [TestCase("12", "12-12")]
    [TestCase("0", null)]
    [TestCase("13", null)]
    public void Months(string text, string? range) =>
        Assert.That(TimeWindowSyntax.TryParseMonths(text, out var read, out _) ? $"{read.First}-{read.Last}" : null, Is.EqualTo(range));

    [TestCase("1:5", "1..5")]
    [TestCase("-3:-1", "-3..-1")]
    [TestCase("25:-1", "25..-1")]
    [TestCase("0", null)]
    [TestCase("5:1", null)]
    [TestCase("-1:5", null)]
    [TestCase("32", null)]
    public void Days_of_the_month(string text, string? range) =>
        Assert.That(TimeWindowSyntax.TryParseDaysOfMonth(text, out var read, out _) ? $"{read.First}..{read.Last}" : null, Is.EqualTo(range));
}
