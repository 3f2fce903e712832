using System.Diagnostics.Metrics;
using Incidents.Domain.Response;

namespace Incidents.Server.OnCall;

/// <summary>What escalation does.</summary>
internal static class OnCallMetrics
{
    private static readonly Meter Meter = new("Incidents");
    private static readonly Counter<long> Steps = Meter.CreateCounter<long>("incidents_escalation_steps", description: "Steps of escalation policies that fired and told somebody.");
    private static readonly Counter<long> Unheard = Meter.CreateCounter<long>("incidents_escalations_unheard", description: "Escalation policies that ended, or rounds that reached nobody, while nobody acknowledged.");

    public static void Fired(IReadOnlyCollection<StepCall> calls)
    {
        Steps.Add(calls.Sum(c => c.Fired.Count));
        Unheard.Add(calls.Count(c => c.Occasion == Occasion.NobodyCame));
    }
}
