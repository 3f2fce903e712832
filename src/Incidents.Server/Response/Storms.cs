using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Whether so many incidents open that single messages help nobody. Asked for in the round trip that loads a batch's incidents, and only when <c>storm:</c> is configured.
/// </summary>
internal static class Storms
{
    /// <summary>Numbers grow one by one, so that the newest of them show how many opened lately at no cost that grows with the table. The storm is locked against its end: whoever joins it is counted by whoever ends it.</summary>
    public static void Ask(NpgsqlBatch lookUp, StormRules rules, Instant now) => lookUp.Add("""
        select (select incident_number from storms where ended_at is null for share), (select count(*) from (select opened_at, about_engine from incidents order by number desc limit $2) n where n.opened_at > $1 and not n.about_engine)
        """, Sql.P(now - rules.Within), Sql.P(rules.Incidents + 1));

    public static async Task<StormCount> ReadAsync(NpgsqlDataReader reader, StormRules rules, CancellationToken cancellationToken)
    {
        await reader.ReadAsync(cancellationToken);
        return new StormCount(rules, reader.IsDBNull(0) ? null : reader.GetInt64(0), reader.GetInt64(1));
    }
}

/// <summary>Counts what opens in one batch on top of what opened before.</summary>
internal sealed class StormCount(StormRules rules, long? storm, long opened)
{
    private long? _storm = storm;
    private long _opened = opened;

    /// <summary>An incident was opened: from the first beyond the limit on, those that are not critical join the storm.</summary>
    public async ValueTask OpensAsync(Incident incident, IngestBatch batch, CancellationToken cancellationToken)
    {
        _opened++;
        if (_storm is null && _opened > rules.Incidents)
        {
            _storm = await BeginAsync(batch, cancellationToken);
            batch.ChangesMutes = true;
        }

        if (_storm is { } number && incident.Severity != Domain.Routing.Severity.Critical) incident.JoinStorm(number, batch.Now);
    }

    /// <summary>Begins one, or finds the one that another replica began a moment ago.</summary>
    private async Task<long> BeginAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var number = (await OpenIncidents.TakeNumbersAsync(batch.Connection, 1, cancellationToken))[0];
        await using var begin = new NpgsqlBatch(batch.Connection);

        // Each command sees what was committed before it: whoever waited for the lock finds the storm of whoever held it.
        begin.Add("select pg_advisory_xact_lock($1)", Sql.P(LockKey));
        begin.Add("insert into storms (incident_number, began_at, calm_at, told) select $1, $2, $3, 0 where not exists (select 1 from storms where ended_at is null)", Sql.P(number), Sql.P(batch.Now), Sql.P(batch.Now + rules.CalmAfter));
        begin.Add("select incident_number from storms where ended_at is null");
        await using var reader = await begin.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetInt64(0);
    }

    private const long LockKey = 0x1AC1_0E47_570F;
}
