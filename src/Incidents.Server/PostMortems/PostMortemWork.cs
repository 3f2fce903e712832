using System.Diagnostics;
using Incidents.Domain.Access;
using Incidents.Domain.PostMortems;
using Incidents.Domain.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.PostMortems;

/// <summary>What a verb on a post-mortem came to.</summary>
internal abstract record PostMortemAnswer
{
    private PostMortemAnswer() { }

    public sealed record Is(PostMortem PostMortem, bool IsChanged, string? Detail) : PostMortemAnswer;

    public sealed record NotFound(long Id) : PostMortemAnswer;

    /// <summary>It, or the section in question, changed since the caller read it.</summary>
    public sealed record Stale(PostMortem Current, string? Section) : PostMortemAnswer;

    public sealed record Impossible(string Detail) : PostMortemAnswer;

    /// <summary>The caller may not; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : PostMortemAnswer;
}

/// <summary>The frame of every command on a post-mortem: lock and load, let the Domain decide, save with revisions and audit, commit.</summary>
internal sealed class PostMortemWork(IncidentsDbContext db, IActor actor, IAccess access, IAuditLog audit, ChangeSignal changes, TimeProvider clock)
{
    /// <param name="id">Which.</param>
    /// <param name="ifRevision">The revision the caller decided on; null when it does not care.</param>
    /// <param name="action">For the audit log.</param>
    /// <param name="verb">The Domain's verb.</param>
    /// <param name="cancellationToken">Stops it before the commit.</param>
    public async Task<PostMortemAnswer> ChangeAsync(long id, long? ifRevision, string action, Func<PostMortem, Actor, Instant, PostMortemOutcome> verb, CancellationToken cancellationToken)
    {
        // A command before this one in the same request left its copy here, and a query would answer with that copy instead of the row.
        db.ChangeTracker.Clear();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var postMortem = await LockAsync(id, cancellationToken);
        if (postMortem is null) return new PostMortemAnswer.NotFound(id);
        var team = await db.Incidents.Where(i => i.Number == postMortem.IncidentNumber).Select(i => i.Team).SingleOrDefaultAsync(cancellationToken);
        if (access.WhyNot(Permission.Respond, team) is { } why) return new PostMortemAnswer.Forbidden(why);
        if (ifRevision is { } expected && expected != postMortem.Revision) return new PostMortemAnswer.Stale(postMortem, null);

        switch (verb(postMortem, actor.ToActor(), clock.GetCurrentInstant()))
        {
            case PostMortemOutcome.AlreadySo(var detail):
                return new PostMortemAnswer.Is(postMortem, false, detail);
            case PostMortemOutcome.Impossible(var detail):
                return new PostMortemAnswer.Impossible(detail);
            case PostMortemOutcome.SectionChanged(var current):
                return new PostMortemAnswer.Stale(postMortem, current.Key);
            case PostMortemOutcome.Changed:
                audit.Add(action, $"INC-{postMortem.IncidentNumber}", new { post_mortem = id, revision = postMortem.Revision });
                db.AddRange(postMortem.TakeChanges());
                await db.SaveChangesAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                changes.Raise();
                return new PostMortemAnswer.Is(postMortem, true, null);
            default:
                throw new UnreachableException();
        }
    }

    private async Task<PostMortem?> LockAsync(long id, CancellationToken cancellationToken) =>
        await db.Set<PostMortem>().FromSql($"select * from post_mortems where id = {id} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
}
