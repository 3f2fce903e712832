using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Server.OnCall;

/// <summary>A shift swap as it is stored; <see cref="ShiftSwap"/> says what it means.</summary>
internal sealed class SwapRow
{
    public Guid Id { get; init; }

    public required string Schedule { get; init; }

    public required string Person { get; init; }

    public Instant GivesFrom { get; init; }

    public Instant GivesUntil { get; init; }

    public Instant? ReturnsFrom { get; init; }

    public Instant? ReturnsUntil { get; init; }

    public string? OfferedTo { get; init; }

    public string? Reason { get; init; }

    public Instant RequestedAt { get; init; }

    /// <summary>Who asked, as the audit log names them.</summary>
    public required string RequestedBy { get; init; }

    public string? TakenBy { get; set; }

    public Instant? TakenAt { get; set; }

    public Instant? WithdrawnAt { get; set; }

    public Instant? DeclinedAt { get; set; }

    /// <summary>Grows with each change.</summary>
    public long Revision { get; set; } = 1;

    /// <summary>As the API names it.</summary>
    public string State => TakenBy is not null ? "taken" : WithdrawnAt is not null ? "withdrawn" : DeclinedAt is not null ? "declined" : "requested";

    public ShiftSwap ToSwap() => new()
    {
        Id = Id.ToString(),
        Schedule = Schedule,
        From = Person,
        Gives = new Interval(GivesFrom, GivesUntil),
        InReturn = ReturnsFrom is { } from && ReturnsUntil is { } until ? new Interval(from, until) : null,
        OfferedTo = OfferedTo,
        RequestedAt = RequestedAt,
        TakenBy = TakenBy,
        TakenAt = TakenAt,
        WithdrawnAt = WithdrawnAt,
        DeclinedAt = DeclinedAt,
    };

    public void Become(ShiftSwap swap)
    {
        (TakenBy, TakenAt, WithdrawnAt, DeclinedAt) = (swap.TakenBy, swap.TakenAt, swap.WithdrawnAt, swap.DeclinedAt);
        Revision++;
    }
}
