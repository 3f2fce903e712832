using Incidents.Domain.Access;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;

namespace Incidents.Server.OnCall;

/// <summary>The override counts no longer from now on; what was before stays as it was. Cancelling again, or one that is over, changes nothing.</summary>
internal sealed record CancelOverride(string Schedule, Guid Id) : ICommand<DutyAnswer<OverrideRow>>;

internal sealed class CancelOverrideHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAccess access, IActor actor, IAuditLog audit, TimeProvider clock) : ICommandHandler<CancelOverride, DutyAnswer<OverrideRow>>
{
    public async ValueTask<DutyAnswer<OverrideRow>> Handle(CancelOverride command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var row = await db.Set<OverrideRow>().FromSql($"select * from on_call_overrides where id = {command.Id} and schedule = {command.Schedule} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (row is null) return new DutyAnswer<OverrideRow>.NotFound();
        if (access.WhyNot(Permission.Respond, configuration.Current.OnCall.Schedules.GetValueOrDefault(command.Schedule)?.Team) is { } why) return new DutyAnswer<OverrideRow>.Forbidden(why);
        var now = clock.GetCurrentInstant();
        if (row.CancelledAt is not null || row.EndsAt <= now) return new DutyAnswer<OverrideRow>.Is(row);

        (row.CancelledAt, row.CancelledBy) = (now, actor.Name);
        audit.Add("override.cancel", $"schedule/{row.Schedule}", new { id = row.Id });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new DutyAnswer<OverrideRow>.Is(row);
    }
}
