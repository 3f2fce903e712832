using CsCheck;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Tests.Alerts;

/// <summary>Workers take webhooks in any order; what an alert is in the end rests on the newest report alone.</summary>
public sealed class EpisodeOrderTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 2, 9, 0);
    private static readonly Duration Echo = Duration.FromSeconds(20);

    /// <summary>One fire and resolve after another, each with its own start, reports two minutes apart; in any order and with repeats of any report.</summary>
    private static readonly Gen<(int[] Order, int Reports)> Histories =
        from reports in Gen.Int[1, 8]
        from repeats in Gen.Int[0, reports - 1].Array[0, 6]
        from order in Gen.Shuffle(Enumerable.Range(0, reports).Concat(repeats).ToArray())
        select (order, reports);

    [Test]
    public void An_alert_fires_exactly_when_its_newest_report_says_so_in_whatever_order_reports_are_taken() => Histories.Sample(history =>
    {
        var known = new List<Episode>();
        foreach (var report in history.Order) Take(known, report);
        return known.Any(e => e is { IsFiring: true, IsDuplicate: false }) == ((history.Reports - 1) % 2 == 0);
    }, iter: 20_000);

    [Test]
    public void At_most_one_episode_speaks_for_a_fingerprint() => Histories.Sample(history =>
    {
        var known = new List<Episode>();
        return history.Order.All(report =>
        {
            Take(known, report);
            return known.Count(e => e is { IsFiring: true, IsDuplicate: false }) <= 1 && known.Select(e => e.StartsAt).Distinct().Count() == known.Count;
        });
    }, iter: 20_000);

    [Test]
    public void Reports_taken_again_change_nothing_that_fires() => Histories.Sample(history =>
    {
        var known = new List<Episode>();
        foreach (var report in history.Order) Take(known, report);
        var before = known.Where(e => e.IsFiring).Select(e => e.StartsAt).Order().ToList();
        foreach (var report in history.Order.Distinct()) Take(known, report);
        return known.Where(e => e.IsFiring).Select(e => e.StartsAt).Order().SequenceEqual(before);
    }, iter: 5_000);

    /// <summary>Report 0 fires, 1 resolves it, 2 fires anew, …; stored as the engine stores it, which looks up what the rules ask for and no more.</summary>
    private static void Take(List<Episode> stored, int number)
    {
        var receivedAt = Start + Duration.FromMinutes(2 * number);
        var startsAt = Start + Duration.FromMinutes(2 * (number / 2 * 2)) - Duration.FromSeconds(30);
        var labels = Labels.Of(("alertname", "DiskFull"));
        var report = new Observation { Fingerprint = Fingerprint.Of(labels), Labels = labels, Annotations = Labels.Empty, IsFiring = number % 2 == 0, StartsAt = startsAt, EndsAt = number % 2 == 0 ? null : receivedAt };
        var newest = stored.MaxBy(e => e.StartsAt);
        var known = stored.Where(e => e.IsFiring || e.StartsAt == startsAt || e == newest).ToList();
        switch (EpisodeRules.Decide(known, report, receivedAt, Echo))
        {
            case EpisodeStep.Begins:
                Add(firing: true, duplicate: false);
                break;
            case EpisodeStep.EndsUnknown:
                Add(firing: false, duplicate: false);
                break;
            case EpisodeStep.BeginsAsDuplicate(var of):
                Change(of, e => e with { ObservedAt = Instant.Max(e.ObservedAt, receivedAt), LastSeenAt = Instant.Max(e.LastSeenAt, receivedAt) });
                Add(firing: true, duplicate: true);
                break;
            case EpisodeStep.FiresAgain(var again):
                Change(again, e => e with { IsFiring = true, IsDuplicate = false, ObservedAt = receivedAt, LastSeenAt = receivedAt });
                break;
            case EpisodeStep.Repeats(var episode, true):
                Change(episode, e => e with { LastSeenAt = Instant.Max(e.LastSeenAt, receivedAt) });
                break;
            case EpisodeStep.Ends(var episodes):
                foreach (var episode in episodes) Change(episode, e => e with { IsFiring = false, ObservedAt = receivedAt, LastSeenAt = receivedAt });
                if (EpisodeRules.Successor(stored) is { } heir) Change(heir, e => e with { IsDuplicate = false });
                break;
        }

        void Add(bool firing, bool duplicate) => stored.Add(new Episode { Id = stored.Count + 1, StartsAt = startsAt, IsFiring = firing, IsDuplicate = duplicate, ObservedAt = receivedAt, LastSeenAt = receivedAt });
        void Change(Episode which, Func<Episode, Episode> how) => stored[stored.FindIndex(e => e.Id == which.Id)] = how(stored.Single(e => e.Id == which.Id));
    }
}
