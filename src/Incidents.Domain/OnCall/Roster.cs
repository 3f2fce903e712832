namespace Incidents.Domain.OnCall;

/// <summary>All of <c>oncall.yaml</c>: what keys mean today. A key that is not in it belongs to somebody or something removed.</summary>
public sealed class Roster(IEnumerable<Person> people, IEnumerable<Team> teams, IEnumerable<Schedule> schedules, IEnumerable<EscalationPolicy> policies)
{
    /// <summary>Without a file: nobody.</summary>
    public static Roster Empty { get; } = new([], [], [], []);

    public IReadOnlyDictionary<string, Person> People { get; } = people.ToDictionary(p => p.Key, StringComparer.Ordinal);

    public IReadOnlyDictionary<string, Team> Teams { get; } = teams.ToDictionary(t => t.Key, StringComparer.Ordinal);

    public IReadOnlyDictionary<string, Schedule> Schedules { get; } = schedules.ToDictionary(s => s.Key, StringComparer.Ordinal);

    public IReadOnlyDictionary<string, EscalationPolicy> Policies { get; } = policies.ToDictionary(p => p.Key, StringComparer.Ordinal);

    /// <summary>Keys of the teams that a person is in.</summary>
    public IReadOnlyCollection<string> TeamsOf(string person) => [.. Teams.Values.Where(t => t.Members.Contains(person)).Select(t => t.Key)];
}

/// <summary>What can be sent at all.</summary>
public sealed record Reach
{
    public static Reach Nothing { get; } = new() { Channels = new HashSet<string>(), Receivers = new HashSet<string>() };

    /// <summary>Keys of channels that are configured; a person without an address on any of them cannot be reached.</summary>
    public required IReadOnlySet<string> Channels { get; init; }

    /// <summary>Names of all configured receivers.</summary>
    public required IReadOnlySet<string> Receivers { get; init; }

    /// <summary>Those receivers that reach a person, as a PagerDuty service does and a Slack channel or a log does not. Only coverage asks.</summary>
    public IReadOnlySet<string> PagingReceivers { get; init; } = new HashSet<string>();

    /// <summary>Names of receivers, people among them (<see cref="PersonReceiver"/>), that are known to be broken just now. Only coverage says them: what is sent is tried all the same.</summary>
    public IReadOnlySet<string> Broken { get; init; } = new HashSet<string>();

    /// <summary>Channels by which somebody can be reached.</summary>
    public IReadOnlySet<string> ChannelsOf(string person) => Broken.Count == 0 ? Channels : Channels.Where(c => !Broken.Contains(PersonReceiver.NameOf(person, c))).ToHashSet(StringComparer.Ordinal);
}
