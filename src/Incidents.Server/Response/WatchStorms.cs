using System.Globalization;
using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Speaks for the incidents of a storm: one incident, so one message to each receiver that any of them has, brought up to date when their number has doubled, and over when it is calm.
/// </summary>
internal sealed class WatchStorms(NpgsqlDataSource database, IActiveConfiguration configuration, LaterStages stages, WorkerHealth health, TimeProvider clock, ILogger<WatchStorms> log)
    : Worker("storms", null, TimeSpan.FromSeconds(1), health, clock, log)
{
    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var current = configuration.Current;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await FindAsync(connection, cancellationToken) is not { } storm) return false;

        var rules = current.Incidents.Storm;
        var (incident, bundled, receivers, open, lately) = await CountAsync(connection, storm.Number, now - (rules?.Within ?? Duration.Zero), cancellationToken);
        var batch = new IngestBatch(connection, current, now);
        var isNew = incident is null;
        incident ??= Open(current, storm.Number, rules, receivers, now);
        var told = storm.Told;
        var missing = receivers.Except(incident.Receivers, StringComparer.Ordinal).ToList();
        if (bundled > 0 && (isNew || bundled >= 2 * told || missing.Count > 0))
        {
            var occasion = incident.Widen(missing, string.Create(CultureInfo.InvariantCulture, $"{bundled} incidents are told here and not one by one: /?storm={storm.Number}. Critical ones still page by themselves."), now);
            told = bundled;
            if (!isNew) batch.IncidentChanges.Add(new IncidentChange(incident, occasion, null));
        }

        if (isNew) batch.IncidentChanges.Add(new IncidentChange(incident, Occasion.Opened, null));
        var calmAt = rules is not null && lately > rules.Incidents ? now + rules.CalmAfter : rules is null ? now : storm.CalmAt;
        var isOver = now >= calmAt && !isNew;
        if (isOver && incident.Resolve(Actor.Engine, string.Create(CultureInfo.InvariantCulture, $"The storm is over: {bundled} incidents opened in it, {open} of them are still open (/?storm={storm.Number})"), Duration.Zero, now) is IncidentOutcome.Changed(var ended, _))
            batch.IncidentChanges.Add(new IncidentChange(incident, ended, null));

        if (isOver || told != storm.Told || calmAt != storm.CalmAt)
            batch.Writes.Add("update storms set told = $2, calm_at = $3, ended_at = case when $4 then $5 end where incident_number = $1", Sql.P(storm.Number), Sql.P(told), Sql.P(calmAt), Sql.P(isOver), Sql.P(now));
        IncidentRows.Write(batch.Writes, [incident]);
        await stages.RunAsync(batch, cancellationToken);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
        return false;
    }

    /// <summary>One replica at a time speaks for it.</summary>
    private static async Task<(long Number, Instant CalmAt, long Told)?> FindAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select incident_number, calm_at, told from storms where ended_at is null for update skip locked", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (reader.GetInt64(0), reader.GetFieldValue<Instant>(1), reader.GetInt64(2)) : null;
    }

    private static async Task<(Incident? Incident, long Bundled, string[] Receivers, long Open, long Lately)> CountAsync(NpgsqlConnection connection, long number, Instant since, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add($"select {IncidentRows.Columns} from incidents where number = $1 for update", Sql.P(number));
        batch.Add("""
            select count(*), coalesce((select array_agg(distinct r order by r) from incidents i cross join lateral unnest(i.receivers) r where i.storm_number = $1), '{}'), count(*) filter (where state in ('triggered', 'acknowledged')),
              (select count(*) from incidents where opened_at > $2 and not about_engine and number > (select coalesce(max(number), 0) - 200000 from incidents))
            from incidents where storm_number = $1
            """, Sql.P(number), Sql.P(since));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var incident = await reader.ReadAsync(cancellationToken) ? IncidentRows.Read(reader) : null;
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (incident, reader.GetInt64(0), reader.GetFieldValue<string[]>(1), reader.GetInt64(2), reader.GetInt64(3));
    }

    private static Incident Open(EngineConfiguration current, long number, StormRules? rules, string[] receivers, Instant now)
    {
        var title = rules is null ? "Storm of incidents" : string.Create(CultureInfo.InvariantCulture, $"Storm: more than {rules.Incidents} incidents within {PromDuration.Format(rules.Within)}");
        var key = string.Create(CultureInfo.InvariantCulture, $"engine/storm/{number}");
        var decision = current.Routing.MatchAs(Severity.Warning, Labels.Of(("alertname", "StormOfIncidents"), ("severity", Severity.Warning), ("service", "incidents")));
        return Incident.OpenByHand(number, OpenIncidents.GroupIdOf(key), title, decision with { GroupKey = key, Receivers = receivers.Length > 0 ? [.. receivers] : decision.Receivers }, Actor.Engine, now, aboutEngine: true);
    }
}
