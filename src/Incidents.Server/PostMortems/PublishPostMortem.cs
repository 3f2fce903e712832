using FluentValidation;
using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.PostMortems;

/// <summary>Freezes the present text as the next version.</summary>
internal sealed record PublishPostMortem(long Id, long? IfRevision = null) : ICommand<PostMortemAnswer>;

internal sealed class PublishPostMortemHandler(IncidentsDbContext db, PostMortemWork work) : ICommandHandler<PublishPostMortem, PostMortemAnswer>
{
    public async ValueTask<PostMortemAnswer> Handle(PublishPostMortem command, CancellationToken cancellationToken)
    {
        var isOpen = await db.Database.SqlQuery<string>($"select i.state as \"Value\" from incidents i join post_mortems p on p.incident_number = i.number where p.id = {command.Id}").SingleOrDefaultAsync(cancellationToken) is IncidentState.Triggered or IncidentState.Acknowledged;
        return await work.ChangeAsync(command.Id, command.IfRevision, "post_mortem.publish", (postMortem, by, now) => postMortem.Publish(by, !isOpen, now), cancellationToken);
    }
}

/// <summary>None is written; says why.</summary>
internal sealed record SkipPostMortem(long Id, string Reason, long? IfRevision = null) : ICommand<PostMortemAnswer>;

internal sealed class SkipPostMortemValidator : AbstractValidator<SkipPostMortem>
{
    public SkipPostMortemValidator() => RuleFor(c => c.Reason).NotEmpty().WithMessage("Write why none is written.").MaximumLength(2000);
}

internal sealed class SkipPostMortemHandler(PostMortemWork work) : ICommandHandler<SkipPostMortem, PostMortemAnswer>
{
    public async ValueTask<PostMortemAnswer> Handle(SkipPostMortem command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Id, command.IfRevision, "post_mortem.skip", (postMortem, _, now) => postMortem.Skip(command.Reason, now), cancellationToken);
}
