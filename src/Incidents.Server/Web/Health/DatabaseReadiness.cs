using Incidents.Server.Storage;
using Npgsql;

namespace Incidents.Server.Web;

/// <summary>PostgreSQL answers, and its schema is the one this build expects.</summary>
internal sealed class DatabaseReadiness(NpgsqlDataSource database, DatabaseReadiness.Schema schema) : IReadinessCheck
{
    public string Name => "database";

    public async ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (schema.IsCurrent)
            {
                await using var ask = database.CreateCommand("select 1");
                await ask.ExecuteNonQueryAsync(cancellationToken);
                return ReadinessResult.Ok();
            }

            var pending = await SchemaVersion.PendingAsync(database, cancellationToken);
            if (pending.Count is > 0 and var count) return ReadinessResult.Failed($"{count} migrations are pending");
            schema.IsCurrent = true;
            return ReadinessResult.Ok();
        }
        catch (Exception e) when (DatabaseTrouble.Find(e) is not null)
        {
            return ReadinessResult.Failed(DatabaseTrouble.InWords(e));
        }
    }

    /// <summary>Migrations are never unapplied, so once found current the question need not be asked again.</summary>
    internal sealed class Schema
    {
        public volatile bool IsCurrent;
    }
}
