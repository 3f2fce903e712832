using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Claims;
using System.Security.Cryptography;
using Incidents.Server.Storage;
using Microsoft.AspNetCore.Authentication;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Web;

/// <summary>
/// Every valid key in memory, so that checking one costs a hash and no database, and so that keys keep working while the database is away.
/// Read again every 10 seconds, and soon after a key nobody knows turns up (at most every 250 ms, however many such requests there are).
/// A key revoked on another replica is therefore refused here at most 10 seconds later.
/// </summary>
internal sealed partial class ApiKeyCache(NpgsqlDataSource database, TimeProvider clock, ILogger<ApiKeyCache> log) : BackgroundService
{
    public static readonly TimeSpan RefreshEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RefreshForStrangersAtMostEvery = TimeSpan.FromMilliseconds(250);
    private static readonly Duration WriteLastUsedEvery = Duration.FromMinutes(1);
    private const int MaxKnownAbsent = 10_000;

    private readonly SemaphoreSlim _oneRefresh = new(1);
    private readonly Lock _gate = new();
    private Task<bool>? _nextRefresh;
    private long? _lastBegan;
    private bool _failing;

    private volatile FrozenDictionary<string, KnownKey> _keys = FrozenDictionary<string, KnownKey>.Empty;
    private volatile ConcurrentDictionary<string, byte> _absent = new(StringComparer.Ordinal);

    /// <summary>Recognises a key. Waits only for a key that is not known yet.</summary>
    public ValueTask<KeyCheck> CheckAsync(ReadOnlySpan<char> text, CancellationToken cancellationToken)
    {
        if (!ApiKeyText.TryParse(text, out var prefix, out var hash)) return new(KeyCheck.Refused);
        if (_keys.TryGetValue(prefix, out var known)) return new(Compare(known, hash));
        return _absent.ContainsKey(prefix) ? new(KeyCheck.Refused) : LookAgainAsync(prefix, hash, cancellationToken);
    }

    /// <summary>Whether the key that a session began with is still good. Waits only for a key that is not known (yet).</summary>
    public async ValueTask<KeyCheck> CheckAsync(Guid id, CancellationToken cancellationToken)
    {
        if (Find() is { } known) return known;
        var read = await RefreshAsync(RefreshForStrangersAtMostEvery).WaitAsync(cancellationToken);
        return Find() ?? (read ? KeyCheck.Refused : KeyCheck.Unchecked);

        KeyCheck? Find()
        {
            var now = clock.GetCurrentInstant();
            foreach (var key in _keys.Values)
            {
                if (key.Id != id || key.ExpiresAt <= now) continue; // after a rotation two have this id
                key.Use.At(now);
                return key.Accepted;
            }

            return null;
        }
    }

    /// <summary>Completes when a reading that began after this call is done. False: the database could not be read, what was known stays.</summary>
    public Task<bool> RefreshAsync() => RefreshAsync(TimeSpan.Zero);

    private Task<bool> RefreshAsync(TimeSpan atMostEvery)
    {
        lock (_gate) return _nextRefresh ??= Task.Run(() => RefreshOnceAsync(atMostEvery));
    }

    private KeyCheck Compare(KnownKey known, byte[] hash)
    {
        var now = clock.GetCurrentInstant();
        if (!CryptographicOperations.FixedTimeEquals(known.Hash, hash) || known.ExpiresAt <= now) return KeyCheck.Refused;
        known.Use.At(now);
        return known.Accepted;
    }

    private async ValueTask<KeyCheck> LookAgainAsync(string prefix, byte[] hash, CancellationToken cancellationToken)
    {
        var read = await RefreshAsync(RefreshForStrangersAtMostEvery).WaitAsync(cancellationToken);
        if (_keys.TryGetValue(prefix, out var known)) return Compare(known, hash);

        // "Unknown" can only be said by somebody who looked. Alertmanager drops a webhook answered 401 and repeats one answered 503.
        if (!read) return KeyCheck.Unchecked;
        var absent = _absent;
        if (absent.Count < MaxKnownAbsent) absent.TryAdd(prefix, 0);
        return KeyCheck.Refused;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RefreshEvery, clock);
        do
        {
            if (await RefreshAsync()) await WriteLastUsedAsync(stoppingToken);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<bool> RefreshOnceAsync(TimeSpan atMostEvery)
    {
        await _oneRefresh.WaitAsync();
        try
        {
            // By the machine's own clock: this spares the database and is no matter of what time it is to the engine.
            if (_lastBegan is { } last && atMostEvery - TimeProvider.System.GetElapsedTime(last) is var wait && wait > TimeSpan.Zero) await Task.Delay(wait, TimeProvider.System);

            // From here on a new caller must wait for the reading after this one: this one may miss what that caller just saved.
            lock (_gate) _nextRefresh = null;
            _lastBegan = TimeProvider.System.GetTimestamp();
            return await ReadAsync();
        }
        finally
        {
            _oneRefresh.Release();
        }
    }

    private async Task<bool> ReadAsync()
    {
        try
        {
            var now = clock.GetCurrentInstant();
            var before = _keys;
            var keys = new Dictionary<string, KnownKey>(StringComparer.Ordinal);
            await using var command = database.CreateCommand("""
                select id, name, prefix, hash, scopes, source, expires_at, team from api_keys where revoked_at is null and (expires_at is null or expires_at > $1)
                union all
                select id, name, previous_prefix, previous_hash, scopes, source, least(expires_at, previous_until), team from api_keys where revoked_at is null and (expires_at is null or expires_at > $1) and previous_until > $1
                """);
            command.Parameters.Add(Sql.P(now));
            await using (var reader = await command.ExecuteReaderAsync())
            {
                while (await reader.ReadAsync())
                {
                    var prefix = reader.GetString(2);
                    keys[prefix] = KnownKey.Of(
                        reader.GetGuid(0), reader.GetString(1), reader.GetFieldValue<byte[]>(3), reader.GetFieldValue<string[]>(4), reader.IsDBNull(5) ? null : reader.GetString(5),
                        reader.IsDBNull(6) ? null : reader.GetFieldValue<Instant>(6), reader.IsDBNull(7) ? null : reader.GetString(7), before.GetValueOrDefault(prefix)?.Use);
                }
            }

            _keys = keys.ToFrozenDictionary(StringComparer.Ordinal);
            _absent = new ConcurrentDictionary<string, byte>(StringComparer.Ordinal);
            if (_failing) LogReadAgain(keys.Count);
            _failing = false;
            return true;
        }
        catch (Exception e) when (DatabaseTrouble.Find(e) is not null)
        {
            if (!_failing) LogNotRead(_keys.Count, e);
            _failing = true;
            return false;
        }
    }

    internal async Task WriteLastUsedAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var key in _keys.Values)
            {
                if (!key.Use.IsDue(WriteLastUsedEvery, out var at)) continue;
                await using var command = database.CreateCommand("update api_keys set last_used_at = $1 where id = $2 and (last_used_at is null or last_used_at < $1)");
                command.Parameters.Add(Sql.P(at));
                command.Parameters.Add(Sql.P(key.Id));
                await command.ExecuteNonQueryAsync(cancellationToken);
                key.Use.WrittenAt(at);
            }
        }
        catch (Exception e) when (DatabaseTrouble.Find(e) is not null || (e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            // Kept in memory and written at a later round; the refresh says when the database is away.
        }
    }

    public override void Dispose()
    {
        _oneRefresh.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "API keys could not be read; the {Count} known ones stay valid")]
    private partial void LogNotRead(int count, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "API keys were read again; {Count} are valid")]
    private partial void LogReadAgain(int count);

    private sealed record KnownKey(Guid Id, byte[] Hash, Instant? ExpiresAt, KeyCheck Accepted, LastUse Use)
    {
        public static KnownKey Of(Guid id, string name, byte[] hash, string[] scopes, string? source, Instant? expiresAt, string? team, LastUse? use)
        {
            List<Claim> claims = [new(ApiClaims.Name, name), new(ApiClaims.KeyId, id.ToString()), .. scopes.Select(s => new Claim(ApiClaims.Scope, s))];
            if (team is not null) claims.Add(new(ApiClaims.Team, team));
            if (source is not null) claims.Add(new(ApiClaims.Source, source));
            var user = new ClaimsPrincipal(new ClaimsIdentity(claims, AuthSchemes.ApiKey));
            return new(id, hash, expiresAt, new KeyCheck(AuthenticateResult.Success(new AuthenticationTicket(user, AuthSchemes.ApiKey)), IsUnchecked: false), use ?? new LastUse());
        }
    }

    private sealed class LastUse
    {
        private long _usedAt;
        private long _writtenAt;

        public void At(Instant now) => Volatile.Write(ref _usedAt, now.ToUnixTimeMilliseconds());

        public bool IsDue(Duration every, out Instant at)
        {
            var used = Volatile.Read(ref _usedAt);
            at = Instant.FromUnixTimeMilliseconds(used);
            return used > _writtenAt && (_writtenAt == 0 || used - _writtenAt >= (long)every.TotalMilliseconds);
        }

        public void WrittenAt(Instant at) => _writtenAt = at.ToUnixTimeMilliseconds();
    }
}

/// <summary>What checking a key came to. <paramref name="IsUnchecked"/>: nobody could look, because the database is away.</summary>
internal sealed record KeyCheck(AuthenticateResult Result, bool IsUnchecked)
{
    public static readonly KeyCheck Refused = new(AuthenticateResult.Fail("The API key is unknown, expired or revoked."), false);
    public static readonly KeyCheck Unchecked = new(AuthenticateResult.Fail("The API key could not be checked."), true);
}
