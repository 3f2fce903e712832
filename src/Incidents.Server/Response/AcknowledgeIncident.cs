using Incidents.Domain.Response;
using Mediator;

namespace Incidents.Server.Response;

/// <summary>A responder takes ownership of an incident; its escalation stops. Acknowledging again changes nothing and says who was first.</summary>
internal sealed record AcknowledgeIncident(long Number, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class AcknowledgeIncidentHandler(IncidentWork work) : ICommandHandler<AcknowledgeIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(AcknowledgeIncident command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.acknowledge", static (incident, by, now) => incident.Acknowledge(by, now), cancellationToken);
}
