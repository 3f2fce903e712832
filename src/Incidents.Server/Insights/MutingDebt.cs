using System.Globalization;
using System.Text.Json.Serialization;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Insights;

/// <summary>Everything that keeps people from being paged, and what it costs: the account of quiet.</summary>
/// <param name="At">When it was drawn up.</param>
/// <param name="HiddenNow">Firing alerts that pages are kept from, each once.</param>
/// <param name="Items">A line a rule, those that hide most first.</param>
/// <param name="Suggestions">Routes on which a short wait (<c>notify_after</c>) would have spared pages that were over by themselves.</param>
internal sealed record MutingDebtShown(Instant At, long HiddenNow, IReadOnlyList<MutingRuleShown> Items, IReadOnlyList<WaitSuggestion> Suggestions);

internal sealed record MutingRuleShown
{
    /// <summary>Kind and name: <c>silence/12</c>, <c>maintenance/3</c>, <c>interval/nights</c>, <c>inhibition/cluster-down</c>, <c>dependency/checkout</c>, <c>pause/payments</c>, <c>flapping/incidents</c>, <c>storm/142</c>.</summary>
    public required string Rule { get; init; }

    public required string Kind { get; init; }

    /// <summary>In words.</summary>
    public required string Description { get; init; }

    /// <summary>Firing alerts it hides now; for flapping and storms, incidents.</summary>
    public required long HidesNow { get; init; }

    /// <summary>Those of them that would page without it.</summary>
    public required long WouldPageNow { get; init; }

    /// <summary>Open incidents that are quiet by it.</summary>
    public required long QuietIncidents { get; init; }

    /// <summary>Since when it has hidden something without a break; null when it hides nothing.</summary>
    public Instant? Since { get; init; }

    /// <summary>How often it hid an alert, or a whole incident, in the last 30 days; null when that is not counted.</summary>
    [JsonPropertyName("hits_30d")]
    public long? Hits30Days { get; init; }

    /// <summary>Those of them that would have paged.</summary>
    [JsonPropertyName("would_have_paged_30d")]
    public long? WouldHavePaged30Days { get; init; }

    /// <summary>Those of them that ended before the rule did: nobody was ever told.</summary>
    [JsonPropertyName("ended_unseen_30d")]
    public long? EndedUnseen30Days { get; init; }

    public Instant? LastHitAt { get; init; }

    /// <summary>When it ends by itself; null when it does not.</summary>
    public Instant? EndsAt { get; init; }

    /// <summary>True when it hides nothing and has hidden nothing for 30 days: remove it before it hides something nobody thinks of.</summary>
    public required bool IsStale { get; init; }
}

/// <param name="Route">Name or place of the route.</param>
/// <param name="Incidents">Its incidents of the last 30 days.</param>
/// <param name="OverWithinTwoMinutes">Those that ended by themselves within two minutes, untouched.</param>
internal sealed record WaitSuggestion(string Route, long Incidents, long OverWithinTwoMinutes);

internal sealed record DrawUpMutingDebt : IQuery<MutingDebtShown>;

internal sealed class DrawUpMutingDebtHandler(NpgsqlDataSource database, ISender sender, IActiveConfiguration configuration, TimeProvider clock) : IQueryHandler<DrawUpMutingDebt, MutingDebtShown>
{
    private static readonly Duration Period = Duration.FromDays(30);

    /// <summary>A silence younger than this has had no chance yet.</summary>
    private static readonly Duration Chance = Duration.FromDays(7);

    public async ValueTask<MutingDebtShown> Handle(DrawUpMutingDebt query, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var counts = await CountAsync(now, cancellationToken);
        var silences = new List<SilenceShown>();
        for (long? before = null; ;)
        {
            var page = await sender.Send(new ListSilences(null, false, before, 200), cancellationToken);
            silences.AddRange(page);
            if (page.Count < 200) break;
            before = long.Parse(page[^1].Id, CultureInfo.InvariantCulture);
        }

        var items = silences.ConvertAll(s => OfSilence(s, counts, now));
        items.AddRange((await sender.Send(new ListUpstreamSilences(), cancellationToken)).Select(OfUpstream));
        items.AddRange(Configured(configuration.Current).Select(r => Of(r.Rule, r.Description, counts, mayBeStale: true)));
        foreach (var rule in counts.Now.Keys.Concat(counts.Quiet.Keys).Where(r => items.All(i => i.Rule != r)).Distinct(StringComparer.Ordinal).ToList())
            items.Add(Of(rule, "It is configured no more; what it hides is released at the next look.", counts, mayBeStale: false));
        if (counts.Flapping > 0 || configuration.Current.Incidents.Flapping is not null) items.Add(Simple("flapping/incidents", "Incidents that come and go, held open.", counts.Flapping));
        items.AddRange(counts.Storms.Select(s => Simple(string.Create(CultureInfo.InvariantCulture, $"storm/{s.Number}"), string.Create(CultureInfo.InvariantCulture, $"INC-{s.Number} speaks for incidents that opened in a storm."), s.Incidents)));
        return new MutingDebtShown(now, counts.Hidden, [.. items.OrderByDescending(i => i.HidesNow).ThenByDescending(i => i.Hits30Days).ThenBy(i => i.Rule, StringComparer.Ordinal)], counts.Suggestions);
    }

    private static MutingRuleShown OfSilence(SilenceShown silence, Counts counts, Instant now)
    {
        var rule = $"{silence.Kind}/{silence.Id}";
        var counted = Of(rule, $"{string.Join(", ", silence.Matchers)} by {silence.Owner}: {silence.Reason}", counts, mayBeStale: now - silence.CreatedAt >= Chance);

        // Counted as Alertmanager counts: each silence for all that it matches, also where another rule was first.
        return counted with { HidesNow = silence.Hides.Alerts, WouldPageNow = silence.Hides.WouldPage, EndsAt = silence.EndsAt, IsStale = counted.IsStale && silence.Hides.Alerts == 0 };
    }

    private static MutingRuleShown OfUpstream(SilenceShown silence) => new()
    {
        Rule = $"alertmanager/{silence.Id}",
        Kind = "alertmanager",
        Description = $"{string.Join(", ", silence.Matchers)} by {silence.Owner} in Alertmanager: {silence.Reason}",
        HidesNow = silence.Hides.Alerts,
        WouldPageNow = 0,
        QuietIncidents = 0,
        EndsAt = silence.EndsAt,
        IsStale = false,
    };

    private static MutingRuleShown Of(string rule, string description, Counts counts, bool mayBeStale)
    {
        var here = counts.Now.GetValueOrDefault(rule);
        var (quiet, quietSince) = counts.Quiet.GetValueOrDefault(rule);
        var hits = counts.Hits.GetValueOrDefault(rule) ?? new Hits(0, 0, 0, null);
        return new MutingRuleShown
        {
            Rule = rule,
            Kind = Muting.KindOf(rule),
            Description = description,
            HidesNow = (here?.Alerts ?? 0) + counts.AlertsOfQuiet.GetValueOrDefault(rule),
            WouldPageNow = (here?.WouldPage ?? 0) + counts.AlertsOfQuiet.GetValueOrDefault(rule),
            QuietIncidents = quiet,
            Since = here?.Since is { } since ? quietSince is { } other && quiet > 0 ? Instant.Min(since, other) : since : quietSince,
            Hits30Days = hits.All,
            WouldHavePaged30Days = hits.WouldPage,
            EndedUnseen30Days = hits.Ended,
            LastHitAt = hits.Last,
            IsStale = mayBeStale && here is null && quiet == 0 && hits.All == 0,
        };
    }

    private static MutingRuleShown Simple(string rule, string description, long incidents) => new()
    {
        Rule = rule, Kind = Muting.KindOf(rule), Description = description, HidesNow = incidents, WouldPageNow = incidents, QuietIncidents = incidents, IsStale = false,
    };

    /// <summary>What routing.yaml says that may hide.</summary>
    private static IEnumerable<(string Rule, string Description)> Configured(EngineConfiguration current)
    {
        foreach (var inhibition in current.Inhibitions)
            yield return (inhibition.Rule, $"{string.Join(", ", inhibition.TargetMatchers)} while {string.Join(", ", inhibition.SourceMatchers)} fires{(inhibition.Equal.IsEmpty ? "" : $", for the same {string.Join(", ", inhibition.Equal)}")}");

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var route in Routes(current.Routing.Describe()))
        {
            foreach (var interval in route.MuteTimeIntervals.Where(i => seen.Add($"{Muting.Interval}/{i}"))) yield return ($"{Muting.Interval}/{interval}", $"Time interval {interval}, in which route {route.Id} is muted.");
            var active = $"{Muting.Interval}/{string.Join(',', route.ActiveTimeIntervals)}";
            if (!route.ActiveTimeIntervals.IsEmpty && seen.Add(active)) yield return (active, $"Outside of {string.Join(", ", route.ActiveTimeIntervals)}, when route {route.Id} is muted.");
            var waits = Severity.All.Where(s => route.NotifyAfter[s] > Duration.Zero).Select(s => $"{s} {PromDuration.Format(route.NotifyAfter[s])}").ToList();
            if (waits.Count > 0) yield return ($"{Muting.Pause}/{route.Id}", $"The wait of route {route.Id}: {string.Join(", ", waits)}.");
        }

        static IEnumerable<RouteSummary> Routes(RouteSummary route) => route.Routes.SelectMany(Routes).Prepend(route);
    }

    private async Task<Counts> CountAsync(Instant now, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("""
            select a.muted_rule, count(*), count(*) filter (where exists (select 1 from mutings m where m.alert_id = a.id and m.ended_at is null and m.would_page)), min(a.muted_since)
            from alerts a where a.status = 'firing' and a.outcome = 'suppressed' and a.muted_rule is not null group by 1
            """);
        batch.Add("""
            select i.quiet_rule, count(*), min(i.quiet_since), sum(i.firing_alerts) from incidents i where i.quiet_rule is not null and i.state in ('triggered', 'acknowledged') group by 1
            """);
        batch.Add("select rule, count(*), count(*) filter (where would_page), count(*) filter (where how = 'resolved'), max(began_at) from mutings where began_at >= $1 group by rule", Sql.P(now - Period));
        batch.Add("select count(*) from incidents where settle_flapping_at is not null");
        batch.Add("select s.incident_number, (select count(*) from incidents i where i.storm_number = s.incident_number) from storms s where s.ended_at is null");

        // Ten are needed for a share to mean anything; a route that half of all is over on by itself is worth a wait.
        batch.Add("""
            select route, count(*), count(*) filter (where resolved_by_alerts and acknowledged_at is null and resolved_at - opened_at < interval '2 minutes') as brief
            from (select split_part(group_key, '{', 1) as route, resolved_by_alerts, acknowledged_at, resolved_at, opened_at from incidents where opened_at >= $1 and not about_engine and group_key not like 'manual/%') i
            group by 1 having count(*) >= 10 and count(*) filter (where resolved_by_alerts and acknowledged_at is null and resolved_at - opened_at < interval '2 minutes') * 2 >= count(*) order by brief desc limit 20
            """, Sql.P(now - Period));

        var counts = new Counts();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) counts.Now[reader.GetString(0)] = new Here(reader.GetInt64(1), reader.GetInt64(2), reader.IsDBNull(3) ? null : reader.GetFieldValue<Instant>(3));
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            counts.Quiet[reader.GetString(0)] = (reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetFieldValue<Instant>(2));
            counts.AlertsOfQuiet[reader.GetString(0)] = reader.GetInt64(3);
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) counts.Hits[reader.GetString(0)] = new Hits(reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetFieldValue<Instant>(4));
        await reader.NextResultAsync(cancellationToken);
        if (await reader.ReadAsync(cancellationToken)) counts.Flapping = reader.GetInt64(0);
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) counts.Storms.Add((reader.GetInt64(0), reader.GetInt64(1)));
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) counts.Suggestions.Add(new WaitSuggestion(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2)));
        return counts;
    }

    private sealed record Here(long Alerts, long WouldPage, Instant? Since);

    private sealed record Hits(long All, long WouldPage, long Ended, Instant? Last);

    private sealed class Counts
    {
        public Dictionary<string, Here> Now { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, (long Incidents, Instant? Since)> Quiet { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, long> AlertsOfQuiet { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, Hits> Hits { get; } = new(StringComparer.Ordinal);

        public List<(long Number, long Incidents)> Storms { get; } = [];

        public List<WaitSuggestion> Suggestions { get; } = [];

        public long Flapping { get; set; }

        public long Hidden => Now.Values.Sum(n => n.Alerts) + AlertsOfQuiet.Values.Sum();
    }
}

internal static class MutingDebtEndpoints
{
    public static void MapMutingDebt(this WebApplication app) => app.MapGet("/api/v1/muting-debt", async (ISender sender, CancellationToken stop) => TypedResults.Ok(await sender.Send(new DrawUpMutingDebt(), stop)))
        .RequireAuthorization(Scopes.Read).WithTags("Silences").WithName("GetMutingDebt").WithSummary("What each rule hides right now, and what it would have paged")
        .WithDescription("Silences, maintenance windows, time intervals, inhibition rules, dependencies, waits, flapping incidents and storms. Rules that hide nothing and have hidden nothing for 30 days are stale.");
}
