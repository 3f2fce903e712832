using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Between opening and telling: the escalation of an incident follows what becomes of it, in the transaction that changes it. What it goes by is fixed when it begins (P6).
/// Steps fire in <see cref="EscalateDue"/>, the first of them right after the commit.
/// </summary>
internal sealed partial class FollowIncidents(EscalationSignal signal, PageSignal pages, ILogger<FollowIncidents> log) : IIngestStage
{
    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        // Without a policy there is nothing to begin, and what began under an earlier configuration looks at its incident before it fires. Only the end of a snooze comes from here alone.
        List<IncidentChange> changes = batch.Configuration.OnCall.Policies.Count > 0 ? batch.IncidentChanges : [.. batch.IncidentChanges.Where(c => c.Occasion == Occasion.SnoozeEnded)];
        if (changes.Count == 0) return;
        await AddAsync(batch.Connection, batch.Writes, changes, batch.Configuration, batch.Wake, batch.Now, cancellationToken);
    }

    /// <summary>Adds to <paramref name="writes"/> what these changes mean for the escalations of their incidents.</summary>
    public async Task AddAsync(
        NpgsqlConnection connection, NpgsqlBatch writes, IReadOnlyList<IncidentChange> changes, EngineConfiguration configuration, HashSet<WorkSignal> wake, Instant now, CancellationToken cancellationToken)
    {
        // An alert that fires again while it flaps calls people again; else what is only an update means nothing here.
        var news = changes.Where(c => c.Incident.FlappingSince is not null || c.Occasion is not (Occasion.Updated or Occasion.Flapping or Occasion.Paged or Occasion.NobodyCame or Occasion.AckTimedOut)).GroupBy(c => c.Incident).ToList();
        if (news.Count == 0) return;

        // What opens has none yet.
        var known = await EscalationRows.LoadAsync(connection, [.. news.Where(n => n.All(c => c.Occasion != Occasion.Opened)).Select(n => n.Key.Number)], cancellationToken);
        var snapshots = new Dictionary<(string Policy, string Severity), EscalationSnapshot?>();
        var (begun, gone, moves, entries) = (new List<(long, Escalation)>(), new List<(long, Escalation)>(), new List<(long, PagesMove)>(), new List<TimelineEntry>());
        foreach (var change in news)
        {
            var incident = change.Key;
            var before = known.GetValueOrDefault(incident.Number);
            var move = IncidentEscalation.Follow(before, incident, [.. change], Fresh, now);
            var pagesMove = move is null ? PagesMove.Stay : IncidentEscalation.PagesOf(before, move.After);

            // What held them may be that nothing fired for a moment, of which the escalation knows only if a step was due in it.
            if (pagesMove == PagesMove.Stay && before is not null && incident.FlappingSince is not null && IncidentEscalation.CallsPeople(incident)) pagesMove = PagesMove.GoOn;
            if (pagesMove != PagesMove.Stay) moves.Add((incident.Number, pagesMove));
            if (move is null || move.After == before) continue;

            (before is null || !ReferenceEquals(move.After.Policy, before.Policy) ? begun : gone).Add((incident.Number, move.After));
            entries.AddRange(move.Events.Where(e => IncidentEscalation.IsNews(e, move.After)).Select(e => new TimelineEntry(incident.Number, now, e.Kind, e.Text, Actor.Engine)));
            if (move.After.IsDue(now)) wake.Add(signal);

            EscalationSnapshot? Fresh() => Select(incident, entries);
        }

        EscalationRows.Insert(writes, begun);
        EscalationRows.Update(writes, gone);
        await PageRows.MoveAsync(connection, writes, moves, now, cancellationToken);
        if (moves.Count > 0) wake.Add(pages);
        IncidentRows.AppendEntries(writes, entries);

        EscalationSnapshot? Select(Incident incident, List<TimelineEntry> entries)
        {
            if (incident.EscalationPolicy is not { Length: > 0 } key) return null;
            if (!snapshots.TryGetValue((key, incident.Severity), out var snapshot))
                snapshots[(key, incident.Severity)] = snapshot = configuration.OnCall.Policies.TryGetValue(key, out var policy) ? policy.Select(incident.Severity, now) : null;
            if (snapshot is not null) return snapshot;

            LogNoSteps(incident.Number, key, incident.Severity);
            var why = configuration.OnCall.Policies.ContainsKey(key) ? $"has no steps for severity {incident.Severity} at this hour" : "is not in the configuration";
            entries.Add(new TimelineEntry(incident.Number, now, EscalationEventKind.RoundReachedNobody, $"Escalation policy \"{key}\" {why}: nobody is called if nobody acknowledges.", Actor.Engine));
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Escalation policy {Policy} has no steps for incident {IncidentNumber} of severity {Severity}")]
    private partial void LogNoSteps(long incidentNumber, string policy, string severity);
}
