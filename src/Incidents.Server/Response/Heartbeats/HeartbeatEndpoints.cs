using System.Buffers.Text;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using FluentValidation;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;
using Severity = Incidents.Domain.Routing.Severity;

namespace Incidents.Server.Response.Heartbeats;

/// <summary>Heartbeats over HTTP: a job reports with a key, or with one curl to an address that carries its own secret.</summary>
internal static class HeartbeatEndpoints
{
    private const string List = "heartbeats";

    public static void MapHeartbeats(this WebApplication app)
    {
        var heartbeats = app.MapGroup("/api/v1/heartbeats").WithTags("Heartbeats");
        heartbeats.MapGet("", ListAsync).RequireAuthorization(Scopes.Read).WithName("ListHeartbeats").WithSummary("Heartbeats with their state, last beat, due time and latest silences")
            .WithDescription("Those by URL and those of watchdog alerts, in the order in which they became known.").Produces<Page<HeartbeatShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        heartbeats.MapGet("{name}", async Task<IResult> (string name, ISender sender, CancellationToken stop) => await sender.Send(new GetHeartbeat(name), stop) is { } shown ? TypedResults.Ok(shown) : NotFound(name))
            .RequireAuthorization(Scopes.Read).WithName("GetHeartbeat").WithSummary("One heartbeat, by name or by id").Produces<HeartbeatShown>().WithNotFoundHeartbeat();
        heartbeats.MapPost("", CreateAsync).RequireAuthorization(Scopes.Admin).WithName("CreateHeartbeat").WithSummary("Create a heartbeat; the answer shows its address once")
            .WithDescription("Not repeatable by Idempotency-Key, because a stored answer would keep the secret.").Produces<CreatedHeartbeat>(StatusCodes.Status201Created)
            .WithProblem(409, "heartbeat_exists", "There is a heartbeat of this name.");
        heartbeats.MapPost("{name}", async (string name, ISender sender, CancellationToken stop) => Answer(name, await sender.Send(new BeatHeartbeat(name, null), stop)))
            .RequireAuthorization(Scopes.Ingest).WithName("BeatHeartbeat").WithSummary("A job reports that it is alive").Produces<BeatAnswer>().WithNotFoundHeartbeat();
        foreach (var (method, word) in ((string, string)[])[(HttpMethods.Get, "Get"), (HttpMethods.Head, "Head"), (HttpMethods.Post, "Post")])
        {
            heartbeats.MapMethods("{name}/{token}", [method], async (string name, string token, HttpContext http, ISender sender, CancellationToken stop) =>
                {
                    // Nobody between may answer in our place.
                    http.Response.Headers.CacheControl = "no-store";
                    return Answer(name, await sender.Send(new BeatHeartbeat(name, token), stop));
                })
                .AllowAnonymous().WithName($"BeatHeartbeatBy{word}").WithSummary("A job reports that it is alive, by the address that carries its secret").Produces<BeatAnswer>().WithNotFoundHeartbeat();
        }

        heartbeats.MapPost("{name}/token", TokenAsync).RequireAuthorization(Scopes.Admin).WithName("RenewHeartbeatToken").WithSummary("Give a heartbeat a new address; the old one ends at once")
            .WithDescription("The address works with GET, HEAD and POST and without a key: curl it at the end of the job.").Produces<CreatedHeartbeat>().WithNotFoundHeartbeat();
        heartbeats.MapDelete("{name}", async (string name, ISender sender, CancellationToken stop) => await sender.Send(new DeleteHeartbeat(name), stop) switch
            {
                DeleteHeartbeatResult.Deleted => Results.NoContent(),
                DeleteHeartbeatResult.NotFound => NotFound(name),
                DeleteHeartbeatResult.Configured => ApiProblem.Conflict("heartbeat_configured", "routing.yaml names this heartbeat; remove it there."),
                _ => throw new UnreachableException(),
            })
            .RequireAuthorization(Scopes.Admin).WithName("DeleteHeartbeat").WithSummary("Forget a heartbeat; an incident about its silence is resolved")
            .WithDescription("A watchdog is known again as soon as it is seen again.").Produces(StatusCodes.Status204NoContent).WithNotFoundHeartbeat()
            .WithProblem(409, "heartbeat_configured", "The heartbeat is named in routing.yaml.");
    }

    private static RouteHandlerBuilder WithNotFoundHeartbeat(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "heartbeat_not_found", "There is no such heartbeat, or its secret is another.");

    private static ApiProblem NotFound(string name) => ApiProblem.NotFound("heartbeat_not_found", $"There is no heartbeat {AlertText.OneLine(name, 100)}, or its secret is another.");

    private static IResult Answer(string name, BeatAnswer? answer) => answer is null ? NotFound(name) : TypedResults.Ok(answer);

    private static async Task<IResult> ListAsync([AsParameters] PageQuery page, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<Position>(List, out var limit, out var after, out var problem)) return problem;
        var rows = await sender.Send(new ListHeartbeats(after?.Id ?? 0, limit + 1), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, row => new Position(row.Id)));
    }

    private static async Task<IResult> CreateAsync(CreateHeartbeat command, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(command, cancellationToken) is { } token
            ? TypedResults.Created($"/api/v1/heartbeats/{command.Name}", new CreatedHeartbeat(command.Name, AddressOf(http, options.Value, command.Name, token)))
            : ApiProblem.Conflict("heartbeat_exists", $"There is a heartbeat {command.Name} already.");

    private static async Task<IResult> TokenAsync(string name, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new RenewHeartbeatToken(name), cancellationToken) is { } token ? TypedResults.Ok(new CreatedHeartbeat(name, AddressOf(http, options.Value, name, token))) : NotFound(name);

    private static string AddressOf(HttpContext http, EngineOptions options, string name, string token) =>
        new Uri(options.PublicUrl ?? new Uri($"{http.Request.Scheme}://{http.Request.Host}"), $"/api/v1/heartbeats/{Uri.EscapeDataString(name)}/{token}").AbsoluteUri;

    private sealed record Position(long Id);
}

/// <param name="Name">Of the heartbeat.</param>
/// <param name="Url">Takes GET, HEAD and POST without a key. Shown here and never again.</param>
internal sealed record CreatedHeartbeat(string Name, string Url);

/// <param name="Name">Of the heartbeat.</param>
/// <param name="DueAt">The next beat must be there by then, grace included.</param>
internal sealed record BeatAnswer(string Name, Instant DueAt);

/// <summary>A heartbeat as the API shows it.</summary>
internal sealed record HeartbeatShown
{
    public required long Id { get; init; }

    /// <summary><c>url</c> or <c>watchdog</c>.</summary>
    public required string Kind { get; init; }

    public required string Name { get; init; }

    /// <summary>Of a watchdog: the alert source that sends it.</summary>
    public string? Source { get; init; }

    /// <summary><c>new</c> (not heard yet), <c>up</c> or <c>missed</c>.</summary>
    public required string State { get; init; }

    /// <summary>Named in routing.yaml.</summary>
    public required bool IsConfigured { get; init; }

    /// <summary>Seconds between beats, as configured or learnt.</summary>
    public required long ExpectEverySeconds { get; init; }

    /// <summary>True when the interval is what it has done so far, because none is configured.</summary>
    public required bool IsLearnt { get; init; }

    public required long GraceSeconds { get; init; }

    public required string Severity { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required Instant Since { get; init; }

    public Instant? LastAt { get; init; }

    /// <summary>The next beat must be there by then, grace included.</summary>
    public required Instant DueAt { get; init; }

    /// <summary>The incident about its last silence.</summary>
    public long? IncidentNumber { get; init; }

    /// <summary>Its latest silences, the newest first.</summary>
    public required IReadOnlyList<HeartbeatGapShown> Silences { get; init; }

    public static HeartbeatShown Of(Heartbeat h, IEnumerable<HeartbeatGap> gaps) => new()
    {
        Id = h.Id, Kind = h.Kind, Name = h.Name, Source = h.Source.Length == 0 ? null : h.Source, State = h.State, IsConfigured = h.IsConfigured,
        ExpectEverySeconds = (long)h.Every.TotalSeconds, IsLearnt = h.ExpectEvery is null, GraceSeconds = (long)h.GraceTime.TotalSeconds,
        Severity = h.Severity, Labels = h.Labels.ToDictionary(), Since = h.Since, LastAt = h.LastAt, DueAt = h.DueAt, IncidentNumber = h.IncidentNumber,
        Silences = [.. gaps.OrderByDescending(g => g.MissedAt).Select(g => new HeartbeatGapShown(g.MissedAt, g.BackAt, g.IncidentNumber))],
    };
}

/// <param name="MissedAt">When it counted as missed.</param>
/// <param name="BackAt">When it was heard again; null while it is not.</param>
/// <param name="IncidentNumber">The incident about it.</param>
internal sealed record HeartbeatGapShown(Instant MissedAt, Instant? BackAt, long IncidentNumber);

internal sealed record ListHeartbeats(long AfterId, int Take) : IQuery<IReadOnlyList<HeartbeatShown>>;

internal sealed record GetHeartbeat(string Name) : IQuery<HeartbeatShown?>;

internal sealed class HeartbeatQueries(IncidentsDbContext db) : IQueryHandler<ListHeartbeats, IReadOnlyList<HeartbeatShown>>, IQueryHandler<GetHeartbeat, HeartbeatShown?>
{
    private const int MostSilences = 10;

    public async ValueTask<IReadOnlyList<HeartbeatShown>> Handle(ListHeartbeats query, CancellationToken cancellationToken) =>
        await WithSilencesAsync(await db.Heartbeats.AsNoTracking().Where(h => h.Id > query.AfterId).OrderBy(h => h.Id).Take(query.Take).ToListAsync(cancellationToken), cancellationToken);

    public async ValueTask<HeartbeatShown?> Handle(GetHeartbeat query, CancellationToken cancellationToken) =>
        (await WithSilencesAsync(await db.Heartbeats.AsNoTracking().Named(query.Name).ToListAsync(cancellationToken), cancellationToken)).SingleOrDefault();

    private async Task<IReadOnlyList<HeartbeatShown>> WithSilencesAsync(List<Heartbeat> heartbeats, CancellationToken cancellationToken)
    {
        var ids = heartbeats.ConvertAll(h => h.Id);
        var gaps = await db.Heartbeats.AsNoTracking().Where(h => ids.Contains(h.Id))
            .SelectMany(h => db.Set<HeartbeatGap>().Where(g => g.HeartbeatId == h.Id).OrderByDescending(g => g.MissedAt).Take(MostSilences)).ToListAsync(cancellationToken);
        var byHeartbeat = gaps.ToLookup(g => g.HeartbeatId);
        return heartbeats.ConvertAll(h => HeartbeatShown.Of(h, byHeartbeat[h.Id]));
    }
}

internal static class HeartbeatNames
{
    /// <summary>A heartbeat by URL by its name, any by its id: names begin with a letter.</summary>
    public static IQueryable<Heartbeat> Named(this IQueryable<Heartbeat> heartbeats, string name) =>
        long.TryParse(name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id)
            ? heartbeats.Where(h => h.Id == id)
            : heartbeats.Where(h => h.Kind == HeartbeatKind.Url && h.Source == "" && h.Key == name);
}

/// <summary>A job reports that it is alive, with the secret of its address (null: it was let in by a key). Null is answered when there is no such heartbeat or the secret is another.</summary>
internal sealed record BeatHeartbeat(string Name, string? Token) : ICommand<BeatAnswer?>;

internal sealed class BeatHeartbeatHandler(IncidentsDbContext db, HeartbeatIncidents heartbeats, TimeProvider clock) : ICommandHandler<BeatHeartbeat, BeatAnswer?>
{
    public async ValueTask<BeatAnswer?> Handle(BeatHeartbeat command, CancellationToken cancellationToken)
    {
        var known = await db.Heartbeats.AsNoTracking().Where(h => h.Kind == HeartbeatKind.Url && h.Source == "" && h.Key == command.Name).Select(h => new { h.Id, h.TokenHash }).SingleOrDefaultAsync(cancellationToken);
        if (known is null) return null;
        if (command.Token is { } token && (known.TokenHash is null || !CryptographicOperations.FixedTimeEquals(known.TokenHash, HeartbeatToken.Hash(token)))) return null;
        return await heartbeats.ChangeAsync(known.Id, h => h.Beat(clock.GetCurrentInstant()), cancellationToken) is { } beaten ? new BeatAnswer(beaten.Name, beaten.DueAt) : null;
    }
}

/// <summary>The secret in a heartbeat's address: 192 random bits, of which the SHA-256 is kept.</summary>
internal static class HeartbeatToken
{
    public static string Generate() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));

    public static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}

/// <summary>An administrator makes a heartbeat by URL. The answer is its secret, or null when there is one of this name.</summary>
/// <param name="Name">Letters, digits, '-', '_' and '.', beginning with a letter.</param>
/// <param name="ExpectEverySeconds">How far apart beats may be, 30 s to 90 days.</param>
/// <param name="GraceSeconds">How much later one may be; a tenth of the interval, two minutes at least, when left out.</param>
/// <param name="Severity">Of the incident that its silence opens; warning when left out.</param>
/// <param name="Labels">Route that incident.</param>
internal sealed record CreateHeartbeat(string Name, long ExpectEverySeconds, long? GraceSeconds = null, string? Severity = null, IReadOnlyDictionary<string, string>? Labels = null) : ICommand<string?>;

internal sealed class CreateHeartbeatValidator : AbstractValidator<CreateHeartbeat>
{
    public CreateHeartbeatValidator()
    {
        RuleFor(c => c.Name).Matches(@"^[A-Za-z][A-Za-z0-9_.-]{0,99}\z").WithMessage("name has 1 to 100 letters, digits, '-', '_' and '.', and begins with a letter.");
        RuleFor(c => c.ExpectEverySeconds).InclusiveBetween(30, 90 * 86_400).WithMessage("expect_every_seconds is 30 to 7776000 (90 days).");
        RuleFor(c => c.GraceSeconds).InclusiveBetween(0, 90 * 86_400).WithMessage("grace_seconds is 0 to 7776000.").When(c => c.GraceSeconds is not null);
        RuleFor(c => c.Severity).Must(s => s is null || Severity.All.Contains(s, StringComparer.Ordinal)).WithMessage("One of critical, warning, info.");
        RuleFor(c => c.Labels).Must(l => l is null || (l.Count <= 64 && l.All(p => p.Key.Length is > 0 and <= 200 && p.Value is { Length: <= 1000 } && !p.Key.Contains('\0') && !p.Value.Contains('\0')))).WithMessage("At most 64 labels of at most 1000 characters.");
    }
}

internal sealed class CreateHeartbeatHandler(IncidentsDbContext db, IAuditLog audit, TimeProvider clock) : ICommandHandler<CreateHeartbeat, string?>
{
    public async ValueTask<string?> Handle(CreateHeartbeat command, CancellationToken cancellationToken)
    {
        if (await db.Heartbeats.Named(command.Name).AnyAsync(cancellationToken)) return null;
        var token = HeartbeatToken.Generate();
        var begun = Heartbeat.Begin(
            HeartbeatKind.Url, "", command.Name, command.Name, Duration.FromSeconds(command.ExpectEverySeconds), command.GraceSeconds is { } grace ? Duration.FromSeconds(grace) : null,
            command.Severity ?? Severity.Warning, Labels.From(command.Labels ?? new Dictionary<string, string>()), clock.GetCurrentInstant());
        db.Add(begun with { TokenHash = HeartbeatToken.Hash(token) });
        audit.Add("heartbeat.created", $"heartbeat/{command.Name}", new { command.ExpectEverySeconds, command.GraceSeconds, begun.Severity });
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException error) when (error.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // Somebody made it a moment ago.
            return null;
        }

        return token;
    }
}

/// <summary>An administrator gives a heartbeat by URL a new secret; the old one ends at once. Null: there is none of this name.</summary>
internal sealed record RenewHeartbeatToken(string Name) : ICommand<string?>;

internal sealed class RenewHeartbeatTokenHandler(IncidentsDbContext db, HeartbeatIncidents heartbeats, IAuditLog audit) : ICommandHandler<RenewHeartbeatToken, string?>
{
    public async ValueTask<string?> Handle(RenewHeartbeatToken command, CancellationToken cancellationToken)
    {
        var id = await db.Heartbeats.AsNoTracking().Named(command.Name).Where(h => h.Kind == HeartbeatKind.Url).Select(h => (long?)h.Id).SingleOrDefaultAsync(cancellationToken);
        if (id is null) return null;
        var token = HeartbeatToken.Generate();
        audit.Add("heartbeat.token_renewed", $"heartbeat/{command.Name}");
        return await heartbeats.ChangeAsync(id.Value, h => h with { TokenHash = HeartbeatToken.Hash(token) }, cancellationToken) is null ? null : token;
    }
}

/// <summary>An administrator has a heartbeat forgotten.</summary>
internal sealed record DeleteHeartbeat(string Name) : ICommand<DeleteHeartbeatResult>;

internal enum DeleteHeartbeatResult
{
    Deleted,
    NotFound,

    /// <summary>It would come back: <c>routing.yaml</c> names it.</summary>
    Configured,
}

internal sealed class DeleteHeartbeatHandler(IncidentsDbContext db, HeartbeatIncidents heartbeats, IAuditLog audit, IActor actor) : ICommandHandler<DeleteHeartbeat, DeleteHeartbeatResult>
{
    public async ValueTask<DeleteHeartbeatResult> Handle(DeleteHeartbeat command, CancellationToken cancellationToken)
    {
        var known = await db.Heartbeats.AsNoTracking().Named(command.Name).Select(h => new { h.Id, h.IsConfigured, h.Name }).SingleOrDefaultAsync(cancellationToken);
        if (known is null) return DeleteHeartbeatResult.NotFound;
        if (known.IsConfigured) return DeleteHeartbeatResult.Configured;
        audit.Add("heartbeat.deleted", $"heartbeat/{known.Name}");
        return await heartbeats.RemoveAsync(known.Id, $"{actor.Name} did so", cancellationToken) ? DeleteHeartbeatResult.Deleted : DeleteHeartbeatResult.NotFound;
    }
}
