using Incidents.Domain.Access;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.OnCall;

/// <summary>Every secret address of a calendar given out so far ends; calendars that have it must be given the new one.</summary>
/// <returns>Null when it was done, else why the caller may not.</returns>
internal sealed record RenewCalendarLink(string Kind, string Key) : ICommand<string?>;

internal sealed class RenewCalendarLinkHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAccess access, IAuditLog audit) : ICommandHandler<RenewCalendarLink, string?>
{
    public async ValueTask<string?> Handle(RenewCalendarLink command, CancellationToken cancellationToken)
    {
        var roster = configuration.Current.OnCall;
        var why = command.Kind == CalendarLinks.OfPerson ? access.WhyNotReach(command.Key, roster.TeamsOf(command.Key)) : access.WhyNot(Permission.Respond, roster.Schedules.GetValueOrDefault(command.Key)?.Team);
        if (why is not null) return why;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlAsync($"insert into calendar_links (kind, key, generation) values ({command.Kind}, {command.Key}, 1) on conflict (kind, key) do update set generation = calendar_links.generation + 1", cancellationToken);
        audit.Add("calendar_url.renew", $"{command.Kind}/{command.Key}");
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return null;
    }
}
