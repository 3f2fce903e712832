using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>How an incident and its escalation go together: the escalation follows what becomes of the incident, and the incident decides whether a due step fires.</summary>
public static class IncidentEscalation
{
    /// <summary>What the escalation is after these changes; null when there is none.</summary>
    /// <param name="before">As it was; null when the incident had none.</param>
    /// <param name="incident">As it is now.</param>
    /// <param name="changes">What became of it, in one transaction.</param>
    /// <param name="fresh">The steps it would go by if it began now; null when nothing is configured for it. Asked only when it may begin or change.</param>
    /// <param name="now">When.</param>
    public static EscalationMove? Follow(Escalation? before, Incident incident, IReadOnlyCollection<IncidentChange> changes, Func<EscalationSnapshot?> fresh, Instant now)
    {
        var by = changes.Select(c => c.By?.Name).LastOrDefault(n => n is not null) ?? incident.AcknowledgedBy ?? incident.ResolvedBy ?? "the engine";
        if (!incident.IsOpen) return before?.Stop(incident.State == IncidentState.Resolved ? $"resolved by {incident.ResolvedBy}" : "the incident is closed", now);

        var occasions = changes.Select(c => c.Occasion).ToHashSet(StringComparer.Ordinal);
        var begins = occasions.Contains(Occasion.Opened) || occasions.Contains(Occasion.Reopened);
        var mayChange = begins || ((occasions.Contains(Occasion.SeverityRaised) || occasions.Contains(Occasion.Escalated)) && (before is null || before.Policy.Severity != incident.Severity || before.Policy.Policy != incident.EscalationPolicy));
        var at = before;
        var events = new List<EscalationEvent>();
        if (mayChange && fresh() is { } snapshot && (begins || before is null || before.Status == EscalationStatus.Stopped || !IsSame(before.Policy, snapshot))) at = Escalation.Start(snapshot, now, before);
        else if (begins) return before?.Stop("nothing is configured for it any more", now);

        if (at is null) return null;
        if (occasions.Contains(Occasion.NextStep)) Take(at.EscalateNow(by, now));
        if (incident.State == IncidentState.Acknowledged)
            Take(incident.SnoozedUntil is { } until ? at.Snooze(by, until, now) : at.Acknowledge(incident.AcknowledgedBy ?? by, now));
        else if (incident.IsQuiet && occasions.Contains(Occasion.Quieted)) Take(at.Hold($"hidden by {incident.QuietBy}", now));
        else if (!incident.IsQuiet && incident.StormNumber is null && at.Status == EscalationStatus.Held) Take(at.Release(now));
        else if (at.Status == EscalationStatus.Snoozed && occasions.Contains(Occasion.SnoozeEnded)) Take((at with { DueAt = now }).Pass(now));
        else if (at.Status is EscalationStatus.Acknowledged or EscalationStatus.Snoozed) Take(at.Unacknowledge(by, now));
        return new EscalationMove(at, [.. events]);

        void Take(EscalationMove move)
        {
            at = move.After;
            events.AddRange(move.Events);
        }
    }

    /// <summary>The incident's own entry says already who did what; worth a line is only what follows from it by itself.</summary>
    public static bool IsNews(EscalationEvent said, Escalation after) =>
        said.Kind is EscalationEventKind.Resumed or EscalationEventKind.SnoozeEnded || (said.Kind == EscalationEventKind.Acknowledged && after.DueAt is not null);

    /// <summary>What a due escalation does. The occasion is null when nobody is to be told.</summary>
    /// <param name="incident">As it is now; it decides.</param>
    /// <param name="escalation">Due.</param>
    /// <param name="isInStorm">A storm that is not over speaks for the incident.</param>
    /// <param name="resolve">Whom a step finds now.</param>
    /// <param name="now">When.</param>
    public static (EscalationMove Move, string? Occasion) Advance(Incident incident, Escalation escalation, bool isInStorm, Func<PolicyStep, ResolvedStep> resolve, Instant now)
    {
        // The incident decides: what changed it while no policy was configured did not say so here.
        if (!incident.IsOpen) return (escalation.Stop($"the incident is {incident.State}", now), null);
        if (incident.SnoozedUntil is { } until && until > now) return (escalation.Snooze(incident.AcknowledgedBy ?? "somebody", until, now), null);
        if (incident.State == IncidentState.Acknowledged && escalation.Status == EscalationStatus.Running) return (escalation.Acknowledge(incident.AcknowledgedBy ?? "somebody", now), null);

        if (incident.IsQuiet) return (escalation.Hold($"hidden by {incident.QuietBy}", now), null);
        if (isInStorm) return (escalation.Hold($"INC-{incident.StormNumber} speaks for it in the storm", now), null);

        // What was left of what held it may be nothing, so that the next step is due in the same breath.
        var released = escalation.Release(now);
        escalation = released.After;
        var occasion = escalation.Status == EscalationStatus.Acknowledged ? incident.TimeOutAcknowledgement(now) : null;
        var move = escalation.Advance(now, resolve);
        move = move with { Events = [.. released.Events, .. move.Events] };
        if (move.Events.Any(e => e.Kind is EscalationEventKind.PolicyEnded or EscalationEventKind.RoundReachedNobody))
        {
            incident.SpeakForItself();
            occasion = Occasion.NobodyCame;
        }

        return (move, occasion ?? Occasion.Updated);
    }

    private static bool IsSame(EscalationSnapshot a, EscalationSnapshot b) => a.Policy == b.Policy && a.Variant == b.Variant;
}
