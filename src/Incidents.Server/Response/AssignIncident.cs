using Incidents.Domain.Response;
using Mediator;
using FluentValidation;

namespace Incidents.Server.Response;

/// <summary>Hands an incident to somebody by name.</summary>
internal sealed record AssignIncident(long Number, string Assignee, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class AssignIncidentValidator : AbstractValidator<AssignIncident>
{
    public AssignIncidentValidator() => RuleFor(c => c.Assignee).NotEmpty().MaximumLength(200);
}

internal sealed class AssignIncidentHandler(IncidentWork work) : ICommandHandler<AssignIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(AssignIncident command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.assign", (incident, by, now) => incident.Assign(by, command.Assignee.Trim(), now), cancellationToken);
}
