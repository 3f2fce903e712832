using FluentValidation;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>An administrator gives a key a new secret. Programs have until the grace ends to take it; a rotation before that ends the older secret at once. Null: no valid key has this id.</summary>
/// <param name="Id">Of the key.</param>
/// <param name="GraceMinutes">How long the old secret stays valid, up to 30 days; a day when left out, 0 ends it now.</param>
internal sealed record RotateApiKey(Guid Id, int? GraceMinutes = null) : ICommand<CreatedApiKey?>;

/// <param name="GraceMinutes">How long the old secret stays valid; a day when left out.</param>
internal sealed record RotateApiKeyBody(int? GraceMinutes);

internal sealed class RotateApiKeyValidator : AbstractValidator<RotateApiKey>
{
    public RotateApiKeyValidator() => RuleFor(c => c.GraceMinutes).InclusiveBetween(0, 43_200).WithMessage("grace_minutes is 0 to 43200 (30 days).").When(c => c.GraceMinutes is not null);
}

internal sealed partial class RotateApiKeyHandler(IncidentsDbContext db, IAuditLog audit, ApiKeyCache keys, TimeProvider clock, ILogger<RotateApiKeyHandler> log) : ICommandHandler<RotateApiKey, CreatedApiKey?>
{
    private const int DefaultGrace = 24 * 60;

    public async ValueTask<CreatedApiKey?> Handle(RotateApiKey command, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);

        // Two rotations at once must not each remember the same old secret.
        var key = await db.Set<ApiKey>().FromSql($"select * from api_keys where id = {command.Id} and revoked_at is null and (expires_at is null or expires_at > {now}) for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (key is null) return null;
        var text = ApiKeyText.Generate();
        _ = ApiKeyText.TryParse(text, out var prefix, out var hash);
        (key.PreviousPrefix, key.PreviousHash, key.PreviousUntil) = (key.Prefix, key.Hash, now + Duration.FromMinutes(command.GraceMinutes ?? DefaultGrace));
        key.RetiredPrefixes = [.. key.RetiredPrefixes, key.Prefix];
        (key.Prefix, key.Hash) = (prefix, hash);
        audit.Add("api_key.rotated", $"api_key/{key.Id}", new { key.Name, key.Prefix, key.PreviousPrefix, key.PreviousUntil });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        await keys.RefreshAsync();
        LogRotated(key.Id);
        return new(key.Id, key.Name, key.Prefix, key.Scopes, key.Source, key.CreatedAt, key.ExpiresAt, text, key.Team);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "API key {KeyId} was rotated")]
    private partial void LogRotated(Guid keyId);
}
