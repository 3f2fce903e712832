using System.Data;
using System.Diagnostics;
using Incidents.Domain.Access;
using Incidents.Domain.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>What a verb on an incident came to.</summary>
internal abstract record IncidentAnswer
{
    private IncidentAnswer() { }

    /// <param name="Incident">As it is now.</param>
    /// <param name="IsChanged">False when it was so before.</param>
    /// <param name="Detail">For the person who asked: who was first, or a warning.</param>
    public sealed record Is(Incident Incident, bool IsChanged, string? Detail) : IncidentAnswer;

    public sealed record NotFound(long Number) : IncidentAnswer;

    public sealed record Stale(long Revision) : IncidentAnswer;

    public sealed record Impossible(string Detail) : IncidentAnswer;

    /// <summary>The caller may not; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : IncidentAnswer;
}

/// <summary>
/// The frame of every command on an incident: lock and load it, let the Domain decide, save it with its timeline, hand the change to later stages, commit, wake the workers.
/// The row lock makes commands and ingest take turns, so a verb always decides on the newest state.
/// A command that is sent within a transaction of the same scope becomes part of it: its owner commits, and calls <see cref="Wake"/> after that.
/// </summary>
internal sealed class IncidentWork(IncidentsDbContext db, IPublisher events, IActor actor, IAccess access, IAuditLog audit, DeliverySignal deliveries, ChangeSignal changes, TimeProvider clock)
{
    private readonly HashSet<WorkSignal> _wake = [];

    /// <param name="number">Which.</param>
    /// <param name="ifRevision">The revision the caller decided on; null when it does not care.</param>
    /// <param name="action">For the audit log: <c>incident.acknowledge</c>.</param>
    /// <param name="verb">The Domain's verb.</param>
    /// <param name="cancellationToken">Stops it before the commit.</param>
    public async Task<IncidentAnswer> ChangeAsync(long number, long? ifRevision, string action, Func<Incident, Actor, Instant, IncidentOutcome> verb, CancellationToken cancellationToken)
    {
        await using var transaction = await BeginOrJoinAsync(cancellationToken);
        var incident = await LockAsync(number, cancellationToken);
        if (incident is null) return new IncidentAnswer.NotFound(number);
        if (WhyNot(incident.Team) is { } why) return new IncidentAnswer.Forbidden(why);
        if (ifRevision is { } expected && expected != incident.Revision) return new IncidentAnswer.Stale(incident.Revision);

        var now = clock.GetCurrentInstant();
        switch (verb(incident, By, now))
        {
            case IncidentOutcome.AlreadySo(var detail):
                return new IncidentAnswer.Is(incident, false, detail);
            case IncidentOutcome.Impossible(var detail):
                return new IncidentAnswer.Impossible(detail);
            case IncidentOutcome.Changed(var occasion, var warning):
                audit.Add(action, $"INC-{number}");
                await SaveAsync([new IncidentChange(incident, occasion, Activity.Current?.Id) { By = By }], transaction, now, cancellationToken);
                return new IncidentAnswer.Is(incident, true, warning);
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>Null when the caller may act on incidents of this team (null: of none), else why not.</summary>
    public string? WhyNot(string? team) => access.WhyNot(Permission.Respond, team);

    public Actor By => actor.ToActor();

    public async Task<Incident?> LockAsync(long number, CancellationToken cancellationToken) =>
        await db.Incidents.FromSql($"select * from incidents where number = {number} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);

    /// <summary>A transaction of one's own; null within somebody else's.</summary>
    public async Task<IDbContextTransaction?> BeginOrJoinAsync(CancellationToken cancellationToken) =>
        db.Database.CurrentTransaction is null ? await db.Database.BeginTransactionAsync(cancellationToken) : null;

    /// <summary>After the commit: what became due is done at once.</summary>
    public void Wake()
    {
        foreach (var signal in _wake) signal.Raise();
        _wake.Clear();
        deliveries.Raise();
        changes.Raise();
    }

    /// <summary>Saves, hands on, commits and wakes; the last two only for a transaction of one's own.</summary>
    public async Task SaveAsync(IReadOnlyList<IncidentChange> changed, IDbContextTransaction? transaction, Instant now, CancellationToken cancellationToken)
    {
        foreach (var change in changed) db.AddRange(change.Incident.TakeEntries());
        await db.SaveChangesAsync(cancellationToken);
        var news = new IncidentsChanged(changed, (NpgsqlConnection)db.Database.GetDbConnection(), now);
        await events.Publish(news, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        _wake.UnionWith(news.Wake);
        if (transaction is null) return;
        await transaction.CommitAsync(cancellationToken);
        Wake();
    }
}

internal static class TimelineActors
{
    /// <summary>Who acts, as timelines know them. Whoever signed in with a key and typed a name is a person to them, as a user is; the audit log tells the two apart.</summary>
    public static Actor ToActor(this IActor actor) => new(actor.Kind == ActorKind.KeySession ? ActorKind.User : actor.Kind, actor.Name);
}
