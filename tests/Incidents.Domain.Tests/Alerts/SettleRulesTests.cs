using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Tests.Alerts;

internal sealed class SettleRulesTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 14, 2, 0);
    private static readonly Instant LongAgo = Now - Duration.FromDays(1);
    private static readonly Duration Every = Duration.FromMinutes(1);
    private static readonly Duration Stale = Duration.FromHours(5);

    [Test]
    public void What_alertmanager_sends_is_left_until_it_would_be_stale() =>
        Assert.That(Decide(new UpstreamView.Active(), absences: 2), Is.EqualTo(new Settlement.StillFires(Now + Stale, null, 0, IsSent: true)));

    [Test]
    public void What_is_held_back_still_fires_and_says_by_what() =>
        Assert.That(Decide(new UpstreamView.HeldBack("silenced by 8f3c"), absences: 2), Is.EqualTo(new Settlement.StillFires(Now + Every, "silenced by 8f3c", 0)));

    [TestCase(0)]
    [TestCase(1)]
    public void One_or_two_absences_end_nothing(int before) =>
        Assert.That(Decide(new UpstreamView.Absent(), before), Is.EqualTo(new Settlement.StillFires(Now + Every, null, before + 1)));

    [Test]
    public void The_third_absence_in_a_row_ends_it_and_says_so() =>
        Assert.That(Decide(new UpstreamView.Absent(), 2), Is.EqualTo(new Settlement.IsOver("is gone from Alertmanager, which sent no resolve")));

    [Test]
    public void When_nobody_can_be_asked_it_waits_for_the_time_out_and_not_longer()
    {
        var unknown = new UpstreamView.Unknown("Alertmanager answered 502");
        Assert.That(SettleRules.Decide(unknown, Now - Duration.FromHours(1), 2, LongAgo, Now, Every, Stale), Is.EqualTo(new Settlement.StillFires(Now + Every, null, 2)));
        Assert.That(SettleRules.Decide(unknown, Now - Stale + Duration.FromSeconds(10), 2, LongAgo, Now, Every, Stale), Is.EqualTo(new Settlement.StillFires(Now + Duration.FromSeconds(10), null, 2)));
        Assert.That(SettleRules.Decide(unknown, Now - Stale, 2, LongAgo, Now, Every, Stale), Is.EqualTo(new Settlement.IsOver("was not seen for 5 h and could not be asked for (Alertmanager answered 502); closed as stale")));
    }

    [Test]
    public void Silence_that_nobody_could_have_broken_does_not_count()
    {
        var unknown = new UpstreamView.Unknown("no answer");
        var grace = SettleRules.GraceAfterOutage;
        Assert.That(SettleRules.Decide(unknown, Now - Stale, 0, Now - grace + Duration.FromSeconds(1), Now, Every, Stale), Is.EqualTo(new Settlement.StillFires(Now + Every, null, 0)));
        Assert.That(SettleRules.Decide(unknown, Now - Stale, 0, Now - grace, Now, Every, Stale), Is.InstanceOf<Settlement.IsOver>());
    }

    private static Settlement Decide(UpstreamView view, int absences) => SettleRules.Decide(view, Now - Duration.FromMinutes(2), absences, LongAgo, Now, Every, Stale);
}
