using Incidents.Domain.Response;
using Mediator;
using FluentValidation;
using Incidents.Server.Configuration;

namespace Incidents.Server.Response;

/// <summary>A responder says that it is over. If alerts still fire, the answer warns, and the incident reopens if they still do after the verification window.</summary>
internal sealed record ResolveIncident(long Number, string? Resolution = null, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class ResolveIncidentValidator : AbstractValidator<ResolveIncident>
{
    public ResolveIncidentValidator() => RuleFor(c => c.Resolution).MaximumLength(2000);
}

internal sealed class ResolveIncidentHandler(IncidentWork work, IActiveConfiguration configuration) : ICommandHandler<ResolveIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(ResolveIncident command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.resolve",
            (incident, by, now) => incident.Resolve(by, command.Resolution, configuration.Current.Incidents.VerifyResolveAfter, now), cancellationToken);
}
