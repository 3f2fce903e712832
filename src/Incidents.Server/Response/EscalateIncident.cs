using Incidents.Domain.Response;
using Mediator;
using FluentValidation;

namespace Incidents.Server.Response;

/// <summary>
/// Calls for more help. With an escalation policy its next step fires now, and severity stays; without one the incident becomes critical, and its receivers and those of critical are told again.
/// </summary>
internal sealed record EscalateIncident(long Number, string? Reason = null, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class EscalateIncidentValidator : AbstractValidator<EscalateIncident>
{
    public EscalateIncidentValidator() => RuleFor(c => c.Reason).MaximumLength(2000);
}

internal sealed class EscalateIncidentHandler(IncidentWork work, RouteIncident routes, ISender sender) : ICommandHandler<EscalateIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(EscalateIncident command, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetEscalation(command.Number), cancellationToken) is { CanEscalate: true })
            return await work.ChangeAsync(command.Number, command.IfRevision, "incident.escalate", (incident, by, now) => incident.CallNext(by, command.Reason, now), cancellationToken);

        var critical = await routes.WithSeverityAsync(command.Number, Domain.Routing.Severity.Critical, cancellationToken);
        return await work.ChangeAsync(command.Number, command.IfRevision, "incident.escalate", (incident, by, now) => incident.Escalate(by, command.Reason, critical, now), cancellationToken);
    }
}
