using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// Connections of the work that repeats all day: taking webhooks in, ingesting, delivering. Nobody who asks for a list or a report can take them away.
/// Their statements are planned once for each session: with arrays as parameters PostgreSQL would plan most of them anew each time, which costs more than running them.
/// What people ask for has the other pool and is planned for what it asks.
/// </summary>
internal sealed class WorkPool(NpgsqlDataSource source) : IAsyncDisposable
{
    /// <summary>One that stores, three that claim, load and record deliveries, two that escalate.</summary>
    private const int BesideIngest = 6;

    /// <param name="connectionString">Of the database.</param>
    /// <param name="ingestWorkers">How many ingest; each holds a connection while it waits for a lock.</param>
    /// <param name="logs">For Npgsql.</param>
    public static WorkPool Of(string connectionString, int ingestWorkers, ILoggerFactory? logs = null)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = ingestWorkers + BesideIngest };

        // Said on the connection and not in its options, which a pooler in front of PostgreSQL may refuse. Sessions are not reset between uses, so it lasts.
        return new(StorageModule.CreateDataSource(parts.ConnectionString, logs, builder => builder.UsePhysicalConnectionInitializer(
            connection =>
            {
                using var command = new NpgsqlCommand(PlanOnce, connection);
                command.ExecuteNonQuery();
            },
            async connection =>
            {
                await using var command = new NpgsqlCommand(PlanOnce, connection);
                await command.ExecuteNonQueryAsync();
            })));
    }

    /// <summary>
    /// A plan kept for the life of a session must suit the table it will be, not the one it is: of a few thousand rows PostgreSQL would read and hash all of them for each webhook.
    /// Everything here goes by an index, row by row. (What is disabled only counts as very dear, which without the last setting would have it compiled.)
    /// </summary>
    private const string PlanOnce = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set random_page_cost = 0.1; set jit = off";

    public ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellationToken) => source.OpenConnectionAsync(cancellationToken);

    public NpgsqlCommand CreateCommand(string sql) => source.CreateCommand(sql);

    /// <summary>Closes what nobody uses.</summary>
    public void Clear() => source.Clear();

    public ValueTask DisposeAsync() => source.DisposeAsync();
}
