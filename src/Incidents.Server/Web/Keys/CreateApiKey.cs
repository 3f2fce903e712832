using System.Text.Json.Serialization;
using FluentValidation;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Mediator;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>An administrator makes a key for a program. The answer is the only time the key is shown.</summary>
/// <param name="Name">What people call it, 1 to 100 characters.</param>
/// <param name="Scopes">One or more of ingest, read, respond, admin.</param>
/// <param name="Source">Name of the integration its alerts are recorded under; the key's name when left out.</param>
/// <param name="ExpiresAt">From then on it is refused; never when left out.</param>
/// <param name="Team">It acts only on incidents of this team and on those of none; on all when left out. Not for keys of scope admin.</param>
internal sealed record CreateApiKey(string Name, string[] Scopes, string? Source = null, Instant? ExpiresAt = null, string? Team = null) : ICommand<CreatedApiKey>;

/// <summary>A new key. The member key is shown here and never again.</summary>
internal sealed record CreatedApiKey(Guid Id, string Name, string Prefix, string[] Scopes, string? Source, Instant CreatedAt, Instant? ExpiresAt, string Key, string? Team = null)
{
    /// <summary>Present when it is limited to a team that the configuration does not know.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Warning { get; init; }
}

internal sealed class CreateApiKeyValidator : AbstractValidator<CreateApiKey>
{
    public CreateApiKeyValidator(TimeProvider clock)
    {
        RuleFor(c => c.Name).NotEmpty().WithMessage("name is required.").MaximumLength(100).WithMessage("name has at most 100 characters.");
        RuleFor(c => c.Scopes).NotEmpty().WithMessage("scopes needs at least one of ingest, read, respond, admin.");
        RuleForEach(c => c.Scopes).Must(s => Web.Scopes.All.Contains(s)).WithErrorCode("unknown_scope").WithMessage("A scope is one of ingest, read, respond, admin.");
        RuleFor(c => c.Source).Matches("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$").WithErrorCode("invalid_value")
            .WithMessage("source has 1 to 100 letters, digits, dots, dashes and underscores.").When(c => c.Source is not null);
        RuleFor(c => c.Team).Matches(@"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\z").WithErrorCode("invalid_value").WithMessage("team is the key of a team.").When(c => c.Team is not null);
        RuleFor(c => c.Team).Null().WithErrorCode("invalid_value").WithMessage("A key of scope admin acts on everything; it cannot be limited to a team.").When(c => c.Scopes?.Contains(Web.Scopes.Admin) == true);
        RuleFor(c => c.ExpiresAt).Must(at => at > clock.GetCurrentInstant()).WithErrorCode("in_the_past").WithMessage("expires_at must be in the future.").When(c => c.ExpiresAt is not null);
    }
}

internal sealed partial class CreateApiKeyHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAuditLog audit, ApiKeyCache keys, TimeProvider clock, ILogger<CreateApiKeyHandler> log)
    : ICommandHandler<CreateApiKey, CreatedApiKey>
{
    public async ValueTask<CreatedApiKey> Handle(CreateApiKey command, CancellationToken cancellationToken)
    {
        var text = ApiKeyText.Generate();
        _ = ApiKeyText.TryParse(text, out var prefix, out var hash);
        var now = clock.GetCurrentInstant();
        var key = new ApiKey
        {
            Id = Guid.CreateVersion7(clock.GetUtcNow()),
            Name = command.Name,
            Prefix = prefix,
            Hash = hash,
            Scopes = [.. command.Scopes.Distinct()],
            Source = command.Source,
            Team = command.Team,
            CreatedAt = now,
            ExpiresAt = command.ExpiresAt,
        };
        db.Add(key);
        audit.Add("api_key.created", $"api_key/{key.Id}", new { key.Name, key.Prefix, key.Scopes, key.Source, key.Team, key.ExpiresAt });
        await db.SaveChangesAsync(cancellationToken);
        await keys.RefreshAsync(); // so that the very next request may use it
        LogCreated(key.Id);
        return new(key.Id, key.Name, key.Prefix, key.Scopes, key.Source, key.CreatedAt, key.ExpiresAt, text, key.Team) { Warning = UnknownTeams.Among([key.Team], configuration.Current) };
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "API key {KeyId} was created")]
    private partial void LogCreated(Guid keyId);
}
