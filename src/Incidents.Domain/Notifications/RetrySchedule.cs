using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>
/// When a delivery is tried again. It gives up on nothing but a plain refusal: a page that is a day late is still better than a page that is lost.
/// </summary>
public static class RetrySchedule
{
    /// <summary>Between tries when the far side says nothing: 1 s, 2 s, 4 s, … up to this.</summary>
    public static readonly Duration LongestWait = Duration.FromMinutes(5);

    /// <summary>First wait between probes of a receiver that is configured wrongly.</summary>
    public static readonly Duration FirstProbe = Duration.FromSeconds(30);

    /// <summary>A longer <c>Retry-After</c> is a mistake of the far side (or a proxy) and must not silence us.</summary>
    public static readonly Duration LongestHonouredWish = Duration.FromHours(1);

    /// <summary>Share of the wait that jitter may add, so that many deliveries do not come back in step.</summary>
    public const double JitterShare = 0.2;

    private static readonly Duration FirstWait = Duration.FromSeconds(1);

    /// <summary>Decides what happens to a delivery after one attempt.</summary>
    /// <param name="attemptNumber">Of the attempt that just ended; 1 for the first.</param>
    /// <param name="firstAttemptAt">When the first attempt of this delivery began.</param>
    /// <param name="now">When the attempt ended.</param>
    /// <param name="result">What the channel answered.</param>
    /// <param name="jitter">From 0 to 1, a fresh random number; 0 gives the bare schedule.</param>
    public static RetryDecision Next(int attemptNumber, Instant firstAttemptAt, Instant now, DeliveryResult result, double jitter)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attemptNumber, 1);
        if (jitter is not (>= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(jitter), jitter, "From 0 to 1.");

        return result switch
        {
            DeliveryResult.Delivered or DeliveryResult.NothingToSend => new RetryDecision.Done(),
            DeliveryResult.Rejected rejected => new RetryDecision.GiveUp(rejected.Reason),
            DeliveryResult.Misconfigured wrong => new RetryDecision.Park(now + Jittered(Probe(now - firstAttemptAt), jitter), wrong.Reason),
            DeliveryResult.RetryLater later => new RetryDecision.TryAgain(now + Jittered(Wait(attemptNumber, later.After), jitter), later.Reason),
            _ => throw new ArgumentOutOfRangeException(nameof(result), result, "A result this schedule does not know."),
        };
    }

    private static Duration Wait(int attemptNumber, Duration? wish)
    {
        var doublings = Math.Min(attemptNumber - 1, 16);
        var own = Duration.Min(LongestWait, FirstWait * (1L << doublings));
        return wish is { } asked ? Duration.Max(own, Duration.Min(asked, LongestHonouredWish)) : own;
    }

    // As long as it has been wrong, but from 30 s to 5 min: the waits double by themselves, also when an attempt went uncounted in a crash.
    private static Duration Probe(Duration sinceFirst) => Duration.Min(LongestWait, Duration.Max(FirstProbe, sinceFirst));

    // Only ever later: earlier than the far side's wish would earn another refusal.
    private static Duration Jittered(Duration wait, double jitter) => wait + (wait * (JitterShare * jitter));
}

/// <summary>What <see cref="RetrySchedule"/> decided.</summary>
public abstract record RetryDecision
{
    private RetryDecision() { }

    /// <summary>Nothing more to do.</summary>
    public sealed record Done : RetryDecision;

    /// <summary>The same delivery goes out again at <paramref name="At"/>.</summary>
    public sealed record TryAgain(Instant At, string Reason) : RetryDecision;

    /// <summary>The receiver waits for a person; one delivery probes it at <paramref name="ProbeAt"/>.</summary>
    public sealed record Park(Instant ProbeAt, string Reason) : RetryDecision;

    /// <summary>This receiver will never take it; tell the fall-back.</summary>
    public sealed record GiveUp(string Reason) : RetryDecision;
}
