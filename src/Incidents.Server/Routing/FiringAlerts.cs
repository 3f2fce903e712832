using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>An alert that fires now.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Alert name and the most telling label.</param>
/// <param name="Fingerprint">As Alertmanager knows it.</param>
/// <param name="Severity">critical, warning or info.</param>
/// <param name="Incident">Number of its incident; null while it has none.</param>
/// <param name="MutedRule">The rule that mutes it.</param>
/// <param name="Since">When it began.</param>
/// <param name="Labels">Its labels.</param>
internal sealed record FiringNow(long Id, string Name, string Fingerprint, string Severity, long? Incident, string? MutedRule, Instant Since, Labels Labels);

/// <summary>What fires now and meets conditions, whatever became of it. The database finds those that meet every plain equality; the rest is decided here.</summary>
internal sealed class FiringAlerts(NpgsqlDataSource database)
{
    /// <summary>Every firing alert that meets any of the conditions, in no order. Repeats of one alert count once.</summary>
    public async Task<IReadOnlyList<FiringNow>> MatchingAsync(IReadOnlyCollection<ImmutableArray<Matcher>> conditions, CancellationToken cancellationToken)
    {
        var found = new List<FiringNow>();
        if (conditions.Count == 0) return found;
        await using var command = database.CreateCommand("""
            select id, name, fingerprint, severity, incident_number, muted_rule, starts_at, labels::text from alerts where settle_at is not null and status = 'firing' and outcome <> 'duplicate' and labels @> any ($1::jsonb[])
            """);
        command.Parameters.Add(Sql.P(conditions.Select(Containment).Distinct(StringComparer.Ordinal).ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var labels = AlertJson.Read(reader.GetString(7));
            if (!conditions.Any(c => c.All(m => m.Matches(labels)))) continue;
            found.Add(new FiringNow(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetInt64(4), reader.IsDBNull(5) ? null : reader.GetString(5), reader.GetFieldValue<Instant>(6), labels));
        }

        return found;
    }

    /// <summary>The plain equalities among conditions as JSON that labels must contain; every label set contains <c>{}</c>.</summary>
    public static string Containment(ImmutableArray<Matcher> conditions) =>
        AlertJson.Write(Labels.From(conditions.Where(m => m.Operator == "=" && m.Value.Length > 0).Select(m => KeyValuePair.Create(m.Name, m.Value))));
}
