namespace Incidents.Domain.Routing;

/// <summary>A configured destination: a channel and that channel's settings.</summary>
public sealed record Receiver
{
    /// <summary>Unique name; routes refer to it, incidents remember it.</summary>
    public required string Name { get; init; }

    /// <summary>Key of the channel: <c>pagerduty</c>, <c>slack</c>, <c>email</c>, <c>loki</c>, <c>webhook</c>.</summary>
    public required string Channel { get; init; }

    /// <summary>The channel's own settings record, already validated.</summary>
    public required object Settings { get; init; }

    /// <summary>Receiver told instead when this one cannot deliver within 30 s. Null: the next receiver of the same subject on another channel.</summary>
    public string? Fallback { get; init; }
}
