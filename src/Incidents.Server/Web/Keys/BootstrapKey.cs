using System.ComponentModel.DataAnnotations;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Web;

/// <summary>The <c>Auth</c> section.</summary>
internal sealed class AuthOptions
{
    /// <summary>The admin key to create at first start, at least 20 characters. When absent, one is generated and printed once.</summary>
    [MinLength(20, ErrorMessage = "Auth__BootstrapKey must have at least 20 characters. Write a longer one, or leave it out to have one generated.")]
    public string? BootstrapKey { get; set; }
}

/// <summary>Sees to it that a fresh installation can be entered, and that no second key appears when several replicas start at once.</summary>
internal static class BootstrapKey
{
    // Any constant will do, as long as nobody else takes it.
    private const long LockKey = 0x1AC1_0E47_B007;

    /// <summary>
    /// With <paramref name="configured"/>: makes that text an admin key unless it already is one (or was, and was revoked), and returns null.
    /// Without: when no valid admin key exists, makes one and returns it, to be printed once; else null.
    /// Call after migrations, before requests are served.
    /// </summary>
    public static async Task<string?> EnsureAsync(NpgsqlDataSource database, string? configured, Instant now, CancellationToken cancellationToken)
    {
        var text = configured ?? ApiKeyText.Generate();
        if (!ApiKeyText.TryParse(text, out var prefix, out var hash)) throw new InvalidOperationException("Auth__BootstrapKey must have 20 to 512 characters.");

        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var turn = new NpgsqlCommand($"select pg_advisory_xact_lock({LockKey})", connection)) await turn.ExecuteNonQueryAsync(cancellationToken);

        await using var create = new NpgsqlCommand("""
            insert into api_keys (id, name, prefix, hash, scopes, created_at, retired_prefixes) select $1, 'bootstrap', $2, $3, array[$4], $5, '{}'
            where not exists (select from api_keys where case when $6 then prefix = $2 or $2 = any(retired_prefixes) else revoked_at is null and (expires_at is null or expires_at > $5) and $4 = any(scopes) end)
            """, connection);
        foreach (var parameter in (NpgsqlParameter[])[Sql.P(Guid.CreateVersion7(now.ToDateTimeOffset())), Sql.P(prefix), Sql.P(hash), Sql.P(Scopes.Admin), Sql.P(now), Sql.P(configured is not null)]) create.Parameters.Add(parameter);
        var isNew = await create.ExecuteNonQueryAsync(cancellationToken) == 1;
        await transaction.CommitAsync(cancellationToken);
        return isNew && configured is null ? text : null;
    }
}
