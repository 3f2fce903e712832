using CsCheck;
using Incidents.Domain.Notifications;
using NodaTime;

namespace Incidents.Domain.Tests.Notifications;

public class RetryScheduleTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 14, 3, 10);

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(3, 4)]
    [TestCase(4, 8)]
    [TestCase(9, 256)]
    [TestCase(10, 300)]
    [TestCase(1_000_000, 300)]
    public void A_retry_waits_twice_as_long_each_time_up_to_five_minutes(int attempt, int seconds)
    {
        var decision = RetrySchedule.Next(attempt, Now, Now, new DeliveryResult.RetryLater("HTTP 500"), jitter: 0);

        Assert.That(decision, Is.EqualTo(new RetryDecision.TryAgain(Now + Duration.FromSeconds(seconds), "HTTP 500")));
    }

    [Test]
    public void The_far_sides_wish_is_honoured_when_it_is_longer()
    {
        var wish = new DeliveryResult.RetryLater("HTTP 429", After: Duration.FromSeconds(40), WholeChannel: true);

        Assert.That(RetrySchedule.Next(1, Now, Now, wish, 0), Is.EqualTo(new RetryDecision.TryAgain(Now + Duration.FromSeconds(40), "HTTP 429")));
        Assert.That(RetrySchedule.Next(10, Now, Now, wish, 0), Is.EqualTo(new RetryDecision.TryAgain(Now + Duration.FromMinutes(5), "HTTP 429")));
    }

    [Test]
    public void A_wish_for_ten_years_does_not_silence_us()
    {
        var wish = new DeliveryResult.RetryLater("HTTP 429", After: Duration.FromDays(3650));

        Assert.That(RetrySchedule.Next(1, Now, Now, wish, 0), Is.EqualTo(new RetryDecision.TryAgain(Now + Duration.FromHours(1), "HTTP 429")));
    }

    [Test]
    public void Only_a_plain_refusal_is_given_up()
    {
        Assert.That(RetrySchedule.Next(1, Now, Now, new DeliveryResult.Rejected("no"), 0.5), Is.EqualTo(new RetryDecision.GiveUp("no")));
        Assert.That(RetrySchedule.Next(10_000, Now - Duration.FromDays(30), Now, new DeliveryResult.RetryLater("HTTP 500"), 0.5), Is.InstanceOf<RetryDecision.TryAgain>());
    }

    [TestCase(0, 30)]
    [TestCase(30, 30)]
    [TestCase(60, 60)]
    [TestCase(120, 120)]
    [TestCase(100_000, 300)]
    public void A_wrong_configuration_is_probed_every_half_minute_then_every_five(int secondsSinceFirst, int seconds)
    {
        var decision = RetrySchedule.Next(3, Now - Duration.FromSeconds(secondsSinceFirst), Now, new DeliveryResult.Misconfigured("token revoked"), 0);

        Assert.That(decision, Is.EqualTo(new RetryDecision.Park(Now + Duration.FromSeconds(seconds), "token revoked")));
    }

    [Test]
    public void What_is_done_is_done()
    {
        Assert.That(RetrySchedule.Next(1, Now, Now, new DeliveryResult.Delivered(new ThreadMemory(), "ok"), 1), Is.EqualTo(new RetryDecision.Done()));
        Assert.That(RetrySchedule.Next(1, Now, Now, new DeliveryResult.NothingToSend(new ThreadMemory(), "shown"), 1), Is.EqualTo(new RetryDecision.Done()));
    }

    [Test]
    public void Jitter_only_ever_delays_and_by_a_fifth_at_most() =>
        Gen.Select(Gen.Int[1, 100], Gen.Double[0, 1], Gen.Int[0, 3600]).Sample((attempt, jitter, wish) =>
        {
            var result = new DeliveryResult.RetryLater("x", After: Duration.FromSeconds(wish));
            var bare = ((RetryDecision.TryAgain)RetrySchedule.Next(attempt, Now, Now, result, 0)).At - Now;
            var jittered = ((RetryDecision.TryAgain)RetrySchedule.Next(attempt, Now, Now, result, jitter)).At - Now;
            return jittered >= bare && jittered <= bare * 1.2 + Duration.Epsilon && bare >= Duration.FromSeconds(wish) && bare > Duration.Zero;
        });
}
