using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Somebody asks to be relieved for a while, perhaps for a shift in return. Changes nothing until it is taken.</summary>
public sealed record ShiftSwap
{
    public required string Id { get; init; }

    /// <summary>Key of the schedule.</summary>
    public required string Schedule { get; init; }

    /// <summary>Key of the person who wants to be relieved.</summary>
    public required string From { get; init; }

    public required Interval Gives { get; init; }

    /// <summary>What the person does for whoever takes it; null: nothing is offered.</summary>
    public Interval? InReturn { get; init; }

    /// <summary>Whom it was offered to; null: anybody.</summary>
    public string? OfferedTo { get; init; }

    public required Instant RequestedAt { get; init; }

    /// <summary>Null: not taken yet.</summary>
    public string? TakenBy { get; init; }

    public Instant? TakenAt { get; init; }

    public Instant? WithdrawnAt { get; init; }

    /// <summary>When the one person it was offered to said no; nobody else can take it then.</summary>
    public Instant? DeclinedAt { get; init; }

    /// <summary>Somebody takes it. The same person may say so twice; what has begun already may be taken, and counts from then on.</summary>
    public SwapOutcome Take(string by, Instant now)
    {
        if (TakenBy == by) return new SwapOutcome.AlreadySo("You have taken it.");
        if (TakenBy is not null) return new SwapOutcome.Impossible($"{TakenBy} has taken it.");
        if (WithdrawnAt is not null) return new SwapOutcome.Impossible("It was withdrawn.");
        if (DeclinedAt is not null) return new SwapOutcome.Impossible($"{OfferedTo} has declined it.");
        if (by == From) return new SwapOutcome.Impossible("It is your own request; withdraw it to keep the shift.");
        if (OfferedTo is not null && by != OfferedTo) return new SwapOutcome.Impossible($"It was offered to {OfferedTo}.");
        if (Gives.End <= now) return new SwapOutcome.Impossible("The shift is over.");
        if (InReturn?.End <= now) return new SwapOutcome.Impossible("What is offered in return is over.");
        if (InReturn is { } back && back.Start < Gives.End && back.End > Gives.Start) return new SwapOutcome.Impossible("What is given and what is done in return overlap.");
        return new SwapOutcome.Changed(this with { TakenBy = by, TakenAt = now });
    }

    /// <summary>The person it was offered to will not take it.</summary>
    public SwapOutcome Decline(string by, Instant now)
    {
        if (OfferedTo is null) return new SwapOutcome.Impossible("It was offered to anybody; there is nothing to decline.");
        if (by != OfferedTo) return new SwapOutcome.Impossible($"It was offered to {OfferedTo}.");
        if (DeclinedAt is not null) return new SwapOutcome.AlreadySo("You have declined it.");
        if (TakenBy is not null) return new SwapOutcome.Impossible("You have taken it; ask for a swap yourself, or make an override.");
        return WithdrawnAt is not null ? new SwapOutcome.Impossible("It was withdrawn.") : new SwapOutcome.Changed(this with { DeclinedAt = now });
    }

    /// <summary>The request is taken back; once it was taken, only an override changes anything.</summary>
    public SwapOutcome Withdraw(Instant now)
    {
        if (WithdrawnAt is not null) return new SwapOutcome.AlreadySo("It was withdrawn.");
        return TakenBy is not null ? new SwapOutcome.Impossible($"{TakenBy} has taken it; make an override instead.") : new SwapOutcome.Changed(this with { WithdrawnAt = now });
    }

    /// <summary>What it changes: nothing before it is taken, then one override or two.</summary>
    public ImmutableArray<Override> ToOverrides()
    {
        if (TakenBy is not { } by || TakenAt is not { } at) return [];
        var gives = Over("", Gives, by, From);
        return InReturn is { } back ? [gives, Over("-return", back, From, by)] : [gives];

        Override Over(string suffix, Interval when, string person, string replaces) => new()
        {
            Id = Id + suffix,
            Schedule = Schedule,
            From = Instant.Max(when.Start, at),
            Until = when.End,
            People = [person],
            Replaces = replaces,
            CreatedAt = at,
            CreatedBy = by,
        };
    }
}

/// <summary>What a verb on a swap answers.</summary>
public abstract record SwapOutcome
{
    private SwapOutcome() { }

    public sealed record Changed(ShiftSwap Swap) : SwapOutcome;

    /// <summary>It was so before; nothing changed.</summary>
    public sealed record AlreadySo(string Detail) : SwapOutcome;

    /// <summary>Says why.</summary>
    public sealed record Impossible(string Detail) : SwapOutcome;
}
