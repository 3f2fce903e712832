using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Web;

/// <summary>PostgreSQL answers, and its schema is the one this build expects.</summary>
internal sealed class DatabaseReadiness(IncidentsDbContext db, DatabaseReadiness.Schema schema) : IReadinessCheck
{
    public string Name => "database";

    public async ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            await db.Database.ExecuteSqlAsync($"select 1", cancellationToken);
            if (schema.IsCurrent) return ReadinessResult.Ok();
            var pending = await db.Database.GetPendingMigrationsAsync(cancellationToken);
            if (pending.Count() is > 0 and var count) return ReadinessResult.Failed($"{count} migrations are pending");
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
