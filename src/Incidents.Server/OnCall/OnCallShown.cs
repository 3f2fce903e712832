using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using NodaTime;

namespace Incidents.Server.OnCall;

/// <param name="Person">Key.</param>
/// <param name="Name">As messages show it.</param>
/// <param name="Because">The layer, override or calendar that says so.</param>
internal sealed record OnDutyShown(string Person, string Name, string Because)
{
    public static ImmutableArray<OnDutyShown> Of(IEnumerable<OnDuty> people, Roster roster) =>
        [.. people.Select(p => new OnDutyShown(p.Person, roster.People.TryGetValue(p.Person, out var known) ? known.Name : p.Person, p.Reason.ToString()!))];
}

/// <param name="From">When it begins.</param>
/// <param name="Until">Not included; may be cut to what was asked for.</param>
/// <param name="IsGap">Nobody is on call.</param>
/// <param name="People">Empty in a gap.</param>
internal sealed record ShiftShown(Instant From, Instant Until, bool IsGap, ImmutableArray<OnDutyShown> People)
{
    public static ShiftShown Of(Shift shift, Roster roster) => new(shift.From, shift.Until, shift.IsGap, OnDutyShown.Of(shift.People, roster));
}

/// <summary>Who is on call in one schedule.</summary>
internal sealed record WhoIsOnCall
{
    /// <summary>How far ahead hand-overs are looked for.</summary>
    public static readonly Duration LookAhead = Duration.FromDays(400);

    public required string Schedule { get; init; }

    public required string Name { get; init; }

    public required string TimeZone { get; init; }

    /// <summary>The moment asked for.</summary>
    public required Instant At { get; init; }

    /// <summary>Nobody is on call.</summary>
    public required bool IsGap { get; init; }

    public required ImmutableArray<OnDutyShown> People { get; init; }

    /// <summary>When the people on call change; null when they do not for 400 days.</summary>
    public required Instant? Until { get; init; }

    /// <summary>The next shift that has somebody else; null when there is none for 400 days.</summary>
    public required ShiftShown? Next { get; init; }

    /// <param name="schedule">Which.</param>
    /// <param name="book">Read from <paramref name="at"/> to <see cref="LookAhead"/> after it.</param>
    /// <param name="at">When.</param>
    public static WhoIsOnCall Of(Schedule schedule, DutyBook book, Instant at)
    {
        IReadOnlyCollection<Override> overrides = [.. book.Overrides];
        var people = ScheduleCalculator.OnCallAt(schedule, overrides, at);
        return new WhoIsOnCall
        {
            Schedule = schedule.Key,
            Name = schedule.Name,
            TimeZone = schedule.Zone.Id,
            At = at,
            IsGap = people.IsEmpty,
            People = OnDutyShown.Of(people, book.Roster),
            Until = ScheduleCalculator.NextHandOver(schedule, overrides, at)?.At,
            Next = ScheduleCalculator.WhoIsNext(schedule, overrides, at) is { } next ? ShiftShown.Of(next, book.Roster) : null,
        };
    }
}

/// <summary>A schedule as <c>oncall.yaml</c> has it.</summary>
/// <param name="Team">The team whose responders change who has it; null: everybody's.</param>
internal sealed record ScheduleShown(string Key, string Name, string TimeZone, ImmutableArray<LayerShown> Layers, bool IsImported, CalendarStateShown? Calendar, string? Team);

/// <param name="Name">Of the layer.</param>
/// <param name="Turns">Keys of people, turn by turn.</param>
/// <param name="Turn">Length of a turn: days (P7D) or elapsed time (PT12H).</param>
/// <param name="StartsOn">First day.</param>
/// <param name="HandOverAt">Time of day.</param>
/// <param name="TimeZone">Where these are read.</param>
internal sealed record LayerShown(string Name, ImmutableArray<ImmutableArray<string>> Turns, string Turn, LocalDate StartsOn, LocalTime HandOverAt, string TimeZone)
{
    public static LayerShown Of(Layer layer, DateTimeZone zone) => new(
        layer.Name, [.. layer.Turns.Select(t => t.People)],
        layer.Rotation.Length switch { TurnLength.Days days => $"P{days.Count}D", TurnLength.Elapsed elapsed => System.Xml.XmlConvert.ToString(elapsed.Time.ToTimeSpan()), _ => "" },
        layer.Rotation.StartsOn, layer.Rotation.HandOverAt, (layer.Zone ?? zone).Id);
}

/// <param name="FetchedAt">When the copy that counts was last confirmed; null for a file, or before the first time.</param>
/// <param name="Problem">Why the newest try failed.</param>
/// <param name="Unmatched">Summaries of events in the next 90 days that name nobody we know.</param>
internal sealed record CalendarStateShown(Instant? FetchedAt, string? Problem, ImmutableArray<string> Unmatched);

/// <summary>A person, without secrets.</summary>
internal sealed record PersonShown
{
    public required string Key { get; init; }

    public required string Name { get; init; }

    public required string? Email { get; init; }

    public required string? SlackId { get; init; }

    public required string? PagerdutyId { get; init; }

    public required string TimeZone { get; init; }

    /// <summary>In order; those that cannot work on this machine are marked.</summary>
    public required ImmutableArray<ContactShown> Contacts { get; init; }

    /// <summary>Severities that disturb quiet hours; null when there are none.</summary>
    public required ImmutableArray<string>? QuietExcept { get; init; }

    public static PersonShown Of(Person person, Reach reach) => new()
    {
        Key = person.Key,
        Name = person.Name,
        Email = person.Email,
        SlackId = person.SlackId,
        PagerdutyId = person.PagerDutyId,
        TimeZone = person.Zone.Id,
        Contacts = [.. person.Contacts.Select(c => new ContactShown(c.Channel, c.Wait, reach.Channels.Contains(c.Channel) && !string.IsNullOrWhiteSpace(person.AddressOn(c.Channel))))],
        QuietExcept = person.QuietHours.IsEmpty ? null : person.QuietExcept,
    };
}

/// <param name="Channel">pagerduty, webhook, slack or email.</param>
/// <param name="Wait">After the one before.</param>
/// <param name="Works">The address is there and this machine can send by the channel.</param>
internal sealed record ContactShown(string Channel, Duration Wait, bool Works);

/// <summary>An escalation policy as <c>oncall.yaml</c> has it.</summary>
internal sealed record PolicyShown(string Key, string Name, ImmutableArray<VariantShown> Variants)
{
    public static PolicyShown Of(EscalationPolicy policy) => new(policy.Key, policy.Name, [.. policy.Variants.Select(v => new VariantShown(
        v.Name, v.Severities, v.Within?.Name, v.Outside?.Name, [.. v.Steps.Select(s => new StepShown([.. s.Targets.Select(t => new TargetShown(t.Kind, t.Key))], s.EscalateAfter))], v.Repeat, v.AckTimeout, v.ReachWithin))]);
}

/// <param name="Name">Of the variant.</param>
/// <param name="Severities">Empty: all.</param>
/// <param name="Within">Support hours inside which it holds.</param>
/// <param name="Outside">Support hours outside of which it holds.</param>
/// <param name="Steps">In order.</param>
/// <param name="Repeat">More times after the first.</param>
/// <param name="AckTimeout">Null: no limit.</param>
/// <param name="ReachWithin">What coverage is checked against.</param>
internal sealed record VariantShown(string Name, ImmutableArray<string> Severities, string? Within, string? Outside, ImmutableArray<StepShown> Steps, int Repeat, Duration? AckTimeout, Duration ReachWithin);

internal sealed record StepShown(ImmutableArray<TargetShown> Targets, Duration EscalateAfter);

internal sealed record TargetShown(string Kind, string Key);

/// <summary>An override as the API shows it.</summary>
internal sealed record OverrideShown(Guid Id, string Schedule, Instant From, Instant Until, ImmutableArray<string> People, string? Replaces, string? Reason, Instant CreatedAt, string CreatedBy, Instant? CancelledAt, string? CancelledBy)
{
    public static OverrideShown Of(OverrideRow row) => new(row.Id, row.Schedule, row.StartsAt, row.EndsAt, [.. row.People], row.Replaces, row.Reason, row.CreatedAt, row.CreatedBy, row.CancelledAt, row.CancelledBy);
}

/// <summary>A swap as the API shows it.</summary>
/// <param name="State">requested, taken, declined or withdrawn.</param>
internal sealed record SwapShown(Guid Id, string Schedule, string State, string Person, Instant From, Instant Until, Instant? ReturnFrom, Instant? ReturnUntil, string? OfferedTo, string? Reason, Instant RequestedAt, string RequestedBy, string? TakenBy, Instant? TakenAt)
{
    public static SwapShown Of(SwapRow row) => new(row.Id, row.Schedule, row.State, row.Person, row.GivesFrom, row.GivesUntil, row.ReturnsFrom, row.ReturnsUntil, row.OfferedTo, row.Reason, row.RequestedAt, row.RequestedBy, row.TakenBy, row.TakenAt);
}

/// <param name="Url">For a calendar program; whoever has it can read the calendar.</param>
internal sealed record CalendarUrlShown(string Url);
