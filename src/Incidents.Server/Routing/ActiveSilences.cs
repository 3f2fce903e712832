using Incidents.Domain.Routing;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>
/// The silences and maintenance windows that hold or will hold, in memory, so that no webhook asks the database for them. Read again every second and right after a change made here;
/// what another replica changed less than that ago is made good by the look at everything hidden (docs/decisions/silences.md).
/// </summary>
internal sealed class ActiveSilences : IDisposable
{
    private readonly SemaphoreSlim _oneReader = new(1);
    private volatile Reading? _reading;

    /// <summary>What was read last; reads when nothing was yet.</summary>
    public async ValueTask<IReadOnlyList<Silence>> GetAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken) =>
        (_reading ?? await ReadAsync(connection, now, cancellationToken)).Silences;

    /// <summary>Other whenever what was read is other than before.</summary>
    public long Version => _reading?.Version ?? 0;

    public Task RefreshAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken) => ReadAsync(connection, now, cancellationToken);

    public void Dispose() => _oneReader.Dispose();

    /// <summary>One after the other: what is in memory was always read last, and whoever waited reads for themselves.</summary>
    private async Task<Reading> ReadAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        await _oneReader.WaitAsync(cancellationToken);
        try
        {
            return _reading = await ReadNextAsync(connection, now, cancellationToken);
        }
        finally
        {
            _oneReader.Release();
        }
    }

    private async Task<Reading> ReadNextAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        var before = _reading;
        var silences = new List<Silence>();
        var revisions = new List<(long, long)>();
        await using var command = new NpgsqlCommand("select id, revision, kind, matchers, owner, reason, starts_at, ends_at, windows, team from silences where ended_at is null and (ends_at is null or ends_at > $1) order by id", connection);
        command.Parameters.Add(Sql.P(now));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var key = (reader.GetInt64(0), reader.GetInt64(1));
            revisions.Add(key);
            var known = before?.Revisions.IndexOf(key) ?? -1;
            silences.Add(known >= 0 ? before!.Silences[known] : Rule(reader));
        }

        var version = before is null ? 1 : before.Revisions.SequenceEqual(revisions) ? before.Version : before.Version + 1;
        return new Reading(silences, revisions, version);
    }

    private static Silence Rule(NpgsqlDataReader reader) => new SilenceRow
    {
        Id = reader.GetInt64(0),
        Kind = reader.GetString(2),
        Matchers = reader.GetFieldValue<string[]>(3),
        Owner = reader.GetString(4),
        Reason = reader.GetString(5),
        StartsAt = reader.GetFieldValue<Instant>(6),
        EndsAt = reader.IsDBNull(7) ? null : reader.GetFieldValue<Instant>(7),
        Windows = reader.IsDBNull(8) ? null : reader.GetString(8),
        Team = reader.IsDBNull(9) ? null : reader.GetString(9),
    }.ToRule();

    private sealed record Reading(List<Silence> Silences, List<(long Id, long Revision)> Revisions, long Version);
}
