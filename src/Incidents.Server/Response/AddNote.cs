using Incidents.Domain.Response;
using Mediator;
using FluentValidation;

namespace Incidents.Server.Response;

/// <summary>Writes into the timeline of an incident.</summary>
internal sealed record AddNote(long Number, string Text, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class AddNoteValidator : AbstractValidator<AddNote>
{
    public AddNoteValidator() => RuleFor(c => c.Text).NotEmpty().MaximumLength(10_000);
}

internal sealed class AddNoteHandler(IncidentWork work) : ICommandHandler<AddNote, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(AddNote command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Number, command.IfRevision, "incident.note", (incident, by, now) => incident.AddNote(by, command.Text, now), cancellationToken);
}
