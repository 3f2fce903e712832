using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Open incidents whose every firing alert is hidden by now (a silence began, a cause fired after its consequence) fall quiet; those of which one is not hidden any more are loud again, and page once if nobody has them.
/// </summary>
internal sealed class QuietIncidents(ActiveSilences silences, Muter muter, MirroredEnds mirrored, LaterStages stages)
{
    private const int MostPerPage = 200;

    /// <summary>So long after routing.yaml was read others may still work by another one.</summary>
    private static readonly Duration ReplicasDifferFor = Duration.FromMinutes(2);
    private static readonly Duration LoudForAtLeast = Duration.FromMinutes(10);

    private string? _version;
    private Instant _since;

    public async Task LookAsync(NpgsqlConnection connection, EngineConfiguration current, Instant now, CancellationToken cancellationToken)
    {
        var conditions = (await silences.GetAsync(connection, now, cancellationToken)).Where(s => s.HoldsAt(now)).Select(s => s.Matchers).Concat(current.Inhibitions.Select(r => r.TargetMatchers)).Select(FiringAlerts.Containment).Distinct(StringComparer.Ordinal).ToArray();
        var after = 0L;
        while (await PageAsync(connection, current, conditions, after, now, cancellationToken) is { } last) after = last;

        // Those that ended while they were quiet, or became loud by an alert that nothing hides.
        await using var close = new NpgsqlCommand("""
            update mutings m set ended_at = $1, how = case when exists (select 1 from incidents i where i.number = m.incident_number and i.state in ('triggered', 'acknowledged')) then 'released' else 'resolved' end
            where m.ended_at is null and m.incident_number is not null and not exists (select 1 from incidents i where i.number = m.incident_number and i.quiet_rule = m.rule)
            """, connection);
        close.Parameters.Add(Sql.P(now));
        await close.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<long?> PageAsync(NpgsqlConnection connection, EngineConfiguration current, string[] conditions, long after, Instant now, CancellationToken cancellationToken)
    {
        var numbers = new List<long>();
        await using (var command = new NpgsqlCommand("""
            select number from (
              select number from incidents where quiet_rule is not null
              union
              select number from incidents where loud_despite is not null
              union
              select number from incidents i where cardinality($2) > 0 and (state in ('triggered', 'acknowledged') or verify_resolve_at is not null)
                and exists (select 1 from alerts a where a.incident_number = i.number and a.status = 'firing' and a.outcome in ('opened', 'attached') and a.labels @> any ($2::jsonb[]))) i
            where number > $1
            order by number limit $3
            """, connection))
        {
            command.Parameters.Add(Sql.P(after));
            command.Parameters.Add(Sql.P(conditions));
            command.Parameters.Add(Sql.P(MostPerPage));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) numbers.Add(reader.GetInt64(0));
        }

        if (numbers.Count > 0) await DecideAsync(connection, current, numbers, now, cancellationToken);
        return numbers.Count == MostPerPage ? numbers[^1] : null;
    }

    private async Task DecideAsync(NpgsqlConnection connection, EngineConfiguration current, List<long> numbers, Instant now, CancellationToken cancellationToken)
    {
        // Most stay as they are, so the look itself takes no locks.
        var changing = (await FindAsync(connection, current, numbers, isLocked: false, now, cancellationToken)).Where(f => !f.IsAsked && IsNews(f.Incident, f.By, current, now)).Select(f => f.Incident.Number).ToList();
        if (changing.Count == 0) return;

        // Only what the database says counts now: a silence that another replica ended a moment ago must not hide again what that replica has just made loud.
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var locked = await FindAsync(connection, current, changing, isLocked: true, now, cancellationToken);
        var released = await ReleasedLatelyAsync(connection, changing, now, cancellationToken);
        var batch = new IngestBatch(connection, current, now);
        var changed = new List<Incident>();
        foreach (var (incident, by, isAsked) in locked)
        {
            if (isAsked || !IsNews(incident, by, current, now) || (by is not null && IsConfigured(by.Rule) && released.Contains((incident.Number, by.Rule)))) continue;
            var was = incident.QuietRule;
            var occasion = by is not null ? incident.Quiet(by, now) : incident.EndQuiet(now);
            changed.Add(incident);
            if (occasion is null) continue;
            batch.IncidentChanges.Add(new IncidentChange(incident, occasion, incident.TraceParent));
            if (was is not null) batch.Writes.Add("update mutings set ended_at = $2, how = $3 where incident_number = $1 and ended_at is null", Sql.P(incident.Number), Sql.P(now), Sql.P(by is not null ? "other_rule" : "released"));
            if (by is not null) batch.Writes.Add("insert into mutings (rule, incident_number, would_page, began_at) values ($1, $2, true, $3)", Sql.P(incident.QuietRule!), Sql.P(incident.Number), Sql.P(now));
        }

        IncidentRows.Write(batch.Writes, changed);
        await stages.RunAsync(batch, cancellationToken);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
    }

    /// <summary>
    /// Whether what a rule hides may be loud when nothing that this replica knows hides it. What a rule of routing.yaml hides that this replica does not have waits for a while after the file was read:
    /// while replicas are replaced one by one, one of them may have the rule still, or already.
    /// </summary>
    public bool MayRelease(string? rule, EngineConfiguration current, Instant now)
    {
        if (_version != current.Version) (_version, _since) = (current.Version, now);
        return rule is null || !IsConfigured(rule) || now - _since >= ReplicasDifferFor || current.Inhibitions.Any(r => r.Rule == rule);
    }

    private bool IsNews(Incident incident, Muting? by, EngineConfiguration current, Instant now) =>
        incident.IsNews(by) && (by is not null || MayRelease(incident.QuietRule ?? incident.LoudDespite, current, now));

    private static bool IsConfigured(string rule) => Muting.KindOf(rule) is Muting.Inhibition or Muting.Dependency;

    /// <summary>By which rules incidents were hidden until lately: a replica whose routing.yaml still has such a rule must not hide again what another has made loud, or they page in turn.</summary>
    private static async Task<HashSet<(long Incident, string Rule)>> ReleasedLatelyAsync(NpgsqlConnection connection, List<long> numbers, Instant now, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select incident_number, rule from mutings where incident_number = any($1) and how = 'released' and ended_at > $2", connection);
        command.Parameters.Add(Sql.P(numbers.ToArray()));
        command.Parameters.Add(Sql.P(now - LoudForAtLeast));
        var released = new HashSet<(long, string)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) released.Add((reader.GetInt64(0), reader.GetString(1)));
        return released;
    }

    /// <summary>What hides each incident as a whole now; null when one of its alerts is not hidden. Asked: nothing hides it any more, but Alertmanager may be about to say that all of its alerts are over.</summary>
    private async Task<List<(Incident Incident, Muting? By, bool IsAsked)>> FindAsync(NpgsqlConnection connection, EngineConfiguration current, List<long> numbers, bool isLocked, Instant now, CancellationToken cancellationToken)
    {
        var incidents = new List<Incident>();
        var alerts = new List<(long Incident, MuteCandidate Candidate, int Absences)>();
        await using (var command = new NpgsqlCommand($"select {IncidentRows.Columns} from incidents where number = any($1) order by number{(isLocked ? " for update" : "")}", connection))
        {
            command.Parameters.Add(Sql.P(numbers.ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) incidents.Add(IncidentRows.Read(reader));
        }

        if (isLocked) await silences.RefreshAsync(connection, now, cancellationToken);

        var teams = incidents.ToDictionary(i => i.Number, i => i.Team);

        // Whoever adds an alert to an incident holds its row, so under its lock these are all there are.
        await using (var command = new NpgsqlCommand("select incident_number, id, labels::text, absences from alerts where incident_number = any($1) and status = 'firing' and outcome in ('opened', 'attached') order by id", connection))
        {
            command.Parameters.Add(Sql.P(numbers.ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) alerts.Add((reader.GetInt64(0), new MuteCandidate(reader.GetInt64(1), AlertJson.Read(reader.GetString(2)), null, null, teams[reader.GetInt64(0)]), reader.GetInt16(3)));
        }

        var mutings = await muter.FindAsync(connection, current, alerts.ConvertAll(a => a.Candidate), now, cancellationToken);
        var ofIncident = alerts.Zip(mutings).ToLookup(p => p.First.Incident, p => (p.First.Absences, By: p.Second));
        var ends = await mirrored.ReadAsync(connection, now, cancellationToken);
        return incidents.ConvertAll(i =>
        {
            var its = ofIncident[i.Number].ToList();
            var by = ByWhat(its.ConvertAll(a => a.By));
            return (i, by, by is null && its.Count > 0 && i.QuietRule is { } rule && ends.TryGetValue(rule, out var ended)
                && its.TrueForAll(a => a.By is not null || SettleRules.IsBeingAsked(a.Absences, ended, now, current.Incidents.SettleEvery)));
        });
    }

    /// <summary>What lasts longest is what it is quiet by; it is asked again before that. Of equals always the same one.</summary>
    private static Muting? ByWhat(List<Muting?> found) =>
        found.Count == 0 || found.Contains(null) ? null
        : found.OfType<Muting>().OrderByDescending(m => m.Until ?? Instant.MaxValue).ThenBy(m => m.Rule, StringComparer.Ordinal).ThenBy(m => m.Reason, StringComparer.Ordinal).First();
}
