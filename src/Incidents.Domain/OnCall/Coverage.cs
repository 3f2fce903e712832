using System.Collections.Immutable;
using System.Globalization;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>What is asked: an incident of this severity on this route goes by this policy. Null: the route has none, and nobody else is paged.</summary>
public sealed record CoverageQuestion(string Route, string Severity, string? Policy);

/// <summary>A time at which an incident that begins would reach nobody in time.</summary>
public sealed record CoverageHole
{
    public required string Route { get; init; }

    public required string Severity { get; init; }

    public required string? Policy { get; init; }

    /// <summary>The first moment of it.</summary>
    public required Instant From { get; init; }

    /// <summary>Not included; the end of what was looked at when it goes on.</summary>
    public required Instant Until { get; init; }

    /// <summary>One of <see cref="MissKind"/>: what went wrong first.</summary>
    public required string Reason { get; init; }

    /// <summary>A sentence for the operator.</summary>
    public required string Detail { get; init; }
}

/// <summary>
/// Is somebody reached, whenever an incident begins? Plays every incident's escalation through the real rules (<see cref="Escalation"/>, <see cref="StepResolver"/>) with nobody acknowledging,
/// at every moment where the answer can change and at no other: where a shift, quiet hours or support hours begin or end, less the time a step needs to get there.
/// </summary>
public static class Coverage
{
    public static readonly Duration Horizon = Duration.FromDays(90);

    /// <summary>All holes between two moments, by question and time. None: every question is answered by a person with a channel that works, within the policy's target.</summary>
    public static ImmutableArray<CoverageHole> Holes(
        Roster roster, IReadOnlyCollection<Override> overrides, IEnumerable<CoverageQuestion> questions, Reach reach, Instant from, Instant until)
    {
        var known = new Known(roster, overrides, from, until);
        var answers = new Dictionary<(string, string?), List<Stretch>>();
        var holes = ImmutableArray.CreateBuilder<CoverageHole>();
        foreach (var question in questions)
        {
            var key = (question.Severity, question.Policy);
            if (!answers.TryGetValue(key, out var stretches)) answers[key] = stretches = new Examination(question.Severity, question.Policy, known, reach, from, until).Run();
            holes.AddRange(stretches.Select(s => new CoverageHole
            {
                Route = question.Route,
                Severity = question.Severity,
                Policy = question.Policy,
                From = s.From,
                Until = s.Until,
                Reason = s.Reason,
                Detail = s.Detail,
            }));
        }

        return holes.DrainToImmutable();
    }

    private sealed record Stretch(Instant From, Instant Until, string Reason, string Detail);

    /// <summary>One severity and policy over the whole time.</summary>
    private sealed class Examination(string severity, string? policyKey, Known known, Reach reach, Instant from, Instant until)
    {
        /// <summary>How long after the beginning a step was seen to look somebody up; grows until no new one is found.</summary>
        private readonly HashSet<Duration> _lookUps = [];

        public List<Stretch> Run()
        {
            if (policyKey is null) return [new Stretch(from, until, MissKind.NoPolicy, "The route has no escalation policy, and none of its receivers pages a person.")];
            if (!known.Roster.Policies.TryGetValue(policyKey, out var policy)) return [new Stretch(from, until, MissKind.NoPolicy, $"Policy \"{policyKey}\" is not in the configuration.")];

            var boundaries = known.BoundariesOf(policy, severity);
            var answers = new SortedDictionary<Instant, (string Reason, string Detail)?>();
            var moments = new HashSet<Instant> { from };
            foreach (var hours in policy.Variants.SelectMany(v => new[] { v.Within, v.Outside }).OfType<SupportHours>().Distinct())
            {
                foreach (var span in hours.Spans(from, until)) moments.UnionWith([span.From, span.Until]);
            }

            // A moment examined may look somebody up at a delay not seen before, and every boundary less that delay is a moment to examine too.
            var counted = new HashSet<Duration>();
            while (moments.Count > 0)
            {
                foreach (var at in moments)
                {
                    if (at >= from && at < until && !answers.ContainsKey(at)) answers[at] = Examine(policy, at);
                }

                moments.Clear();
                foreach (var delay in _lookUps.Where(counted.Add).ToArray()) moments.UnionWith(boundaries.Select(b => b - delay));
            }

            return Join(answers);
        }

        private List<Stretch> Join(SortedDictionary<Instant, (string Reason, string Detail)?> answers)
        {
            var stretches = new List<Stretch>();
            Stretch? open = null;
            foreach (var (at, answer) in answers)
            {
                if (open is not null && answer == (open.Reason, open.Detail)) continue;
                if (open is not null) stretches.Add(open with { Until = at });
                open = answer is var (reason, detail) ? new Stretch(at, until, reason, detail) : null;
            }

            if (open is not null) stretches.Add(open);
            return stretches;
        }

        /// <summary>Null when somebody is reached in time.</summary>
        private (string Reason, string Detail)? Examine(EscalationPolicy policy, Instant begins)
        {
            if (policy.Select(severity, begins) is not { } snapshot) return (MissKind.NoPolicy, $"Policy \"{policy.Key}\" has no variant for {severity} at this time.");
            if (snapshot.Steps.IsEmpty) return (MissKind.NoPolicy, $"Policy \"{policy.Key}\" has no steps in variant \"{snapshot.Variant}\".");

            var deadline = begins + snapshot.ReachWithin;
            var misses = new List<Miss>();
            Duration? soonest = null;
            var escalation = Escalation.Start(snapshot, begins);
            while (escalation.NextStep is { } step && escalation.DueAt is { } at && at <= deadline)
            {
                var delay = at - begins;
                _lookUps.Add(delay);
                var found = StepResolver.Resolve(step, known.Roster, reach, schedule => known.OnCallAt(schedule, at), person => known.IsQuiet(person, severity, at));
                foreach (var person in found.People) soonest = Sooner(soonest, delay + person.Contacts[0].After);
                if (found.Receivers.Any(reach.PagingReceivers.Contains)) soonest = Sooner(soonest, delay);
                if (soonest <= snapshot.ReachWithin) return null;

                misses.AddRange(found.Misses.Select(m => m.Kind == MissKind.Gap ? known.Explain(m, at) : m));
                escalation = escalation.Fire(found, at).After;
            }

            if (misses.Count > 0) return (misses[0].Kind, Sentence(misses.Select(m => m.Detail).Distinct()));
            var target = $"{Minutes(snapshot.ReachWithin)} of policy \"{policy.Key}\"";
            if (soonest is { } late) return (MissKind.TooLate, $"The first contact is tried after {Minutes(late)}, later than the {target}.");
            return escalation.NextStep is null || escalation.Round > 0
                ? (MissKind.NoPerson, $"No step of policy \"{policy.Key}\", variant \"{snapshot.Variant}\", addresses a person.")
                : (MissKind.TooLate, $"No step that fires within the {target} addresses a person.");
        }

        private static Duration Sooner(Duration? a, Duration b) => a is { } known && known < b ? known : b;

        private static string Minutes(Duration time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0.#} minutes");
    }

    /// <summary>What is looked up again and again, found once: final schedules and quiet hours over the whole time.</summary>
    private sealed class Known
    {
        private static readonly Duration Nearby = Duration.FromHours(3);
        private readonly Dictionary<string, ImmutableArray<Shift>> _shifts = new(StringComparer.Ordinal);
        private readonly Dictionary<(string, string), List<Span>> _quiet = [];
        private readonly Dictionary<(string, Instant), string?> _clockChanges = [];
        private readonly IReadOnlyCollection<Override> _overrides;
        private readonly Instant _from;
        private readonly Instant _until;

        public Known(Roster roster, IReadOnlyCollection<Override> overrides, Instant from, Instant until)
        {
            (Roster, _overrides, _from) = (roster, overrides, from);
            _until = until + roster.Policies.Values.SelectMany(p => p.Variants).Select(v => v.ReachWithin).Append(Duration.Zero).Max() + Duration.FromMinutes(1);
        }

        public Roster Roster { get; }

        public ImmutableArray<OnDuty> OnCallAt(Schedule schedule, Instant at) => ShiftAt(schedule, at).People;

        public bool IsQuiet(Person person, string severity, Instant at) => Span.AnyContains(QuietOf(person, severity), at);

        /// <summary>Every moment at which somebody whom the policy could find is found or not found any more.</summary>
        public HashSet<Instant> BoundariesOf(EscalationPolicy policy, string severity)
        {
            var boundaries = new HashSet<Instant>();
            var people = new HashSet<string>(StringComparer.Ordinal);
            foreach (var target in policy.Variants.SelectMany(v => v.Steps).SelectMany(s => s.Targets))
            {
                if (target.Kind == TargetKind.Person) people.Add(target.Key);
                if (target.Kind == TargetKind.Team && Roster.Teams.TryGetValue(target.Key, out var team)) people.UnionWith(team.Members);
                if (target.Kind != TargetKind.Schedule || !Roster.Schedules.TryGetValue(target.Key, out var schedule)) continue;
                foreach (var shift in ShiftsOf(schedule))
                {
                    boundaries.Add(shift.From);
                    people.UnionWith(shift.People.Select(p => p.Person));
                }
            }

            foreach (var person in people.Where(Roster.People.ContainsKey))
            {
                foreach (var span in QuietOf(Roster.People[person], severity)) boundaries.UnionWith([span.From, span.Until]);
            }

            return boundaries;
        }

        /// <summary>A gap with its ends, and whether a change of the clock made it.</summary>
        public Miss Explain(Miss miss, Instant at)
        {
            if (miss.Target.Kind != TargetKind.Schedule || !Roster.Schedules.TryGetValue(miss.Target.Key, out var schedule)) return miss;
            var gap = ShiftAt(schedule, at);
            var ends = gap.Until == _until ? "" : $" until {Text(gap.Until)}";
            var detail = $"{miss.Detail} from {Text(gap.From)}{ends}";
            if (!_clockChanges.TryGetValue((schedule.Key, gap.From), out var change)) _clockChanges[(schedule.Key, gap.From)] = change = ClockChangeBehind(schedule, gap);
            return change is null ? miss with { Detail = detail } : new Miss(MissKind.ClockChange, miss.Target, $"{detail}, because {change}");
        }

        private static string Text(Instant at) => at.ToString("uuuu-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

        /// <summary>A change of the clock is to blame when the gap would not be there had the clocks stayed as they were before it.</summary>
        private string? ClockChangeBehind(Schedule schedule, Shift gap)
        {
            var changes = schedule.Layers.Select(l => l.Zone ?? schedule.Zone).Distinct()
                .Select(zone => (Zone: zone, Interval: zone.GetZoneInterval(gap.From)))
                .Where(c => c.Interval.HasStart && gap.From - c.Interval.Start < Duration.FromDays(200))
                .OrderByDescending(c => c.Interval.Start);
            foreach (var (zone, interval) in changes)
            {
                var before = interval.Start - Duration.Epsilon;
                var frozen = schedule with { Layers = [.. schedule.Layers.Select(l => l with { Zone = DateTimeZone.ForOffset((l.Zone ?? schedule.Zone).GetUtcOffset(before)) })] };
                if (ScheduleCalculator.Shifts(frozen, _overrides, new Interval(gap.From - Nearby, Instant.Min(gap.Until, gap.From + Duration.FromDays(14)) + Nearby)).Any(s => s.IsGap)) continue;
                return $"{zone.Id} changed its clock at {Text(interval.Start)}";
            }

            return null;
        }

        private Shift ShiftAt(Schedule schedule, Instant at)
        {
            var shifts = ShiftsOf(schedule);
            var (low, high) = (0, shifts.Length - 1);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (shifts[middle].Until <= at) low = middle + 1;
                else high = middle;
            }

            return shifts[low];
        }

        private ImmutableArray<Shift> ShiftsOf(Schedule schedule)
        {
            if (!_shifts.TryGetValue(schedule.Key, out var shifts)) _shifts[schedule.Key] = shifts = ScheduleCalculator.Shifts(schedule, _overrides, new Interval(_from, _until));
            return shifts;
        }

        private List<Span> QuietOf(Person person, string severity)
        {
            if (person.QuietHours.IsEmpty || person.QuietExcept.Contains(severity)) return [];
            if (!_quiet.TryGetValue((person.Key, severity), out var spans)) _quiet[(person.Key, severity)] = spans = WeeklyWindow.Spans(person.QuietHours, person.Zone, _from, _until);
            return spans;
        }
    }

    private static string Sentence(IEnumerable<string> details)
    {
        var text = string.Join("; ", details);
        return $"{char.ToUpperInvariant(text[0])}{text[1..]}.";
    }
}
