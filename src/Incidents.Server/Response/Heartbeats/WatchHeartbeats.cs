using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response.Heartbeats;

/// <summary>
/// Looks after heartbeats: one that is due and silent opens an incident, routed by its labels; one that is heard again resolves it. Every replica looks; the lock on the heartbeat's row
/// makes it one incident. What we could not hear because we did not work is waited for once more (<see cref="Heartbeat.AlarmAt"/>).
/// </summary>
internal sealed partial class WatchHeartbeats(IServiceScopeFactory scopes, NpgsqlDataSource database, IActiveConfiguration configuration, WorkerHealth health, TimeProvider clock, ILogger<WatchHeartbeats> log)
    : Worker("heartbeats", null, TimeSpan.FromSeconds(5), health, clock, log)
{
    private const int MostPerRun = 200;

    /// <summary>Looks further apart than this: no replica worked, or the database was away, and nothing could be received.</summary>
    private static readonly Duration LongestPauseOfLooks = Duration.FromMinutes(1);

    private string? _synchronized;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var outage = await LookAsync(now, cancellationToken);
        var current = configuration.Current;
        if (_synchronized != current.Version)
        {
            await SynchronizeAsync(current, now, cancellationToken);
            _synchronized = current.Version;
        }

        foreach (var id in await DueAsync(outage, current, now, cancellationToken))
        {
            // A scope for each: one that fails leaves nothing behind for the next.
            await using var scope = scopes.CreateAsyncScope();
            await scope.ServiceProvider.GetRequiredService<HeartbeatIncidents>().SettleAsync(id, outage, now, cancellationToken);
        }

        return false;
    }

    /// <summary>Says that we look, and learns when nobody did.</summary>
    private async Task<Outage?> LookAsync(Instant now, CancellationToken cancellationToken)
    {
        // A second outage while something is still waited for because of the first lengthens that one: the patience begins anew.
        await using var command = database.CreateCommand("""
            insert into heartbeat_watch as w (id, looked_at) values (1, $1)
            on conflict (id) do update set looked_at = greatest(w.looked_at, $1),
              outage_from = case when $1 - w.looked_at <= $2 then w.outage_from when exists (select 1 from heartbeats h where h.state <> 'missed' and h.due_at <= w.looked_at) then coalesce(w.outage_from, w.looked_at) else w.looked_at end, outage_to = case when $1 - w.looked_at > $2 then $1 else w.outage_to end
            returning outage_from, outage_to
            """);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(LongestPauseOfLooks));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.IsDBNull(0) ? null : new Outage(reader.GetFieldValue<Instant>(0), reader.GetFieldValue<Instant>(1));
    }

    /// <summary>Makes the rows what <c>routing.yaml</c> says: heartbeats that it names are there, those that it no longer names, and watchdogs that are none any more, are gone.</summary>
    private async Task SynchronizeAsync(EngineConfiguration current, Instant now, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        var incidents = scope.ServiceProvider.GetRequiredService<HeartbeatIncidents>();
        var known = await db.Heartbeats.AsNoTracking().ToListAsync(cancellationToken);
        foreach (var settings in current.Heartbeats)
        {
            var heartbeat = known.Find(h => h.Kind == HeartbeatKind.Url && h.Key == settings.Name);
            if (heartbeat is null)
            {
                // Another replica may be doing the same.
                await using var insert = new NpgsqlBatch(await OpenAsync(db, cancellationToken));
                insert.Add("""
                    insert into heartbeats (kind, source, key, name, is_configured, expect_every, grace, severity, labels, since, heard_at, due_at, state, gaps)
                    values ('url', '', $1, $1, true, $2::interval, $3::interval, $4, $5::jsonb, $6, $6, $7, 'new', '{}') on conflict (kind, source, key) do nothing
                    """, Sql.P(settings.Name), Sql.P(settings.ExpectEvery), Sql.Nullable(settings.Grace), Sql.P(settings.Severity), Sql.P(AlertJson.Write(settings.Labels)), Sql.P(now),
                    Sql.P(Heartbeat.Begin(HeartbeatKind.Url, "", settings.Name, settings.Name, settings.ExpectEvery, settings.Grace, settings.Severity, settings.Labels, now).DueAt));
                await insert.ExecuteNonQueryAsync(cancellationToken);
                continue;
            }

            await incidents.ChangeAsync(heartbeat.Id, h => h.Change(settings.Name, settings.ExpectEvery, settings.Grace, settings.Severity, settings.Labels) with { IsConfigured = true }, cancellationToken);
        }

        var names = current.Heartbeats.Select(h => h.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in known.Where(h => h.Kind == HeartbeatKind.Url ? h.IsConfigured && !names.Contains(h.Key) : !current.Watchdogs.Any(w => w.Matches(h.Labels))))
        {
            if (await incidents.RemoveAsync(gone.Id, "routing.yaml no longer names it", cancellationToken)) LogRemoved(gone.Id, gone.Kind);
        }
    }

    private async Task<List<long>> DueAsync(Outage? outage, EngineConfiguration current, Instant now, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        var resolvedBefore = now - current.Incidents.VerifyResolveAfter;
        var silent = await db.Heartbeats.AsNoTracking().Where(h => h.State != HeartbeatState.Missed && h.DueAt <= now).OrderBy(h => h.DueAt).Take(MostPerRun).ToListAsync(cancellationToken);
        var missing = silent.FindAll(h => h.IsMissing(outage, now));
        if (missing.Exists(h => h.Kind == HeartbeatKind.Watchdog))
        {
            // While webhooks wait in the inbox, what looks like silence may be one of them; that they wait is the auditor's to tell.
            var waitingSince = now - Duration.FromSeconds(10);
            if (await db.Inbox.AnyAsync(i => i.State == InboxRow.Pending && i.ReceivedAt < waitingSince, cancellationToken)) missing.RemoveAll(h => h.Kind == HeartbeatKind.Watchdog);
        }

        // Missed ones matter again when they beat, and when somebody resolved the incident (or the one that it was merged into) although they do not.
        var changed = await db.Heartbeats.Where(h => h.State == HeartbeatState.Missed && (h.DueAt > now || db.Incidents.Any(i => i.Number == h.IncidentNumber && i.ResolvedAt <= resolvedBefore && (i.State == IncidentState.Resolved || (i.State == IncidentState.Closed
                && (i.MergedInto == null || db.Incidents.Any(t => t.Number == i.MergedInto && (t.State == IncidentState.Resolved || t.State == IncidentState.Closed) && t.ResolvedAt <= resolvedBefore)))))))
            .OrderBy(h => h.Id).Select(h => h.Id).Take(MostPerRun).ToListAsync(cancellationToken);
        return [.. missing.Select(h => h.Id), .. changed];
    }

    private static async Task<NpgsqlConnection> OpenAsync(IncidentsDbContext db, CancellationToken cancellationToken)
    {
        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        if (connection.State != System.Data.ConnectionState.Open) await db.Database.OpenConnectionAsync(cancellationToken);
        return connection;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Heartbeat {HeartbeatId} ({Kind}) was removed: the configuration no longer names it")]
    private partial void LogRemoved(long heartbeatId, string kind);
}
