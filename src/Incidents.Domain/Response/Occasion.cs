namespace Incidents.Domain.Response;

/// <summary>What happened to an incident, as far as others must hear of it. Ordered by weight: of several waiting changes the weightiest names the message.</summary>
public static class Occasion
{
    public const string Opened = "opened";
    public const string Reopened = "reopened";

    /// <summary>An escalation policy is at its end, or a round of it reached nobody, and nobody has acknowledged.</summary>
    public const string NobodyCame = "nobody_came";

    public const string Escalated = "escalated";

    /// <summary>A step of the escalation policy names this receiver. Only those it names hear it so; to the others it is an update.</summary>
    public const string Paged = "paged";

    public const string SeverityRaised = "severity_raised";

    /// <summary>Nobody has it any more, and no person said so.</summary>
    public const string SnoozeEnded = "snooze_ended";

    /// <summary>What hid it (a silence, a maintenance window, another alert) is over and it still fires.</summary>
    public const string QuietEnded = "quiet_ended";

    /// <summary>Who acknowledged has had it longer than the escalation policy allows.</summary>
    public const string AckTimedOut = "ack_timed_out";

    public const string Resolved = "resolved";
    public const string Acknowledged = "acknowledged";
    public const string Unacknowledged = "unacknowledged";

    /// <summary>A person called for the next step of the escalation policy, which pages whom it names.</summary>
    public const string NextStep = "next_step";

    /// <summary>Another incident became part of it.</summary>
    public const string Merged = "merged";

    /// <summary>It comes and goes: it is held open, and single changes are no news from now on.</summary>
    public const string Flapping = "flapping";

    /// <summary>A silence, a maintenance window or another alert hides all of it: the last that is told until that is over.</summary>
    public const string Quieted = "quieted";

    /// <summary>Alerts joined or left, a note was written, an assignment changed.</summary>
    public const string Updated = "updated";

    private static readonly string[] Heaviest = [Opened, Reopened, NobodyCame, Escalated, Paged, SeverityRaised, SnoozeEnded, QuietEnded, AckTimedOut, Resolved, Unacknowledged, NextStep, Merged, Acknowledged, Flapping, Quieted, Updated];

    /// <summary>0 is the heaviest.</summary>
    public static int Weight(string occasion) => Array.IndexOf(Heaviest, occasion);

    public static string Weightier(string a, string b) => Weight(a) <= Weight(b) ? a : b;

    /// <summary>What a receiver hears: to one that joins while the subject is open it has just opened, however small the change that brought it in.</summary>
    public static string For(string occasion, bool joins, bool isOpen) => joins && isOpen ? Weightier(occasion, Opened) : occasion;

    /// <summary>True when somebody must be reached: such a message falls over to another receiver if it does not arrive.</summary>
    public static bool IsPage(string occasion) => occasion is Opened or Reopened or NobodyCame or Escalated or Paged or SeverityRaised or SnoozeEnded or QuietEnded or AckTimedOut;

    /// <summary>
    /// True when such news pages the people of the escalation who were paged before, too. An incident that begins again has an escalation that does so step by step;
    /// the others give it back to them.
    /// </summary>
    public static bool PagesPeople(string occasion) => occasion is NobodyCame or Escalated or SnoozeEnded or QuietEnded or AckTimedOut;

    /// <summary>True when somebody took it or it is over: pages that are still on their way need not fall over any more.</summary>
    public static bool EndsPages(string occasion) => occasion is Acknowledged or Resolved;
}
