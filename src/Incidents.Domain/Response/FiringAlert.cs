using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>An alert that starts to fire, as an incident sees it.</summary>
/// <param name="Name">What people call it: <c>DiskFull (db-7:9100)</c>.</param>
/// <param name="Decision">Where routing sent it.</param>
/// <param name="Since">When it began.</param>
/// <param name="IsKnown">True when the incident had counted it before.</param>
/// <param name="HiddenBy">What hid it until now, in words; null when nothing did.</param>
public sealed record FiringAlert(string Name, RoutingDecision Decision, Instant Since, bool IsKnown, string? HiddenBy = null);
