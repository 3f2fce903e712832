using Incidents.Domain.Response;
using Mediator;

namespace Incidents.Server.Response;

/// <summary>A responder gives an incident back: nobody has it, escalation goes on.</summary>
internal sealed record UnacknowledgeIncident(long Number, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class UnacknowledgeIncidentHandler(IncidentWork work) : ICommandHandler<UnacknowledgeIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(UnacknowledgeIncident command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.unacknowledge", static (incident, by, now) => incident.Unacknowledge(by, now), cancellationToken);
}
