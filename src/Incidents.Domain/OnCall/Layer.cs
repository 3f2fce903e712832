using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>One rotation of a schedule. It hides the layers before it wherever it has somebody.</summary>
public sealed record Layer
{
    /// <summary>Unique in its schedule; what "why was I paged" shows.</summary>
    public required string Name { get; init; }

    public required Rotation Rotation { get; init; }

    /// <summary>In order of duty, beginning anew at the end. Empty: the layer has nobody.</summary>
    public required ImmutableArray<Turn> Turns { get; init; }

    /// <summary>Hours in which it counts; empty means always. Turns go on being counted outside.</summary>
    public ImmutableArray<WeeklyWindow> Restrictions { get; init; } = [];

    /// <summary>It counts from here on, although its rotation may have started long before. Null: from the rotation's start.</summary>
    public LocalDateTime? From { get; init; }

    /// <summary>It no longer counts from here on. Null: it never ends.</summary>
    public LocalDateTime? Until { get; init; }

    /// <summary>Where its times are read; null means the schedule's zone. A layer per continent makes follow-the-sun.</summary>
    public DateTimeZone? Zone { get; init; }

    /// <summary>Who has it when, between two moments: ordered, disjoint, cut to them, without the stretches in which it has nobody.</summary>
    internal List<(Span Span, Turn Turn)> Cover(DateTimeZone scheduleZone, Instant from, Instant until)
    {
        var cover = new List<(Span, Turn)>();
        if (Turns.IsEmpty) return cover;
        var zone = Zone ?? scheduleZone;
        if (From is { } begins) from = Instant.Max(from, DutyClock.At(begins, zone));
        if (Until is { } ends) until = Instant.Min(until, DutyClock.At(ends, zone));
        if (from >= until) return cover;

        var open = Restrictions.IsEmpty ? [new Span(from, until)] : WeeklyWindow.Spans(Restrictions, zone, from, until);
        var next = 0;
        foreach (var (number, span) in Rotation.Turns(zone, from, until))
        {
            var turn = Turns[(int)(number % Turns.Length)];
            while (next < open.Count && open[next].Until <= span.From) next++;
            for (var i = next; i < open.Count && open[i].From < span.Until && !turn.People.IsEmpty; i++)
                cover.Add((new Span(Instant.Max(open[i].From, span.From), Instant.Min(open[i].Until, span.Until)), turn));
        }

        return cover;
    }
}

/// <summary>Who has one turn of a rotation: one person, or several who are on call together. Keys of people.</summary>
public sealed record Turn(ImmutableArray<string> People)
{
    public static Turn Of(params ImmutableArray<string> people) => new(people);
}
