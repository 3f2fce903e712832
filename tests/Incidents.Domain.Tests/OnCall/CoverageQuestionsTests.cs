using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

internal sealed class CoverageQuestionsTests
{
    private static readonly Reach Reach = new() { Channels = new HashSet<string>(), Receivers = new HashSet<string>(["pager", "room"]), PagingReceivers = new HashSet<string>(["pager"]) };

    [Test]
    public void Where_nobody_uses_policies_nothing_is_asked() => Assert.That(CoverageQuestions.Of(Route("a", null, "room"), Reach), Is.Empty);

    [Test]
    public void A_critical_route_without_a_policy_is_asked_unless_a_receiver_of_it_pages()
    {
        var root = Route("a", "critical", "room") with { Routes = [Route("b", null, "room"), Route("c", null, "pager")] };
        Assert.That(CoverageQuestions.Of(root, Reach).Select(q => (q.Route, q.Policy)), Is.EqualTo(new[] { ("a", (string?)"critical"), ("b", null) }));
        Assert.That(CoverageQuestions.Of(root, Reach with { Broken = new HashSet<string>(["pager"]) }).Select(q => q.Route), Is.EqualTo(["a", "b", "c"]), "a receiver that takes nothing pages nobody");
        Assert.That(CoverageQuestions.WithoutPolicy(root).Select(q => q.Route), Is.EqualTo(["b", "c"]));
    }

    private static RouteSummary Route(string id, string? policy, string receiver) => new()
    {
        Id = id,
        Matchers = [],
        Continue = false,
        GroupBy = [],
        Receivers = BySeverity.All<ImmutableArray<string>>([receiver]),
        OpensIncident = new BySeverity<bool>(true, false, false),
        EscalationPolicy = BySeverity.All(policy),
        Playbooks = BySeverity.All<ImmutableArray<string>>([]),
        Team = null,
        NotifyAfter = BySeverity.All(Duration.Zero),
        MuteTimeIntervals = [],
        ActiveTimeIntervals = [],
        Routes = [],
    };
}
