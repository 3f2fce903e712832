using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>Incidents about this engine itself: one for each thing that can be wrong, open while it is wrong, told to the receivers that routing gives to its severity.</summary>
internal sealed class EngineIncidents(IncidentsDbContext db, IncidentWork work, IActiveConfiguration configuration, TimeProvider clock)
{
    private const long LockKey = 0x1AC1_0E47_E46E;

    /// <summary>Opens the incident for <paramref name="what"/> unless it is open; a new <paramref name="detail"/> is noted on it.</summary>
    /// <param name="what">Which thing is wrong.</param>
    /// <param name="title">For people.</param>
    /// <param name="severity">Of the incident.</param>
    /// <param name="detail">What is known.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="happenedAt">For what happened once and stays recorded: an incident that somebody resolved after it is not opened again for it.</param>
    public async Task RaiseAsync(string what, string title, string severity, string detail, CancellationToken cancellationToken, Instant? happenedAt = null)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var now = clock.GetCurrentInstant();
        var text = AlertText.OneLine(detail, 2000);
        if (await FindOpenAsync(what, cancellationToken) is { } open)
        {
            // Replicas audit the same; only what is new is worth a line.
            if (await db.TimelineEntries.Where(e => e.IncidentNumber == open.Number && e.Kind == EntryKind.Note).OrderByDescending(e => e.Id).Select(e => e.Text).FirstOrDefaultAsync(cancellationToken) == text) return;
            open.AddNote(Actor.Engine, text, now);
            await work.SaveAsync([new IncidentChange(open, Occasion.Updated, null)], transaction, now, cancellationToken);
            return;
        }

        var group = OpenIncidents.GroupIdOf(KeyOf(what));
        if (happenedAt is { } happened && await db.Incidents.AnyAsync(i => i.GroupId == group && i.ResolvedAt >= happened, cancellationToken)) return;

        var number = (await OpenIncidents.TakeNumbersAsync((NpgsqlConnection)db.Database.GetDbConnection(), 1, cancellationToken))[0];
        var labels = Labels.Of(("alertname", title), ("severity", severity), ("service", "incidents"));
        var decision = configuration.Current.Routing.MatchAs(severity, labels) with { GroupKey = KeyOf(what) };
        var incident = Incident.OpenByHand(number, OpenIncidents.GroupIdOf(KeyOf(what)), title, decision, Actor.Engine, now, aboutEngine: true);
        incident.AddNote(Actor.Engine, text, now);
        db.Add(incident);
        await work.SaveAsync([new IncidentChange(incident, Occasion.Opened, null)], transaction, now, cancellationToken);
    }

    /// <summary>Resolves the incident for <paramref name="what"/> if it is open.</summary>
    public async Task ClearAsync(string what, string how, CancellationToken cancellationToken)
    {
        var group = OpenIncidents.GroupIdOf(KeyOf(what));
        if (!await db.Incidents.AnyAsync(i => i.GroupId == group && (i.State == IncidentState.Triggered || i.State == IncidentState.Acknowledged), cancellationToken)) return;

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var now = clock.GetCurrentInstant();
        if (await FindOpenAsync(what, cancellationToken) is not { } open) return;
        if (open.Resolve(Actor.Engine, how, configuration.Current.Incidents.VerifyResolveAfter, now) is IncidentOutcome.Changed(var occasion, _))
            await work.SaveAsync([new IncidentChange(open, occasion, null)], transaction, now, cancellationToken);
    }

    private async Task<Incident?> FindOpenAsync(string what, CancellationToken cancellationToken)
    {
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({LockKey})", cancellationToken);
        var group = OpenIncidents.GroupIdOf(KeyOf(what));
        return await db.Incidents.FromSql($"select * from incidents where group_id = {group} and state in ('triggered', 'acknowledged') for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
    }

    private static string KeyOf(string what) => $"engine/{what}";
}
