using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Tests.Alerts;

public sealed class HeartbeatTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 2, 9, 0);

    private static Duration Minutes(double minutes) => Duration.FromMinutes(minutes);

    private static Instant At(double minutes) => Start + Minutes(minutes);

    private static Heartbeat Every(double minutes, double grace) =>
        Heartbeat.Begin(HeartbeatKind.Url, "", "backup", "backup", Minutes(minutes), Minutes(grace), "warning", Labels.Empty, Start);

    private static Heartbeat Watchdog() => Heartbeat.Begin(HeartbeatKind.Watchdog, "am", "f", "Watchdog", null, null, "critical", Labels.Empty, Start);

    [Test]
    public void It_is_missing_an_interval_and_its_grace_after_the_last_beat()
    {
        var heartbeat = Every(10, 2).Beat(At(5));

        Assert.That(heartbeat.IsMissing(null, At(16.9)), Is.False);
        Assert.That(heartbeat.IsMissing(null, At(17)), Is.True);
    }

    [Test]
    public void One_that_never_came_is_missing_too() => Assert.That(Every(10, 2).IsMissing(null, At(12)), Is.True);

    [Test]
    public void A_beat_brings_a_missed_one_back()
    {
        var missed = Every(10, 2).Miss(At(12), 7);

        Assert.That(missed.IsBack(At(13)), Is.False);
        Assert.That(missed.Beat(At(14)).IsBack(At(14)), Is.True);
        Assert.That(missed.Beat(At(14)).Return().IsMissing(null, At(25)), Is.False);
    }

    [Test]
    public void A_report_that_came_late_changes_nothing()
    {
        var heartbeat = Every(10, 2).Beat(At(5));

        Assert.That(heartbeat.Beat(At(4)), Is.SameAs(heartbeat));
        Assert.That(heartbeat.End(At(4), "was resolved"), Is.SameAs(heartbeat));
    }

    [Test]
    public void A_watchdog_that_ends_is_missing_at_once_and_no_outage_of_ours_excuses_it()
    {
        var ended = Watchdog().Beat(At(1)).End(At(2), "was resolved");

        Assert.That(ended.IsMissing(new Outage(At(1), At(3)), At(3)), Is.True);
        Assert.That(ended.Beat(At(4)).IsMissing(null, At(5)), Is.False);
    }

    [Test]
    public void The_rhythm_of_a_watchdog_is_the_longest_of_its_last_gaps_once_it_has_come_four_times()
    {
        var heartbeat = Watchdog();
        Assert.That(heartbeat.Every, Is.EqualTo(Duration.FromHours(4)));
        foreach (var minute in (double[])[0, 1, 2]) heartbeat = heartbeat.Beat(At(minute));
        Assert.That(heartbeat.Every, Is.EqualTo(Duration.FromHours(4)), "two gaps are no rhythm");

        // A replica's repeat a moment later is no gap.
        heartbeat = heartbeat.Beat(At(3.1)).Beat(At(3.2));
        Assert.That(heartbeat.Every.TotalSeconds, Is.EqualTo(66).Within(1));
        Assert.That(heartbeat.DueAt, Is.EqualTo(At(3.2) + heartbeat.Every + Minutes(2)));

        // A slower rhythm alarms once and is known then.
        heartbeat = heartbeat.Beat(At(30));
        Assert.That(heartbeat.Every.TotalMinutes, Is.EqualTo(26.8).Within(0.1));
        foreach (var minute in (double[])[31, 32, 33, 34, 35]) heartbeat = heartbeat.Beat(At(minute));
        Assert.That(heartbeat.Every, Is.EqualTo(Minutes(1)));
    }

    [Test]
    public void A_silence_of_days_is_not_taken_for_a_rhythm()
    {
        var heartbeat = Watchdog().Beat(At(0)).Beat(At(1)).Beat(At(2)).Beat(At(5000));

        Assert.That(heartbeat.Every, Is.EqualTo(Duration.FromHours(12)));
    }

    // Heard at 0, expected at 10, due at 12.
    [TestCase(1, 5, 12, TestName = "An outage before a beat was expected excuses nothing")]
    [TestCase(9, 11, 23, TestName = "A beat that may have fallen into our outage has another interval")]
    [TestCase(9, 60, 72, TestName = "However long the outage was")]
    [TestCase(13, 20, 12, TestName = "What was due before the outage is not excused by it")]
    public void Our_outage(double from, double to, double alarm) =>
        Assert.That(Every(10, 2).Beat(Start).AlarmAt(new Outage(At(from), At(to))), Is.EqualTo(At(alarm)));

    [Test]
    public void After_an_outage_a_quick_rhythm_waits_as_long_as_senders_wait_between_tries() =>
        Assert.That(Every(1, 1).Beat(Start).AlarmAt(new Outage(At(1), At(5))), Is.EqualTo(At(16)));

    [Test]
    public void Other_settings_count_from_the_last_beat()
    {
        var changed = Every(10, 2).Beat(At(5)).Change("backup", Minutes(60), null, "critical", Labels.Empty);

        Assert.That(changed.DueAt, Is.EqualTo(At(5 + 60 + 6)));
    }
}
