using Incidents.Domain.Response;

namespace Incidents.Domain.Notifications;

/// <summary>How an incident here and its alert at PagerDuty go together.</summary>
public static class PagerDutyMirror
{
    /// <summary>What PagerDuty is to show of it, one of <see cref="SubjectState"/>. Nobody is to be called for what is hidden, so there it counts as taken.</summary>
    public static string Wanted(Incident incident) => incident.State switch
    {
        IncidentState.Triggered => incident.IsQuiet ? SubjectState.Acknowledged : SubjectState.Triggered,
        IncidentState.Acknowledged => SubjectState.Acknowledged,
        _ => SubjectState.Resolved,
    };
}
