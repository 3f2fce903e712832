using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Whom a step finds when it fires. People are looked up now, although the step itself was fixed when the incident began (P6).</summary>
public static class StepResolver
{
    public static ResolvedStep Resolve(PolicyStep step, string severity, Roster roster, IReadOnlyCollection<Override> overrides, Reach reach, Instant at) =>
        Resolve(step, roster, reach, schedule => ScheduleCalculator.OnCallAt(schedule, overrides, at), person => person.IsQuiet(severity, at));

    internal static ResolvedStep Resolve(PolicyStep step, Roster roster, Reach reach, Func<Schedule, ImmutableArray<OnDuty>> onCall, Func<Person, bool> isQuiet)
    {
        var people = ImmutableArray.CreateBuilder<ReachedPerson>();
        var receivers = ImmutableArray.CreateBuilder<string>();
        var playbooks = ImmutableArray.CreateBuilder<string>();
        var misses = ImmutableArray.CreateBuilder<Miss>();
        foreach (var target in step.Targets) Take(target);
        return new ResolvedStep { People = people.DrainToImmutable(), Receivers = receivers.DrainToImmutable(), Playbooks = playbooks.DrainToImmutable(), Misses = misses.DrainToImmutable() };

        void Take(EscalationTarget target)
        {
            switch (target.Kind)
            {
                case TargetKind.Person:
                    TakePerson(target, target.Key, "");
                    break;
                case TargetKind.Schedule when !roster.Schedules.TryGetValue(target.Key, out var schedule):
                case TargetKind.Team when !roster.Teams.ContainsKey(target.Key):
                    Missed(target, MissKind.Removed, $"{target} is not in the configuration any more");
                    break;
                case TargetKind.Schedule:
                    var onDuty = onCall(roster.Schedules[target.Key]);
                    if (onDuty.IsEmpty) Missed(target, MissKind.Gap, $"nobody is on call in {target}");
                    foreach (var duty in onDuty) TakePerson(target, duty.Person, $"on call in {target} by {duty.Reason}");
                    break;
                case TargetKind.Team:
                    var members = roster.Teams[target.Key].Members;
                    if (members.IsEmpty) Missed(target, MissKind.Gap, $"{target} has no members");
                    foreach (var member in members) TakePerson(target, member, $"a member of {target}");
                    break;
                case TargetKind.Receiver when reach.Broken.Contains(target.Key):
                    Missed(target, MissKind.NoChannel, $"{target} takes nothing that is sent to it");
                    break;
                case TargetKind.Receiver when reach.Receivers.Contains(target.Key):
                    if (!receivers.Contains(target.Key)) receivers.Add(target.Key);
                    break;
                case TargetKind.Receiver:
                    Missed(target, MissKind.Removed, $"{target} is not set up, or not in the configuration any more");
                    break;
                case TargetKind.Playbook:
                    if (!playbooks.Contains(target.Key)) playbooks.Add(target.Key);
                    break;
                default:
                    Missed(target, MissKind.Removed, $"{target} is not of a known kind");
                    break;
            }
        }

        void TakePerson(EscalationTarget target, string key, string why)
        {
            if (people.Any(p => p.Person == key)) return;
            var because = why.Length == 0 ? "" : $", {why},";
            if (!roster.People.TryGetValue(key, out var person)) Missed(target, MissKind.RemovedPerson, $"{key}{because} is not among the people any more");
            else if (person.ContactsOn(reach.ChannelsOf(key)) is var contacts && contacts.IsEmpty) Missed(target, MissKind.NoChannel, $"{key}{because} has no channel that works");
            else if (isQuiet(person)) Missed(target, MissKind.QuietHours, $"{key}{because} has quiet hours");
            else people.Add(new ReachedPerson(key, why, contacts));
        }

        void Missed(EscalationTarget target, string kind, string detail) => misses.Add(new Miss(kind, target, detail));
    }
}

/// <summary>What a step found.</summary>
public sealed record ResolvedStep
{
    /// <summary>People who can be reached now, each once.</summary>
    public ImmutableArray<ReachedPerson> People { get; init; } = [];

    public ImmutableArray<string> Receivers { get; init; } = [];

    public ImmutableArray<string> Playbooks { get; init; } = [];

    /// <summary>Targets that led to nobody, each with the reason; said on the timeline.</summary>
    public ImmutableArray<Miss> Misses { get; init; } = [];

    /// <summary>False: the step does nothing at all and is passed over at once.</summary>
    public bool DoesSomething => ReachesSomebody || !Playbooks.IsEmpty;

    /// <summary>True when a person or a receiver hears of it; a playbook alone does not count.</summary>
    public bool ReachesSomebody => !People.IsEmpty || !Receivers.IsEmpty;
}

/// <summary>Somebody a step reaches. <paramref name="Why"/>: <c>on call in schedule "primary" by layer "base"</c>; empty when named in person.</summary>
public sealed record ReachedPerson(string Person, string Why, ImmutableArray<Contact> Contacts);

/// <summary>A target that led to nobody.</summary>
/// <param name="Kind">One of <see cref="MissKind"/>.</param>
/// <param name="Target">What the step named.</param>
/// <param name="Detail">In words, without a full stop.</param>
public sealed record Miss(string Kind, EscalationTarget Target, string Detail);

/// <summary>Why nobody is reached; text keys, as in the API.</summary>
public static class MissKind
{
    /// <summary>Nobody is on call, or a team is empty.</summary>
    public const string Gap = "gap";

    /// <summary>Nobody is on call because zones changed their clocks at different times.</summary>
    public const string ClockChange = "clock_change";

    public const string RemovedPerson = "removed_person";

    /// <summary>The schedule, team or receiver is gone.</summary>
    public const string Removed = "removed";

    public const string NoChannel = "no_channel";
    public const string QuietHours = "quiet_hours";

    /// <summary>Somebody is reached, but later than the policy promises.</summary>
    public const string TooLate = "too_late";

    /// <summary>There is no policy, or it has no variant for the severity and hour, or no steps.</summary>
    public const string NoPolicy = "no_policy";

    /// <summary>The steps only address what is not a person: channels, logs, playbooks.</summary>
    public const string NoPerson = "no_person";
}
