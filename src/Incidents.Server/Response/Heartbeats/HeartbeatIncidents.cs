using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response.Heartbeats;

/// <summary>What heartbeats do to incidents, and changes of heartbeats: each under the lock of its row.</summary>
internal sealed partial class HeartbeatIncidents(IncidentsDbContext db, IncidentWork work, IActiveConfiguration configuration, TimeProvider clock, ILogger<HeartbeatIncidents> log)
{
    /// <summary>Opens, reopens or resolves the incident of a heartbeat, as its row says under the lock.</summary>
    public async Task SettleAsync(long id, Outage? outage, Instant now, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (await LockAsync(id, cancellationToken) is not { } heartbeat) return;
        if (heartbeat.IsMissing(outage, now)) await MissAsync(heartbeat, transaction, now, cancellationToken);
        else if (heartbeat.IsBack(now)) await ReturnAsync(heartbeat, transaction, now, cancellationToken);
        else if (heartbeat.State == HeartbeatState.Missed) await VerifyAsync(heartbeat, transaction, now, cancellationToken);
    }

    /// <summary>Null when there is none.</summary>
    public async Task<Heartbeat?> ChangeAsync(long id, Func<Heartbeat, Heartbeat> change, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (await LockAsync(id, cancellationToken) is not { } heartbeat) return null;
        var changed = change(heartbeat);
        db.Entry(heartbeat).CurrentValues.SetValues(changed);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return changed;
    }

    /// <summary>Forgets a heartbeat with its history; an open incident about its silence is resolved. False when there is none.</summary>
    public async Task<bool> RemoveAsync(long id, string why, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (await LockAsync(id, cancellationToken) is not { } heartbeat) return false;
        var now = clock.GetCurrentInstant();
        db.Remove(heartbeat);
        await EndIncidentAsync(heartbeat, $"The heartbeat was removed: {why}.", transaction, now, cancellationToken);
        return true;
    }

    private async Task MissAsync(Heartbeat heartbeat, IDbContextTransaction transaction, Instant now, CancellationToken cancellationToken)
    {
        var text = AlertText.OneLine(heartbeat.InWords(now), 2000);
        var rules = configuration.Current.Incidents;
        var group = OpenIncidents.GroupIdOf(GroupKeyOf(heartbeat));
        var last = await db.Incidents.FromSql($"select * from incidents where group_id = {group} order by number desc limit 1 for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        Incident incident;
        IncidentChange change;
        if (last is { IsOpen: true })
        {
            incident = last;
            incident.AddNote(Actor.Engine, text, now);
            change = new IncidentChange(incident, Occasion.Updated, null);
        }
        else if (last is not null && last.MayReopen(now, rules.ReopenWithin) && last.Reopen(Actor.Engine, text, now) is IncidentOutcome.Changed(var occasion, _))
        {
            incident = last;
            change = new IncidentChange(incident, occasion, null);
        }
        else
        {
            incident = await OpenAsync(heartbeat, text, now, cancellationToken);
            change = new IncidentChange(incident, Occasion.Opened, null);
        }

        db.Entry(heartbeat).CurrentValues.SetValues(heartbeat.Miss(now, incident.Number));
        db.Add(new HeartbeatGap { HeartbeatId = heartbeat.Id, MissedAt = now, IncidentNumber = incident.Number });
        await work.SaveAsync([change], transaction, now, cancellationToken);
        LogMissed(heartbeat.Id, heartbeat.Kind, incident.Number);
    }

    private async Task<Incident> OpenAsync(Heartbeat heartbeat, string text, Instant now, CancellationToken cancellationToken)
    {
        var number = (await OpenIncidents.TakeNumbersAsync((NpgsqlConnection)db.Database.GetDbConnection(), 1, cancellationToken))[0];
        var labels = Labels.From(heartbeat.Labels
            .Append(new("alertname", heartbeat.Kind == HeartbeatKind.Watchdog ? heartbeat.Labels["alertname"] : "HeartbeatMissed"))
            .Append(new("heartbeat", heartbeat.Name)).Append(new("source", heartbeat.Source)).Append(new("severity", heartbeat.Severity)).Where(l => l.Value.Length > 0));
        var key = GroupKeyOf(heartbeat);
        var decision = configuration.Current.Routing.MatchAs(heartbeat.Severity, labels) with { GroupKey = key };
        var incident = Incident.OpenByHand(number, OpenIncidents.GroupIdOf(key), AlertText.OneLine(heartbeat.Title, 200), decision, Actor.Engine, now);
        incident.AddNote(Actor.Engine, text, now);
        db.Add(incident);
        return incident;
    }

    private async Task ReturnAsync(Heartbeat heartbeat, IDbContextTransaction transaction, Instant now, CancellationToken cancellationToken)
    {
        // Writing the new values into the tracked row changes it.
        var before = heartbeat with { };
        var gap = await db.Set<HeartbeatGap>().AsTracking().SingleOrDefaultAsync(g => g.HeartbeatId == heartbeat.Id && g.BackAt == null, cancellationToken);
        if (gap is not null) gap.BackAt = heartbeat.LastAt;
        db.Entry(heartbeat).CurrentValues.SetValues(heartbeat.Return());
        await EndIncidentAsync(before, before.BackInWords(before.MissedAt!.Value), transaction, now, cancellationToken);
        LogReturned(heartbeat.Id, heartbeat.Kind, heartbeat.IncidentNumber);
    }

    /// <summary>Somebody resolved the incident and it is still silent: it opens again, or another does when it is closed by now.</summary>
    private async Task VerifyAsync(Heartbeat heartbeat, IDbContextTransaction transaction, Instant now, CancellationToken cancellationToken)
    {
        var incident = heartbeat.IncidentNumber is { } number ? await work.LockAsync(number, cancellationToken) : null;
        while (incident?.MergedInto is { } target) incident = await work.LockAsync(target, cancellationToken);
        if (incident is null or { IsOpen: true } || incident.ResolvedAt > now - configuration.Current.Incidents.VerifyResolveAfter) return;
        var text = "still no heartbeat. " + AlertText.OneLine(heartbeat.InWords(now), 2000);
        if (incident.Reopen(Actor.Engine, text, now) is not IncidentOutcome.Changed(var occasion, _))
        {
            (incident, occasion) = (await OpenAsync(heartbeat, text, now, cancellationToken), Occasion.Opened);
            db.Entry(heartbeat).CurrentValues.SetValues(heartbeat with { IncidentNumber = incident.Number });
        }

        await work.SaveAsync([new IncidentChange(incident, occasion, null)], transaction, now, cancellationToken);
    }

    private async Task EndIncidentAsync(Heartbeat heartbeat, string text, IDbContextTransaction transaction, Instant now, CancellationToken cancellationToken)
    {
        var incident = heartbeat.State == HeartbeatState.Missed && heartbeat.IncidentNumber is { } number ? await work.LockAsync(number, cancellationToken) : null;

        // One that was merged lives on in another, which has more to it than this.
        var isMerged = incident?.MergedInto is not null;
        while (incident?.MergedInto is { } target) incident = await work.LockAsync(target, cancellationToken);
        var outcome = incident is null ? null : isMerged ? incident.AddNote(Actor.Engine, text, now) : incident.Resolve(Actor.Engine, text, configuration.Current.Incidents.VerifyResolveAfter, now);
        await work.SaveAsync(outcome is IncidentOutcome.Changed(var occasion, _) ? [new IncidentChange(incident!, occasion, null)] : [], transaction, now, cancellationToken);
    }

    private async Task<Heartbeat?> LockAsync(long id, CancellationToken cancellationToken) =>
        await db.Heartbeats.FromSql($"select * from heartbeats where id = {id} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);

    private static string GroupKeyOf(Heartbeat heartbeat) => $"heartbeat/{heartbeat.Kind}/{heartbeat.Source}/{heartbeat.Key}";

    [LoggerMessage(Level = LogLevel.Warning, Message = "Heartbeat {HeartbeatId} ({Kind}) was missed: incident {Incident}")]
    private partial void LogMissed(long heartbeatId, string kind, long incident);

    [LoggerMessage(Level = LogLevel.Information, Message = "Heartbeat {HeartbeatId} ({Kind}) is back after incident {Incident}")]
    private partial void LogReturned(long heartbeatId, string kind, long? incident);
}
