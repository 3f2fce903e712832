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
/// <param name="IncidentTeam">The team of its incident.</param>
internal sealed record FiringNow(long Id, string Name, string Fingerprint, string Severity, long? Incident, string? MutedRule, Instant Since, Labels Labels, string? IncidentTeam)
{
    /// <summary>The team it belongs to: its incident's, or what routing says now.</summary>
    public string? TeamBy(RoutingTree routing, Instant now) => Incident is null ? routing.Match(Labels, now).Team : IncidentTeam;
}

/// <summary>What fires now and meets conditions, whatever became of it. The database finds those that meet every plain equality; the rest is decided here.</summary>
internal sealed class FiringAlerts(NpgsqlDataSource database)
{
    /// <summary>Every firing alert that meets any of the conditions, in no order. Repeats of one alert count once.</summary>
    public async Task<IReadOnlyList<FiringNow>> MatchingAsync(IReadOnlyCollection<ImmutableArray<Matcher>> conditions, CancellationToken cancellationToken)
    {
        var found = new List<FiringNow>();
        if (conditions.Count == 0) return found;
        await using var command = database.CreateCommand("""
            select a.id, a.name, a.fingerprint, a.severity, a.incident_number, a.muted_rule, a.starts_at, a.labels::text, i.team from alerts a left join incidents i on i.number = a.incident_number
            where a.settle_at is not null and a.status = 'firing' and a.outcome <> 'duplicate' and a.labels @> any ($1::jsonb[])
            """);
        command.Parameters.Add(Sql.P(conditions.Select(Containment).Distinct(StringComparer.Ordinal).ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var labels = AlertJson.Read(reader.GetString(7));
            if (!conditions.Any(c => c.All(m => m.Matches(labels)))) continue;
            found.Add(new FiringNow(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetInt64(4), reader.IsDBNull(5) ? null : reader.GetString(5), reader.GetFieldValue<Instant>(6), labels, reader.IsDBNull(8) ? null : reader.GetString(8)));
        }

        return found;
    }

    /// <summary>The plain equalities among conditions as JSON that labels must contain; every label set contains <c>{}</c>.</summary>
    public static string Containment(ImmutableArray<Matcher> conditions) =>
        AlertJson.Write(Labels.From(conditions.Where(m => m.Operator == "=" && m.Value.Length > 0).Select(m => KeyValuePair.Create(m.Name, m.Value))));
}
