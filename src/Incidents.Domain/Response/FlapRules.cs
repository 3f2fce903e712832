using NodaTime;

namespace Incidents.Domain.Response;

/// <summary>The <c>flapping:</c> section of <c>incidents:</c>: when an incident that comes and goes is held open instead of paging each time.</summary>
/// <param name="Transitions">So many changes of direction (alerts ended, alerts fired again) within <paramref name="Within"/> are flapping.</param>
/// <param name="Within">How far back changes count.</param>
/// <param name="SettleAfter">So long without a change, and it is over: resolved if nothing fires, an ordinary open incident if something does.</param>
public sealed record FlapRules(int Transitions, Duration Within, Duration SettleAfter);

/// <summary>The <c>storm:</c> section of <c>incidents:</c>: when single messages give way to one for all.</summary>
/// <param name="Incidents">More incidents than this opened within <paramref name="Within"/> are a storm.</param>
/// <param name="Within">The span that is counted.</param>
/// <param name="CalmAfter">So long below that, and the storm is over.</param>
public sealed record StormRules(int Incidents, Duration Within, Duration CalmAfter);
