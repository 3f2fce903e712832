using System.Collections.Immutable;
using System.Globalization;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// What coverage asks of a tree of routes: for each route and severity that opens an incident and names a policy, whether that policy reaches somebody. Where policies are in use, a critical incident
/// must reach somebody in any case: without a policy by a receiver of the route that pages.
/// </summary>
public static class CoverageQuestions
{
    public static IReadOnlyList<CoverageQuestion> Of(RouteSummary root, Reach reach)
    {
        var all = WithAndWithout(root).ToList();
        return all.Exists(q => q.Question.Policy is not null) ? [.. all.Where(q => q.Question.Policy is not null || MustPage(q, reach)).Select(q => q.Question)] : [];
    }

    /// <summary>Routes and severities that open incidents without a policy: nobody is told after the first message. Those that must page are holes besides.</summary>
    public static IReadOnlyList<CoverageQuestion> WithoutPolicy(RouteSummary root) => [.. WithAndWithout(root).Select(q => q.Question).Where(q => q.Policy is null)];

    /// <summary>As reports say it.</summary>
    public static string Minute(Instant at) => at.ToString("uuuu-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

    private static bool MustPage((CoverageQuestion Question, ImmutableArray<string> Receivers) asked, Reach reach) =>
        asked.Question.Severity == Severity.Critical && !asked.Receivers.Any(r => reach.PagingReceivers.Contains(r) && !reach.Broken.Contains(r));

    private static IEnumerable<(CoverageQuestion Question, ImmutableArray<string> Receivers)> WithAndWithout(RouteSummary route) =>
        Severity.All.Where(s => route.OpensIncident[s]).Select(s => (new CoverageQuestion(route.Id, s, string.IsNullOrEmpty(route.EscalationPolicy[s]) ? null : route.EscalationPolicy[s]), route.Receivers[s]))
            .Concat(route.Routes.SelectMany(WithAndWithout));
}
