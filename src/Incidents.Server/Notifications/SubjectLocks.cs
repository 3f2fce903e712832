using Incidents.Server.Storage;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>
/// The order of locks on the way out: incidents by number, then notices, then deliveries, as ingest and commands take them. Whoever puts a delivery (back) into the queue,
/// or writes timeline entries, holds its subject first: no two transactions then wait for each other in a circle, a delivery queued meanwhile is seen,
/// and the ids of entries grow in the order they become visible.
/// </summary>
internal static class SubjectLocks
{
    public static void Add(NpgsqlBatch batch, IEnumerable<long?> incidents, IEnumerable<long?> notices)
    {
        if (Numbers(incidents) is { Length: > 0 } numbers) batch.Add("select from incidents where number = any($1) order by number for no key update", Sql.P(numbers));
        if (Numbers(notices) is { Length: > 0 } ids) batch.Add("select from notices where id = any($1) order by id for no key update", Sql.P(ids));
    }

    public static async Task TakeAsync(NpgsqlConnection connection, IEnumerable<long?> incidents, IEnumerable<long?> notices, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, incidents, notices);
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private static long[] Numbers(IEnumerable<long?> keys) => [.. keys.OfType<long>().Distinct()];
}
