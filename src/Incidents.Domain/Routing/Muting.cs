using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>What keeps an alert from paging just now.</summary>
/// <param name="Rule">Kind and name: <c>silence/12</c>, <c>maintenance/3</c>, <c>interval/nights</c>, <c>inhibition/cluster-down</c>, <c>dependency/checkout</c>, <c>pause/payments</c>.</param>
/// <param name="Reason">In words, for timelines and the answer to "why".</param>
/// <param name="Until">When it must be looked at again; null when nobody knows.</param>
public sealed record Muting(string Rule, string Reason, Instant? Until)
{
    /// <summary>The kind in <see cref="Rule"/>: <c>silence</c>, <c>maintenance</c>, <c>interval</c>, <c>inhibition</c>, <c>dependency</c>, <c>pause</c>.</summary>
    public static string KindOf(string rule) => rule[..Math.Max(0, rule.IndexOf('/', StringComparison.Ordinal))];

    public const string Interval = "interval";
    public const string Inhibition = "inhibition";
    public const string Dependency = "dependency";

    /// <summary>Held for a moment, because most alerts of its route clear by themselves.</summary>
    public const string Pause = "pause";
}
