using System.Collections.Immutable;
using System.Globalization;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>
/// Writes what the record says, and nothing else: no causes, no judgement. Every sentence names the timeline entries it restates, so that a reader can check it.
/// </summary>
public static class DraftPostMortem
{
    /// <summary>In a storm the document names this many alerts; the count says how many there were.</summary>
    public const int MostAlerts = 50;

    private const int MostDeliveries = 100;

    private static readonly string[] People = ["user", "api_key", "slack", "email", "pagerduty"];

    private static readonly HashSet<string> Starred = new(StringComparer.Ordinal)
    {
        EntryKind.Opened, EntryKind.Acknowledged, EntryKind.Unacknowledged, EntryKind.Snoozed, EntryKind.Resolved, EntryKind.Reopened, EntryKind.Closed, EntryKind.Merged,
        EntryKind.Escalated, EntryKind.SeverityChanged, EntryKind.DeliveryFellOver, EntryKind.DeliveryFailed, EntryKind.Note,
    };

    private static readonly HashSet<string> Decisions = new(StringComparer.Ordinal) { EntryKind.SeverityChanged, EntryKind.Escalated, EntryKind.Merged, EntryKind.ManualReview };

    public static PostMortemDraft From(PostMortemFacts facts)
    {
        var incident = facts.Incident;
        var timeline = facts.Timeline.OrderBy(e => e.At).ThenBy(e => e.Id).ToList();
        var acknowledged = timeline.FirstOrDefault(e => e.Kind is EntryKind.Acknowledged or EntryKind.Snoozed);
        var resolved = incident.IsOpen ? null : timeline.LastOrDefault(e => e.Kind == EntryKind.Resolved);
        var header = new PostMortemHeader
        {
            Began = incident.Since,
            Detected = incident.OpenedAt,
            Acknowledged = acknowledged?.At,
            AcknowledgedBy = acknowledged?.ActorName,
            Resolved = resolved?.At,
            ResolvedBy = resolved?.ActorName,
            TimeToDetect = incident.OpenedAt - incident.Since,
            TimeToAcknowledge = acknowledged?.At - incident.OpenedAt,
            TimeToResolve = resolved?.At - incident.OpenedAt,
            Reopened = incident.Reopened,
            Participants = [.. timeline.Where(e => People.Contains(e.ActorKind, StringComparer.Ordinal)).Select(e => new PostMortemParticipant(e.ActorKind, e.ActorName)).Distinct()],
            Alerts = [.. facts.Alerts.OrderBy(a => a.FirstAt).ThenBy(a => a.Name, StringComparer.Ordinal).Take(MostAlerts)],
            TotalAlerts = incident.TotalAlerts,
            Deliveries = [.. facts.Deliveries.OrderBy(d => d.At).Take(MostDeliveries)],
            RoutePath = facts.RoutePath,
            Decisions = [.. timeline.Where(e => Decisions.Contains(e.Kind)).Select(e => new PostMortemDecision(e.At, e.Text, e.Id))],
        };
        return new PostMortemDraft
        {
            Header = header,
            Timeline = [.. timeline.Select(e => new PostMortemMoment(e.Id, e.At, e.Kind, e.Text, e.ActorName, Starred.Contains(e.Kind)))],
            Sections = new Dictionary<string, ImmutableArray<DraftSentence>>
            {
                [PostMortemSections.Summary] = Summary(incident, header, timeline, resolved),
                [PostMortemSections.Trigger] = Sentences(timeline.Where(e => e.Kind == EntryKind.Opened)),
                [PostMortemSections.Detection] = Detection(incident, header, timeline),
                [PostMortemSections.Response] = Sentences(timeline.Where(e => e.Kind is EntryKind.Acknowledged or EntryKind.Unacknowledged or EntryKind.Assigned or EntryKind.Snoozed or EntryKind.Escalated or EntryKind.SeverityChanged or EntryKind.DeliveryFellOver or EntryKind.DeliveryFailed or EntryKind.ManualReview)),
                [PostMortemSections.Recovery] = Sentences(timeline.Where(e => e.Kind is EntryKind.Resolved or EntryKind.Reopened or EntryKind.Closed)),
            }.ToImmutableDictionary(StringComparer.Ordinal),
        };
    }

    private static ImmutableArray<DraftSentence> Summary(Incident incident, PostMortemHeader header, List<TimelineEntry> timeline, TimelineEntry? resolved)
    {
        var opened = Ids(timeline.Where(e => e.Kind is EntryKind.Opened or EntryKind.AlertJoined));
        var sentences = ImmutableArray.CreateBuilder<DraftSentence>();
        sentences.Add(new($"{PostMortemText.Plain(incident.Title)} was a {incident.Severity} incident {(incident.TotalAlerts == 0 ? "that no alert reported; it" : $"with {Count(incident.TotalAlerts, "alert")} that")} began at {PostMortemText.Time(incident.Since)}.", opened));
        if (resolved is not null)
            sentences.Add(new($"It was resolved at {PostMortemText.Time(resolved.At)}, {PostMortemText.Length(resolved.At - incident.OpenedAt)} after it was detected.", [resolved.Id]));
        if (header.Reopened > 0) sentences.Add(new($"It reopened {Count(header.Reopened, "time")}.", Ids(timeline.Where(e => e.Kind == EntryKind.Reopened))));
        return sentences.ToImmutable();
    }

    private static ImmutableArray<DraftSentence> Detection(Incident incident, PostMortemHeader header, List<TimelineEntry> timeline)
    {
        var opened = timeline.Where(e => e.Kind == EntryKind.Opened).Take(1).ToList();
        var how = opened.Count > 0 && People.Contains(opened[0].ActorKind, StringComparer.Ordinal) ? "A person reported it" : "An alert reported it";
        return [new($"{how} at {PostMortemText.Time(incident.OpenedAt)}, {PostMortemText.Length(header.TimeToDetect)} after it began.", Ids(opened))];
    }

    private static ImmutableArray<DraftSentence> Sentences(IEnumerable<TimelineEntry> entries) =>
        [.. entries.Select(e => new DraftSentence($"At {PostMortemText.Time(e.At)}: {PostMortemText.Plain(e.Text)}", [e.Id]))];

    private static ImmutableArray<long> Ids(IEnumerable<TimelineEntry> entries) => [.. entries.Select(e => e.Id)];

    private static string Count(int count, string what) => string.Create(CultureInfo.InvariantCulture, $"{count} {what}{(count == 1 ? "" : "s")}");
}
