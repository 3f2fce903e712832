using Incidents.Domain.Response;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Response;

/// <summary>Incidents, the newest first. All filters together must hold.</summary>
/// <param name="States">Any of these; empty for all.</param>
/// <param name="Severities">Any of these; empty for all.</param>
/// <param name="AssignedTo">Exactly this assignee.</param>
/// <param name="Text">Part of the title, without regard to case.</param>
/// <param name="Since">Opened at or after.</param>
/// <param name="Until">Opened before.</param>
/// <param name="After">Where the page before ended.</param>
/// <param name="Limit">At most so many rows.</param>
/// <param name="Storm">Only those that the incident with this number, of a storm, speaks for.</param>
internal sealed record ListIncidents(
    IReadOnlyList<string> States, IReadOnlyList<string> Severities, string? AssignedTo, string? Text, Instant? Since, Instant? Until, IncidentPosition? After, int Limit, long? Storm = null) : IQuery<IReadOnlyList<Incident>>;

/// <summary>Where an incident stands in the list.</summary>
internal sealed record IncidentPosition(Instant OpenedAt, long Number);

internal sealed class ListIncidentsHandler(IncidentsDbContext db) : IQueryHandler<ListIncidents, IReadOnlyList<Incident>>
{
    public async ValueTask<IReadOnlyList<Incident>> Handle(ListIncidents query, CancellationToken cancellationToken)
    {
        var incidents = db.Incidents.AsNoTracking();
        if (query.Severities.Count > 0) incidents = incidents.Where(i => query.Severities.Contains(i.Severity));
        if (query.AssignedTo is { } assignee) incidents = incidents.Where(i => i.AssignedTo == assignee);
        if (query.Text is { Length: > 0 } text)
        {
            var pattern = "%" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal) + "%";
            incidents = incidents.Where(i => EF.Functions.ILike(i.Title, pattern));
        }

        if (query.Storm is { } storm) incidents = incidents.Where(i => i.StormNumber == storm);
        if (query.Since is { } since) incidents = incidents.Where(i => i.OpenedAt >= since);
        if (query.Until is { } until) incidents = incidents.Where(i => i.OpenedAt < until);
        if (query.After is { } after) incidents = incidents.Where(i => EF.Functions.LessThan(ValueTuple.Create(i.OpenedAt, i.Number), ValueTuple.Create(after.OpenedAt, after.Number)));

        // Each state's newest come off the index in order, however many there are; a filter on several states at once would sort all of them for each page.
        var states = query.States.Count > 0 ? query.States.Distinct(StringComparer.Ordinal) : IncidentState.All;
        return await Newest(states.Select(state => Newest(incidents.Where(i => i.State == state))).Aggregate(Queryable.Concat)).ToListAsync(cancellationToken);

        IQueryable<Incident> Newest(IQueryable<Incident> of) => of.OrderByDescending(i => i.OpenedAt).ThenByDescending(i => i.Number).Take(query.Limit);
    }
}
