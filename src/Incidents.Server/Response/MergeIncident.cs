using Incidents.Domain.Response;
using Mediator;
using System.Diagnostics;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;

namespace Incidents.Server.Response;

/// <summary>Closes an incident as part of another: its alerts, and those of its group still to come, belong to the other.</summary>
internal sealed record MergeIncident(long Number, long Into, long? IfRevision = null) : ICommand<IncidentAnswer>;

internal sealed class MergeIncidentHandler(IncidentsDbContext db, IncidentWork work, IAuditLog audit, TimeProvider clock) : ICommandHandler<MergeIncident, IncidentAnswer>
{
    public async ValueTask<IncidentAnswer> Handle(MergeIncident command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);

        // Two merges in opposite directions must not wait for each other.
        var first = await work.LockAsync(Math.Min(command.Number, command.Into), cancellationToken);
        var second = await work.LockAsync(Math.Max(command.Number, command.Into), cancellationToken);
        var (incident, target) = command.Number < command.Into ? (first, second) : (second, first);
        if (incident is null) return new IncidentAnswer.NotFound(command.Number);
        if (target is null) return new IncidentAnswer.NotFound(command.Into);
        if ((work.WhyNot(incident.Team) ?? work.WhyNot(target.Team)) is { } why) return new IncidentAnswer.Forbidden(why);
        if (command.IfRevision is { } expected && expected != incident.Revision) return new IncidentAnswer.Stale(incident.Revision);

        var now = clock.GetCurrentInstant();
        switch (incident.MergeInto(target, work.By, now, out var told))
        {
            case IncidentOutcome.AlreadySo(var detail):
                return new IncidentAnswer.Is(incident, false, detail);
            case IncidentOutcome.Impossible(var detail):
                return new IncidentAnswer.Impossible(detail);
            case IncidentOutcome.Changed(var occasion, var warning):
                await db.Database.ExecuteSqlAsync($"update alerts set incident_number = {target.Number} where incident_number = {incident.Number}", cancellationToken);
                audit.Add("incident.merge", $"INC-{incident.Number}");
                await work.SaveAsync([
                        new IncidentChange(incident, occasion, Activity.Current?.Id) { By = work.By },
                        new IncidentChange(target, told, Activity.Current?.Id) { By = work.By },
                    ], transaction, now, cancellationToken);
                return new IncidentAnswer.Is(incident, true, warning);
            default:
                throw new UnreachableException();
        }
    }
}
