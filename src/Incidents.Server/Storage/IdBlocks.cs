using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Ids for rows written in bulk: taken from the sequence <c>row_ids</c> a thousand at a time, so that a batch can link its rows to each other before it is sent.
/// Ids grow within one process; they say nothing of order between replicas. A block lost with its process leaves a gap, which nobody minds.
/// </summary>
internal sealed class IdBlocks : IDisposable
{
    private const int BlockSize = 1000;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly Queue<long> _free = new();

    public void Dispose() => _gate.Dispose();

    /// <summary>As many fresh ids as asked for, in growing order.</summary>
    /// <param name="connection">The caller's own: a second one, taken while the first is held, would let a full pool wait for itself. A rollback gives no id back.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    public async ValueTask<IdRun> TakeAsync(NpgsqlConnection connection, int count, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_free.Count < count)
            {
                var blocks = (count - _free.Count + BlockSize - 1) / BlockSize;
                await using var command = new NpgsqlCommand("select nextval('row_ids') from generate_series(1, $1)", connection);
                command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = blocks });
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    var start = reader.GetInt64(0);
                    for (var i = 0; i < BlockSize; i++) _free.Enqueue(start + i);
                }
            }

            var ids = new long[count];
            for (var i = 0; i < count; i++) ids[i] = _free.Dequeue();
            return new IdRun(ids);
        }
        finally
        {
            _gate.Release();
        }
    }
}

/// <summary>Ids to be used one after another.</summary>
internal sealed class IdRun(long[] ids)
{
    private int _next;

    public long Next() => ids[_next++];
}
