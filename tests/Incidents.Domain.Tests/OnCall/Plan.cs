using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

/// <summary>A generated schedule in plain numbers, for the simulator, which builds itself as the product's types. Number and zone name it for good: the same again gives the same plan.</summary>
internal sealed record Plan(int Number, DateTimeZone Zone, PlannedLayer[] Layers, PlannedOverride[] Overrides)
{
    private const int Day = 1440;

    /// <summary>Minutes of the day at which zones like to change their clocks, and their neighbours.</summary>
    private static readonly int[] TellingTimes = [0, 0, 1, 30, 60, 90, 119, 120, 121, 135, 150, 165, 180, 195, 210, 225, 240, 540, 1020, 1380, 1410, 1439];

    /// <param name="number">The seed.</param>
    /// <param name="zones">All zones; a layer may have any of them.</param>
    /// <param name="zone">Which is the schedule's.</param>
    /// <param name="firstDay">The first day looked at, in days since 1970.</param>
    /// <param name="moments">Minutes near which overrides begin and end.</param>
    public static Plan Make(int number, DateTimeZone[] zones, int zone, int firstDay, int[] moments)
    {
        var random = new Random(number);
        var layers = Enumerable.Range(0, random.Next(1, 4)).Select(_ => Layer(random, zones, zone, firstDay)).ToArray();
        var overrides = Enumerable.Range(0, random.Next(0, 6)).Select(i => Over(random, i, moments)).OrderBy(o => o.Made).ThenBy(o => o.Number).ToArray();
        return new Plan(number, zones[zone], layers, overrides);
    }

    public Schedule Schedule => new()
    {
        Key = "primary",
        Name = $"plan {Number}",
        Zone = Zone,
        Layers = [.. Layers.Select((layer, i) => layer.Build($"{i}", Zone))],
    };

    public ImmutableArray<Override> BuildOverrides() =>
    [
        .. Overrides.Select(o => new Override
        {
            Id = $"{100 + o.Number}",
            Schedule = "primary",
            From = Instant.FromUnixTimeSeconds(o.From * 60L),
            Until = Instant.FromUnixTimeSeconds(o.Until * 60L),
            People = [.. o.People.Select(p => $"{p}")],
            Replaces = o.Replaces is { } replaced ? $"{replaced}" : null,
            CreatedAt = Instant.FromUnixTimeSeconds(o.Made),
        }).Reverse(),
    ];

    private static PlannedLayer Layer(Random random, DateTimeZone[] zones, int zone, int firstDay)
    {
        var own = random.Next(4) == 0 ? random.Next(zones.Length) : -1;
        var handOver = Time(random);
        var start = ((firstDay + random.Next(-60, 500)) * Day) + handOver;
        var turns = Enumerable.Range(0, random.Next(12) == 0 ? 0 : random.Next(1, 6)).Select(_ => People(random, atLeast: random.Next(8) == 0 ? 0 : 1)).ToArray();
        var isElapsed = random.Next(3) == 0;
        var windows = Enumerable.Range(0, random.Next(2) == 0 ? 0 : random.Next(1, 4)).Select(_ => (random.Next(2) == 0 ? 127 : random.Next(1, 128), Time(random), Time(random))).ToArray();
        int? from = random.Next(5) == 0 ? (firstDay + random.Next(0, 900)) * Day + Time(random) : null;
        int? until = random.Next(5) == 0 ? (firstDay + random.Next(600, 1800)) * Day + Time(random) : null;
        var days = new[] { 1, 1, 2, 3, 7, 7, 14 }[random.Next(7)];
        var minutes = new[] { 60, 90, 480, 720, 1440, 10080, random.Next(45, 3000) }[random.Next(7)];
        return new PlannedLayer(own < 0 ? zone : own, zones[own < 0 ? zone : own], turns, isElapsed ? 0 : days, isElapsed ? minutes : 0, start, from, until, windows);
    }

    private static PlannedOverride Over(Random random, int number, int[] moments)
    {
        var from = moments[(int)(random.NextDouble() * moments.Length)] + random.Next(-200, 200);
        return new PlannedOverride(number, from, from + random.Next(-5, 400), People(random, random.Next(8) == 0 ? 0 : 1), random.Next(2) == 0 ? random.Next(5) : null, random.Next(4));
    }

    private static int[] People(Random random, int atLeast) => [.. Enumerable.Range(0, atLeast == 0 ? 0 : random.Next(3) == 0 ? random.Next(1, 4) : 1).Select(_ => random.Next(5))];

    private static int Time(Random random) => random.Next(3) == 0 ? random.Next(Day) : TellingTimes[random.Next(TellingTimes.Length)];
}

/// <summary>Times are local minutes since midnight of 1970-01-01; a turn is <paramref name="Days"/> long or, when that is 0, <paramref name="Minutes"/>.</summary>
internal sealed record PlannedLayer(int ZoneNumber, DateTimeZone Zone, int[][] Turns, int Days, int Minutes, int Start, int? From, int? Until, (int Days, int From, int Until)[] Windows)
{
    /// <summary>The minute at which its elapsed time begins.</summary>
    public int StartMinute { get; } = Days > 0 ? 0 : MinuteSimulator.FirstReading(Zone, Start);

    public Layer Build(string name, DateTimeZone scheduleZone) => new()
    {
        Name = name,
        Rotation = new Rotation
        {
            StartsOn = Local(Start).Date,
            HandOverAt = Local(Start).TimeOfDay,
            Length = Days > 0 ? new TurnLength.Days(Days) : new TurnLength.Elapsed(Duration.FromMinutes(Minutes)),
        },
        Turns = [.. Turns.Select(t => new Turn([.. t.Select(p => $"{p}")]))],
        Restrictions = [.. Windows.Select(w => new WeeklyWindow
        {
            Weekdays = [.. Enum.GetValues<IsoDayOfWeek>().Where(d => d != IsoDayOfWeek.None && ((w.Days >> ((int)d - 1)) & 1) == 1)],
            From = Local(w.From).TimeOfDay,
            Until = Local(w.Until).TimeOfDay,
        })],
        From = From is { } from ? Local(from) : null,
        Until = Until is { } until ? Local(until) : null,
        Zone = Zone == scheduleZone ? null : Zone,
    };

    private static LocalDateTime Local(int minutes) => new LocalDateTime(1970, 1, 1, 0, 0).PlusMinutes(minutes);
}

internal sealed record PlannedOverride(int Number, int From, int Until, int[] People, int? Replaces, int Made);
