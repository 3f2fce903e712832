using Incidents.Domain.Response;
using Mediator;
using FluentValidation;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>A responder finds that it is not over after all.</summary>
internal sealed record ReopenIncident(long Number, string? Reason = null, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class ReopenIncidentValidator : AbstractValidator<ReopenIncident>
{
    public ReopenIncidentValidator() => RuleFor(c => c.Reason).MaximumLength(2000);
}

internal sealed class ReopenIncidentHandler(IncidentWork work) : ICommandHandler<ReopenIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(ReopenIncident command, CancellationToken cancellationToken)
    {
        try
        {
            return await work.ChangeAsync(command.Number, command.IfRevision, "incident.reopen", (incident, by, now) => incident.Reopen(by, command.Reason, now), cancellationToken);
        }
        catch (DbUpdateException error) when (error.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // The group has an open incident by now; there is never a second one.
            return new IncidentAnswer.Impossible("Its alerts have opened a newer incident meanwhile; work on that one.");
        }
    }
}
