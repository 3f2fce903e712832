using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>Times that incidents wait for: the end of a snooze, the verification of a resolve by hand, the end of flapping, the end of the window for reopening.</summary>
internal sealed class EndWaits(NpgsqlDataSource database, IActiveConfiguration configuration, LaterStages stages, WorkerHealth health, TimeProvider clock, ILogger<EndWaits> log)
    : Worker("end-waits", null, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 200;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var rules = configuration.Current.Incidents;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var incidents = new List<Incident>();
        await using (var command = new NpgsqlCommand($"""
            select {IncidentRows.Columns} from incidents where number in (
              (select number from incidents where snoozed_until <= $1 limit $3) union
              (select number from incidents where verify_resolve_at <= $1 limit $3) union
              (select number from incidents where settle_flapping_at <= $1 limit $3) union
              (select number from incidents where state = 'resolved' and resolved_at <= $2 and verify_resolve_at is null limit $3))
            order by number for update skip locked
            """, connection))
        {
            command.Parameters.Add(Sql.P(now));
            command.Parameters.Add(Sql.P(now - rules.ReopenWithin));
            command.Parameters.Add(Sql.P(MostPerRun));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) incidents.Add(IncidentRows.Read(reader));
        }

        if (incidents.Count == 0) return false;
        var batch = new IngestBatch(connection, configuration.Current, now);
        foreach (var incident in incidents)
        {
            foreach (var occasion in new[] { incident.EndSnooze(now), incident.VerifyResolve(now), incident.Settle(now) }.OfType<string>()) batch.IncidentChanges.Add(new IncidentChange(incident, occasion, incident.TraceParent));
            incident.Close(now, rules.ReopenWithin);
        }

        IncidentRows.Write(batch.Writes, incidents);
        await stages.RunAsync(batch, cancellationToken);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
        return incidents.Count >= MostPerRun;
    }
}
