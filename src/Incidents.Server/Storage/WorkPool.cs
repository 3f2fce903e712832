using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Connections of the work that repeats all day: taking webhooks in, ingesting, delivering. Nobody who asks for a list or a report can take them away.
/// Their statements are planned once for each session: with arrays as parameters PostgreSQL would plan most of them anew each time, which costs more than running them.
/// What people ask for has the other pool and is planned for what it asks.
/// </summary>
internal sealed class WorkPool(NpgsqlDataSource source) : IAsyncDisposable
{
    /// <summary>Two that ingest, one that stores, three that claim, load and record.</summary>
    private const int MaximumPoolSize = 6;

    public static WorkPool Of(string connectionString, ILoggerFactory? logs = null)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = MaximumPoolSize };
        parts.Options = $"{parts.Options} -c plan_cache_mode=force_generic_plan".Trim();
        return new(StorageModule.CreateDataSource(parts.ConnectionString, logs));
    }

    public ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellationToken) => source.OpenConnectionAsync(cancellationToken);

    public NpgsqlCommand CreateCommand(string sql) => source.CreateCommand(sql);

    /// <summary>Closes what nobody uses.</summary>
    public void Clear() => source.Clear();

    public ValueTask DisposeAsync() => source.DisposeAsync();
}
