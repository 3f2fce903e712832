using Incidents.Domain.PostMortems;
using Incidents.Server.Notifications;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.PostMortems;

/// <summary>Writes the drafts that are due, one at a time. Rows are claimed with SKIP LOCKED and stay locked until the draft is committed, so any number of replicas may run it.</summary>
internal sealed partial class DraftDue(NpgsqlDataSource database, IServiceScopeFactory scopes, ChangeSignal changes, WorkerHealth health, TimeProvider clock, ILogger<DraftDue> log)
    : Worker("post-mortems", null, TimeSpan.FromSeconds(1), health, clock, log)
{
    private static readonly Duration AgainAfterFailure = Duration.FromMinutes(1);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        // Mostly there is nothing: that is found without EF Core.
        await using (var look = database.CreateCommand("select id from post_mortems where draft_due_at <= $1 order by draft_due_at limit 1"))
        {
            look.Parameters.Add(Sql.P(Clock.GetCurrentInstant()));
            if (await look.ExecuteScalarAsync(cancellationToken) is null) return false;
        }

        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        var reader = scope.ServiceProvider.GetRequiredService<PostMortemReader>();
        var now = Clock.GetCurrentInstant();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var due = await db.Set<PostMortem>().FromSql($"select * from post_mortems where draft_due_at <= {now} order by draft_due_at limit 1 for update skip locked").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (due is null) return false;

        try
        {
            var facts = await reader.ReadAsync(due.IncidentNumber, cancellationToken) ?? throw new InvalidOperationException($"Post-mortem {due.Id} is of incident {due.IncidentNumber}, which does not exist.");
            due.Update(DraftPostMortem.From(facts), facts.Incident, now, facts.Deliveries.All(d => d.State is not (DeliveryRow.Queued or DeliveryRow.Sending)));
            await db.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        catch (Exception error) when (error is not OperationCanceledException && DatabaseIsWell(error))
        {
            // One that cannot be drafted must not hold up those behind it; it is tried again, and the worker says so each time.
            await transaction.RollbackAsync(cancellationToken);
            await db.Database.ExecuteSqlAsync($"update post_mortems set draft_due_at = {now + AgainAfterFailure} where id = {due.Id}", cancellationToken);
            throw;
        }

        LogDrafted(due.Id, due.IncidentNumber, due.Revision);
        changes.Raise();
        return true;
    }

    private static bool DatabaseIsWell(Exception error) => error is not NpgsqlException { IsTransient: true };

    [LoggerMessage(Level = LogLevel.Information, Message = "Post-mortem {PostMortemId} of incident {IncidentNumber} was drafted; it is at revision {Revision}")]
    private partial void LogDrafted(long postMortemId, long incidentNumber, long revision);
}
