using System.ComponentModel.DataAnnotations;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;

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
    public static async Task<string?> EnsureAsync(IncidentsDbContext db, string? configured, Instant now, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({LockKey})", cancellationToken);

        var text = configured ?? ApiKeyText.Generate();
        if (!ApiKeyText.TryParse(text, out var prefix, out var hash)) throw new InvalidOperationException("Auth__BootstrapKey must have 20 to 512 characters.");

        var exists = configured is null
            ? await db.Set<ApiKey>().AnyAsync(k => k.RevokedAt == null && (k.ExpiresAt == null || k.ExpiresAt > now) && k.Scopes.Contains(Scopes.Admin), cancellationToken)
            : await db.Set<ApiKey>().AnyAsync(k => k.Prefix == prefix, cancellationToken);
        if (exists) return null;

        db.Add(new ApiKey
        {
            Id = Guid.CreateVersion7(now.ToDateTimeOffset()),
            Name = "bootstrap",
            Prefix = prefix,
            Hash = hash,
            Scopes = [Scopes.Admin],
            CreatedAt = now,
        });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return configured is null ? text : null;
    }
}
