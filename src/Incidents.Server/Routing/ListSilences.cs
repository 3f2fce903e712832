using System.Text.Json.Serialization;
using Incidents.Domain.Routing;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Routing;

/// <summary>A silence or maintenance window as the API shows it.</summary>
internal sealed record SilenceShown
{
    /// <summary>A number; for a silence that was made in Alertmanager, Alertmanager's id.</summary>
    public required string Id { get; init; }

    /// <summary><c>silence</c> or <c>maintenance</c>.</summary>
    public required string Kind { get; init; }

    /// <summary><c>incidents</c>, or <c>alertmanager</c> for one that was made there: Alertmanager applies it, and does not send what it hides.</summary>
    public required string Source { get; init; }

    /// <summary><c>pending</c>, <c>active</c> or <c>ended</c>.</summary>
    public required string State { get; init; }

    /// <summary>Whether it hides at this moment: a recurring window is active and yet hides only within its windows.</summary>
    public required bool Holds { get; init; }

    public required IReadOnlyList<string> Matchers { get; init; }

    public required string Owner { get; init; }

    /// <summary>It hides this team's alerts and those of no team; null: of every team.</summary>
    public string? Team { get; init; }

    public required string Reason { get; init; }

    public required Instant StartsAt { get; init; }

    public Instant? EndsAt { get; init; }

    public IReadOnlyList<WindowText> Windows { get; init; } = [];

    public Instant? CreatedAt { get; init; }

    public Instant? EndedAt { get; init; }

    public string? EndedBy { get; init; }

    /// <summary>What it hides now.</summary>
    public required HiddenCount Hides { get; init; }

    public MirrorShown? Mirror { get; init; }

    /// <summary>Grows with each change; the entity tag is this number in quotes.</summary>
    public long Revision { get; init; }
}

/// <param name="Alerts">Firing alerts that it hides, here or in Alertmanager, each once.</param>
/// <param name="WouldPage">Those known here that would page without it.</param>
/// <param name="Incidents">Open incidents that it keeps quiet.</param>
/// <param name="InAlertmanager">How many Alertmanager says it hides; null when it was not asked.</param>
internal sealed record HiddenCount(int Alerts, int WouldPage, int Incidents, int? InAlertmanager);

/// <param name="State"><c>pending</c>, <c>mirrored</c>, <c>ended</c> or <c>refused</c>.</param>
/// <param name="Id">Its id in Alertmanager.</param>
/// <param name="Detail">What Alertmanager answered when it did not take it.</param>
internal sealed record MirrorShown(string State, string? Id, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Detail);

/// <summary>Silences or maintenance windows, the newest first; those that have ended only when asked for.</summary>
internal sealed record ListSilences(string? Kind, bool WithEnded, long? BeforeId, int Limit) : IQuery<IReadOnlyList<SilenceShown>>;

/// <summary>One, or null.</summary>
internal sealed record GetSilence(string Kind, long Id) : IQuery<SilenceShown?>;

/// <summary>Those that Alertmanager has and this engine did not make.</summary>
internal sealed record ListUpstreamSilences : IQuery<IReadOnlyList<SilenceShown>>;

internal sealed class ListSilencesHandler(IncidentsDbContext db, SilencesShown shown, TimeProvider clock) : IQueryHandler<ListSilences, IReadOnlyList<SilenceShown>>
{
    public async ValueTask<IReadOnlyList<SilenceShown>> Handle(ListSilences query, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var rows = db.Set<SilenceRow>().AsNoTracking();
        if (query.Kind is { } kind) rows = rows.Where(s => s.Kind == kind);
        if (!query.WithEnded) rows = rows.Where(s => s.EndedAt == null && (s.EndsAt == null || s.EndsAt > now));
        if (query.BeforeId is { } before) rows = rows.Where(s => s.Id < before);
        return await shown.OfAsync(await rows.OrderByDescending(s => s.Id).Take(query.Limit).ToListAsync(cancellationToken), now, cancellationToken);
    }
}

internal sealed class GetSilenceHandler(IncidentsDbContext db, SilencesShown shown, TimeProvider clock) : IQueryHandler<GetSilence, SilenceShown?>
{
    public async ValueTask<SilenceShown?> Handle(GetSilence query, CancellationToken cancellationToken) =>
        await db.Set<SilenceRow>().AsNoTracking().SingleOrDefaultAsync(s => s.Id == query.Id && s.Kind == query.Kind, cancellationToken) is { } row
            ? (await shown.OfAsync([row], clock.GetCurrentInstant(), cancellationToken))[0]
            : null;
}

internal sealed class ListUpstreamSilencesHandler(IncidentsDbContext db, TimeProvider clock) : IQueryHandler<ListUpstreamSilences, IReadOnlyList<SilenceShown>>
{
    public async ValueTask<IReadOnlyList<SilenceShown>> Handle(ListUpstreamSilences query, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var rows = await db.Set<UpstreamSilenceRow>().AsNoTracking().Where(u => !db.Set<SilenceRow>().Any(s => s.UpstreamId == u.Id)).OrderBy(u => u.EndsAt).Take(500).ToListAsync(cancellationToken);
        return [.. rows.Select(row => new SilenceShown
        {
            Id = row.Id,
            Kind = SilenceKind.Silence,
            Source = "alertmanager",
            State = row.EndsAt <= now ? "ended" : row.StartsAt > now ? "pending" : "active",
            Holds = row.StartsAt <= now && row.EndsAt > now,
            Matchers = row.Matchers,
            Owner = row.Owner,
            Reason = row.Comment,
            StartsAt = row.StartsAt,
            EndsAt = row.EndsAt,
            Hides = new HiddenCount(row.Hidden.Length, 0, 0, row.Hidden.Length),
        })];
    }
}

/// <summary>Adds to rows what they hide at this moment.</summary>
internal sealed class SilencesShown(IncidentsDbContext db, HiddenNow hidden)
{
    public async Task<IReadOnlyList<SilenceShown>> OfAsync(IReadOnlyList<SilenceRow> rows, Instant now, CancellationToken cancellationToken)
    {
        var rules = rows.Select(r => r.ToRule()).ToList();
        var counts = await hidden.CountAsync(rules, now, cancellationToken);
        var ids = rows.Select(r => r.UpstreamId).OfType<string>().ToArray();
        var upstream = ids.Length == 0 ? [] : await db.Set<UpstreamSilenceRow>().AsNoTracking().Where(u => ids.Contains(u.Id)).ToDictionaryAsync(u => u.Id, u => u.Hidden, cancellationToken);
        return [.. rows.Select((row, i) => Show(row, rules[i].HoldsAt(now), counts[i], row.UpstreamId is { } id && upstream.TryGetValue(id, out var there) ? there : null, now))];
    }

    private static SilenceShown Show(SilenceRow row, bool holds, HiddenByRule here, string[]? there, Instant now) => new()
    {
        Id = row.Id.ToString(System.Globalization.CultureInfo.InvariantCulture),
        Kind = row.Kind,
        Source = "incidents",
        State = row.StateAt(now),
        Holds = holds,
        Matchers = row.Matchers,
        Owner = row.Owner,
        Team = row.Team,
        Reason = row.Reason,
        StartsAt = row.StartsAt,
        EndsAt = row.EndsAt,
        Windows = SilenceRow.ReadWindows(row.Windows),
        CreatedAt = row.CreatedAt,
        EndedAt = row.EndedAt,
        EndedBy = row.EndedBy,
        Hides = new HiddenCount(here.Alerts.Select(a => a.Fingerprint).Union(there ?? [], StringComparer.Ordinal).Count(), here.WouldPage, here.Incidents, there?.Length),
        Mirror = row.MirrorState is null ? null : new MirrorShown(row.MirrorState, row.UpstreamId, row.MirrorDetail),
        Revision = row.Revision,
    };
}
