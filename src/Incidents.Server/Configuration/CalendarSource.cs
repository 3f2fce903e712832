using NodaTime;

namespace Incidents.Server.Configuration;

/// <summary>Where a schedule's calendar (RFC 5545) comes from: a file beside <c>oncall.yaml</c>, or an address.</summary>
/// <param name="Schedule">Key of the schedule.</param>
/// <param name="Url">Null for a file. May be a secret; empty when the variable it refers to is absent.</param>
/// <param name="Text">Content of the file; null for an address.</param>
/// <param name="Refresh">How often an address is asked.</param>
internal sealed record CalendarSource(string Schedule, string? Url, string? Text, Duration Refresh);
