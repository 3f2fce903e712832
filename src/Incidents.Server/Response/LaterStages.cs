using Incidents.Server.Alerts;
using Incidents.Server.Scheduling;

namespace Incidents.Server.Response;

/// <summary>
/// The stages from routing on, for work that starts in the middle of the way: alerts that are known already and now end or fire without a webhook.
/// Data still flows one way; the stages are those of <see cref="IngestInbox"/>, in the same order.
/// </summary>
internal sealed class LaterStages(IEnumerable<IIngestStage> stages, DeliverySignal deliveries, ChangeSignal changes, MuteSignal mutes)
{
    private readonly IIngestStage[] _stages = [.. stages.Where(s => s is not RecordEpisodes)];

    public async Task RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        foreach (var stage in _stages) await stage.RunAsync(batch, cancellationToken);
    }

    /// <summary>After the commit.</summary>
    public void Wake(IngestBatch batch)
    {
        foreach (var signal in batch.Wake) signal.Raise();
        if (batch.ChangesMutes) mutes.Raise();
        if (batch.IncidentChanges.Count + batch.NoticeChanges.Count == 0) return;
        deliveries.Raise();
        changes.Raise();
    }
}
