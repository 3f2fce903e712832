using System.Globalization;
using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

/// <summary>
/// Thousands of generated schedules in each of ten zones, around every change of the clock in five years and at other times: at each minute exactly the people, for the reasons, that
/// <see cref="MinuteSimulator"/> names. A failure names the plan; run <c>Plan</c> with that number to have it again.
/// </summary>
public sealed class EveryTransitionTests
{
    private const int Plans = 1000;
    private const int Around = 200;

    /// <summary>Each with the first of five years: half hours, two hours, midnights, quarter hours, Ramadan, a skipped day.</summary>
    private static readonly (string Zone, int Year)[] Zones =
    [
        ("Europe/Berlin", 2024), ("America/New_York", 2024), ("Australia/Lord_Howe", 2024), ("Antarctica/Troll", 2024), ("Africa/Casablanca", 2024),
        ("Pacific/Chatham", 2024), ("America/Santiago", 2024), ("Africa/Cairo", 2023), ("America/Sao_Paulo", 2014), ("Pacific/Apia", 2010),
    ];

    private static readonly DateTimeZone[] All = [.. Zones.Select(z => On.Zone(z.Zone))];
    private static readonly Window[][] Windows = [.. Zones.Select((_, i) => WindowsOf(i))];

    [Test]
    public void The_zones_change_their_clocks_often_enough_to_be_worth_it()
    {
        Assert.That(Windows.Sum(w => w.Count(x => x.IsTransition)), Is.GreaterThan(90));
        Assert.That(Windows.Min(w => w.Count(x => x.IsTransition)), Is.GreaterThanOrEqualTo(7));
    }

    [Test]
    public void At_every_minute_around_every_change_of_the_clock_exactly_the_simulated_people_are_on_call([Range(0, 9)] int zone)
    {
        var moments = Windows[zone].Select(w => w.First + Around).ToArray();
        var firstDay = (int)(Instant.FromUtc(Zones[zone].Year, 1, 1, 0, 0) - NodaConstants.UnixEpoch).TotalDays;
        for (var number = 0; number < Plans; number++)
        {
            var plan = Plan.Make(number, All, zone, firstDay, moments);
            var (schedule, overrides) = (plan.Schedule, plan.BuildOverrides());
            foreach (var window in Windows[zone])
            {
                if (Check(plan, schedule, overrides, window) is { } problem) Assert.Fail($"Plan {number} in {Zones[zone].Zone}: {problem}");
            }
        }
    }

    private static string? Check(Plan plan, Schedule schedule, IReadOnlyCollection<Override> overrides, Window window)
    {
        var shifts = ScheduleCalculator.Shifts(schedule, overrides, new Interval(At(window.First), At(window.First + (2 * Around))));
        if (shifts[0].From != At(window.First) || shifts[^1].Until != At(window.First + (2 * Around))) return "the shifts do not fill the interval";

        Span<(int Person, int Reason)> simulated = stackalloc (int, int)[24];
        Span<(int Person, int Reason)> first = stackalloc (int, int)[24];
        Span<int> duty = stackalloc int[plan.Layers.Length];
        var (firstCount, changes) = (0, int.MaxValue);
        var next = 0;
        (int Person, int Reason)[] calculated = [];
        for (var i = 0; i < 2 * Around; i++)
        {
            var minute = window.First + i;
            for (var l = 0; l < duty.Length; l++) duty[l] = window.Duty[plan.Layers[l].ZoneNumber][i];
            var count = MinuteSimulator.OnCall(plan, minute, duty, simulated);
            if (i == 0) (firstCount, _) = (count, simulated[..count].TryCopyTo(first));
            if (changes == int.MaxValue && !SamePeople(first[..firstCount], simulated[..count])) changes = minute;

            if (next < shifts.Length && shifts[next].From == At(minute))
            {
                if (next > 0 && shifts[next - 1].Until != shifts[next].From) return $"a hole before {At(minute)}";
                var taken = Numbers(shifts[next++]);
                if (i > 0 && taken.AsSpan().SequenceEqual(calculated)) return $"handed over twice at {At(minute)}";
                calculated = taken;
            }

            if (!simulated[..count].SequenceEqual(calculated)) return Differ(minute, simulated[..count], calculated);

            // Asking for one moment must be the same as asking for all; not at each, for time's sake.
            if ((i >= Around - 1 && i <= Around + 1) || (i * 31 + plan.Number) % 97 == 0)
            {
                var now = Numbers(ScheduleCalculator.OnCallAt(schedule, overrides, At(minute) + Duration.FromSeconds(plan.Number % 60)));
                if (!simulated[..count].SequenceEqual(now)) return "asked for the moment, " + Differ(minute, simulated[..count], now);
            }
        }

        if (next != shifts.Length) return $"a shift begins between minutes, at {shifts[next].From}";
        if (plan.Number % 8 != 0) return null;
        var handOver = ScheduleCalculator.NextHandOver(schedule, overrides, At(window.First))?.At;
        return changes == int.MaxValue
            ? handOver < At(window.First + (2 * Around)) ? $"a hand-over at {handOver} where nothing changes" : null
            : handOver != At(changes) ? $"the next hand-over is at {At(changes)}, not {handOver}" : null;
    }

    private static bool SamePeople(ReadOnlySpan<(int Person, int Reason)> a, ReadOnlySpan<(int Person, int Reason)> b)
    {
        if (a.Length != b.Length) return false;
        foreach (var (person, _) in a)
        {
            var found = false;
            foreach (var (other, _) in b) found |= other == person;
            if (!found) return false;
        }

        return true;
    }

    private static (int, int)[] Numbers(Shift shift) => Numbers(shift.People);

    private static (int, int)[] Numbers(IReadOnlyCollection<OnDuty> people) => [.. people.Select(p => (int.Parse(p.Person, CultureInfo.InvariantCulture), p.Reason switch
    {
        DutyReason.ByLayer layer => int.Parse(layer.Layer, CultureInfo.InvariantCulture),
        DutyReason.ByOverride over => int.Parse(over.Id, CultureInfo.InvariantCulture),
        _ => -1,
    }))];

    private static string Differ(int minute, ReadOnlySpan<(int, int)> simulated, (int, int)[] calculated) =>
        $"at {At(minute)} the simulator has [{string.Join(", ", simulated.ToArray())}], the calculator [{string.Join(", ", calculated)}] (person, layer or override)";

    private static Instant At(int minute) => Instant.FromUnixTimeSeconds(minute * 60L);

    /// <summary>Every transition of the zone in its five years, and five other moments.</summary>
    private static Window[] WindowsOf(int zone)
    {
        var random = new Random(zone);
        var (from, until) = (Instant.FromUtc(Zones[zone].Year, 1, 1, 0, 0), Instant.FromUtc(Zones[zone].Year + 5, 1, 1, 0, 0));
        var transitions = All[zone].GetZoneIntervals(from, until).Where(i => i.HasStart && i.Start > from).Select(i => (Minute(i.Start), true));
        var samples = Enumerable.Range(0, 5).Select(_ => (random.Next(Minute(from), Minute(until)), false));
        return [.. transitions.Concat(samples).Select(m => new Window(m.Item1 - Around, m.Item2, [.. All.Select(z => MinuteSimulator.DutyClock(z, m.Item1 - Around, 2 * Around))]))];

        static int Minute(Instant at) => (int)(at.ToUnixTimeSeconds() / 60);
    }

    /// <summary>Some minutes, and what the duty clock of each zone reads at each.</summary>
    private sealed record Window(int First, bool IsTransition, int[][] Duty);
}
