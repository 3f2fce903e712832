using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>How an incident and its escalation go together: the escalation follows what becomes of the incident, and the incident decides whether a due step fires.</summary>
public static class IncidentEscalation
{
    /// <summary>A page that is held by what may end without a word is looked at again so often.</summary>
    private static readonly Duration LookAgain = Duration.FromMinutes(1);

    /// <summary>Whether people are called for it now: nobody has it, and nothing keeps it quiet.</summary>
    public static bool CallsPeople(Incident incident) => incident is { State: IncidentState.Triggered, IsQuiet: false, IsLull: false };

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
        var isWorse = (occasions.Contains(Occasion.SeverityRaised) || occasions.Contains(Occasion.Escalated)) && (before is null || before.Status == EscalationStatus.Ended || before.Policy.Severity != incident.Severity || before.Policy.Policy != incident.EscalationPolicy);

        // Nobody has it and nothing of it runs: it came by its policy only now, by a merge or a new configuration.
        var isBare = before is null or { Status: EscalationStatus.Stopped };
        var at = before;
        var events = new List<EscalationEvent>();
        if ((begins || isWorse || (isBare && incident.State == IncidentState.Triggered)) && fresh() is { } snapshot)
        {
            if (begins || isBare || before!.Status == EscalationStatus.Ended || !IsSame(before.Policy, snapshot)) at = Escalation.Start(snapshot, now, before);
        }
        else if (begins) return before?.Stop("nothing is configured for it any more", now);

        if (at is null) return null;
        if (occasions.Contains(Occasion.NextStep)) Take(at.EscalateNow(by, now));
        if (incident.State == IncidentState.Acknowledged)
            Take(incident.SnoozedUntil is { } until ? at.Snooze(by, until, now) : at.Acknowledge(incident.AcknowledgedBy ?? by, now));
        else if (incident.IsQuiet && occasions.Contains(Occasion.Quieted)) Take(at.Hold($"hidden by {incident.QuietBy}", now));
        else if (incident is { IsQuiet: false, IsLull: false, StormNumber: null } && at.Status == EscalationStatus.Held) Take(at.Release(now));
        else if (at.Status == EscalationStatus.Snoozed && occasions.Contains(Occasion.SnoozeEnded)) Take((at with { DueAt = now }).Pass(now));
        else if (at.Status is EscalationStatus.Acknowledged or EscalationStatus.Snoozed) Take(at.Unacknowledge(by, now));
        return new EscalationMove(at, [.. events]);

        void Take(EscalationMove move)
        {
            at = move.After;
            events.AddRange(move.Events);
        }
    }

    /// <summary>What becomes of the pages of an incident when its escalation goes from one state to another.</summary>
    public static PagesMove PagesOf(Escalation? before, Escalation after)
    {
        if (before is null) return PagesMove.Stay;
        if (after.Run != before.Run || after.Status == EscalationStatus.Stopped) return PagesMove.Stop;
        return (IsHeld(before), IsHeld(after)) switch
        {
            (false, true) => PagesMove.Hold,
            (true, false) => PagesMove.GoOn,
            _ => PagesMove.Stay,
        };

        static bool IsHeld(Escalation escalation) => escalation.Status is EscalationStatus.Acknowledged or EscalationStatus.Snoozed or EscalationStatus.Held;
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
        if (incident.IsLull) return (escalation.Hold("it flaps, and nothing of it fires just now", now), null);

        // What was left of what held it may be nothing, so that the next step is due in the same breath.
        var released = escalation.Release(now);
        escalation = released.After;
        var occasion = escalation.Status == EscalationStatus.Acknowledged ? incident.TimeOutAcknowledgement(now) : null;
        var move = escalation.Advance(now, resolve);
        move = move with { Events = [.. released.Events, .. move.Events] };
        if (move.Events.Any(e => e.Kind is EscalationEventKind.PolicyEnded or EscalationEventKind.RoundReachedNobody))
        {
            incident.SpeakForItself(now);
            occasion = Occasion.NobodyCame;
        }

        return (move, occasion ?? Occasion.Updated);
    }

    /// <summary>What a page that is due does: the incident decides.</summary>
    public static PageMove Advance(Incident incident, PersonPage page, Instant now)
    {
        if (page.Status is not (PageStatus.Running or PageStatus.Held)) return new PageMove(page with { DueAt = null }, null);
        if (!incident.IsOpen) return new PageMove(page.Stop(), null);
        if (CallsPeople(incident)) return page.GoOn(now).Advance(now);

        // Whoever has it gives it back, or its snooze ends, and that is told here; the end of what hides it may be seen by nobody who knows of this page.
        return new PageMove(page.Hold(now) with { DueAt = incident.State == IncidentState.Triggered ? now + LookAgain : null }, null);
    }

    private static bool IsSame(EscalationSnapshot a, EscalationSnapshot b) => a.Policy == b.Policy && a.Variant == b.Variant && a.Severity == b.Severity;
}

/// <summary>What becomes of the pages of an incident.</summary>
public enum PagesMove
{
    Stay,

    /// <summary>They are held with what was left.</summary>
    Hold,

    /// <summary>Those held go on.</summary>
    GoOn,

    /// <summary>They are over.</summary>
    Stop,
}
