using System.Globalization;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Server.Response;

/// <summary>An incident as the API shows it.</summary>
internal sealed record IncidentShown
{
    /// <summary>What people say: <c>INC-142</c>.</summary>
    public required string Id { get; init; }

    public required long Number { get; init; }

    public required string Title { get; init; }

    /// <summary><c>critical</c>, <c>warning</c> or <c>info</c>.</summary>
    public required string Severity { get; init; }

    /// <summary><c>triggered</c>, <c>acknowledged</c>, <c>resolved</c> or <c>closed</c>.</summary>
    public required string State { get; init; }

    /// <summary>When the first of its alerts began.</summary>
    public required Instant Since { get; init; }

    public required Instant OpenedAt { get; init; }

    public string? AcknowledgedBy { get; init; }

    public Instant? AcknowledgedAt { get; init; }

    public string? AssignedTo { get; init; }

    public Instant? SnoozedUntil { get; init; }

    public string? ResolvedBy { get; init; }

    public Instant? ResolvedAt { get; init; }

    /// <summary>Set while a resolve by hand waits to be verified: if alerts still fire then, it reopens.</summary>
    public Instant? VerifyResolveAt { get; init; }

    public Instant? ClosedAt { get; init; }

    public long? MergedInto { get; init; }

    public required int FiringAlerts { get; init; }

    public required int TotalAlerts { get; init; }

    public required int Reopened { get; init; }

    public required IReadOnlyList<string> Receivers { get; init; }

    public string? EscalationPolicy { get; init; }

    /// <summary>How far its escalation is and who is told next; only where one incident is asked for, and null when it has none.</summary>
    public EscalationShown? Escalation { get; init; }

    public required IReadOnlyList<string> Playbooks { get; init; }

    public required bool ManualReviewRequired { get; init; }

    public required bool AboutEngine { get; init; }

    /// <summary>Key of the team it belongs to, by routing; null: it is everybody's.</summary>
    public string? Team { get; init; }

    /// <summary>The routing key its alerts share.</summary>
    public required string GroupKey { get; init; }

    /// <summary>What hides all of it just now, in words: nobody is told until that is over. Null when nothing does.</summary>
    public string? HiddenBy { get; init; }

    public Instant? HiddenSince { get; init; }

    /// <summary>Set while it comes and goes: it is held open until it has settled.</summary>
    public Instant? FlappingSince { get; init; }

    /// <summary>Number of the incident that speaks for it, because it opened in a storm.</summary>
    public long? Storm { get; init; }

    /// <summary>Grows with each change; the entity tag is this number in quotes.</summary>
    public required long Revision { get; init; }

    public required Instant UpdatedAt { get; init; }

    /// <summary>Finds everything that followed from the first webhook in the traces.</summary>
    public string? TraceId { get; init; }

    public static IncidentShown Of(Incident incident) => new()
    {
        Id = string.Create(CultureInfo.InvariantCulture, $"INC-{incident.Number}"),
        Number = incident.Number,
        Title = incident.Title,
        Severity = incident.Severity,
        State = incident.State,
        Since = incident.Since,
        OpenedAt = incident.OpenedAt,
        AcknowledgedBy = incident.AcknowledgedBy,
        AcknowledgedAt = incident.AcknowledgedAt,
        AssignedTo = incident.AssignedTo,
        SnoozedUntil = incident.SnoozedUntil,
        ResolvedBy = incident.ResolvedAt is null ? null : incident.ResolvedBy,
        ResolvedAt = incident.ResolvedAt,
        VerifyResolveAt = incident.VerifyResolveAt,
        ClosedAt = incident.ClosedAt,
        MergedInto = incident.MergedInto,
        FiringAlerts = incident.FiringAlerts,
        TotalAlerts = incident.TotalAlerts,
        Reopened = incident.Reopened,
        Receivers = incident.Receivers,
        EscalationPolicy = incident.EscalationPolicy,
        Playbooks = incident.Playbooks,
        ManualReviewRequired = incident.ManualReviewRequired,
        AboutEngine = incident.AboutEngine,
        Team = incident.Team,
        GroupKey = incident.GroupKey,
        HiddenBy = incident.QuietBy,
        HiddenSince = incident.QuietSince,
        FlappingSince = incident.FlappingSince,
        Storm = incident.StormNumber,
        Revision = incident.Revision,
        UpdatedAt = incident.UpdatedAt,
        TraceId = incident.TraceParent is { Length: >= 35 } trace ? trace[3..35] : null,
    };
}

/// <summary>What a verb answers: the incident as it is now, whether this request changed it, and what to tell the person.</summary>
/// <param name="Changed">False when it was so before.</param>
/// <param name="Detail">Who was first, or a warning; null when there is nothing to say.</param>
/// <param name="Incident">As it is now.</param>
internal sealed record VerbAnswer(bool Changed, string? Detail, IncidentShown Incident);
