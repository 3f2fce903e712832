using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>Answer to "may I run this request?".</summary>
internal abstract record IdempotencyClaim
{
    private IdempotencyClaim() { }

    /// <summary>Nobody did; run it, then complete or abandon as <paramref name="Holder"/>.</summary>
    internal sealed record Granted(Guid Holder) : IdempotencyClaim;

    internal sealed record Answered(int Status, string Headers, byte[] Body) : IdempotencyClaim;

    internal sealed record InProgress(Duration RetryAfter) : IdempotencyClaim;

    internal sealed record UsedForAnotherRequest : IdempotencyClaim;
}

/// <summary>Works in its own scope and transactions: a claim must be visible to others while the request is still at work.</summary>
internal sealed class IdempotencyStore(IServiceScopeFactory scopes, TimeProvider clock)
{
    public static readonly Duration Lease = Duration.FromSeconds(60);
    public static readonly Duration KeepFor = Duration.FromHours(24);

    public async Task<IdempotencyClaim> ClaimAsync(string caller, string endpoint, string key, byte[] requestHash, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var holder = Guid.NewGuid();
        var leasedUntil = now + Lease;
        var expiresAt = now + KeepFor;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();

        // One statement takes a free key, one whose answer has expired, and one whose holder crashed while running this same request.
        var claimed = await db.Database.ExecuteSqlAsync($"""
            insert into idempotency_records as r (caller, endpoint, key, request_hash, state, holder, leased_until, created_at, expires_at)
            values ({caller}, {endpoint}, {key}, {requestHash}, 'running', {holder}, {leasedUntil}, {now}, {expiresAt})
            on conflict (caller, endpoint, key) do update
            set request_hash = excluded.request_hash, state = 'running', holder = excluded.holder, leased_until = excluded.leased_until,
                created_at = excluded.created_at, expires_at = excluded.expires_at, status = null, headers = null, body = null
            where r.expires_at <= {now} or (r.state = 'running' and r.leased_until <= {now} and r.request_hash = excluded.request_hash)
            """, cancellationToken);
        if (claimed == 1) return new IdempotencyClaim.Granted(holder);

        var record = await db.Set<IdempotencyRecord>().AsNoTracking()
            .SingleOrDefaultAsync(r => r.Caller == caller && r.Endpoint == endpoint && r.Key == key, cancellationToken);
        if (record is null) return new IdempotencyClaim.InProgress(Duration.FromSeconds(1)); // abandoned between the two statements
        if (!record.RequestHash.AsSpan().SequenceEqual(requestHash)) return new IdempotencyClaim.UsedForAnotherRequest();
        if (record.State == IdempotencyRecord.Done) return new IdempotencyClaim.Answered(record.Status!.Value, record.Headers ?? "{}", record.Body ?? []);
        return new IdempotencyClaim.InProgress(Duration.Max(record.LeasedUntil - now, Duration.FromSeconds(1)));
    }

    public async Task CompleteAsync(string caller, string endpoint, string key, Guid holder, int status, string headers, byte[] body, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        await db.Set<IdempotencyRecord>().Where(r => r.Caller == caller && r.Endpoint == endpoint && r.Key == key && r.Holder == holder)
            .ExecuteUpdateAsync(s => s.SetProperty(r => r.State, IdempotencyRecord.Done).SetProperty(r => r.Status, status).SetProperty(r => r.Headers, headers).SetProperty(r => r.Body, body), cancellationToken);
    }

    /// <summary>The request failed on our side: the next try starts afresh.</summary>
    public async Task AbandonAsync(string caller, string endpoint, string key, Guid holder, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        await db.Set<IdempotencyRecord>().Where(r => r.Caller == caller && r.Endpoint == endpoint && r.Key == key && r.Holder == holder && r.State == IdempotencyRecord.Running)
            .ExecuteDeleteAsync(cancellationToken);
    }

    /// <summary>Deletes expired answers; how many.</summary>
    public async Task<int> PurgeAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        return await db.Set<IdempotencyRecord>().Where(r => r.ExpiresAt <= now).ExecuteDeleteAsync(cancellationToken);
    }
}
