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
internal sealed class QuietIncidents(ActiveSilences silences, Muter muter, LaterStages stages)
{
    private const int MostPerPage = 200;

    public async Task LookAsync(NpgsqlConnection connection, EngineConfiguration current, Instant now, CancellationToken cancellationToken)
    {
        var conditions = (await silences.GetAsync(connection, now, cancellationToken)).Where(s => s.HoldsAt(now)).Select(s => s.Matchers).Concat(current.Inhibitions.Select(r => r.TargetMatchers)).Select(FiringAlerts.Containment).Distinct(StringComparer.Ordinal).ToArray();
        var after = 0L;
        while (await PageAsync(connection, current, conditions, after, now, cancellationToken) is { } last) after = last;

        // Those that ended while they were quiet.
        await using var close = new NpgsqlCommand("""
            update mutings m set ended_at = $1, how = 'resolved' where m.ended_at is null and m.incident_number is not null and not exists (select 1 from incidents i where i.number = m.incident_number and i.quiet_rule = m.rule)
            """, connection);
        close.Parameters.Add(Sql.P(now));
        await close.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<long?> PageAsync(NpgsqlConnection connection, EngineConfiguration current, string[] conditions, long after, Instant now, CancellationToken cancellationToken)
    {
        var numbers = new List<long>();
        await using (var command = new NpgsqlCommand("""
            select number from incidents i where number > $1 and (quiet_rule is not null or (cardinality($2) > 0 and state in ('triggered', 'acknowledged')
              and exists (select 1 from alerts a where a.incident_number = i.number and a.status = 'firing' and a.outcome in ('opened', 'attached') and a.labels @> any ($2::jsonb[]))))
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
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var incidents = new List<Incident>();
        var alerts = new List<(long Incident, MuteCandidate Candidate)>();
        await using (var command = new NpgsqlCommand($"select {IncidentRows.Columns} from incidents where number = any($1) order by number for update", connection))
        {
            command.Parameters.Add(Sql.P(numbers.ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) incidents.Add(IncidentRows.Read(reader));
        }

        // Whoever adds an alert to an incident holds its row, so these are all there are.
        await using (var command = new NpgsqlCommand("select incident_number, id, labels::text from alerts where incident_number = any($1) and status = 'firing' and outcome in ('opened', 'attached')", connection))
        {
            command.Parameters.Add(Sql.P(numbers.ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) alerts.Add((reader.GetInt64(0), new MuteCandidate(reader.GetInt64(1), AlertJson.Read(reader.GetString(2)), null, null)));
        }

        var mutings = await muter.FindAsync(connection, current, alerts.ConvertAll(a => a.Candidate), now, cancellationToken);
        var ofIncident = alerts.Zip(mutings).ToLookup(p => p.First.Incident, p => p.Second);
        var batch = new IngestBatch(connection, current, now);
        foreach (var incident in incidents)
        {
            var found = ofIncident[incident.Number].ToList();
            var (was, isHidden) = (incident.QuietRule, found.Count > 0 && found.TrueForAll(m => m is not null));

            // What lasts longest is what it is quiet by; it is asked again before that.
            var occasion = isHidden ? incident.Quiet(found.MaxBy(m => m!.Until ?? Instant.MaxValue)!, now) : incident.EndQuiet(now);
            if (occasion is null) continue;
            batch.IncidentChanges.Add(new IncidentChange(incident, occasion, incident.TraceParent));
            if (was is not null) batch.Writes.Add("update mutings set ended_at = $2, how = $3 where incident_number = $1 and ended_at is null", Sql.P(incident.Number), Sql.P(now), Sql.P(isHidden ? "other_rule" : "released"));
            if (isHidden) batch.Writes.Add("insert into mutings (rule, incident_number, would_page, began_at) values ($1, $2, true, $3)", Sql.P(incident.QuietRule!), Sql.P(incident.Number), Sql.P(now));
        }

        IncidentRows.Write(batch.Writes, incidents);
        await stages.RunAsync(batch, cancellationToken);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
    }
}
