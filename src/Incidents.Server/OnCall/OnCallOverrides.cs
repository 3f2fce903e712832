using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>What the database says beside <c>oncall.yaml</c> about who is on call.</summary>
internal sealed class OnCallOverrides(IActiveConfiguration configuration)
{
    private const string Query = """
        select id, schedule, starts_at, ends_at, people, replaces, reason, created_at, created_by, cancelled_at
        from on_call_overrides
        where schedule = any($3) and starts_at <= $2 and ends_at > $1 and (cancelled_at is null or cancelled_at > greatest(starts_at, $1))
        order by created_at, id
        """;

    /// <summary>All overrides that count at some moment from <paramref name="from"/> to <paramref name="to"/>, both included, of every schedule. For one moment give it twice.</summary>
    public async Task<IReadOnlyList<Override>> LoadAsync(NpgsqlConnection connection, Instant from, Instant to, CancellationToken cancellationToken)
    {
        var schedules = configuration.Current.OnCall.Schedules;
        if (schedules.Count == 0) return [];
        await using var command = new NpgsqlCommand(Query, connection);
        command.Parameters.Add(Sql.P(from));
        command.Parameters.Add(Sql.P(to));
        command.Parameters.Add(Sql.P(schedules.Keys.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var overrides = new List<Override>();
        while (await reader.ReadAsync(cancellationToken))
        {
            overrides.Add(new OverrideRow
            {
                Id = reader.GetGuid(0),
                Schedule = reader.GetString(1),
                StartsAt = reader.GetFieldValue<Instant>(2),
                EndsAt = reader.GetFieldValue<Instant>(3),
                People = reader.GetFieldValue<string[]>(4),
                Replaces = reader.IsDBNull(5) ? null : reader.GetString(5),
                Reason = reader.IsDBNull(6) ? null : reader.GetString(6),
                CreatedAt = reader.GetFieldValue<Instant>(7),
                CreatedBy = reader.GetString(8),
                CancelledAt = reader.IsDBNull(9) ? null : reader.GetFieldValue<Instant>(9),
            }.ToOverride());
        }

        return overrides;
    }
}
