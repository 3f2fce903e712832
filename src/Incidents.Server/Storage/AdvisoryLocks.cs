using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Locks on keys that may have no row yet (a fingerprint, a group), held until the transaction ends. Always taken in growing order, so that two batches never wait for each other.
/// A batch with very many keys takes the one lock that excludes all others, so that PostgreSQL's lock table stays small.
/// </summary>
internal static class AdvisoryLocks
{
    /// <param name="batch">Gets one command, whose results <see cref="SkipAsync"/> passes over.</param>
    /// <param name="space">Tells kinds of keys apart; the lowest 32 bits are zero.</param>
    /// <param name="keys">Between 0 and 65535, sorted.</param>
    /// <param name="most">More keys than this take the one lock of all.</param>
    public static void Add(NpgsqlBatch batch, long space, SortedSet<long> keys, int most)
    {
        if (keys.Count == 0) return;
        var all = space | 0xFFFF_FFFF;
        if (keys.Count > most)
        {
            batch.Add("select pg_advisory_xact_lock($1)", Sql.P(all));
            return;
        }

        batch.Add("select pg_advisory_xact_lock_shared($1), (select count(*) from (select pg_advisory_xact_lock(k) from unnest($2::bigint[]) k offset 0) l)", Sql.P(all), Sql.P(keys.Select(k => space | k).ToArray()));
    }

    /// <summary>Passes over the results of <see cref="Add"/>, if it added any.</summary>
    public static async Task SkipAsync(NpgsqlDataReader reader, int keys, CancellationToken cancellationToken)
    {
        if (keys > 0) await reader.NextResultAsync(cancellationToken);
    }
}
