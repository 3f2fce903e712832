using System.Globalization;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.OnCall;

/// <summary>What coverage asks of a tree of routes: for each route and severity that opens an incident and names a policy, whether that policy reaches somebody.</summary>
internal static class CoverageQuestions
{
    public static IReadOnlyList<CoverageQuestion> Of(RouteSummary root) => [.. WithAndWithout(root).Where(q => q.Policy is not null)];

    /// <summary>Routes and severities that open incidents without a policy: nobody is told after the first message. No hole, but worth knowing where others have one.</summary>
    public static IReadOnlyList<CoverageQuestion> WithoutPolicy(RouteSummary root) => [.. WithAndWithout(root).Where(q => q.Policy is null)];

    /// <summary>As reports say it.</summary>
    public static string Minute(Instant at) => at.ToString("uuuu-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

    private static IEnumerable<CoverageQuestion> WithAndWithout(RouteSummary route) =>
        Severity.All.Where(s => route.OpensIncident[s]).Select(s => new CoverageQuestion(route.Id, s, string.IsNullOrEmpty(route.EscalationPolicy[s]) ? null : route.EscalationPolicy[s]))
            .Concat(route.Routes.SelectMany(WithAndWithout));
}
