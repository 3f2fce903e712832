using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>What the database and imported calendars say beside <c>oncall.yaml</c> about who is on call.</summary>
internal sealed class OnCallOverrides(IActiveConfiguration configuration, ImportedCalendars calendars)
{
    private const string Overrides = """
        select id, schedule, starts_at, ends_at, people, replaces, created_at, created_by, cancelled_at
        from on_call_overrides
        where schedule = any($3) and starts_at <= $2 and ends_at > $1 and (cancelled_at is null or cancelled_at > greatest(starts_at, $1))
        """;

    private const string Swaps = """
        select id, schedule, person, gives_from, gives_until, returns_from, returns_until, requested_at, requested_by, taken_by, taken_at
        from shift_swaps
        where taken_at is not null and schedule = any($3) and (gives_from <= $2 and gives_until > $1 or returns_from <= $2 and returns_until > $1)
        """;

    /// <summary>All overrides that count at some moment from <paramref name="from"/> to <paramref name="to"/>, both included, of every schedule. For one moment give it twice.</summary>
    public async Task<IReadOnlyList<Override>> LoadAsync(NpgsqlConnection connection, Instant from, Instant to, CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        if (current.OnCall.Schedules.Count == 0) return [];
        var schedules = current.OnCall.Schedules.Keys.ToArray();
        var found = new List<Override>();
        await using (var batch = new NpgsqlBatch(connection))
        {
            batch.Add(Overrides, Sql.P(from), Sql.P(to), Sql.P(schedules));
            batch.Add(Swaps, Sql.P(from), Sql.P(to), Sql.P(schedules));
            await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                found.Add(new OverrideRow
                {
                    Id = reader.GetGuid(0),
                    Schedule = reader.GetString(1),
                    StartsAt = reader.GetFieldValue<Instant>(2),
                    EndsAt = reader.GetFieldValue<Instant>(3),
                    People = reader.GetFieldValue<string[]>(4),
                    Replaces = reader.IsDBNull(5) ? null : reader.GetString(5),
                    CreatedAt = reader.GetFieldValue<Instant>(6),
                    CreatedBy = reader.GetString(7),
                    CancelledAt = Moment(reader, 8),
                }.ToOverride());
            }

            await reader.NextResultAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var swap = new SwapRow
                {
                    Id = reader.GetGuid(0),
                    Schedule = reader.GetString(1),
                    Person = reader.GetString(2),
                    GivesFrom = reader.GetFieldValue<Instant>(3),
                    GivesUntil = reader.GetFieldValue<Instant>(4),
                    ReturnsFrom = Moment(reader, 5),
                    ReturnsUntil = Moment(reader, 6),
                    RequestedAt = reader.GetFieldValue<Instant>(7),
                    RequestedBy = reader.GetString(8),
                    TakenBy = reader.GetString(9),
                    TakenAt = reader.GetFieldValue<Instant>(10),
                };
                found.AddRange(swap.ToSwap().ToOverrides().Where(o => o.From <= to && o.Until > from));
            }
        }

        if (current.Calendars.Count > 0) found.AddRange(await calendars.LoadAsync(connection, current, from, to, cancellationToken));
        return found;
    }

    private static Instant? Moment(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<Instant>(column);
}

/// <summary>Who can be on call, and everything that says who is, over some time.</summary>
internal sealed record DutyBook(Roster Roster, IReadOnlyList<Override> Overrides);

/// <summary>Opens the book for whoever asks.</summary>
internal sealed class DutyBooks(NpgsqlDataSource database, IActiveConfiguration configuration, OnCallOverrides overrides)
{
    public async Task<DutyBook> ReadAsync(Instant from, Instant to, CancellationToken cancellationToken)
    {
        var roster = configuration.Current.OnCall;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return new DutyBook(roster, await overrides.LoadAsync(connection, from, to, cancellationToken));
    }
}
