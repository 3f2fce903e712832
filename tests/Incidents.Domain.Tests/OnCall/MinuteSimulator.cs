using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

/// <summary>
/// Who is on call, found without the product: whole minutes, integers, and one question to the time zone, "what is your offset now". It knows the rules of docs/decisions/0201 as words,
/// not as code: the duty clock is the latest wall-clock minute seen so far while walking minute by minute.
/// </summary>
internal static class MinuteSimulator
{
    private const int Day = 1440;

    /// <summary>Longer than any set-back, so that whatever was read before is no longer ahead.</summary>
    private const int Walk = 2 * Day;

    /// <summary>The duty clock of a zone over some minutes, in minutes since midnight of 1970-01-01, local.</summary>
    public static int[] DutyClock(DateTimeZone zone, int firstMinute, int count)
    {
        var clock = new int[count];
        var latest = int.MinValue;
        for (var minute = firstMinute - Walk; minute < firstMinute + count; minute++)
        {
            latest = Math.Max(latest, WallClock(zone, minute));
            if (minute >= firstMinute) clock[minute - firstMinute] = latest;
        }

        return clock;
    }

    /// <summary>The first minute at which the wall clock reads a local minute or later.</summary>
    public static int FirstReading(DateTimeZone zone, int local)
    {
        var minute = local - (15 * 60);
        while (WallClock(zone, minute) < local) minute++;
        return minute;
    }

    /// <summary>Writes the people on call and the reason of each (layer number, or 100 and the override's number) and answers how many.</summary>
    /// <param name="plan">What was generated.</param>
    /// <param name="minute">Minutes since the epoch.</param>
    /// <param name="duty">What the duty clock of each layer's zone reads at that minute.</param>
    /// <param name="who">Room for pairs.</param>
    public static int OnCall(Plan plan, int minute, ReadOnlySpan<int> duty, Span<(int Person, int Reason)> who)
    {
        var count = 0;
        for (var i = plan.Layers.Length - 1; i >= 0 && count == 0; i--)
        {
            foreach (var person in PeopleOf(plan.Layers[i], minute, duty[i])) Add(who, ref count, person, i);
        }

        Span<(int Person, int Reason)> before = stackalloc (int, int)[who.Length];
        foreach (var over in plan.Overrides)
        {
            if (minute < over.From || minute >= over.Until || over.People.Length == 0) continue;
            if (over.Replaces is not { } replaced)
            {
                count = 0;
                foreach (var person in over.People) Add(who, ref count, person, 100 + over.Number);
                continue;
            }

            who[..count].CopyTo(before);
            var had = count;
            count = 0;
            for (var i = 0; i < had; i++)
            {
                if (before[i].Person != replaced) Add(who, ref count, before[i].Person, before[i].Reason);
                else foreach (var person in over.People) Add(who, ref count, person, 100 + over.Number);
            }
        }

        return count;
    }

    private static int[] PeopleOf(PlannedLayer layer, int minute, int clock)
    {
        if (layer.Turns.Length == 0 || clock < layer.Start || clock < layer.From || clock >= layer.Until || !IsOpen(layer, clock)) return [];
        var turn = layer.Days > 0 ? (clock - layer.Start) / (layer.Days * Day) : (minute - layer.StartMinute) / layer.Minutes;
        return layer.Turns[turn % layer.Turns.Length];
    }

    private static bool IsOpen(PlannedLayer layer, int clock)
    {
        if (layer.Windows.Length == 0) return true;
        var (day, time) = (clock / Day, clock % Day);
        foreach (var (days, from, until) in layer.Windows)
        {
            if (until > from)
            {
                if (On(days, day) && time >= from && time < until) return true;
            }
            else if ((On(days, day) && time >= from) || (On(days, day - 1) && time < until))
            {
                return true;
            }
        }

        return false;

        // 1970-01-01 was a Thursday; bit 0 is Monday.
        static bool On(int days, int day) => (days >> ((day + 3) % 7) & 1) == 1;
    }

    private static void Add(Span<(int Person, int Reason)> who, ref int count, int person, int reason)
    {
        for (var i = 0; i < count; i++)
        {
            if (who[i].Person == person) return;
        }

        who[count++] = (person, reason);
    }

    private static int WallClock(DateTimeZone zone, int minute) => minute + (zone.GetUtcOffset(Instant.FromUnixTimeSeconds(minute * 60L)).Seconds / 60);
}
