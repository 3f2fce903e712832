using Incidents.Domain.Access;
using Incidents.Domain.PostMortems;
using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;

namespace Incidents.Server.PostMortems;

/// <summary>Drafts the post-mortem of an incident that is over, whatever its severity. Answers the existing one when there is one.</summary>
internal sealed record CreatePostMortem(long IncidentNumber) : ICommand<CreatePostMortemAnswer>;

internal abstract record CreatePostMortemAnswer
{
    private CreatePostMortemAnswer() { }

    public sealed record Is(PostMortem PostMortem, bool IsNew) : CreatePostMortemAnswer;

    public sealed record NoIncident : CreatePostMortemAnswer;

    public sealed record NotOver(string Detail) : CreatePostMortemAnswer;

    /// <summary>The caller may not; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : CreatePostMortemAnswer;
}

internal sealed class CreatePostMortemHandler(IncidentsDbContext db, PostMortemReader reader, IAccess access, IAuditLog audit, TimeProvider clock) : ICommandHandler<CreatePostMortem, CreatePostMortemAnswer>
{
    public async ValueTask<CreatePostMortemAnswer> Handle(CreatePostMortem command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);

        // The incident's row is locked first, as everywhere: it cannot reopen under our hands, and two requests take turns.
        var incident = await db.Incidents.FromSql($"select * from incidents where number = {command.IncidentNumber} for update").AsNoTracking().SingleOrDefaultAsync(cancellationToken);
        if (incident is null) return new CreatePostMortemAnswer.NoIncident();
        if (access.WhyNot(Permission.Respond, incident.Team) is { } why) return new CreatePostMortemAnswer.Forbidden(why);
        var existing = await db.Set<PostMortem>().FromSql($"select * from post_mortems where incident_number = {command.IncidentNumber} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (existing is { Status: not PostMortemStatus.Pending }) return new CreatePostMortemAnswer.Is(existing, false);
        if (incident.MergedInto is { } other) return new CreatePostMortemAnswer.NotOver($"It was merged into INC-{other}; write that one's.");
        if (incident.IsOpen) return new CreatePostMortemAnswer.NotOver($"INC-{incident.Number} is {incident.State}; resolve it first.");

        var now = clock.GetCurrentInstant();
        var postMortem = existing ?? PostMortem.For(incident.Number, now);
        if (existing is null)
        {
            db.Add(postMortem);
            audit.Add("post_mortem.create", $"INC-{incident.Number}");
        }

        var facts = await reader.ReadAsync(incident.Number, cancellationToken);
        postMortem.Update(DraftPostMortem.From(facts!), incident, now);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new CreatePostMortemAnswer.Is(postMortem, existing is null);
    }
}
