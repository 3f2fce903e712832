using NodaTime;

namespace Incidents.Server.Web;

/// <summary>A credential of a program. The key itself is known to its holder only; here is what recognises it.</summary>
internal sealed class ApiKey
{
    /// <summary>UUID v7.</summary>
    public required Guid Id { get; init; }

    /// <summary>What people call it; shown in timelines and the audit log as the actor.</summary>
    public required string Name { get; init; }

    /// <summary>The part of the key that may be shown, unique; finds the key without searching all hashes.</summary>
    public required string Prefix { get; set; }

    /// <summary>SHA-256 of the whole key text. The secret in it has 256 random bits, so a slow hash would add nothing.</summary>
    public required byte[] Hash { get; set; }

    /// <summary>Of <see cref="Web.Scopes.All"/>.</summary>
    public required string[] Scopes { get; init; }

    /// <summary>Name of the integration; alerts sent with this key are recorded under it. Null: under the key's name.</summary>
    public string? Source { get; init; }

    /// <summary>Acts only on incidents of this team and on those of none. Null: on all.</summary>
    public string? Team { get; init; }

    public required Instant CreatedAt { get; init; }

    /// <summary>From then on the key is refused. Null: never.</summary>
    public Instant? ExpiresAt { get; init; }

    /// <summary>To about a minute. Null: never used.</summary>
    public Instant? LastUsedAt { get; set; }

    /// <summary>Null while it is valid.</summary>
    public Instant? RevokedAt { get; set; }

    /// <summary>Prefixes it had before: what was rotated away is not made anew, be it the bootstrap key of the settings.</summary>
    public string[] RetiredPrefixes { get; set; } = [];

    /// <summary>What the key was before its last rotation; it is valid until <see cref="PreviousUntil"/>.</summary>
    public string? PreviousPrefix { get; set; }

    public byte[]? PreviousHash { get; set; }

    public Instant? PreviousUntil { get; set; }
}
