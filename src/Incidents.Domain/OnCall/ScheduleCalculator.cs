using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// Who is on call, from a schedule and its overrides alone. Goes from boundary to boundary, so that its cost is the number of shifts, not of minutes.
/// Overrides of other schedules are ignored.
/// </summary>
public static class ScheduleCalculator
{
    private static readonly int[] LookAheadDays = [2, 14, 90, 400];

    /// <summary>The people on call at a moment, in the order of their turn, each with the layer or override that says so. Empty: nobody.</summary>
    public static ImmutableArray<OnDuty> OnCallAt(Schedule schedule, IReadOnlyCollection<Override> overrides, Instant at) =>
        Shifts(schedule, overrides, new Interval(at, at + Duration.Epsilon))[0].People;

    /// <summary>
    /// The final schedule over an interval with both ends: shift after shift without a hole, gaps being shifts without people, and no two neighbours alike.
    /// The first and the last are cut to the interval.
    /// </summary>
    public static ImmutableArray<Shift> Shifts(Schedule schedule, IReadOnlyCollection<Override> overrides, Interval interval)
    {
        var (from, until) = (interval.Start, interval.End);
        if (from >= until) return [];

        var layers = schedule.Layers.Select(layer => new LayerCursor(layer, layer.Cover(schedule.Zone, from, until))).ToArray();
        var laidOn = overrides
            .Where(o => o.Schedule == schedule.Key && o.From < until && o.Until > from && o.From < o.Until && !o.People.IsEmpty)
            .OrderBy(o => o.CreatedAt).ThenBy(o => o.Id, StringComparer.Ordinal).ToArray();

        var shifts = ImmutableArray.CreateBuilder<Shift>();
        foreach (var (begins, ends) in Stretches(layers, laidOn, from, until))
        {
            var people = ImmutableArray<OnDuty>.Empty;
            for (var i = layers.Length - 1; i >= 0 && people.IsEmpty; i--) people = layers[i].PeopleAt(begins);
            foreach (var over in laidOn)
            {
                if (over.Covers(begins)) people = over.LayOn(people);
            }

            if (shifts.Count > 0 && shifts[^1].People.SequenceEqual(people)) shifts[^1] = shifts[^1] with { Until = ends };
            else shifts.Add(new Shift { From = begins, Until = ends, People = people });
        }

        return shifts.DrainToImmutable();
    }

    /// <summary>The next moment at which the people on call change; null when they do not for 400 days. Used for hand-over notices.</summary>
    public static HandOver? NextHandOver(Schedule schedule, IReadOnlyCollection<Override> overrides, Instant after) =>
        LookAhead(schedule, overrides, after, shifts =>
        {
            var next = shifts.FirstOrDefault(s => !s.HasSamePeopleAs(shifts[0]));
            return next is null ? null : new HandOver { At = next.From, From = shifts[shifts.IndexOf(next) - 1].People, To = next.People };
        });

    /// <summary>
    /// The first shift after the present one that has somebody: who takes over, be it after a gap. Its end may be cut. Null when nobody does for 400 days.
    /// </summary>
    public static Shift? WhoIsNext(Schedule schedule, IReadOnlyCollection<Override> overrides, Instant after) =>
        LookAhead(schedule, overrides, after, shifts => shifts.SkipWhile(s => s.HasSamePeopleAs(shifts[0])).FirstOrDefault(s => !s.IsGap));

    private static T? LookAhead<T>(Schedule schedule, IReadOnlyCollection<Override> overrides, Instant after, Func<ImmutableArray<Shift>, T?> find) where T : class
    {
        foreach (var days in LookAheadDays)
        {
            if (find(Shifts(schedule, overrides, new Interval(after, after + Duration.FromDays(days)))) is { } found) return found;
        }

        return null;
    }

    /// <summary>The interval, cut wherever anything begins or ends.</summary>
    private static IEnumerable<Span> Stretches(LayerCursor[] layers, Override[] overrides, Instant from, Instant until)
    {
        var cuts = new List<Instant> { from, until };
        foreach (var layer in layers) cuts.AddRange(layer.Boundaries);
        foreach (var over in overrides) cuts.AddRange([over.From, over.Until]);
        cuts.Sort();
        var begins = from;
        foreach (var cut in cuts)
        {
            if (cut <= begins || cut > until) continue;
            yield return new Span(begins, cut);
            begins = cut;
        }
    }

    /// <summary>A layer asked for ever later moments.</summary>
    private sealed class LayerCursor(Layer layer, List<(Span Span, Turn Turn)> cover)
    {
        private readonly Dictionary<Turn, ImmutableArray<OnDuty>> _people = new(ReferenceEqualityComparer.Instance);
        private int _next;

        public IEnumerable<Instant> Boundaries => cover.SelectMany(c => new[] { c.Span.From, c.Span.Until });

        public ImmutableArray<OnDuty> PeopleAt(Instant at)
        {
            while (_next < cover.Count && cover[_next].Span.Until <= at) _next++;
            if (_next == cover.Count || cover[_next].Span.From > at) return [];
            var turn = cover[_next].Turn;
            if (!_people.TryGetValue(turn, out var people)) _people[turn] = people = OnDuty.EachOnce(turn.People.Select(p => new OnDuty(p, new DutyReason.ByLayer(layer.Name))));
            return people;
        }
    }
}
