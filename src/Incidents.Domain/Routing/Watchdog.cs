using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>An alert that fires all the time to show that alerts arrive: while it fires all is well, and its silence is the alarm.</summary>
public sealed record Watchdog
{
    /// <summary>Alertmanager's and the Prometheus operator's.</summary>
    public static readonly Watchdog Usual = new() { Matchers = [Matcher.TryCreate("alertname", "=", "Watchdog", out _)!] };

    /// <summary>All must hold.</summary>
    public required ImmutableArray<Matcher> Matchers { get; init; }

    /// <summary>How far apart its reports are: Alertmanager's repeat_interval for it. Null: learnt.</summary>
    public Duration? ExpectEvery { get; init; }

    /// <summary>Null: a tenth of the interval, two minutes at least.</summary>
    public Duration? Grace { get; init; }

    /// <summary>Of the incident that its silence opens.</summary>
    public string Severity { get; init; } = Routing.Severity.Critical;

    public bool Matches(Labels labels)
    {
        foreach (var matcher in Matchers)
        {
            if (!matcher.Matches(labels)) return false;
        }

        return true;
    }

    public override string ToString() => string.Join(", ", Matchers.Select(m => m.ToString()));
}
