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
/// Speaks for the incidents of a storm: one incident, so one message to each receiver that any of them has, brought up to date when their number has doubled. When it is calm no more join it;
/// it stays open until the last of them that nobody else speaks for is over. A person who resolves it before that has it back; one who merges it has them told one by one.
/// </summary>
internal sealed class WatchStorms(NpgsqlDataSource database, IActiveConfiguration configuration, LaterStages stages, WorkerHealth health, TimeProvider clock, ILogger<WatchStorms> log)
    : Worker("storms", null, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostReleased = 200;
    private static readonly Duration LookAfterCalmEvery = Duration.FromSeconds(10);
    private Instant _nextLookAfterCalm = Instant.MinValue;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        foreach (var number in await FindAsync(connection, now >= _nextLookAfterCalm, cancellationToken)) await SpeakAsync(connection, number, now, cancellationToken);
        if (now >= _nextLookAfterCalm) _nextLookAfterCalm = now + LookAfterCalmEvery;
        return false;
    }

    private async Task SpeakAsync(NpgsqlConnection connection, long number, Instant now, CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var rules = current.Incidents.Storm;
        var (incident, storm) = await LockAsync(connection, number, cancellationToken);
        var (bundled, receivers, open, lately) = await CountAsync(connection, number, now - (rules?.Within ?? Duration.Zero), cancellationToken);
        var batch = new IngestBatch(connection, current, now);
        if (incident is { IsOpen: false }) await AfterCloseAsync(batch, incident, storm, open, cancellationToken);
        else Tell(batch, incident, storm, rules, (bundled, receivers, open, lately));

        await stages.RunAsync(batch, cancellationToken);
        if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
    }

    private static void Tell(IngestBatch batch, Incident? known, Storm storm, StormRules? rules, (long Bundled, string[] Receivers, long Open, long Lately) count)
    {
        var now = batch.Now;
        var isNew = known is null;
        var incident = known ?? Open(batch.Configuration, storm.Number, rules, count.Receivers, now);
        var told = storm.Told;
        var missing = count.Receivers.Except(incident.Receivers, StringComparer.Ordinal).ToList();
        if (count.Bundled > 0 && (isNew || (!storm.IsCalm && count.Bundled >= 2 * told) || missing.Count > 0))
        {
            var occasion = incident.Widen(missing, string.Create(CultureInfo.InvariantCulture, $"{count.Bundled} incidents are told here and not one by one: /?storm={storm.Number}. Critical ones still page by themselves."), now);
            told = count.Bundled;
            if (!isNew) batch.IncidentChanges.Add(new IncidentChange(incident, occasion, null));
        }

        if (isNew) batch.IncidentChanges.Add(new IncidentChange(incident, Occasion.Opened, null));
        var calmAt = storm.IsCalm || rules is null ? storm.CalmAt : count.Lately > rules.Incidents ? now + rules.CalmAfter : storm.CalmAt;
        var isCalm = storm.IsCalm || (!isNew && (rules is null || now >= calmAt));
        if (isCalm && count.Open == 0 && incident.FiringAlerts == 0)
        {
            if (incident.Resolve(Actor.Engine, string.Create(CultureInfo.InvariantCulture, $"The storm is over: {count.Bundled} incidents were told here, and none of them needs anybody any more (/?storm={storm.Number})"), Duration.Zero, now) is IncidentOutcome.Changed(var ended, _))
                batch.IncidentChanges.Add(new IncidentChange(incident, ended, null));
        }
        else if (isCalm && !storm.IsCalm)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"It is calm, and no more incidents join. {count.Open} of {count.Bundled} are still open (/?storm={storm.Number}); this one ends with the last of them.");
            batch.IncidentChanges.Add(new IncidentChange(incident, incident.Widen([], text, now), null));
        }

        if ((isCalm && !storm.IsCalm) || told != storm.Told || calmAt != storm.CalmAt)
            batch.Writes.Add("update storms set told = $2, calm_at = $3, ended_at = coalesce(ended_at, case when $4 then $5 end) where incident_number = $1", Sql.P(storm.Number), Sql.P(told), Sql.P(calmAt), Sql.P(isCalm), Sql.P(now));
        IncidentRows.Write(batch.Writes, [incident]);
    }

    /// <summary>A person ended or merged the incident of a storm: those that it spoke for must not stay mute.</summary>
    private static async Task AfterCloseAsync(IngestBatch batch, Incident incident, Storm storm, long open, CancellationToken cancellationToken)
    {
        if (open > 0 && incident.Reopen(Actor.Engine, string.Create(CultureInfo.InvariantCulture, $"{open} incidents that are told of here alone are still open (/?storm={storm.Number})"), batch.Now) is IncidentOutcome.Changed(var reopened, _))
        {
            batch.IncidentChanges.Add(new IncidentChange(incident, reopened, null));
            IncidentRows.Write(batch.Writes, [incident]);
        }
        else if (!storm.IsCalm)
        {
            // Nobody joins from here on; what is open is told by the next look, which then waits for nobody who waits for this row.
            batch.Writes.Add("update storms set ended_at = $2 where incident_number = $1", Sql.P(storm.Number), Sql.P(batch.Now));
        }
        else if (open > 0)
        {
            var members = new List<Incident>();
            await using (var command = new NpgsqlCommand($"select {IncidentRows.Columns} from incidents where storm_number = $1 and {SpokenFor} order by number limit $2 for update", batch.Connection))
            {
                command.Parameters.Add(Sql.P(storm.Number));
                command.Parameters.Add(Sql.P(MostReleased));
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken)) members.Add(IncidentRows.Read(reader));
            }

            foreach (var member in members) batch.IncidentChanges.Add(new IncidentChange(member, member.LeaveStorm(batch.Now), member.TraceParent));
            IncidentRows.Write(batch.Writes, members);
        }
    }

    /// <summary>Open, and only the storm keeps it from speaking: what is hidden besides pages by itself when it is not any more.</summary>
    private const string SpokenFor = "state in ('triggered', 'acknowledged') and quiet_rule is null";

    private static async Task<List<long>> FindAsync(NpgsqlConnection connection, bool alsoCalm, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            alsoCalm
                ? $"""
                  select s.incident_number from storms s where s.ended_at is null or exists (select 1 from incidents i where i.number = s.incident_number and i.state in ('triggered', 'acknowledged'))
                    or exists (select 1 from incidents m where m.storm_number = s.incident_number and {SpokenFor})
                  """
                : "select incident_number from storms where ended_at is null", connection);
        var numbers = new List<long>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) numbers.Add(reader.GetInt64(0));
        return numbers;
    }

    /// <summary>One replica at a time speaks for it. Incident before storm, as ingest locks them.</summary>
    private static async Task<(Incident? Incident, Storm Storm)> LockAsync(NpgsqlConnection connection, long number, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add($"select {IncidentRows.Columns} from incidents where number = $1 for update", Sql.P(number));
        batch.Add("select calm_at, told, ended_at is not null from storms where incident_number = $1 for update", Sql.P(number));

        // Another replica may have opened it while this one waited for the storm.
        batch.Add($"select {IncidentRows.Columns} from incidents where number = $1 for update", Sql.P(number));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var storm = new Storm(number, reader.GetFieldValue<Instant>(0), reader.GetInt64(1), reader.GetBoolean(2));
        await reader.NextResultAsync(cancellationToken);
        return (await reader.ReadAsync(cancellationToken) ? IncidentRows.Read(reader) : null, storm);
    }

    private static async Task<(long Bundled, string[] Receivers, long Open, long Lately)> CountAsync(NpgsqlConnection connection, long number, Instant since, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add($"""
            select count(*), coalesce((select array_agg(distinct r order by r) from incidents i cross join lateral unnest(i.receivers) r where i.storm_number = $1), '{"{}"}'), count(*) filter (where {SpokenFor}),
              (select count(*) from incidents where opened_at > $2 and not about_engine and number > (select coalesce(max(number), 0) - 200000 from incidents))
            from incidents where storm_number = $1
            """, Sql.P(number), Sql.P(since));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetFieldValue<string[]>(1), reader.GetInt64(2), reader.GetInt64(3));
    }

    private sealed record Storm(long Number, Instant CalmAt, long Told, bool IsCalm);

    private static Incident Open(EngineConfiguration current, long number, StormRules? rules, string[] receivers, Instant now)
    {
        var title = rules is null ? "Storm of incidents" : string.Create(CultureInfo.InvariantCulture, $"Storm: more than {rules.Incidents} incidents within {PromDuration.Format(rules.Within)}");
        var key = string.Create(CultureInfo.InvariantCulture, $"engine/storm/{number}");
        var decision = current.Routing.MatchAs(Severity.Warning, Labels.Of(("alertname", "StormOfIncidents"), ("severity", Severity.Warning), ("service", "incidents")));
        return Incident.OpenByHand(number, OpenIncidents.GroupIdOf(key), title, decision with { GroupKey = key, Receivers = receivers.Length > 0 ? [.. receivers] : decision.Receivers }, Actor.Engine, now, aboutEngine: true);
    }
}
