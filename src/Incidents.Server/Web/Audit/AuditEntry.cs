using System.Net;
using NodaTime;

namespace Incidents.Server.Web;

/// <summary>Who did what, when, from where. Written in the same transaction as the change itself, never altered.</summary>
internal sealed class AuditEntry
{
    /// <summary>Grows with time.</summary>
    public long Id { get; init; }

    public required Instant At { get; init; }

    public required string Actor { get; init; }

    /// <summary>One of <see cref="Web.ActorKind"/>.</summary>
    public required string ActorKind { get; init; }

    /// <summary>Whose name it is, proven: <c>user/0198…</c>, <c>api_key/0198…</c>, <c>slack/U0123</c>, <c>email/ana@example.org</c>. Null for the engine, and where only a name is known.</summary>
    public string? ActorId { get; init; }

    /// <summary><c>subject.verb</c> in the past: <c>incident.acknowledged</c>.</summary>
    public required string Action { get; init; }

    /// <summary><c>incident/142</c>, <c>api_key/0198…</c>.</summary>
    public required string Subject { get; init; }

    public IPAddress? RemoteAddress { get; init; }

    /// <summary>JSON; no secrets.</summary>
    public string? Detail { get; init; }
}
