using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// The clock that on-call times are read on: the wall clock of a zone, except that it stands still where the wall clock is set back, and so never goes back (docs/decisions/0201).
/// Every local time happens on it exactly once, and they happen in order.
/// </summary>
public static class DutyClock
{
    /// <summary>When it becomes <paramref name="local"/>: the first moment at which the wall clock reads that or later. A skipped time happens at the jump, a repeated one the first time.</summary>
    public static Instant At(LocalDateTime local, DateTimeZone zone)
    {
        var mapping = zone.MapLocal(local);
        return mapping.Count == 0 ? mapping.LateInterval.Start : mapping.First().ToInstant();
    }
}
