using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>When turns change: from a date on, at a time of day, every so often.</summary>
public sealed record Rotation
{
    /// <summary>The day on which the first turn begins, at <see cref="HandOverAt"/>; nobody is on call by this rotation before. Its weekday is that of a weekly hand-over.</summary>
    public required LocalDate StartsOn { get; init; }

    /// <summary>The wall-clock time of hand-over. With turns of elapsed hours only the first begins at it.</summary>
    public required LocalTime HandOverAt { get; init; }

    public required TurnLength Length { get; init; }

    /// <summary>The turns between two moments, numbered from 0, each whole; those of no length (a skipped day) are left out.</summary>
    internal IEnumerable<(long Number, Span Span)> Turns(DateTimeZone zone, Instant from, Instant until)
    {
        var start = DutyClock.At(StartsOn + HandOverAt, zone);
        var first = from <= start ? 0 : Length switch
        {
            TurnLength.Days days => Math.Max(0, (Period.DaysBetween(StartsOn, from.InZone(zone).Date) / days.Count) - 2),
            TurnLength.Elapsed elapsed => (long)Math.Floor((from - start) / elapsed.Time),
            _ => throw new InvalidOperationException($"{Length.GetType().Name} is not a turn length."),
        };
        var begins = Begins(first);
        for (var number = first; begins < until; number++)
        {
            var ends = Begins(number + 1);
            if (ends > from && ends > begins) yield return (number, new Span(begins, ends));
            begins = ends;
        }

        Instant Begins(long number) => Length switch
        {
            TurnLength.Days days => DutyClock.At(StartsOn.PlusDays(checked((int)(number * days.Count))) + HandOverAt, zone),
            TurnLength.Elapsed elapsed => start + (elapsed.Time * number),
            _ => throw new InvalidOperationException($"{Length.GetType().Name} is not a turn length."),
        };
    }
}

/// <summary>How long a turn lasts.</summary>
public abstract record TurnLength
{
    private TurnLength() { }

    public static readonly TurnLength Daily = new Days(1);
    public static readonly TurnLength Weekly = new Days(7);

    /// <summary>Calendar days in the zone: hand-over stays at the same wall-clock time.</summary>
    public sealed record Days : TurnLength
    {
        public Days(int count)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
            Count = count;
        }

        public int Count { get; }
    }

    /// <summary>Elapsed time, at least a minute: every turn is equally long, and hand-over moves on the wall clock when the clock is changed.</summary>
    public sealed record Elapsed : TurnLength
    {
        public Elapsed(Duration time)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(time, Duration.FromMinutes(1));
            Time = time;
        }

        public Duration Time { get; }
    }
}
