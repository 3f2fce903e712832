using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Notifications;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Ui;

/// <summary>An incident in the list, with the service that its newest alert names.</summary>
public sealed record IncidentLine(Incident Incident, string? Service);

/// <summary>An alert as pages show it.</summary>
public sealed record AlertLine(
    long Id, string Name, string Severity, string Status, string Outcome, string? Reason, long? Incident, Instant ReceivedAt, string Source, string GeneratorUrl, string ConfigVersion,
    IReadOnlyList<string> Receivers, IReadOnlyList<string> Path, IReadOnlyList<KeyValuePair<string, string>> Labels, IReadOnlyList<KeyValuePair<string, string>> Annotations)
{
    internal static AlertLine Of(AlertRow row) => new(
        row.Id, row.Name, row.Severity, row.Status, row.Outcome, row.OutcomeReason, row.IncidentNumber, row.ReceivedAt, row.Source, row.GeneratorUrl, row.ConfigVersion,
        row.Receivers, row.RoutePath, Pairs(row.Labels), Pairs(row.Annotations));

    private static List<KeyValuePair<string, string>> Pairs(string json)
    {
        var labels = AlertJson.Read(json);
        return [.. Enumerable.Range(0, labels.Count).Select(i => labels[i])];
    }
}

/// <summary>Open incidents in numbers.</summary>
public sealed record StripCounts(int Critical, int Warning, int Info, int Unacknowledged, int ResolvedToday)
{
    public int Open => Critical + Warning + Info;
}

/// <summary>What the address asks for. <paramref name="State"/> is <c>open</c>, <c>all</c> or a state.</summary>
public sealed record ListFilter(string State, string Severity, string Text, bool IsFirst)
{
    /// <summary>True when every new incident belongs on top of this list.</summary>
    public bool IsPlain => State == "open" && Severity.Length == 0 && Text.Length == 0 && IsFirst;
}

/// <summary>The first page.</summary>
public sealed record Overview(
    StripCounts Counts, ListFilter Filter, IReadOnlyList<IncidentLine> Lines, IReadOnlyList<AlertLine> Alerts, string? Older, Instant? LastAlertAt, string? LastSource, string Address, Instant Now);

/// <summary>One delivery and its attempts as pages show it.</summary>
public sealed record DeliveryLine(string Id, string Receiver, string Occasion, string State, string? Detail, IReadOnlyList<AttemptLine> Attempts);

public sealed record AttemptLine(Instant At, string Result, string Detail);

/// <summary>What comes next by itself while nobody acknowledges, and when; without a time: why nothing does.</summary>
public sealed record NextLine(string What, Instant? At);

/// <summary>Everything the page of one incident shows.</summary>
public sealed record IncidentView(
    Incident Incident, string? Service, string? Value, string? Runbook, IReadOnlyList<TimelineEntry> Timeline, IReadOnlyList<DeliveryLine> Deliveries, IReadOnlyList<AlertLine> Alerts, IReadOnlyList<Incident> Similar, NextLine? Next, Instant Now);

/// <summary>Reads what pages show. Each call sees the newest committed state.</summary>
internal sealed class PageData(ISender sender, NpgsqlDataSource database, TimeProvider clock)
{
    public Instant Now => clock.GetCurrentInstant();

    public async Task<StripCounts> CountAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            select count(*) filter (where severity = 'critical'), count(*) filter (where severity = 'warning'), count(*) filter (where severity = 'info'), count(*) filter (where state = 'triggered'),
              (select count(*) from incidents where resolved_at >= $1) from incidents where state in ('triggered', 'acknowledged')
            """);
        command.Parameters.Add(Sql.P(Now.InUtc().Date.AtStartOfDayInZone(DateTimeZone.Utc).ToInstant()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new((int)reader.GetInt64(0), (int)reader.GetInt64(1), (int)reader.GetInt64(2), (int)reader.GetInt64(3), (int)reader.GetInt64(4));
    }

    public async Task<IReadOnlyList<IncidentLine>> LinesAsync(IReadOnlyList<Incident> incidents, CancellationToken cancellationToken)
    {
        var services = new Dictionary<long, string?>();
        await using var command = database.CreateCommand("select distinct on (incident_number) incident_number, labels->>'service' from alerts where incident_number = any($1) order by incident_number, received_at desc");
        command.Parameters.Add(Sql.P(incidents.Select(i => i.Number).ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) services[reader.GetInt64(0)] = reader.IsDBNull(1) ? null : reader.GetString(1);
        return [.. incidents.Select(i => new IncidentLine(i, services.GetValueOrDefault(i.Number)))];
    }

    private static NextLine? NextOf(EscalationShown? escalation) => escalation switch
    {
        { State: "running", Upcoming: [var next, ..] } => new NextLine(next.Whom == "nobody" ? "Escalates, and finds nobody," : $"Escalates to {next.Whom}", next.At),
        { EndsAt: { } end } => new NextLine("The escalation policy ends, and everybody is told,", end),
        { State: "held", Reason: { } reason } => new NextLine($"Nobody is called just now: {reason}", null),
        { ResumesAt: { } resume } => new NextLine("Unless it is resolved, the escalation goes on", resume),
        _ => null,
    };

    public async Task<IReadOnlyList<AlertLine>> RecentAlertsAsync(CancellationToken cancellationToken) =>
        [.. (await sender.Send(new ListAlerts { Limit = 20 }, cancellationToken)).Select(AlertLine.Of)];

    public async Task<(Instant At, string Source)?> LastAlertAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select received_at, source from alerts order by received_at desc, id desc limit 1");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (reader.GetFieldValue<Instant>(0), reader.GetString(1)) : null;
    }

    public async Task<IncidentView?> IncidentAsync(long number, CancellationToken cancellationToken)
    {
        var incident = await sender.Send(new GetIncident(number), cancellationToken);
        if (incident is null) return null;
        var timeline = await sender.Send(new ListNewestEntries(number, 500), cancellationToken);
        var deliveries = await sender.Send(new ListDeliveries(number), cancellationToken);
        var alerts = (await sender.Send(new ListAlerts { Incident = number, Limit = 50 }, cancellationToken)).Select(AlertLine.Of).ToList();
        var similar = await sender.Send(new ListSimilar(incident, 5), cancellationToken);
        var newest = alerts.Find(a => a.Status == "firing") ?? alerts.FirstOrDefault();
        return new IncidentView(
            incident, Of(newest?.Labels, "service"), Of(newest?.Annotations, "value"), Words.Link(Of(newest?.Annotations, "runbook_url")), timeline,
            [.. deliveries.Select(d => new DeliveryLine(d.Id, d.Receiver, d.Occasion, d.State == "queued" && d.Attempts.Count > 0 ? "delayed" : d.State == "rejected" ? "failed" : d.State, d.Detail, [.. d.Attempts.Select(a => new AttemptLine(a.EndedAt, a.Result, a.Detail))])).Reverse()],
            alerts, similar, incident.IsOpen ? NextOf(await sender.Send(new GetEscalation(number), cancellationToken)) : null, Now);

        static string? Of(IReadOnlyList<KeyValuePair<string, string>>? pairs, string name) => pairs?.FirstOrDefault(p => p.Key == name).Value;
    }
}
