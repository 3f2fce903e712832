using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>The routes of <c>routing.yaml</c> as a pure function from labels and time to a decision.</summary>
public sealed class RoutingTree
{
    private readonly string _root = "root";

    public RoutingDecision Match(Labels labels, Instant at) => new() { Severity = Severity.Warning, Receivers = [], GroupKey = labels.ToString(), OpensIncident = true, Path = [_root + at] };
}
