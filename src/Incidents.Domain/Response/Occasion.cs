namespace Incidents.Domain.Response;

/// <summary>What happened to an incident, as far as others must hear of it. Ordered by weight: of several waiting changes the weightiest names the message.</summary>
public static class Occasion
{
    public const string Opened = "opened";
    public const string Reopened = "reopened";
    public const string Escalated = "escalated";
    public const string SeverityRaised = "severity_raised";

    /// <summary>Nobody has it any more, and no person said so.</summary>
    public const string SnoozeEnded = "snooze_ended";

    /// <summary>What hid it (a silence, a maintenance window, another alert) is over and it still fires.</summary>
    public const string QuietEnded = "quiet_ended";

    public const string Resolved = "resolved";
    public const string Acknowledged = "acknowledged";
    public const string Unacknowledged = "unacknowledged";

    /// <summary>It comes and goes: it is held open, and single changes are no news from now on.</summary>
    public const string Flapping = "flapping";

    /// <summary>A silence, a maintenance window or another alert hides all of it: the last that is told until that is over.</summary>
    public const string Quieted = "quieted";

    /// <summary>Alerts joined or left, a note was written, an assignment changed.</summary>
    public const string Updated = "updated";

    private static readonly string[] Heaviest = [Opened, Reopened, Escalated, SeverityRaised, SnoozeEnded, QuietEnded, Resolved, Unacknowledged, Acknowledged, Flapping, Quieted, Updated];

    /// <summary>0 is the heaviest.</summary>
    public static int Weight(string occasion) => Array.IndexOf(Heaviest, occasion);

    public static string Weightier(string a, string b) => Weight(a) <= Weight(b) ? a : b;

    /// <summary>What a receiver hears: to one that joins while the subject is open it has just opened, however small the change that brought it in.</summary>
    public static string For(string occasion, bool joins, bool isOpen) => joins && isOpen ? Weightier(occasion, Opened) : occasion;

    /// <summary>True when somebody must be reached: such a message falls over to another receiver if it does not arrive.</summary>
    public static bool IsPage(string occasion) => occasion is Opened or Reopened or Escalated or SeverityRaised or SnoozeEnded or QuietEnded;

    /// <summary>True when somebody took it or it is over: pages that are still on their way need not fall over any more.</summary>
    public static bool EndsPages(string occasion) => occasion is Acknowledged or Resolved;
}
