using Incidents.Domain.Response;
using Mediator;
using FluentValidation;

namespace Incidents.Server.Response;

/// <summary>Corrects how bad it is. Raised severities bring in the receivers that routing gives them.</summary>
internal sealed record ChangeSeverity(long Number, string Severity, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class ChangeSeverityValidator : AbstractValidator<ChangeSeverity>
{
    public ChangeSeverityValidator() => RuleFor(c => c.Severity).Must(s => Domain.Routing.Severity.All.Contains(s, StringComparer.Ordinal)).WithMessage("One of critical, warning, info.");
}

internal sealed class ChangeSeverityHandler(IncidentWork work, RouteIncident routes) : ICommandHandler<ChangeSeverity, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(ChangeSeverity command, CancellationToken cancellationToken)
    {
        var decision = await routes.WithSeverityAsync(command.Number, command.Severity, cancellationToken);
        return await work.ChangeAsync(command.Number, command.IfRevision, "incident.severity", (incident, by, now) => incident.ChangeSeverity(by, decision, now), cancellationToken);
    }
}
