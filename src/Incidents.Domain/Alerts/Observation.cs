using NodaTime;

namespace Incidents.Domain.Alerts;

/// <summary>What one webhook said of one alert. Nothing is known yet of what we already had.</summary>
public sealed record Observation
{
    /// <summary>16 lower-case hex digits; computed from the labels when the sender left it out.</summary>
    public required string Fingerprint { get; init; }

    public required Labels Labels { get; init; }

    public required Labels Annotations { get; init; }

    /// <summary>True while the alert fires, false when this webhook says it is resolved.</summary>
    public required bool IsFiring { get; init; }

    /// <summary>When the alert began, by its source, in whole microseconds (what PostgreSQL keeps); the receive time when the source gave none.</summary>
    public required Instant StartsAt { get; init; }

    /// <summary>False when the source gave no usable start: the report then speaks of whatever episode of its fingerprint is open.</summary>
    public bool StartsAtIsKnown { get; init; } = true;

    /// <summary>When it ended. Null while it fires, and null when a resolve came without a usable time.</summary>
    public Instant? EndsAt { get; init; }

    /// <summary>Link to the rule at its source; may be empty.</summary>
    public string GeneratorUrl { get; init; } = "";
}
