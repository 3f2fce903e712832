using System.Globalization;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>The four states of an incident; text keys, as in the database and the API.</summary>
public static class IncidentState
{
    /// <summary>Nobody has it yet.</summary>
    public const string Triggered = "triggered";

    /// <summary>A person has it.</summary>
    public const string Acknowledged = "acknowledged";

    /// <summary>Over, but may reopen.</summary>
    public const string Resolved = "resolved";

    /// <summary>Final: what fires from now on opens a new incident.</summary>
    public const string Closed = "closed";

    public static readonly IReadOnlyList<string> All = [Triggered, Acknowledged, Resolved, Closed];
}

/// <summary>What a verb on an incident answers.</summary>
public abstract record IncidentOutcome
{
    private IncidentOutcome() { }

    /// <summary>It happened. <paramref name="Warning"/> is for the person who asked ("3 alerts still fire").</summary>
    public sealed record Changed(string Occasion, string? Warning = null) : IncidentOutcome;

    /// <summary>It was so before; nothing changed. Says who and when.</summary>
    public sealed record AlreadySo(string Detail) : IncidentOutcome;

    /// <summary>Not possible from the present state; says why and what is.</summary>
    public sealed record Impossible(string Detail) : IncidentOutcome;
}

/// <summary>
/// One thing people must deal with: the alerts of one group key from the first to the last, with one state, one thread per receiver and one number.
/// Every change adds timeline entries and raises <see cref="Revision"/>.
/// </summary>
public sealed class Incident
{
    /// <summary>A slip in a date must not keep it quiet for years.</summary>
    public static readonly Duration LongestSnooze = Duration.FromDays(7);

    private readonly List<TimelineEntry> _entries = [];
    private string[] _joined = [];
    private long _written;

    private Incident() { }

    /// <summary>The number people say: INC-142.</summary>
    public long Number { get; private init; }

    public string GroupKey { get; private init; } = "";

    /// <summary>First 16 bytes of the SHA-256 of <see cref="GroupKey"/>; what indexes hold.</summary>
    public Guid GroupId { get; private init; }

    /// <summary>Never changes: mail threads hang on it.</summary>
    public string Title { get; private init; } = "";

    public string Severity { get; private set; } = "";

    public string State { get; private set; } = IncidentState.Triggered;

    /// <summary>When the first of its alerts began.</summary>
    public Instant Since { get; private set; }

    public Instant OpenedAt { get; private init; }

    public string? AcknowledgedBy { get; private set; }

    public Instant? AcknowledgedAt { get; private set; }

    public string? AssignedTo { get; private set; }

    public Instant? SnoozedUntil { get; private set; }

    public string? ResolvedBy { get; private set; }

    public Instant? ResolvedAt { get; private set; }

    /// <summary>True when the engine resolved it because its last alert ended; false when a person did.</summary>
    public bool ResolvedByAlerts { get; private set; }

    /// <summary>Set when a person resolved it while alerts fired: if they still fire then, it reopens.</summary>
    public Instant? VerifyResolveAt { get; private set; }

    public Instant? ClosedAt { get; private set; }

    /// <summary>Number of the incident this one was merged into; it is closed then.</summary>
    public long? MergedInto { get; private set; }

    public int FiringAlerts { get; private set; }

    public int TotalAlerts { get; private set; }

    public int Reopened { get; private set; }

    /// <summary>Receivers that hear of it, by name; grows when a worse alert joins, never shrinks.</summary>
    public string[] Receivers { get; private set; } = [];

    public string? EscalationPolicy { get; private set; }

    public string[] Playbooks { get; private set; } = [];

    /// <summary>Key of the team it belongs to, by routing; null: it is everybody's.</summary>
    public string? Team { get; private set; }

    /// <summary>Nothing automatic can help: a person must look.</summary>
    public bool ManualReviewRequired { get; private set; }

    /// <summary>True for incidents about this engine itself.</summary>
    public bool AboutEngine { get; private init; }

    /// <summary>Grows by one with each change; the ETag.</summary>
    public long Revision { get; private set; }

    public Instant UpdatedAt { get; private set; }

    /// <summary>W3C trace id of the webhook that opened it, so that everything later can be found under it.</summary>
    public string? TraceParent { get; private init; }

    public bool IsOpen => State is IncidentState.Triggered or IncidentState.Acknowledged;

    /// <summary>The rule that hides all of it just now: <c>silence/12</c>; null when nothing does. Also kept while a resolve by hand waits to be verified.</summary>
    public string? QuietRule { get; private set; }

    /// <summary>The same in words.</summary>
    public string? QuietBy { get; private set; }

    public Instant? QuietSince { get; private set; }

    /// <summary>Its last changes of direction, packed; null when flapping is not watched for.</summary>
    public string? Flaps { get; private set; }

    /// <summary>Set while it comes and goes and is held open.</summary>
    public Instant? FlappingSince { get; private set; }

    /// <summary>When it has settled if nothing changes.</summary>
    public Instant? SettleFlappingAt { get; private set; }

    /// <summary>Number of the incident of the storm in which this one opened and which speaks for it; null when it speaks for itself.</summary>
    public long? StormNumber { get; private set; }

    public bool IsQuiet => QuietRule is not null;

    /// <summary>What a person broke through who called for help: it holds nobody back any more, until it is over or something else hides the incident. Null: nothing.</summary>
    public string? LoudDespite { get; private set; }

    /// <summary>It comes and goes and is gone just now: it is held open, and nobody is called meanwhile.</summary>
    public bool IsLull => FlappingSince is not null && FiringAlerts == 0 && LoudDespite != Lull;

    /// <summary>
    /// Whether receivers that know of it hear of this now. What hides it, and a storm, hold back what alerts and clocks do; never what a person did, an end, or the one page when it is loud again.
    /// </summary>
    public bool Tells(string occasion) =>
        StormNumber is null && (IsQuiet ? occasion is Occasion.Quieted or Occasion.Escalated or Occasion.SeverityRaised or Occasion.Acknowledged or Occasion.Unacknowledged or Occasion.Resolved
        : FlappingSince is null || occasion != Occasion.Updated);

    /// <summary>Entries made since the last call, in order.</summary>
    public IReadOnlyList<TimelineEntry> TakeEntries()
    {
        var taken = _entries.ToArray();
        _entries.Clear();
        return taken;
    }

    /// <summary>True when anything of it has changed since it was read, or since the last call.</summary>
    public bool TakeChanged()
    {
        var isChanged = Revision != _written;
        _written = Revision;
        return isChanged;
    }

    /// <summary>Receivers that came in since the last call: they have heard nothing of it yet, so to them any news of an open incident is that it opened.</summary>
    public IReadOnlyList<string> TakeJoined()
    {
        var taken = _joined;
        _joined = [];
        return taken;
    }

    /// <summary>An incident as it was stored.</summary>
    public static Incident Restore(StoredIncident stored) => new()
    {
        Number = stored.Number,
        GroupKey = stored.GroupKey,
        GroupId = stored.GroupId,
        Title = stored.Title,
        Severity = stored.Severity,
        State = stored.State,
        Since = stored.Since,
        OpenedAt = stored.OpenedAt,
        AcknowledgedBy = stored.AcknowledgedBy,
        AcknowledgedAt = stored.AcknowledgedAt,
        AssignedTo = stored.AssignedTo,
        SnoozedUntil = stored.SnoozedUntil,
        ResolvedBy = stored.ResolvedBy,
        ResolvedAt = stored.ResolvedAt,
        ResolvedByAlerts = stored.ResolvedByAlerts,
        VerifyResolveAt = stored.VerifyResolveAt,
        ClosedAt = stored.ClosedAt,
        MergedInto = stored.MergedInto,
        FiringAlerts = stored.FiringAlerts,
        TotalAlerts = stored.TotalAlerts,
        Reopened = stored.Reopened,
        Receivers = stored.Receivers,
        EscalationPolicy = stored.EscalationPolicy,
        Playbooks = stored.Playbooks,
        ManualReviewRequired = stored.ManualReviewRequired,
        AboutEngine = stored.AboutEngine,
        Revision = stored.Revision,
        UpdatedAt = stored.UpdatedAt,
        TraceParent = stored.TraceParent,
        Team = stored.Team,
        QuietRule = stored.QuietRule,
        QuietBy = stored.QuietBy,
        QuietSince = stored.QuietSince,
        Flaps = stored.Flaps,
        FlappingSince = stored.FlappingSince,
        SettleFlappingAt = stored.SettleFlappingAt,
        StormNumber = stored.StormNumber,
        LoudDespite = stored.LoudDespite,
        _written = stored.Revision,
    };

    /// <summary>Opens an incident for the first alert of a group.</summary>
    public static Incident Open(long number, Guid groupId, string title, FiringAlert first, Instant now, string? traceParent = null)
    {
        var decision = first.Decision;
        var incident = new Incident
        {
            Number = number,
            GroupKey = decision.GroupKey,
            GroupId = groupId,
            Title = title,
            Severity = decision.Severity,
            Since = first.Since,
            OpenedAt = now,
            Receivers = [.. decision.Receivers],
            EscalationPolicy = decision.EscalationPolicy,
            Playbooks = [.. decision.Playbooks],
            ManualReviewRequired = decision.Severity == Routing.Severity.Warning && decision.Playbooks.IsEmpty,
            FiringAlerts = 1,
            TotalAlerts = 1,
            TraceParent = traceParent,
            Team = decision.Team,
        };
        incident.Note(now, EntryKind.Opened, $"Opened by {first.Name} as {decision.Severity}, by {decision.Path.LastOrDefault() ?? "the engine"}.", Actor.Alertmanager);
        if (incident.ManualReviewRequired) incident.Note(now, EntryKind.ManualReview, "Manual review required: no playbook is configured for it.", Actor.Engine);
        incident.NoteHidden([first], now);
        return incident;
    }

    /// <summary>Opens an incident that no alert reported; it stays open until a person resolves it.</summary>
    public static Incident OpenByHand(long number, Guid groupId, string title, RoutingDecision decision, Actor by, Instant now, string? traceParent = null, bool aboutEngine = false)
    {
        var incident = new Incident
        {
            Number = number,
            GroupKey = decision.GroupKey,
            GroupId = groupId,
            Title = title,
            Severity = decision.Severity,
            Since = now,
            OpenedAt = now,
            Receivers = [.. decision.Receivers],
            EscalationPolicy = decision.EscalationPolicy,
            Playbooks = [.. decision.Playbooks],
            AboutEngine = aboutEngine,
            TraceParent = traceParent,
            Team = decision.Team,
        };
        incident.Note(now, EntryKind.Opened, $"Opened {by.InWords} as {decision.Severity}.", by);
        return incident;
    }

    /// <summary>More alerts of the group fire while the incident is open: one entry, however many. Answers the occasion to announce.</summary>
    public string Join(IReadOnlyList<FiringAlert> alerts, Instant now, FlapRules? flapping = null)
    {
        FiringAlerts += alerts.Count;
        TotalAlerts += alerts.Count(a => !a.IsKnown);
        Since = alerts.Aggregate(Since, (since, alert) => Instant.Min(since, alert.Since));
        Note(now, EntryKind.AlertJoined, $"{Names(alerts.Select(a => a.Name), alerts.Count)} {(alerts.All(a => a.IsKnown) ? "fired again" : "joined")}; {Alerts(FiringAlerts)} firing.", Actor.Alertmanager);
        NoteHidden(alerts, now);
        var occasion = Moves(up: true, flapping, now) ? Occasion.Flapping : Occasion.Updated;
        if (IsQuiet) occasion = Occasion.Weightier(occasion, EndQuiet($"{Names(alerts.Select(a => a.Name), alerts.Count)} fires and nothing hides it", now));
        return TakeOver(alerts, now) ? Occasion.SeverityRaised : occasion;
    }

    /// <summary>
    /// Some of its alerts ended. With the last one an open incident resolves. <paramref name="how"/> says why they are known to be over:
    /// "resolved", "gone from Alertmanager", "not seen for 5 h".
    /// </summary>
    public string Leave(IReadOnlyCollection<string> alerts, string how, Actor by, Instant now, FlapRules? flapping = null)
    {
        FiringAlerts = Math.Max(0, FiringAlerts - alerts.Count);
        Note(now, by == Actor.Alertmanager ? EntryKind.AlertResolved : EntryKind.AlertSettled, $"{Names(alerts, alerts.Count)} {how}; {Alerts(FiringAlerts)} firing.", by);
        var begins = IsOpen && Moves(up: false, flapping, now);
        if (FiringAlerts == 0) EndQuietSilently();
        if (FiringAlerts > 0 || !IsOpen || FlappingSince is not null)
        {
            if (FiringAlerts == 0) VerifyResolveAt = null;
            return begins ? Occasion.Flapping : Occasion.Updated;
        }

        ToResolved(by, now, byAlerts: true);
        Note(now, EntryKind.Resolved, "Resolved: its last alert ended.", by);
        return Occasion.Resolved;
    }

    /// <summary>True when an alert that fires now belongs to this ended incident rather than to a new one. Always so until a resolve by hand is verified: it may itself open the incident again.</summary>
    public bool MayReopen(Instant now, Duration within) => State == IncidentState.Resolved && (VerifyResolveAt is not null || (ResolvedAt is { } at && now - at < within));

    /// <summary>Alerts of the group fire soon after the end.</summary>
    public string ReopenByAlerts(IReadOnlyList<FiringAlert> alerts, Instant now, FlapRules? flapping = null)
    {
        ToTriggered();
        EndQuietSilently();
        StormNumber = null;
        Reopened++;
        FiringAlerts += alerts.Count;
        TotalAlerts += alerts.Count(a => !a.IsKnown);
        Note(now, EntryKind.Reopened, $"Reopened: {Names(alerts.Select(a => a.Name), alerts.Count)} fired; {Alerts(FiringAlerts)} firing.", Actor.Alertmanager);
        NoteHidden(alerts, now);
        Moves(up: true, flapping, now);
        TakeOver(alerts, now);
        return Occasion.Reopened;
    }

    /// <summary>The verification window of a resolve by hand is over. Reopens if alerts still fire; null when nothing is to be done.</summary>
    public string? VerifyResolve(Instant now)
    {
        if (VerifyResolveAt is not { } due || due > now) return null;
        VerifyResolveAt = null;
        if (State != IncidentState.Resolved || FiringAlerts == 0)
        {
            Note(now, EntryKind.Note, "Verified: nothing of it fires any more.", Actor.Engine);
            return null;
        }

        ToTriggered();
        if (!IsQuiet) StormNumber = null;
        Reopened++;
        Note(now, EntryKind.Reopened, $"Reopened: resolved by {ResolvedBy}, but {Alerts(FiringAlerts)} still firing when it was verified.", Actor.Engine);
        return Occasion.Reopened;
    }

    /// <summary>A person takes it. Acknowledging again keeps the first person and time.</summary>
    public IncidentOutcome Acknowledge(Actor by, Instant now)
    {
        if (State == IncidentState.Acknowledged) return new IncidentOutcome.AlreadySo($"Already acknowledged by {AcknowledgedBy} at {Text(AcknowledgedAt)}.");
        if (State != IncidentState.Triggered) return Over("acknowledged");

        State = IncidentState.Acknowledged;
        (AcknowledgedBy, AcknowledgedAt) = (by.Name, now);
        AssignedTo ??= by.Name;
        Note(now, EntryKind.Acknowledged, $"Acknowledged {by.InWords}.", by);
        return new IncidentOutcome.Changed(Occasion.Acknowledged);
    }

    /// <summary>Gives it back: nobody has it, escalation goes on.</summary>
    public IncidentOutcome Unacknowledge(Actor by, Instant now)
    {
        if (State == IncidentState.Triggered) return new IncidentOutcome.AlreadySo("Nobody has it; there is nothing to give back.");
        if (State != IncidentState.Acknowledged) return Over("unacknowledged");

        ToTriggered();
        StormNumber = null;
        Note(now, EntryKind.Unacknowledged, $"Given back {by.InWords}.", by);
        return new IncidentOutcome.Changed(Occasion.Unacknowledged);
    }

    /// <summary>A person says it is over. If alerts still fire, that is said, and verified after <paramref name="verifyAfter"/>.</summary>
    public IncidentOutcome Resolve(Actor by, string? how, Duration verifyAfter, Instant now)
    {
        if (State == IncidentState.Resolved) return new IncidentOutcome.AlreadySo($"Already resolved by {ResolvedBy} at {Text(ResolvedAt)}.");
        if (State == IncidentState.Closed) return Over("resolved");

        ToResolved(by, now, byAlerts: false);
        Note(now, EntryKind.Resolved, $"Resolved {by.InWords}{(string.IsNullOrWhiteSpace(how) ? "" : ": " + how.Trim().TrimEnd('.'))}.", by);
        if (FiringAlerts == 0) return new IncidentOutcome.Changed(Occasion.Resolved);

        VerifyResolveAt = now + verifyAfter;
        var warning = $"{Alerts(FiringAlerts)} of it still firing; if so at {Text(VerifyResolveAt)}, it reopens.";
        Note(now, EntryKind.Note, warning, Actor.Engine);
        return new IncidentOutcome.Changed(Occasion.Resolved, warning);
    }

    public IncidentOutcome Reopen(Actor by, string? why, Instant now)
    {
        if (IsOpen) return new IncidentOutcome.AlreadySo($"It is open: {State}.");
        if (State == IncidentState.Closed) return new IncidentOutcome.Impossible(MergedInto is { } other ? $"It was merged into INC-{other}; reopen that one." : "It is closed, which is final; open a new incident.");

        ToTriggered();
        EndQuietSilently();
        StormNumber = null;
        Reopened++;
        Note(now, EntryKind.Reopened, $"Reopened {by.InWords}{(string.IsNullOrWhiteSpace(why) ? "" : ": " + why.Trim())}.", by);
        return new IncidentOutcome.Changed(Occasion.Reopened);
    }

    /// <summary>Quiet until <paramref name="until"/>; then, if it is not over, it triggers again.</summary>
    public IncidentOutcome Snooze(Actor by, Instant until, Instant now)
    {
        if (!IsOpen) return Over("snoozed");
        if (until <= now) return new IncidentOutcome.Impossible("The end of a snooze must lie in the future.");
        if (until - now > LongestSnooze) return new IncidentOutcome.Impossible($"A snooze lasts at most {LongestSnooze.TotalDays:0} days.");
        if (SnoozedUntil == until) return new IncidentOutcome.AlreadySo($"Already snoozed until {Text(until)}.");

        if (State == IncidentState.Triggered)
        {
            State = IncidentState.Acknowledged;
            (AcknowledgedBy, AcknowledgedAt) = (by.Name, now);
            AssignedTo ??= by.Name;
        }

        SnoozedUntil = until;
        Note(now, EntryKind.Snoozed, $"Snoozed {by.InWords} until {Text(until)}.", by);
        return new IncidentOutcome.Changed(Occasion.Acknowledged);
    }

    /// <summary>The snooze is over: it needs somebody again. Null when nothing is to be done.</summary>
    public string? EndSnooze(Instant now)
    {
        if (SnoozedUntil is not { } due || due > now) return null;
        SnoozedUntil = null;
        if (!IsOpen)
        {
            Note(now, EntryKind.SnoozeEnded, "The snooze ended after the incident did.", Actor.Engine);
            return null;
        }

        ToTriggered();
        if (!IsQuiet) StormNumber = null;
        Note(now, EntryKind.SnoozeEnded, "The snooze ended; it needs somebody again.", Actor.Engine);
        return Occasion.SnoozeEnded;
    }

    public IncidentOutcome Assign(Actor by, string to, Instant now)
    {
        if (!IsOpen) return Over("assigned");
        if (AssignedTo == to) return new IncidentOutcome.AlreadySo($"Already assigned to {to}.");

        AssignedTo = to;
        Note(now, EntryKind.Assigned, $"Assigned to {to} {by.InWords}.", by);
        return new IncidentOutcome.Changed(Occasion.Updated);
    }

    /// <summary>Calls for more help: every receiver is told again, and a lesser severity becomes critical. What hides it holds nobody back any more.</summary>
    public IncidentOutcome Escalate(Actor by, string? why, RoutingDecision critical, Instant now)
    {
        if (!IsOpen) return Over("escalated");

        Severity = Routing.Severity.Worse(Severity, critical.Severity);
        BringIn(critical.Receivers);
        EscalationPolicy = critical.EscalationPolicy ?? EscalationPolicy;
        if (State == IncidentState.Acknowledged) ToTriggered();
        BreakThrough();
        Note(now, EntryKind.Escalated, $"Escalated {by.InWords}{(string.IsNullOrWhiteSpace(why) ? "" : ": " + why.Trim())}.", by);
        return new IncidentOutcome.Changed(Occasion.Escalated);
    }

    /// <summary>Calls whoever is next by its escalation policy. Who has it now has it no more; severity and receivers stay.</summary>
    public IncidentOutcome CallNext(Actor by, string? why, Instant now)
    {
        if (!IsOpen) return Over("escalated");

        if (State == IncidentState.Acknowledged) ToTriggered();
        BreakThrough();
        Note(now, EntryKind.Escalated, $"Escalated to the next step by {by.Name}{(string.IsNullOrWhiteSpace(why) ? "" : ": " + why.Trim())}.", by);
        return new IncidentOutcome.Changed(Occasion.NextStep);
    }

    /// <summary>Who acknowledged it has had it for as long as its escalation policy allows: it needs somebody again. Null when nobody has it.</summary>
    public string? TimeOutAcknowledgement(Instant now)
    {
        if (State != IncidentState.Acknowledged) return null;

        var by = AcknowledgedBy;
        ToTriggered();
        Note(now, EntryKind.AckTimedOut, $"Acknowledged by {by} too long ago; it needs somebody again.", Actor.Engine);
        return Occasion.AckTimedOut;
    }

    /// <summary>The incident of the storm in which it opened speaks for it no more.</summary>
    public void SpeakForItself(Instant now)
    {
        if (StormNumber is null) return;
        StormNumber = null;
        Changed(now);
    }

    /// <summary>From now on these hear of it, too.</summary>
    public void Tell(IEnumerable<string> receivers, Instant now)
    {
        if (BringIn(receivers)) Changed(now);
    }

    public IncidentOutcome AddNote(Actor by, string text, Instant now)
    {
        Note(now, EntryKind.Note, text.Trim(), by);
        return new IncidentOutcome.Changed(Occasion.Updated);
    }

    /// <param name="by">Who.</param>
    /// <param name="decision">What routing says of the incident's labels with the new severity: who must hear of it now.</param>
    /// <param name="now">When.</param>
    public IncidentOutcome ChangeSeverity(Actor by, RoutingDecision decision, Instant now)
    {
        if (State == IncidentState.Closed) return Over("changed");
        if (Severity == decision.Severity) return new IncidentOutcome.AlreadySo($"It is {Severity}.");

        var raised = Routing.Severity.Rank(decision.Severity) > Routing.Severity.Rank(Severity);
        Note(now, EntryKind.SeverityChanged, $"Severity changed from {Severity} to {decision.Severity} {by.InWords}.", by);
        Severity = decision.Severity;
        if (raised)
        {
            BringIn(decision.Receivers);
            EscalationPolicy = decision.EscalationPolicy ?? EscalationPolicy;
            StormNumber = null;
        }

        return new IncidentOutcome.Changed(raised ? Occasion.SeverityRaised : Occasion.Updated);
    }

    /// <summary>Closes this one; its alerts, and those of its group still to come, belong to <paramref name="target"/>.</summary>
    public IncidentOutcome MergeInto(Incident target, Actor by, Instant now) => MergeInto(target, by, now, out _);

    /// <inheritdoc cref="MergeInto(Incident, Actor, Instant)"/>
    /// <param name="target">The other.</param>
    /// <param name="by">Who.</param>
    /// <param name="now">When.</param>
    /// <param name="told">What to announce of <paramref name="target"/>: people who heard of this one must not lose it because the other was worth less, or was told of in a storm.</param>
    public IncidentOutcome MergeInto(Incident target, Actor by, Instant now, out string told)
    {
        told = Occasion.Updated;
        if (MergedInto == target.Number) return new IncidentOutcome.AlreadySo($"Already merged into INC-{target.Number}.");
        if (target.Number == Number) return new IncidentOutcome.Impossible("An incident cannot be merged into itself.");
        if (!IsOpen) return Over("merged");
        if (!target.IsOpen) return new IncidentOutcome.Impossible($"INC-{target.Number} is {target.State}; merge into an open incident.");

        target.FiringAlerts += FiringAlerts;
        target.TotalAlerts += TotalAlerts;
        target.Since = Instant.Min(target.Since, Since);
        var raises = Routing.Severity.Rank(Severity) > Routing.Severity.Rank(target.Severity);
        var leavesStorm = target.StormNumber is not null && (raises || StormNumber is null);
        if (raises || target.EscalationPolicy is null) target.EscalationPolicy = EscalationPolicy ?? target.EscalationPolicy;
        if (raises) target.Severity = Severity;
        if (leavesStorm) target.StormNumber = null;
        told = raises ? Occasion.SeverityRaised : leavesStorm && target.State == IncidentState.Triggered ? Occasion.QuietEnded : Occasion.Merged;
        target.BringIn(Receivers);
        target.Note(now, EntryKind.Merged, $"INC-{Number} \"{Title}\" merged into this one {by.InWords}.", by);

        FiringAlerts = 0;
        ToResolved(by, now, byAlerts: false);
        State = IncidentState.Closed;
        ClosedAt = now;
        MergedInto = target.Number;
        Note(now, EntryKind.Merged, $"Merged into INC-{target.Number} {by.InWords}; follow that one.", by);
        return new IncidentOutcome.Changed(Occasion.Resolved);
    }

    /// <summary>
    /// Every alert of it that fires is hidden now: it stays open, and nobody is told of it until one is not. Null when it was so before, by the same rule, or when a person broke through that rule.
    /// </summary>
    public string? Quiet(Muting by, Instant now)
    {
        if ((!IsOpen && VerifyResolveAt is null) || !IsNews(by)) return null;

        var was = QuietRule;
        LoudDespite = null;
        (QuietRule, QuietBy, QuietSince) = (by.Rule, by.Reason, QuietSince ?? now);
        Note(now, EntryKind.Hidden, was is null ? $"Hidden by {by.Reason}: nobody is told until that is over." : $"Hidden by {by.Reason} from now on.", Actor.Engine);
        return was is null ? Occasion.Quieted : Occasion.Updated;
    }

    /// <summary>Whether it is news that this hides all of it now; null: that nothing does.</summary>
    public bool IsNews(Muting? by) => by is null ? IsQuiet || LoudDespite is not (null or Lull) : by.Rule != LoudDespite && (by.Rule != QuietRule || by.Reason != QuietBy);

    /// <summary>What hid it is over, or would have hidden it. It pages once if it was hidden, still fires and nobody has it; the timeline says what hid it. Null when nobody need hear of that.</summary>
    public string? EndQuiet(Instant now)
    {
        if (LoudDespite is not (null or Lull))
        {
            LoudDespite = null;
            Changed(now);
        }

        if (!IsQuiet) return null;
        if (IsOpen) return EndQuiet(FiringAlerts > 0 ? $"{Alerts(FiringAlerts)} still firing" : "nothing of it fires", now);
        Note(now, EntryKind.HiddenEnded, $"It was hidden by {QuietBy}; it is {State}.", Actor.Engine);
        EndQuietSilently();
        return Occasion.Updated;
    }

    /// <summary>Nothing has changed for so long that it does not flap any more. Null when it is not to settle yet.</summary>
    public string? Settle(Instant now)
    {
        if (SettleFlappingAt is not { } due || due > now) return null;
        (FlappingSince, SettleFlappingAt, Flaps) = (null, null, null);
        if (LoudDespite == Lull) LoudDespite = null;
        if (FiringAlerts > 0 || !IsOpen)
        {
            Note(now, EntryKind.Settled, $"It does not flap any more; {Alerts(FiringAlerts)} firing.", Actor.Engine);
            return Occasion.Updated;
        }

        Note(now, EntryKind.Settled, "It does not flap any more.", Actor.Engine);
        ToResolved(Actor.Engine, now, byAlerts: true);
        Note(now, EntryKind.Resolved, "Resolved: its alerts have ended and stayed so.", Actor.Engine);
        return Occasion.Resolved;
    }

    /// <summary>It opened in a storm: the incident of the storm speaks for it.</summary>
    public void JoinStorm(long storm, Instant now)
    {
        StormNumber = storm;
        Note(now, EntryKind.Storm, $"Opened in a storm: INC-{storm} tells of it, and of the others, in one message.", Actor.Engine);
    }

    /// <summary>The incident of its storm speaks for it no more: it pages once if nobody has it.</summary>
    public string LeaveStorm(Instant now)
    {
        Note(now, EntryKind.Storm, $"INC-{StormNumber}, which spoke for it, was closed: it speaks for itself from now on.", Actor.Engine);
        StormNumber = null;
        return State == IncidentState.Triggered ? Occasion.QuietEnded : Occasion.Updated;
    }

    /// <summary>For the incident of a storm: it speaks to these, too.</summary>
    public string Widen(IEnumerable<string> receivers, string text, Instant now)
    {
        BringIn(receivers);
        Note(now, EntryKind.Storm, text, Actor.Engine);
        return Occasion.Updated;
    }

    private string EndQuiet(string why, Instant now)
    {
        Note(now, EntryKind.HiddenEnded, $"It was hidden by {QuietBy}; {why}.", Actor.Engine);
        EndQuietSilently();
        if (State != IncidentState.Triggered || FiringAlerts == 0) return Occasion.Updated;
        StormNumber = null;
        return Occasion.QuietEnded;
    }

    private void EndQuietSilently() => (QuietRule, QuietBy, QuietSince) = (null, null, null);

    /// <summary>Somebody asks for help: neither a storm nor what hides it, nor that it is gone for a moment, holds that back.</summary>
    private void BreakThrough()
    {
        StormNumber = null;
        if (IsLull) LoudDespite = Lull;
        else LoudDespite = QuietRule ?? LoudDespite;
        EndQuietSilently();
    }

    /// <summary>Says what hid alerts until now.</summary>
    private void NoteHidden(IReadOnlyList<FiringAlert> alerts, Instant now)
    {
        foreach (var group in alerts.Where(a => a.HiddenBy is not null).GroupBy(a => a.HiddenBy, StringComparer.Ordinal))
            Note(now, EntryKind.HiddenEnded, $"{Names(group.Select(a => a.Name), group.Count())} was hidden by {group.Key}; it still fires.", Actor.Engine);
    }

    /// <summary>Alerts ended or fired. True when that makes it flap from now on.</summary>
    private bool Moves(bool up, FlapRules? rules, Instant now)
    {
        if (rules is null) return false;
        var moves = (Flaps ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        var lastWasUp = moves.Count == 0 || moves[^1][0] == 'u';
        if (FlappingSince is not null) SettleFlappingAt = now + rules.SettleAfter;
        if (lastWasUp == up) return false;

        // The last one stays whatever its age: it says which way the next one turns.
        moves.Add((up ? "u" : "d") + now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        var recent = moves.Where((move, i) => i == moves.Count - 1 || now - Instant.FromUnixTimeSeconds(long.Parse(move.AsSpan(1), CultureInfo.InvariantCulture)) < rules.Within).TakeLast(MostFlaps).ToList();
        Flaps = string.Join(' ', recent);
        if (FlappingSince is not null || recent.Count < rules.Transitions) return false;

        FlappingSince = now;
        SettleFlappingAt = now + rules.SettleAfter;
        Note(now, EntryKind.Flapping, $"Flapping: {recent.Count} changes within {PromDuration.Format(rules.Within)}. It is held open, and its changes are told no more, until nothing has changed for {PromDuration.Format(rules.SettleAfter)}.", Actor.Engine);
        return true;
    }

    private const int MostFlaps = 100;

    private const string Lull = "flapping";

    /// <summary>The window for reopening is over. False when it is not to be closed.</summary>
    public bool Close(Instant now, Duration reopenWithin)
    {
        if (State != IncidentState.Resolved || VerifyResolveAt is not null || ResolvedAt is not { } at || now - at < reopenWithin) return false;
        State = IncidentState.Closed;
        ClosedAt = now;
        Note(now, EntryKind.Closed, "Closed: it stayed resolved.", Actor.Engine);
        return true;
    }

    /// <summary>Records something that later stages have to say of it (a delivery that fell over, an alert that went missing).</summary>
    public void Record(string kind, string text, Actor by, Instant now) => Note(now, kind, text, by);

    private bool TakeOver(IReadOnlyList<FiringAlert> alerts, Instant now)
    {
        var raised = false;
        foreach (var decision in alerts.Select(a => a.Decision).Distinct())
        {
            BringIn(decision.Receivers);
            Playbooks = [.. Playbooks.Union(decision.Playbooks, StringComparer.Ordinal)];
            if (Routing.Severity.Rank(decision.Severity) <= Routing.Severity.Rank(Severity)) continue;

            Note(now, EntryKind.SeverityChanged, $"Severity raised from {Severity} to {decision.Severity} by an alert.", Actor.Alertmanager);
            Severity = decision.Severity;
            EscalationPolicy = decision.EscalationPolicy ?? EscalationPolicy;
            StormNumber = null;
            raised = true;
        }

        return raised;
    }

    /// <summary>False when all of them hear of it already.</summary>
    private bool BringIn(IEnumerable<string> receivers)
    {
        var joining = receivers.Except(Receivers, StringComparer.Ordinal).ToList();
        _joined = [.. _joined, .. joining];
        Receivers = [.. Receivers, .. joining];
        return joining.Count > 0;
    }

    private void ToTriggered()
    {
        State = IncidentState.Triggered;
        (AcknowledgedBy, AcknowledgedAt, SnoozedUntil, VerifyResolveAt) = (null, null, null, null);
        (ResolvedAt, ResolvedByAlerts) = (null, false);
    }

    private void ToResolved(Actor by, Instant now, bool byAlerts)
    {
        State = IncidentState.Resolved;
        (ResolvedBy, ResolvedAt, ResolvedByAlerts) = (by.Name, now, byAlerts);
        (SnoozedUntil, VerifyResolveAt) = (null, null);
        (FlappingSince, SettleFlappingAt, LoudDespite) = (null, null, null);
        if (FiringAlerts == 0) EndQuietSilently();
    }

    private IncidentOutcome.Impossible Over(string what) =>
        new($"It is {State} and cannot be {what}.{(State == IncidentState.Resolved ? " Reopen it first." : "")}");

    private void Note(Instant now, string kind, string text, Actor by)
    {
        _entries.Add(new TimelineEntry(Number, now, kind, text, by));
        Changed(now);
    }

    private void Changed(Instant now)
    {
        Revision++;
        UpdatedAt = now;
    }

    private static string Names(IEnumerable<string> names, int count) =>
        count <= 3 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(3))} and {count - 3} more";

    private static string Alerts(int count) => count == 1 ? "1 alert" : count.ToString(CultureInfo.InvariantCulture) + " alerts";

    private static string Text(Instant? at) => at?.ToString("uuuu-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";
}
