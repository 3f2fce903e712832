using Incidents.Domain.Alerts;
using Incidents.Server.Alerts;

namespace Incidents.Server.Routing;

/// <summary>Second stage: asks the routing tree where each firing alert goes. What a rule mutes ends here, with the rule's name; the rest goes on.</summary>
internal sealed class DecideRoutes : IIngestStage
{
    public ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        foreach (var (state, labels, _, item) in batch.Fired)
        {
            var decision = batch.Configuration.Routing.Match(labels, batch.Now);
            state.Decision = decision;
            if (decision.MutedBy is null) continue;

            // It belongs to nothing while it is muted: what it belonged to before has counted it out.
            (state.Outcome, state.OutcomeReason, state.IncidentNumber, state.NoticeId) = (AlertOutcome.Suppressed, decision.MutedBy, null, null);
            item?.Count(AlertOutcome.Suppressed);
        }

        return ValueTask.CompletedTask;
    }
}
