using System.Text.Json;
using Incidents.Server.Storage;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>Adds to the DbContext of the scope, so that the entry is saved with the change or not at all.</summary>
internal interface IAuditLog
{
    /// <param name="action">What was done: <c>incident.acknowledged</c>.</param>
    /// <param name="subject">To what: <c>incident/142</c>.</param>
    /// <param name="detail">Further facts, written as JSON; no secrets.</param>
    void Add(string action, string subject, object? detail = null);
}

internal sealed class AuditLog(IncidentsDbContext db, IActor actor, TimeProvider clock) : IAuditLog
{
    public void Add(string action, string subject, object? detail = null) => db.Add(new AuditEntry
    {
        At = clock.GetCurrentInstant(),
        Actor = actor.Name,
        ActorKind = actor.Kind,
        ActorId = actor.Id,
        Action = action,
        Subject = subject,
        RemoteAddress = actor.Remote,
        Detail = detail is null ? null : JsonSerializer.Serialize(detail, ApiJson.Options),
    });
}
