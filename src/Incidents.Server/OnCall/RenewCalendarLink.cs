using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.OnCall;

/// <summary>Every secret address of a calendar given out so far ends; calendars that have it must be given the new one.</summary>
internal sealed record RenewCalendarLink(string Kind, string Key) : ICommand;

internal sealed class RenewCalendarLinkHandler(IncidentsDbContext db, IAuditLog audit) : ICommandHandler<RenewCalendarLink>
{
    public async ValueTask<Unit> Handle(RenewCalendarLink command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlAsync($"insert into calendar_links (kind, key, generation) values ({command.Kind}, {command.Key}, 1) on conflict (kind, key) do update set generation = calendar_links.generation + 1", cancellationToken);
        audit.Add("calendar_url.renew", $"{command.Kind}/{command.Key}");
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return Unit.Value;
    }
}
