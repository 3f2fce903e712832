using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>The <c>incidents:</c> section of <c>routing.yaml</c>: how long things may take before the engine acts by itself.</summary>
public sealed record IncidentRules
{
    /// <summary>An alert that fires again this soon after its incident was resolved reopens that incident instead of opening a new one. Default 15 minutes; zero never reopens.</summary>
    public Duration ReopenWithin { get; init; } = Duration.FromMinutes(15);

    /// <summary>A person resolved the incident although alerts still fired: if they still fire after this time, it reopens. Default 10 minutes.</summary>
    public Duration VerifyResolveAfter { get; init; } = Duration.FromMinutes(10);

    /// <summary>
    /// An alert not seen for this long is unknown (P7): Alertmanager is asked, and when it cannot be asked the alert is closed as stale, and the timeline says so.
    /// Must be longer than Alertmanager's <c>repeat_interval</c> (4 h by default). Default 5 hours.
    /// </summary>
    public Duration StaleAfter { get; init; } = Duration.FromHours(5);

    /// <summary>How often alerts that were missing from a payload of their own group are settled by asking Alertmanager. Default 1 minute.</summary>
    public Duration SettleEvery { get; init; } = Duration.FromMinutes(1);

    /// <summary>
    /// A "firing" that arrives this soon after the resolve of the very same episode is a late echo of an Alertmanager replica, not a new fire. Default 20 seconds,
    /// more than Alertmanager's <c>--cluster.peer-timeout</c> and less than its <c>group_wait</c>.
    /// </summary>
    public Duration EchoWithin { get; init; } = Duration.FromSeconds(20);

    /// <summary>Changes of an incident within this time travel in one update to each receiver. The first message never waits. Default 2 seconds.</summary>
    public Duration BundleUpdates { get; init; } = Duration.FromSeconds(2);

    /// <summary>A page not delivered after this time goes to the fall-back receiver. Default 20 seconds; must stay under 30.</summary>
    public Duration FailOverAfter { get; init; } = Duration.FromSeconds(20);

    /// <summary>Null: incidents that come and go resolve and reopen each time. Off by default.</summary>
    public FlapRules? Flapping { get; init; }

    /// <summary>Null: every incident is told by itself, however many there are. Off by default.</summary>
    public StormRules? Storm { get; init; }
}
