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
        // Two who revoke the last two at once take turns, always in the same order.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var locked = await db.Set<ApiKey>().FromSql($"select * from api_keys where id = {command.Id} or (revoked_at is null and {Scopes.Admin} = any(scopes)) order by id for update").AsTracking().ToListAsync(cancellationToken);
        var key = locked.Find(k => k.Id == command.Id);
        if (key is null) return RevokeApiKeyResult.NotFound;
        if (key.RevokedAt is not null) return RevokeApiKeyResult.Revoked;
        if (key.Scopes.Contains(Scopes.Admin)
            && !locked.Exists(k => k.Id != key.Id && k.RevokedAt is null && k.ExpiresAt is null && k.Scopes.Contains(Scopes.Admin)))
            return RevokeApiKeyResult.LastAdmin;

        key.RevokedAt = clock.GetCurrentInstant();
        audit.Add("api_key.revoked", $"api_key/{key.Id}", new { key.Name, key.Prefix });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        await keys.RefreshAsync();
        LogRevoked(key.Id);
        return RevokeApiKeyResult.Revoked;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "API key {KeyId} was revoked")]
    private partial void LogRevoked(Guid keyId);
}
