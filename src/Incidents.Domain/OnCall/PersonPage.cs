using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// One person is paged for one incident by one step: their ways of being reached are tried in order until the incident is acknowledged. Plain data, one row.
/// A way that fails gives way to the next at once; otherwise the next has its time. While nobody is to be called it is held, and goes on where it stood. Addresses are looked up when something is sent, so no secret and nothing outdated is kept.
/// </summary>
public sealed record PersonPage
{
    public required long Incident { get; init; }

    public required string Person { get; init; }

    /// <summary>Of the step that paged; see <see cref="FiredStep"/>.</summary>
    public required int Run { get; init; }

    public required int Round { get; init; }

    public required int Step { get; init; }

    public required Instant StartedAt { get; init; }

    /// <summary>As they were when the page began.</summary>
    public required ImmutableArray<PageContact> Contacts { get; init; }

    /// <summary>One of <see cref="PageStatus"/>.</summary>
    public required string Status { get; init; }

    /// <summary>How many contacts have been begun.</summary>
    public int Begun { get; init; }

    /// <summary>Channels that did not take it.</summary>
    public ImmutableArray<string> Failed { get; init; } = [];

    /// <summary>When the next contact begins, or what failed is to be looked at. Null: nothing is, by itself.</summary>
    public Instant? DueAt { get; init; }

    /// <summary>While it is held: how long after it goes on the next contact begins. Null: none is left.</summary>
    public Duration? Remaining { get; init; }

    public static PersonPage Start(long incident, FiredStep step, ReachedPerson person, Instant now) => new()
    {
        Incident = incident,
        Person = person.Person,
        Run = step.Run,
        Round = step.Round,
        Step = step.Step,
        StartedAt = now,
        Contacts = [.. person.Contacts.Select(c => new PageContact(c.Channel, c.After))],
        Status = PageStatus.Running,
        DueAt = now + (person.Contacts.IsEmpty ? Duration.Zero : person.Contacts[0].After),
    };

    /// <summary>Channels that have been begun, in order.</summary>
    public IEnumerable<string> Tried => Contacts.Take(Begun).Select(c => c.Channel);

    /// <summary>The due contact begins; or, when none is left and all have failed, the page is in vain.</summary>
    public PageMove Advance(Instant now)
    {
        if (Status != PageStatus.Running || !(DueAt <= now)) return new PageMove(this, null);
        if (Begun == Contacts.Length) return new PageMove(this with { DueAt = null, Status = Contacts.All(c => Failed.Contains(c.Channel)) ? PageStatus.InVain : PageStatus.Running }, null);

        var next = Begun + 1;
        var wait = next < Contacts.Length ? Contacts[next].After - Contacts[Begun].After : (Duration?)null;
        return new PageMove(this with { Begun = next, DueAt = now + wait }, Contacts[Begun].Channel);
    }

    /// <summary>A channel did not take it: what comes next is due now, or as soon as it goes on, unless another that was tried has its time.</summary>
    public PersonPage Fail(string channel, Instant now)
    {
        if (Status is not (PageStatus.Running or PageStatus.Held) || !Tried.Contains(channel) || Failed.Contains(channel)) return this;
        ImmutableArray<string> failed = [.. Failed, channel];
        var after = this with { Failed = failed };
        if (!Tried.All(c => failed.Contains(c))) return after;
        return Status == PageStatus.Held ? after with { Remaining = Duration.Zero } : after with { DueAt = now };
    }

    /// <summary>Nobody is to be called just now: what was left until the next contact is kept.</summary>
    public PersonPage Hold(Instant now) => Status != PageStatus.Running ? this
        : this with { Status = PageStatus.Held, Remaining = DueAt is { } due ? Duration.Max(due - now, Duration.Zero) : null, DueAt = null };

    /// <summary>Somebody is needed again: the next contact begins after what was left.</summary>
    public PersonPage GoOn(Instant now) => Status != PageStatus.Held ? this : this with { Status = PageStatus.Running, Remaining = null, DueAt = now + Remaining };

    /// <summary>The message in which it waited is over: it is told from the first contact on, for nothing else says any more that it waits.</summary>
    public PersonPage BeginAnew(Instant now) => this with { Begun = 0, Failed = [], DueAt = now + (Contacts.IsEmpty ? Duration.Zero : Contacts[0].After) };

    /// <summary>Final: nobody is tried any further.</summary>
    public PersonPage Stop() => Status is PageStatus.Running or PageStatus.Held ? this with { Status = PageStatus.Stopped, Remaining = null, DueAt = null } : this;
}

/// <summary>A way to reach somebody. <paramref name="After"/>: how long after the page it begins, if all before it have their time.</summary>
public sealed record PageContact(string Channel, Duration After);

/// <summary>What became of a page. <paramref name="Begins"/>: the channel over which the person is to be told now, or null.</summary>
public sealed record PageMove(PersonPage After, string? Begins);

/// <summary>The states of a page; text keys, as in the database.</summary>
public static class PageStatus
{
    public const string Running = "running";

    /// <summary>Somebody has the incident, or something hides it: it goes on where it stood when that is over.</summary>
    public const string Held = "held";

    /// <summary>The incident is over, or its escalation began anew.</summary>
    public const string Stopped = "stopped";

    /// <summary>No contact took it.</summary>
    public const string InVain = "in_vain";
}

/// <summary>
/// The receiver that a person is on one channel: <c>@ana/slack</c>. Names in <c>routing.yaml</c> begin with a letter or digit, so no other receiver is called so.
/// </summary>
public static class PersonReceiver
{
    public static string NameOf(string person, string channel) => $"@{person}/{channel}";

    public static bool Is(string receiver) => receiver.StartsWith('@');

    public static bool TryParse(string receiver, [NotNullWhen(true)] out string? person, [NotNullWhen(true)] out string? channel)
    {
        (person, channel) = (null, null);
        if (!Is(receiver) || receiver.LastIndexOf('/') is not (> 1 and var slash)) return false;
        (person, channel) = (receiver[1..slash], receiver[(slash + 1)..]);
        return true;
    }
}

/// <summary>
/// When somebody gets so many pages that the phone would ring without end: the first few of a while ring each, the others wait in one message with a list.
/// </summary>
public static class PageBundling
{
    /// <summary>So many within <see cref="Within"/> ring each.</summary>
    public const int MostAlone = 5;

    public static readonly Duration Within = Duration.FromMinutes(5);

    /// <param name="alone">How many rang within the last while, this one not counted.</param>
    public static bool IsBundled(int alone) => alone >= MostAlone;
}
