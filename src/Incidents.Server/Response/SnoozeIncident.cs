using Incidents.Domain.Response;
using Mediator;
using FluentValidation;
using NodaTime;

namespace Incidents.Server.Response;

/// <summary>Quiet until a time; then, if it is not over, it triggers again.</summary>
internal sealed record SnoozeIncident(long Number, Instant? Until, int? Minutes, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class SnoozeIncidentValidator : AbstractValidator<SnoozeIncident>
{
    public SnoozeIncidentValidator()
    {
        RuleFor(c => c.Until).Must((command, until) => until is null != command.Minutes is null).WithMessage("Give either until (a time) or minutes.");
        RuleFor(c => c.Minutes).InclusiveBetween(1, (int)Incident.LongestSnooze.TotalMinutes);
    }
}

internal sealed class SnoozeIncidentHandler(IncidentWork work) : ICommandHandler<SnoozeIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(SnoozeIncident command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.snooze",
            (incident, by, now) => incident.Snooze(by, command.Until ?? now + Duration.FromMinutes(command.Minutes ?? 0), now), cancellationToken);
}
