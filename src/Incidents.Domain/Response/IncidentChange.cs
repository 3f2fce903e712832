using System.Collections.Immutable;

namespace Incidents.Domain.Response;

/// <summary>An incident changed, and later stages must hear of it: handed on within the transaction that changed it.</summary>
/// <param name="Incident">As it is now.</param>
/// <param name="Occasion">What to announce.</param>
/// <param name="TraceParent">W3C trace context of what caused it, so that deliveries can be found under one trace.</param>
public sealed record IncidentChange(Incident Incident, string Occasion, string? TraceParent)
{
    /// <summary>Receivers that are paged by it, whatever it is to the others: see <see cref="Response.Occasion.Paged"/>.</summary>
    public ImmutableArray<string> Pages { get; init; } = [];

    /// <summary>The person who did it; null when nobody did.</summary>
    public Actor? By { get; init; }
}

/// <summary>A group of informational alerts changed; as <see cref="IncidentChange"/>.</summary>
public sealed record NoticeChange(Notice Notice, string Occasion, string? TraceParent);
