using System.Collections.Concurrent;
using System.Security.Claims;
using Incidents.Domain.Access;
using Incidents.Domain.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>
/// Browsers in which users are signed in. The cookie holds only the session's id: who that is and what they may do is read anew, at most ten seconds old, so that a revoked session,
/// a disabled user or another role counts soon on every replica and at once on this one.
/// </summary>
internal sealed class Sessions(IServiceScopeFactory scopes, IActiveConfiguration configuration, TimeProvider clock)
{
    public const string SessionClaim = "session_id";
    public static readonly Duration Lifetime = Duration.FromDays(14);

    private static readonly Duration KeepFor = Duration.FromSeconds(10);
    private static readonly Duration WriteLastSeenEvery = Duration.FromMinutes(5);
    private const int MostKept = 10_000;

    private readonly ConcurrentDictionary<Guid, (ClaimsPrincipal? User, Instant At)> _known = new();
    private readonly Lock _gate = new();
    private long _generation;

    /// <summary>Begins a session. The audit entry names the user, who is not the caller yet.</summary>
    public async Task<ClaimsPrincipal> BeginAsync(User user, string method, HttpContext http, CancellationToken cancellationToken)
    {
        var db = http.RequestServices.GetRequiredService<IncidentsDbContext>();
        var now = clock.GetCurrentInstant();
        var agent = http.Request.Headers.UserAgent.ToString();
        var session = new Session
        {
            Id = Guid.CreateVersion7(clock.GetUtcNow()), UserId = user.Id, Method = method, CreatedAt = now, LastSeenAt = now, RemoteAddress = http.Connection.RemoteIpAddress,
            Browser = agent.Length == 0 ? null : AlertText.OneLine(agent, 200),
        };
        db.Add(session);
        http.RequestServices.GetRequiredService<IActor>().Is(user.DisplayName, ActorKind.User, $"user/{user.Id}");
        http.RequestServices.GetRequiredService<IAuditLog>().Add("user.signed_in", $"user/{user.Id}", new { method });
        await db.SaveChangesAsync(cancellationToken);
        return (await ReadAsync(session.Id, now, cancellationToken))!;
    }

    /// <summary>Who the session is; null when it has ended.</summary>
    public async Task<ClaimsPrincipal?> CheckAsync(Guid id, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        return _known.TryGetValue(id, out var known) && now - known.At < KeepFor ? known.User : await ReadAsync(id, now, cancellationToken);
    }

    /// <summary>What was read is read again: something about sessions or users was changed here.</summary>
    public void Forget()
    {
        lock (_gate)
        {
            _generation++;
            _known.Clear();
        }
    }

    public static Guid? IdOf(ClaimsPrincipal user) => Guid.TryParse(user.FindFirstValue(SessionClaim), out var id) ? id : null;

    public static Guid? UserIdOf(ClaimsPrincipal user) => user.HasClaim(c => c.Type == SessionClaim) && Guid.TryParse(user.FindFirstValue(ClaimTypes.NameIdentifier), out var id) ? id : null;

    private async Task<ClaimsPrincipal?> ReadAsync(Guid id, Instant now, CancellationToken cancellationToken)
    {
        var generation = Volatile.Read(ref _generation);
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        var found = await (
            from session in db.Set<Session>()
            join user in db.Set<User>() on session.UserId equals user.Id
            where session.Id == id && session.RevokedAt == null && session.LastSeenAt > now - Lifetime && user.DisabledAt == null
            select new { session.LastSeenAt, User = user, Memberships = db.Set<Membership>().Where(m => m.UserId == user.Id).ToList() }).AsNoTracking().SingleOrDefaultAsync(cancellationToken);
        var principal = found is null ? null : Principal(id, found.User, [.. found.Memberships.Select(m => new Grant(m.Role, m.Team.Length == 0 ? null : m.Team))]);
        if (found is not null && now - found.LastSeenAt > WriteLastSeenEvery)
            await db.Set<Session>().Where(s => s.Id == id).ExecuteUpdateAsync(s => s.SetProperty(x => x.LastSeenAt, now), cancellationToken);
        lock (_gate)
        {
            // What was read before something changed is true for this request at most.
            if (generation != _generation) return principal;
            if (_known.Count > MostKept) _known.Clear();
            _known[id] = (principal, now);
        }

        return principal;
    }

    private ClaimsPrincipal Principal(Guid id, User user, List<Grant> grants)
    {
        List<Claim> claims = [new(ApiClaims.Name, user.DisplayName), new(ClaimTypes.NameIdentifier, user.Id.ToString()), new(SessionClaim, id.ToString()), .. GrantClaims.Of(grants)];
        if (PersonOf(user) is { } person) claims.Add(new(ApiClaims.Person, person));
        return new ClaimsPrincipal(new ClaimsIdentity(claims, "Browser"));
    }

    private string? PersonOf(User user)
    {
        var people = configuration.Current.OnCall.People;
        return user.Person is { } key && people.ContainsKey(key) ? key
            : people.Values.FirstOrDefault(p => user.Person is null && user.Email is not null && string.Equals(p.Email, user.Email, StringComparison.OrdinalIgnoreCase))?.Key;
    }
}
