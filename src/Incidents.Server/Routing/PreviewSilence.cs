using System.Collections.Immutable;
using FluentValidation;
using Incidents.Domain.Access;
using Severity = Incidents.Domain.Routing.Severity;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>What a silence with these matchers would hide if it held now.</summary>
/// <param name="Matchers">All must hold.</param>
/// <param name="Team">As in <see cref="CreateSilence"/>.</param>
internal sealed record PreviewSilence(IReadOnlyList<string>? Matchers, string? Team = null) : IQuery<PreviewShown>;

internal sealed class PreviewSilenceValidator : AbstractValidator<PreviewSilence>
{
    public PreviewSilenceValidator() => RuleFor(c => c.Matchers).MustBeMatchers();
}

/// <param name="Alerts">Alerts that fire now and would be hidden.</param>
/// <param name="WouldPage">Those of them that page today; the others only inform.</param>
/// <param name="Incidents">Open incidents of which every firing alert would be hidden: nobody would be told of them any more.</param>
/// <param name="PartlyHidden">Open incidents of which other alerts fire, too: they stay loud.</param>
/// <param name="Examples">Some of the alerts, the worst first.</param>
/// <param name="IncidentExamples">Some of the incidents.</param>
internal sealed record PreviewShown(int Alerts, int WouldPage, int Incidents, int PartlyHidden, IReadOnlyList<HiddenAlertShown> Examples, IReadOnlyList<HiddenIncidentShown> IncidentExamples);

/// <param name="MutedBy">The rule that hides it already.</param>
internal sealed record HiddenAlertShown(long Id, string Name, string Severity, Instant Since, long? Incident, string? MutedBy);

/// <param name="HiddenWhole">False: other alerts of it fire, too, and it stays loud.</param>
internal sealed record HiddenIncidentShown(long Number, string Title, string Severity, string State, bool HiddenWhole);

internal sealed class PreviewSilenceHandler(FiringAlerts firing, NpgsqlDataSource database, IActiveConfiguration configuration, IAccess access, TimeProvider clock) : IQueryHandler<PreviewSilence, PreviewShown>
{
    private const int MostExamples = 20;

    public async ValueTask<PreviewShown> Handle(PreviewSilence query, CancellationToken cancellationToken)
    {
        ImmutableArray<Matcher> matchers = MatchersRead.Of(query.Matchers, (_, _) => { });
        var (routing, now, team) = (configuration.Current.Routing, clock.GetCurrentInstant(), query.Team ?? access.TeamOf(Permission.Respond).Team);
        var alerts = (await firing.MatchingAsync([matchers], cancellationToken)).Where(a => team is null || Silence.IsAbout(team, a.TeamBy(routing, now))).ToList();
        var hidden = alerts.Where(a => a.Incident is not null).GroupBy(a => a.Incident!.Value).ToDictionary(g => g.Key, g => g.Count());
        var incidents = new List<HiddenIncidentShown>();
        await using var command = database.CreateCommand("select number, title, severity, state, firing_alerts from incidents where number = any($1) and state in ('triggered', 'acknowledged') order by number");
        command.Parameters.Add(Sql.P(hidden.Keys.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            incidents.Add(new HiddenIncidentShown(reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), hidden[reader.GetInt64(0)] >= reader.GetInt32(4)));

        return new PreviewShown(
            alerts.Count, alerts.Count(a => routing.Match(a.Labels, now) is { OpensIncident: true, MutedBy: null }), incidents.Count(i => i.HiddenWhole), incidents.Count(i => !i.HiddenWhole),
            [.. alerts.OrderByDescending(a => Severity.Rank(a.Severity)).ThenBy(a => a.Since).Take(MostExamples).Select(a => new HiddenAlertShown(a.Id, a.Name, a.Severity, a.Since, a.Incident, a.MutedRule))],
            [.. incidents.OrderByDescending(i => i.HiddenWhole).ThenByDescending(i => Severity.Rank(i.Severity)).Take(MostExamples)]);
    }
}
