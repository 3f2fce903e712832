using System.Collections.Immutable;

namespace Incidents.Domain.OnCall;

/// <summary>People who are told together. A step that targets a team tells all of its members; to tell one at a time, target a schedule.</summary>
public sealed record Team
{
    public required string Key { get; init; }

    public required string Name { get; init; }

    /// <summary>Keys of people.</summary>
    public required ImmutableArray<string> Members { get; init; }
}
