using Incidents.Domain.Alerts;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Silences that held in Alertmanager, too, and ended a moment ago: of what they hid, some may be over without anybody having said so (<see cref="SettleRules.IsBeingAsked"/>).
/// </summary>
internal sealed class MirroredEnds(MirrorPolicy policy)
{
    private static readonly IReadOnlyDictionary<string, Instant> None = new Dictionary<string, Instant>(StringComparer.Ordinal);

    /// <summary>When each ended, by its rule. Without mirroring there are none and nothing is read.</summary>
    public async Task<IReadOnlyDictionary<string, Instant>> ReadAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        if (!policy.IsOn) return None;
        await using var command = new NpgsqlCommand("select kind || '/' || id, least(ended_at, ends_at) from silences where upstream_id is not null and least(ended_at, ends_at) between $1 and $2", connection);
        command.Parameters.Add(Sql.P(now - SettleRules.LongestAsking));
        command.Parameters.Add(Sql.P(now));
        var ends = new Dictionary<string, Instant>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) ends[reader.GetString(0)] = reader.GetFieldValue<Instant>(1);
        return ends;
    }
}
