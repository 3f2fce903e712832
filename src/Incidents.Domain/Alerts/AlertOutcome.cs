using System.Collections.Immutable;

namespace Incidents.Domain.Alerts;

/// <summary>
/// What became of one report. Every report ends in exactly one of these (P2); the ledger is the sum of them.
/// Text keys, as in the database and the API.
/// </summary>
public static class AlertOutcome
{
    /// <summary>It opened an incident, or reopened one.</summary>
    public const string Opened = "opened";

    /// <summary>It joined an open incident.</summary>
    public const string Attached = "attached";

    /// <summary>A named rule mutes it.</summary>
    public const string Suppressed = "suppressed";

    /// <summary>It only informs: people and logs were told, no incident.</summary>
    public const string Informed = "informed";

    /// <summary>It said nothing new (repeat, retry, replica, echo).</summary>
    public const string Duplicate = "duplicate";

    /// <summary>It ended an alert, or told of the end of one never seen.</summary>
    public const string Resolved = "resolved";

    /// <summary>It could not be read; it is kept with the reason and can be replayed.</summary>
    public const string Quarantined = "quarantined";

    public static readonly ImmutableArray<string> All = [Opened, Attached, Suppressed, Informed, Duplicate, Resolved, Quarantined];
}
