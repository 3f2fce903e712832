using System.Reflection;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>Which migrations a database still lacks. It asks without EF Core, whose model takes longer to build than everything else at a start.</summary>
internal static class SchemaVersion
{
    private static readonly Lazy<string[]> Known = new(() =>
        [.. typeof(SchemaVersion).Assembly.GetTypes().Select(t => t.GetCustomAttribute<MigrationAttribute>()?.Id).OfType<string>().Order(StringComparer.Ordinal)]);

    /// <summary>Of this build, in order.</summary>
    public static IReadOnlyList<string> All => Known.Value;

    /// <summary>Of this build and not of the database, in order. All, when the database is empty.</summary>
    public static async Task<IReadOnlyList<string>> PendingAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.CreateCommand("""select coalesce(array_agg(migration_id), '{}') from "__EFMigrationsHistory" """);
            return [.. All.Except((string[])(await command.ExecuteScalarAsync(cancellationToken))!, StringComparer.Ordinal)];
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            return All;
        }
    }
}
