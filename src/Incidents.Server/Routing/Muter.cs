using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>An alert that fires, asked about.</summary>
/// <param name="AlertId">Which.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="Decision">What routing says now; null for one that belongs to an incident already: time intervals and waits are not for it.</param>
/// <param name="MutedSince">Since when something has muted it; null when nothing does.</param>
/// <param name="Team">The team that it, or its incident, belongs to; null: none.</param>
internal readonly record struct MuteCandidate(long AlertId, Labels Labels, RoutingDecision? Decision, Instant? MutedSince, string? Team);

/// <summary>
/// What keeps alerts from paging, in this order: time intervals of their route, silences and maintenance windows, inhibition and dependencies, the wait of their route.
/// The database is asked only when an alert matches the target of an inhibition rule.
/// </summary>
internal sealed class Muter(ActiveSilences silences)
{
    /// <param name="connection">Of the caller's transaction.</param>
    /// <param name="configuration">In force.</param>
    /// <param name="candidates">Alerts.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="sources">Alerts that begin to fire in the caller's transaction and hide others; their rows are not written yet.</param>
    /// <param name="ended">Alerts that end in the caller's transaction.</param>
    /// <returns>For each candidate what mutes it, or null.</returns>
    public async ValueTask<Muting?[]> FindAsync(
        NpgsqlConnection connection, EngineConfiguration configuration, IReadOnlyList<MuteCandidate> candidates, Instant now, CancellationToken cancellationToken,
        IReadOnlyCollection<FiringSource>? sources = null, IReadOnlySet<long>? ended = null)
    {
        var found = new Muting?[candidates.Count];
        if (candidates.Count == 0) return found;
        var rules = await silences.GetAsync(connection, now, cancellationToken);
        for (var i = 0; i < found.Length; i++)
        {
            found[i] = candidates[i].Decision is { MutedBy: { } words, MutedRule: { } rule } ? new Muting(rule, words, null) : BySilence(rules, candidates[i], now);
        }

        if (!configuration.Inhibitions.IsEmpty) await InhibitAsync(connection, configuration.Inhibitions, candidates, found, sources ?? [], ended, cancellationToken);
        for (var i = 0; i < found.Length; i++) found[i] ??= ByWait(candidates[i], now);
        return found;
    }

    /// <summary>The one that lasts longest speaks, so that what it says of the end is true.</summary>
    private static Muting? BySilence(IReadOnlyList<Silence> rules, MuteCandidate candidate, Instant now)
    {
        Silence? longest = null;
        foreach (var silence in rules)
        {
            if (!silence.HoldsAt(now) || !silence.Hides(candidate.Labels, candidate.Team)) continue;
            if (longest is null || silence.EndsAt is null || silence.EndsAt > longest.EndsAt) longest = silence;
        }

        return longest is null ? null : new Muting(longest.Rule, longest.Describe(), longest.Windows.IsEmpty ? longest.NextLook(now) : null);
    }

    private static Muting? ByWait(MuteCandidate candidate, Instant now)
    {
        if (candidate.Decision is not { } decision || decision.NotifyAfter <= Duration.Zero) return null;
        var due = (candidate.MutedSince ?? now) + decision.NotifyAfter;
        return now < due ? new Muting($"{Muting.Pause}/{decision.RouteId}", $"the wait of {PromDuration.Format(decision.NotifyAfter)} on route \"{decision.RouteId}\", in which it may clear by itself", due) : null;
    }

    private static async Task InhibitAsync(
        NpgsqlConnection connection, ImmutableArray<InhibitionRule> rules, IReadOnlyList<MuteCandidate> candidates, Muting?[] found, IReadOnlyCollection<FiringSource> sources, IReadOnlySet<long>? ended, CancellationToken cancellationToken)
    {
        var targets = new List<(int Candidate, InhibitionRule Rule, Guid RuleId, Guid EqualId)>();
        for (var i = 0; i < found.Length; i++)
        {
            if (found[i] is not null) continue;
            foreach (var rule in rules)
            {
                if (rule.IsTarget(candidates[i].Labels)) targets.Add((i, rule, IdOf(rule), IdOf(rule.EqualKey(candidates[i].Labels))));
            }
        }

        if (targets.Count == 0) return;
        var firing = sources.ToList();
        var keys = targets.Select(t => (t.RuleId, t.EqualId)).Distinct().ToList();
        await using (var command = new NpgsqlCommand("""
            select s.rule_id, s.equal_id, s.is_target, s.alert_id, a.name from unnest($1::uuid[], $2::uuid[]) k(rule_id, equal_id)
              cross join lateral (select * from inhibition_sources i where i.rule_id = k.rule_id and i.equal_id = k.equal_id order by i.alert_id) s
              join alerts a on a.id = s.alert_id and a.status = 'firing'
            """, connection))
        {
            command.Parameters.Add(Sql.Column(keys, k => k.RuleId));
            command.Parameters.Add(Sql.Column(keys, k => k.EqualId));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var alert = reader.GetInt64(3);
                if (ended?.Contains(alert) != true) firing.Add(new FiringSource(reader.GetGuid(0), reader.GetGuid(1), alert, reader.GetBoolean(2), reader.GetString(4)));
            }
        }

        var byKey = firing.ToLookup(f => (f.RuleId, f.EqualId));
        foreach (var (candidate, rule, ruleId, equalId) in targets)
        {
            if (found[candidate] is not null) continue;
            var (labels, id) = (candidates[candidate].Labels, candidates[candidate].AlertId);
            var isSource = rule.IsSource(labels);
            var by = byKey[(ruleId, equalId)].FirstOrDefault(f => f.AlertId != id && InhibitionRule.Inhibits(f.IsTarget, isSource));
            if (by is not null) found[candidate] = new Muting(rule.Rule, rule.Describe(by.Name), null);
        }
    }

    public static Guid IdOf(InhibitionRule rule) => IdOf($"{rule.Rule}\u001f{rule.Text}");

    /// <summary>Everything that an alert hides while it fires.</summary>
    public static IEnumerable<FiringSource> SourcesOf(ImmutableArray<InhibitionRule> rules, long alert, string name, Labels labels)
    {
        foreach (var rule in rules)
        {
            if (rule.IsSource(labels)) yield return new FiringSource(IdOf(rule), IdOf(rule.EqualKey(labels)), alert, rule.IsTarget(labels), name);
        }
    }

    public static void Write(NpgsqlBatch writes, IReadOnlyList<FiringSource> sources)
    {
        if (sources.Count > 0)
            writes.Add("insert into inhibition_sources (rule_id, equal_id, alert_id, is_target) select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bool[]) on conflict do nothing",
                Sql.Column(sources, s => s.RuleId), Sql.Column(sources, s => s.EqualId), Sql.Column(sources, s => s.AlertId), Sql.Column(sources, s => s.IsTarget));
    }

    private static Guid IdOf(string text) => new(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16), bigEndian: true);
}

/// <summary>An alert that hides others by one rule.</summary>
internal sealed record FiringSource(Guid RuleId, Guid EqualId, long AlertId, bool IsTarget, string Name);
