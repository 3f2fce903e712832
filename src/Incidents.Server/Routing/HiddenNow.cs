using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Routing;

/// <param name="Alerts">Firing alerts that match it while it holds.</param>
/// <param name="WouldPage">How many of them would page without it.</param>
/// <param name="Incidents">Open incidents that are quiet by it.</param>
internal sealed record HiddenByRule(IReadOnlyList<FiringNow> Alerts, int WouldPage, int Incidents);

/// <summary>What silences and maintenance windows hide at this moment, counted as Alertmanager counts: an alert that several of them match counts for each.</summary>
internal sealed class HiddenNow(FiringAlerts firing, NpgsqlDataSource database, IActiveConfiguration configuration)
{
    public async Task<IReadOnlyList<HiddenByRule>> CountAsync(IReadOnlyList<Silence> rules, Instant now, CancellationToken cancellationToken)
    {
        var holding = rules.Where(r => r.HoldsAt(now)).ToList();
        var alerts = await firing.MatchingAsync([.. holding.Select(r => r.Matchers)], cancellationToken);
        var quiet = await QuietAsync(holding, cancellationToken);
        var routing = configuration.Current.Routing;
        var pages = alerts.Where(a => routing.Match(a.Labels, now) is { OpensIncident: true, MutedBy: null }).Select(a => a.Id).ToHashSet();
        var teams = holding.TrueForAll(r => r.Team is null) ? [] : alerts.ToDictionary(a => a.Id, a => a.TeamBy(routing, now));
        return [.. rules.Select(rule =>
        {
            if (!rule.HoldsAt(now)) return new HiddenByRule([], 0, 0);
            var hidden = alerts.Where(a => rule.Hides(a.Labels, teams.GetValueOrDefault(a.Id))).ToList();
            return new HiddenByRule(hidden, hidden.Count(a => pages.Contains(a.Id)), quiet.GetValueOrDefault(rule.Rule));
        })];
    }

    private async Task<Dictionary<string, int>> QuietAsync(List<Silence> rules, CancellationToken cancellationToken)
    {
        var quiet = new Dictionary<string, int>(StringComparer.Ordinal);
        if (rules.Count == 0) return quiet;
        await using var command = database.CreateCommand("select quiet_rule, count(*)::int from incidents where quiet_rule = any($1) and quiet_rule is not null and state in ('triggered', 'acknowledged') group by quiet_rule");
        command.Parameters.Add(Sql.P(rules.Select(r => r.Rule).ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) quiet[reader.GetString(0)] = reader.GetInt32(1);
        return quiet;
    }
}
