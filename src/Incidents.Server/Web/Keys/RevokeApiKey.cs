using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>An administrator withdraws a key: refused here at once, on other replicas within 10 seconds. Revoking again changes nothing.</summary>
internal sealed record RevokeApiKey(Guid Id) : ICommand<RevokeApiKeyResult>;

internal enum RevokeApiKeyResult
{
    Revoked,
    NotFound,

    /// <summary>It is the last valid key with the scope admin that does not expire: without it nobody could make another.</summary>
    LastAdmin,
}

internal sealed partial class RevokeApiKeyHandler(IncidentsDbContext db, IAuditLog audit, ApiKeyCache keys, TimeProvider clock, ILogger<RevokeApiKeyHandler> log)
    : ICommandHandler<RevokeApiKey, RevokeApiKeyResult>
{
    public async ValueTask<RevokeApiKeyResult> Handle(RevokeApiKey command, CancellationToken cancellationToken)
    {
        var key = await db.Set<ApiKey>().SingleOrDefaultAsync(k => k.Id == command.Id, cancellationToken);
        if (key is null) return RevokeApiKeyResult.NotFound;
        if (key.RevokedAt is not null) return RevokeApiKeyResult.Revoked;
        if (key.Scopes.Contains(Scopes.Admin)
            && !await db.Set<ApiKey>().AnyAsync(k => k.Id != key.Id && k.RevokedAt == null && k.ExpiresAt == null && k.Scopes.Contains(Scopes.Admin), cancellationToken))
            return RevokeApiKeyResult.LastAdmin;

        key.RevokedAt = clock.GetCurrentInstant();
        audit.Add("api_key.revoked", $"api_key/{key.Id}", new { key.Name, key.Prefix });
        await db.SaveChangesAsync(cancellationToken);
        await keys.RefreshAsync();
        LogRevoked(key.Id);
        return RevokeApiKeyResult.Revoked;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "API key {KeyId} was revoked")]
    private partial void LogRevoked(Guid keyId);
}
