using System.Collections.Immutable;
using System.Globalization;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// How far the escalation of one incident is: plain data, one row. Every verb answers the state after it and what is to be said; a verb that does not apply answers the same state and says nothing,
/// so that repeating one is safe. The row's <see cref="DueAt"/> is all that wakes it, so it goes on after a restart as if nothing had happened.
/// </summary>
public sealed record Escalation
{
    /// <summary>While it is held it is looked at again so often.</summary>
    private static readonly Duration LookAgain = Duration.FromMinutes(1);

    /// <summary>A new round begins at least this long after the last step of the one before.</summary>
    private static readonly Duration ShortestRound = Duration.FromMinutes(1);

    public required EscalationSnapshot Policy { get; init; }

    /// <summary>One of <see cref="EscalationStatus"/>.</summary>
    public required string Status { get; init; }

    /// <summary>The step that fires next, from 0; the number of steps when all have fired and only the end is left.</summary>
    public required int Step { get; init; }

    /// <summary>How many times all steps have been gone through.</summary>
    public required int Round { get; init; }

    /// <summary>How often it has begun anew. With round and step it makes the key under which the people of a step are paged once.</summary>
    public int Run { get; init; }

    /// <summary>When something is to be done: a step or the end (running), the ack timeout (acknowledged), the end of the snooze. Null: nothing is, by itself.</summary>
    public Instant? DueAt { get; init; }

    /// <summary>While it is stopped: how long after it goes on the next step fires. Null: nothing was left, it begins anew.</summary>
    public Duration? Remaining { get; init; }

    /// <summary>Why it does not run, in words: "acknowledged by Ana".</summary>
    public string? StoppedReason { get; init; }

    /// <summary>True when a step of this round has told somebody.</summary>
    public bool RoundReachedSomebody { get; init; }

    /// <summary>The first step is due at once.</summary>
    /// <param name="policy">What it goes by from now on.</param>
    /// <param name="now">When.</param>
    /// <param name="before">The incident's escalation until now, if there was one.</param>
    public static Escalation Start(EscalationSnapshot policy, Instant now, Escalation? before = null) =>
        new() { Policy = policy, Status = EscalationStatus.Running, Step = 0, Round = 0, Run = before is null ? 0 : before.Run + 1, DueAt = now };

    /// <summary>True while the first step is due together with the news that the incident began: who is told that need not be paged by it as well.</summary>
    public bool BeginsWithIncident => Status == EscalationStatus.Running && Step == 0 && Round == 0 && DueAt is { } due && due - Policy.TakenAt < Duration.FromMilliseconds(1);

    public bool IsDue(Instant now) => DueAt <= now;

    /// <summary>The step that fires when it is due; null when something else is due, or nothing.</summary>
    public PolicyStep? NextStep => Status == EscalationStatus.Running && Step < Policy.Steps.Length ? Policy.Steps[Step] : null;

    /// <summary>When each step still to come fires if nobody acknowledges and all find somebody; for "escalates to Bo in 4:30".</summary>
    public IEnumerable<(PolicyStep Step, int Number, int Round, Instant At)> Upcoming()
    {
        if (Status != EscalationStatus.Running || DueAt is not { } at) yield break;
        for (var (step, round) = (Step, Round); round <= Policy.Repeat && step < Policy.Steps.Length;)
        {
            yield return (Policy.Steps[step], step + 1, round, at);
            at += Policy.Steps[step].EscalateAfter;
            if (++step == Policy.Steps.Length) (step, round) = (0, round + 1);
        }
    }

    /// <summary>
    /// Does everything that is due, steps that find nobody being passed over at once. <paramref name="resolve"/> says whom a step finds now. The steps fired are those to be sent.
    /// </summary>
    public EscalationMove Advance(Instant now, Func<PolicyStep, ResolvedStep> resolve)
    {
        var (at, events, fired) = (this, ImmutableArray.CreateBuilder<EscalationEvent>(), ImmutableArray.CreateBuilder<FiredStep>());
        while (at.IsDue(now))
        {
            var move = at.NextStep is { } step ? at.Fire(resolve(step), now) : at.Pass(now);
            at = move.After;
            events.AddRange(move.Events);
            fired.AddRange(move.Fired);
        }

        return new EscalationMove(at, events.DrainToImmutable(), fired.DrainToImmutable());
    }

    /// <summary>The due step fires and its people have their time from now on, or it found nobody and the next is due at once.</summary>
    public EscalationMove Fire(ResolvedStep found, Instant now)
    {
        if (!IsDue(now) || NextStep is not { } step) return Nothing;

        var events = found.Misses.Select(m => new EscalationEvent(EscalationEventKind.TargetMissed, $"{Numbered(Step)}: {m.Detail}.")).ToList();
        events.Add(found.DoesSomething
            ? new EscalationEvent(EscalationEventKind.StepFired, $"{Numbered(Step)}: {Whom(found)}.")
            : new EscalationEvent(EscalationEventKind.StepFoundNobody, $"{Numbered(Step)} found nobody; going on at once.", IsLoud: true));
        ImmutableArray<FiredStep> fired = found.DoesSomething ? [new FiredStep(Step, Round, found) { Run = Run }] : [];
        var wait = found.DoesSomething ? step.EscalateAfter : Duration.Zero;
        var reached = RoundReachedSomebody || found.ReachesSomebody;
        if (Step + 1 < Policy.Steps.Length) return new EscalationMove(this with { Step = Step + 1, DueAt = now + wait, RoundReachedSomebody = reached }, [.. events], fired);

        if (!reached) events.Add(new EscalationEvent(EscalationEventKind.RoundReachedNobody, $"No step of policy \"{Policy.Policy}\" reached anybody.", IsLoud: true));
        if (Round >= Policy.Repeat) return new EscalationMove(this with { Step = Policy.Steps.Length, DueAt = now + wait, RoundReachedSomebody = reached }, [.. events], fired);

        // Never again in the same breath: somebody may be there in a while, and who was just told is not told twice.
        wait = Duration.Max(reached ? wait : step.EscalateAfter, ShortestRound);
        return new EscalationMove(this with { Step = 0, Round = Round + 1, DueAt = now + wait, RoundReachedSomebody = false }, [.. events], fired);
    }

    /// <summary>What is due is no step: an acknowledgement or a snooze ran out, or the policy is at its end.</summary>
    public EscalationMove Pass(Instant now)
    {
        if (!IsDue(now) || NextStep is not null) return Nothing;
        return Status switch
        {
            EscalationStatus.Acknowledged => Resume(now, EscalationEventKind.AckTimedOut, $"Not resolved within {Words(Policy.AckTimeout ?? Duration.Zero)} of the acknowledgement; escalation goes on"),
            EscalationStatus.Held => Release(now),
            EscalationStatus.Snoozed => Resume(now, EscalationEventKind.SnoozeEnded, "The snooze ended; escalation goes on"),
            _ => new EscalationMove(
                this with { Status = EscalationStatus.Ended, DueAt = null, StoppedReason = "the policy is at its end" },
                [new EscalationEvent(EscalationEventKind.PolicyEnded, $"Policy \"{Policy.Policy}\" is at its end and nobody has acknowledged.", IsLoud: true)]),
        };
    }

    /// <summary>Somebody has it: nobody else is told. What was left is remembered.</summary>
    public EscalationMove Acknowledge(string by, Instant now) => Status is EscalationStatus.Stopped or EscalationStatus.Acknowledged ? Nothing : new EscalationMove(
        this with { Status = EscalationStatus.Acknowledged, Remaining = Left(now), DueAt = now + Policy.AckTimeout, StoppedReason = $"acknowledged by {by}" },
        [new EscalationEvent(EscalationEventKind.Acknowledged, $"Escalation stopped: acknowledged by {by}{(Policy.AckTimeout is { } limit ? $"; goes on in {Words(limit)} if it is not resolved" : "")}.")]);

    /// <summary>Nobody has it any more: the next step fires after the time that was left, or the first at once when nothing was.</summary>
    public EscalationMove Unacknowledge(string by, Instant now) =>
        Status is EscalationStatus.Acknowledged or EscalationStatus.Snoozed ? Resume(now, EscalationEventKind.Resumed, $"Given back by {by}; escalation goes on") : Nothing;

    /// <summary>Quiet until a moment, then it goes on with what was left.</summary>
    public EscalationMove Snooze(string by, Instant until, Instant now) => Status == EscalationStatus.Stopped || until <= now ? Nothing : new EscalationMove(
        this with { Status = EscalationStatus.Snoozed, Remaining = Left(now), DueAt = until, StoppedReason = $"snoozed by {by}" },
        [new EscalationEvent(EscalationEventKind.Snoozed, $"Escalation snoozed by {by} until {until.ToString("uuuu-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture)}.")]);

    /// <summary>Nobody is to hear of the incident just now: what was left is kept. It is due again in a while, so that it cannot be forgotten.</summary>
    public EscalationMove Hold(string reason, Instant now) => Status switch
    {
        EscalationStatus.Running or EscalationStatus.Held => new EscalationMove(this with { Status = EscalationStatus.Held, Remaining = Left(now), DueAt = now + LookAgain, StoppedReason = reason }, []),
        EscalationStatus.Acknowledged when IsDue(now) => new EscalationMove(this with { DueAt = now + LookAgain }, []),
        _ => Nothing,
    };

    /// <summary>What held it is over: it goes on with what was left.</summary>
    public EscalationMove Release(Instant now) => Status == EscalationStatus.Held ? Resume(now, EscalationEventKind.Resumed, "Nothing holds it back any more; escalation goes on") : Nothing;

    /// <summary>
    /// Nobody whom this step told could be reached at all: what comes next is due at once, unless it has come already. A new round keeps its wait, for the same would happen again.
    /// </summary>
    public EscalationMove StepFailed(int run, int round, int step, string why, Instant now)
    {
        var isLast = run == Run && round == Round && step + 1 == Step;
        return Status != EscalationStatus.Running || !isLast || IsDue(now) ? Nothing : new EscalationMove(
            this with { DueAt = now }, [new EscalationEvent(EscalationEventKind.StepFailed, $"Step {step + 1} of {Policy.Steps.Length} reached nobody: {why}; going on at once.", IsLoud: true)]);
    }

    /// <summary>Somebody wants the next step now, whoever has it. When all steps have fired it begins anew.</summary>
    public EscalationMove EscalateNow(string by, Instant now)
    {
        if (Status == EscalationStatus.Stopped) return Nothing;
        var anew = Status == EscalationStatus.Ended || Step >= Policy.Steps.Length;
        return new EscalationMove(
            anew ? Anew(now) : Running(now),
            [new EscalationEvent(EscalationEventKind.EscalatedNow, $"Escalated now by {by}{(anew ? "; the policy begins anew" : "")}.")]);
    }

    /// <summary>The incident is over. Final: a reopened incident starts a new escalation.</summary>
    public EscalationMove Stop(string reason, Instant now) => Status == EscalationStatus.Stopped ? Nothing : new EscalationMove(
        this with { Status = EscalationStatus.Stopped, Remaining = Left(now), DueAt = null, StoppedReason = reason },
        [new EscalationEvent(EscalationEventKind.Stopped, $"Escalation stopped: {reason}.")]);

    private EscalationMove Nothing => new(this, []);

    private Escalation Running(Instant due) => this with { Status = EscalationStatus.Running, DueAt = due, Remaining = null, StoppedReason = null };

    private Escalation Anew(Instant due) => Running(due) with { Step = 0, Round = 0, Run = Run + 1, RoundReachedSomebody = false };

    private EscalationMove Resume(Instant now, string kind, string words)
    {
        if (Remaining is { } left) return new EscalationMove(Running(now + left), [new EscalationEvent(kind, $"{words} in {Words(left)}.")]);
        return new EscalationMove(Anew(now), [new EscalationEvent(kind, $"{words} from the first step, as nothing was left.")]);
    }

    /// <summary>The time left when it stops now; what was left already, if it stands.</summary>
    private Duration? Left(Instant now) => Status switch
    {
        EscalationStatus.Running => Duration.Max((DueAt ?? now) - now, Duration.Zero),
        _ => Remaining,
    };

    private string Numbered(int step) => string.Create(CultureInfo.InvariantCulture, $"Step {step + 1} of {Policy.Steps.Length}{(Round == 0 ? "" : $", round {Round + 1}")}");

    private static string Whom(ResolvedStep found)
    {
        IEnumerable<string> told = found.People.Select(p => p.Why.Length == 0 ? p.Person : $"{p.Person} ({p.Why})").Concat(found.Receivers.Select(r => $"receiver \"{r}\""));
        var words = found.ReachesSomebody ? $"telling {string.Join(", ", told)}" : "telling nobody";
        return found.Playbooks.IsEmpty ? words : $"{words}, starting playbook {string.Join(", ", found.Playbooks.Select(p => $"\"{p}\""))}";
    }

    private static string Words(Duration time) => time.ToString(time.Days > 0 ? "D'd 'h'h 'm'min'" : time.Hours > 0 ? "H'h 'm'min'" : time.Seconds > 0 ? "M'min 's's'" : "M'min'", CultureInfo.InvariantCulture);
}

/// <summary>The states of an escalation; text keys, as in the database.</summary>
public static class EscalationStatus
{
    public const string Running = "running";
    public const string Acknowledged = "acknowledged";
    public const string Snoozed = "snoozed";

    /// <summary>A silence, a window or another alert hides the incident, a storm's incident speaks for it, or it flaps and nothing of it fires.</summary>
    public const string Held = "held";

    /// <summary>Every step has fired and nobody has it.</summary>
    public const string Ended = "ended";

    /// <summary>The incident is over.</summary>
    public const string Stopped = "stopped";
}

/// <summary>What a verb did. <paramref name="Events"/> go to the timeline; of <paramref name="Fired"/> people are told.</summary>
public sealed record EscalationMove(Escalation After, ImmutableArray<EscalationEvent> Events, ImmutableArray<FiredStep> Fired)
{
    public EscalationMove(Escalation after, ImmutableArray<EscalationEvent> events) : this(after, events, []) { }
}

/// <summary>A step that fired. Run, round and step (from 0) make the key under which its people are paged once.</summary>
public sealed record FiredStep(int Step, int Round, ResolvedStep Found)
{
    /// <summary>See <see cref="Escalation.Run"/>.</summary>
    public int Run { get; init; }
}

/// <summary>Something to be said. Loud: it must reach somebody beyond this policy, because the policy does not.</summary>
/// <param name="Kind">One of <see cref="EscalationEventKind"/>.</param>
/// <param name="Text">A sentence for the timeline.</param>
/// <param name="IsLoud">True when silence would follow.</param>
public sealed record EscalationEvent(string Kind, string Text, bool IsLoud = false);

/// <summary>Kinds of escalation events; text keys.</summary>
public static class EscalationEventKind
{
    public const string StepFired = "step_fired";
    public const string StepFoundNobody = "step_found_nobody";
    public const string StepFailed = "step_failed";
    public const string TargetMissed = "target_missed";
    public const string RoundReachedNobody = "round_reached_nobody";
    public const string PolicyEnded = "policy_ended";
    public const string Acknowledged = "escalation_acknowledged";
    public const string AckTimedOut = "ack_timed_out";
    public const string Resumed = "escalation_resumed";
    public const string Snoozed = "escalation_snoozed";
    public const string SnoozeEnded = "escalation_snooze_ended";
    public const string EscalatedNow = "escalated_now";
    public const string Stopped = "escalation_stopped";
}
