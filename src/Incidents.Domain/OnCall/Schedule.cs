using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Who is on call when: layers upon each other, the last on top (docs/decisions/0201).</summary>
public sealed record Schedule
{
    /// <summary>Unique key in <c>oncall.yaml</c>; policies, overrides and URLs name it.</summary>
    public required string Key { get; init; }

    public required string Name { get; init; }

    /// <summary>Where local times of layers are read that name no zone of their own.</summary>
    public required DateTimeZone Zone { get; init; }

    public required ImmutableArray<Layer> Layers { get; init; }

    /// <summary>Key of the team whose responders change who has it; null: everybody's.</summary>
    public string? Team { get; init; }
}
