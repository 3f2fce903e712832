using CsCheck;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Tests.Alerts;

internal sealed class EpisodeRulesTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 14, 2, 0);
    private static readonly Duration Echo = Duration.FromSeconds(20);

    /// <summary>Start in minutes (null: not given), whether it fires, and when it was received, in seconds.</summary>
    private sealed record Told(int? Start, bool IsFiring, int ReceivedAt);

    private static readonly Gen<Told[]> Story =
        Gen.Select(Gen.Int[0, 3], Gen.Bool, Gen.Int[30, 600]).Select((start, firing, at) => new Told(start == 3 ? null : start, firing, at)).Array[1, 12]
            .Select(told => told.OrderBy(t => t.ReceivedAt).ThenBy(t => t.IsFiring).ToArray());

    [Test]
    public void Repeating_every_report_changes_nothing_that_fires() => Story.Sample(story =>
    {
        // A resolve with a start that nobody told before leaves no trace to know its echo by.
        if (!story.All(t => t.IsFiring || story.Any(f => f.IsFiring && f.Start == t.Start && f.ReceivedAt < t.ReceivedAt))) return true;
        var once = Tell(story);
        var twice = Tell([.. story.SelectMany(t => new[] { t, t })]);
        return States(once) == States(twice);
    });

    [Test]
    public void A_fingerprint_that_fires_has_one_episode_that_counts() => Story.Sample(story =>
    {
        var known = Tell(story);
        return !known.Any(e => e.IsFiring) || known.Count(e => e is { IsFiring: true, IsDuplicate: false }) == 1;
    });

    [Test]
    public void A_resolve_newer_than_every_start_ends_everything() => Story.Sample(story =>
        !Tell([.. story, new Told(0, false, 3600)]).Any(e => e.IsFiring));

    [Test]
    public void A_fire_after_the_echo_window_is_never_lost() => Story.Sample(story =>
        Tell([.. story, new Told(2, true, 3600)]).Any(e => e is { IsFiring: true, IsDuplicate: false }));

    [Test]
    public void Every_start_that_was_told_is_recorded_or_counted_on_an_open_episode() => Story.Sample(story =>
    {
        var known = new List<Episode>();
        foreach (var told in story)
        {
            var had = known.ToList();
            Apply(known, told);
            if (told.Start is { } start && !known.Any(e => e.StartsAt == At(start)) && !had.Any(e => e.IsFiring)) return false;
        }

        return true;
    });

    [Test]
    public void Of_one_start_the_newest_report_decides_in_whatever_order_workers_take_them() =>
        Gen.Shuffle(new[] { new Told(0, true, 0), new Told(0, true, 60), new Told(0, false, 120), new Told(0, true, 121), new Told(0, false, 300) }).Sample(order =>
            !Tell(order).Any(e => e.IsFiring));

    [Test]
    public void A_late_firing_right_after_the_resolve_is_an_echo()
    {
        var ended = Known(0, isFiring: false, observed: 100);
        Assert.That(Decide([ended], new Told(0, true, 119)), Is.InstanceOf<EpisodeStep.Echo>());
        Assert.That(Decide([ended], new Told(0, true, 120)), Is.InstanceOf<EpisodeStep.FiresAgain>());
        Assert.That(Decide([ended], new Told(0, true, 90)), Is.InstanceOf<EpisodeStep.Echo>(), "older than what is known");
    }

    [Test]
    public void Another_start_after_the_resolve_is_a_new_episode_even_within_the_echo_window() =>
        Assert.That(Decide([Known(0, isFiring: false, observed: 100)], new Told(1, true, 101)), Is.InstanceOf<EpisodeStep.Begins>());

    [Test]
    public void A_start_that_moves_while_it_fires_is_a_duplicate_not_an_incident_of_its_own()
    {
        var open = Known(1, isFiring: true, observed: 100);
        Assert.That(Decide([open], new Told(0, true, 130)), Is.EqualTo(new EpisodeStep.BeginsAsDuplicate(open)));
    }

    [Test]
    public void A_duplicate_that_outlives_its_original_counts_from_then_on()
    {
        var original = Known(0, isFiring: false, observed: 100);
        var duplicate = Known(2, isFiring: true, observed: 90) with { Id = 2, IsDuplicate = true };
        Assert.That(Decide([original, duplicate], new Told(2, true, 150)), Is.EqualTo(new EpisodeStep.FiresAgain(duplicate)));
    }

    [Test]
    public void A_resolve_of_the_unknown_is_recorded_and_its_late_firing_recognised()
    {
        var known = new List<Episode>();
        Apply(known, new Told(0, false, 100));
        Assert.That(known, Has.Count.EqualTo(1));
        Assert.That(Decide(known, new Told(0, true, 105)), Is.InstanceOf<EpisodeStep.Echo>());
    }

    [Test]
    public void A_repeat_is_written_once_a_minute_and_at_once_when_the_alert_was_missing()
    {
        var open = Known(0, isFiring: true, observed: 100);
        Assert.That(Decide([open], new Told(0, true, 159)), Is.EqualTo(new EpisodeStep.Repeats(open, false)));
        Assert.That(Decide([open], new Told(0, true, 160)), Is.EqualTo(new EpisodeStep.Repeats(open, true)));
        var missing = open with { IsMissing = true };
        Assert.That(Decide([missing], new Told(0, true, 101)), Is.EqualTo(new EpisodeStep.Repeats(missing, true)));
    }

    private static Instant At(int minutes) => Start + Duration.FromMinutes(minutes);

    private static Episode Known(int start, bool isFiring, int observed) =>
        new() { Id = 1, StartsAt = At(start), IsFiring = isFiring, ObservedAt = Start + Duration.FromSeconds(observed), LastSeenAt = Start + Duration.FromSeconds(observed) };

    private static string States(IEnumerable<Episode> known) => string.Join(' ', known.Where(e => e.IsFiring).OrderBy(e => e.StartsAt).Select(e => $"{e.StartsAt}:{e.IsDuplicate}"));

    private static List<Episode> Tell(IEnumerable<Told> story)
    {
        var known = new List<Episode>();
        foreach (var told in story) Apply(known, told);
        return known;
    }

    private static EpisodeStep Decide(IReadOnlyCollection<Episode> known, Told told)
    {
        var at = Start + Duration.FromSeconds(told.ReceivedAt);
        var report = new Observation
        {
            Fingerprint = "0123456789abcdef", Labels = Labels.Of(("alertname", "DiskFull")), Annotations = Labels.Empty, IsFiring = told.IsFiring,
            StartsAt = told.Start is { } start ? At(start) : at, StartsAtIsKnown = told.Start is not null, EndsAt = told.IsFiring ? null : at,
        };
        return EpisodeRules.Decide([.. known.Where(e => e.IsFiring || e.StartsAt == report.StartsAt)], report, at, Echo);
    }

    /// <summary>What the server does with a step, without rows.</summary>
    private static void Apply(List<Episode> known, Told told)
    {
        var at = Start + Duration.FromSeconds(told.ReceivedAt);
        var startsAt = told.Start is { } start ? At(start) : at;
        Episode New(bool firing, bool duplicate = false) => new() { Id = known.Count + 1, StartsAt = startsAt, IsFiring = firing, IsDuplicate = duplicate, ObservedAt = at, LastSeenAt = at };
        void Change(Episode old, Episode changed) => known[known.FindIndex(e => e.Id == old.Id)] = changed;

        switch (Decide(known, told))
        {
            case EpisodeStep.Begins:
                known.Add(New(true));
                break;
            case EpisodeStep.BeginsAsDuplicate(var of):
                Change(of, of with { LastSeenAt = at });
                known.Add(New(true, duplicate: true));
                break;
            case EpisodeStep.EndsUnknown:
                known.Add(New(false));
                break;
            case EpisodeStep.FiresAgain(var episode):
                Change(episode, episode with { IsFiring = true, IsDuplicate = false, ObservedAt = at, LastSeenAt = at });
                break;
            case EpisodeStep.Repeats(var episode, var touch) when touch:
                Change(episode, episode with { LastSeenAt = at });
                break;
            case EpisodeStep.Ends(var episodes):
                foreach (var episode in episodes) Change(episode, episode with { IsFiring = false, ObservedAt = at, LastSeenAt = at });
                if (EpisodeRules.Successor(known) is { } successor) Change(successor, successor with { IsDuplicate = false });
                break;
        }
    }
}
