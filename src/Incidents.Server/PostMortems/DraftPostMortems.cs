using Incidents.Domain.PostMortems;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Mediator;
using NodaTime;
using Npgsql;

namespace Incidents.Server.PostMortems;

/// <summary>
/// Last stage: an incident that ended is noted for its post-mortem, in the transaction that ended it, so that no crash loses it.
/// It writes one row; <see cref="DraftDue"/> reads the timeline and writes the draft, so that ingest stays fast.
/// </summary>
internal sealed class DraftPostMortems : IIngestStage
{
    public ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        Add(batch.Writes, batch.IncidentChanges, batch.Now);
        return ValueTask.CompletedTask;
    }

    /// <summary>Adds the commands that make drafts due for these changes to <paramref name="writes"/>.</summary>
    public static void Add(NpgsqlBatch writes, IReadOnlyList<IncidentChange> changes, Instant now)
    {
        // In growing order, so that two transactions never wait for each other.
        var ended = changes.Where(c => c.Incident.State == IncidentState.Resolved || c.Occasion == Occasion.Reopened).Select(c => c.Incident).DistinctBy(i => i.Number).OrderBy(i => i.Number).ToList();
        if (ended.Count == 0) return;

        var drafted = ended.Where(i => i.State == IncidentState.Resolved && PostMortemRule.IsDrafted(i.Severity, i.AboutEngine)).ToList();
        if (drafted.Count > 0)
        {
            writes.Add("""
                insert into post_mortems (incident_number, status, title, severity, timeline, sections, version, created_at, updated_at, revision, seen_reopened, draft_due_at)
                select r.number, 'pending', r.title, r.severity, '[]', '[]', 0, $1, $1, 0, 0, $1 from unnest($2::bigint[], $3::text[], $4::text[]) r(number, title, severity)
                on conflict (incident_number) do update set draft_due_at = excluded.draft_due_at
                """, Sql.P(now), Sql.Column(drafted, i => i.Number), Sql.Column(drafted, i => i.Title), Sql.Column(drafted, i => i.Severity));
        }

        // One that a person asked for, or whose incident reopened, follows its incident too.
        var others = ended.Except(drafted).ToList();
        if (others.Count > 0) writes.Add("update post_mortems set draft_due_at = $1 where incident_number = any($2)", Sql.P(now), Sql.Column(others, i => i.Number));
    }
}

/// <summary>What a person resolves or reopens is noted like what alerts do.</summary>
internal sealed class DraftPostMortemsOnChange : INotificationHandler<IncidentsChanged>
{
    public async ValueTask Handle(IncidentsChanged notification, CancellationToken cancellationToken)
    {
        await using var writes = new NpgsqlBatch(notification.Connection);
        DraftPostMortems.Add(writes, notification.Changes, notification.At);
        if (writes.BatchCommands.Count > 0) await writes.ExecuteNonQueryAsync(cancellationToken);
    }
}
