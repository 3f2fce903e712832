using System.Globalization;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>An incident in a list that a person is sent.</summary>
public sealed record WaitingIncident(long Number, string Title, string Severity);

/// <summary>Messages to one person that are of no single incident: several that wait, and tests.</summary>
public static class PersonMessages
{
    /// <summary>A list in a message names so many; the others are counted.</summary>
    public const int MostListed = 20;

    /// <param name="notice">See <see cref="Notice.ForPerson"/>.</param>
    /// <param name="waiting">Incidents that still wait, the worst first; none for a test.</param>
    /// <param name="occasion">Why it is sent.</param>
    /// <param name="publicUrl">Address of this server as people reach it, or null.</param>
    /// <param name="now">When.</param>
    public static Notification Compose(Notice notice, IReadOnlyList<WaitingIncident> waiting, string occasion, Uri? publicUrl, Instant now) => new()
    {
        SubjectKey = string.Create(CultureInfo.InvariantCulture, $"notice-{notice.Id}"),
        State = notice.ClosedAt is null ? SubjectState.Informed : SubjectState.Resolved,
        Occasion = occasion,
        Severity = waiting.Count > 0 ? waiting[0].Severity : notice.Severity,
        Title = notice.TotalAlerts == 0 ? notice.Title : Counted(notice.ClosedAt is null ? notice.FiringAlerts : notice.TotalAlerts, notice.ClosedAt is null ? "waiting for you" : "waited for you, and none does now"),
        Since = notice.Since,
        Summary = notice.TotalAlerts == 0 ? "Nothing is wrong: somebody tries whether pages reach you." : notice.FiringAlerts < notice.TotalAlerts ? $"{notice.FiringAlerts} of {notice.TotalAlerts} still wait for somebody." : "",
        Description = string.Join('\n', [.. waiting.Take(MostListed).Select(w => string.Create(CultureInfo.InvariantCulture, $"INC-{w.Number} {w.Severity}: {w.Title}")), .. More(notice.FiringAlerts - Math.Min(waiting.Count, MostListed))]),
        Url = publicUrl is null || notice.TotalAlerts == 0 ? null : new Uri(publicUrl, "/").ToString(),
        FiringAlerts = 0,
        TotalAlerts = 0,
        ResolvedAt = notice.ClosedAt,
        Revision = notice.Revision,
        At = now,
    };

    private static string Counted(int count, string what) => string.Create(CultureInfo.InvariantCulture, $"{count} more {(count == 1 ? "incident" : "incidents")} {what}");

    private static IEnumerable<string> More(int count) => count > 0 ? [string.Create(CultureInfo.InvariantCulture, $"and {count} more")] : [];
}
