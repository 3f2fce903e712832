using System.Globalization;
using System.Text;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>A post-mortem as one Markdown document that any viewer opens.</summary>
public static class PostMortemMarkdown
{
    public static string Of(PostMortem postMortem)
    {
        var text = new StringBuilder();
        Line(text, $"# INC-{postMortem.IncidentNumber}: {PostMortemText.Plain(postMortem.Title)}");
        if (postMortem.Notice is { } notice) Block(text, $"> {PostMortemText.Plain(notice)}");
        if (postMortem.SkippedReason is { } reason) Block(text, $"> Skipped: {PostMortemText.Plain(reason)}");
        if (postMortem.Header is not { } header)
        {
            Block(text, "The draft is being written.");
            return text.ToString();
        }

        Figures(text, postMortem.Severity, header);
        foreach (var section in postMortem.Sections)
        {
            Block(text, $"## {PostMortemSections.All.Single(s => s.Key == section.Key).Title}");
            Block(text, section.EditedBy is null ? Drafted(section) : section.Text);
        }

        Block(text, "## Timeline");
        text.Append('\n');
        foreach (var moment in postMortem.Timeline.Where(m => m.Starred)) Line(text, $"- {PostMortemText.Time(moment.At)} {PostMortemText.Plain(moment.Text)} {Entries([moment.EntryId])}");
        Alerts(text, header);
        Deliveries(text, header);
        if (!header.RoutePath.IsEmpty || !header.Decisions.IsEmpty)
        {
            Block(text, "## Decisions");
            text.Append('\n');
            if (!header.RoutePath.IsEmpty) Line(text, $"- Routed by {string.Join(" → ", header.RoutePath.Select(PostMortemText.Plain))}");
            foreach (var decision in header.Decisions) Line(text, $"- {PostMortemText.Time(decision.At)} {PostMortemText.Plain(decision.Text)} {Entries([decision.EntryId])}");
        }

        return text.ToString();
    }

    private static void Figures(StringBuilder text, string severity, PostMortemHeader header)
    {
        Block(text, "| | |");
        Line(text, "|---|---|");
        Line(text, $"| Severity | {severity} |");
        Line(text, $"| Began | {PostMortemText.Time(header.Began)} |");
        Line(text, $"| Detected | {PostMortemText.Time(header.Detected)} ({PostMortemText.Length(header.TimeToDetect)} after it began) |");
        Line(text, $"| Acknowledged | {Moment(header.Acknowledged, header.TimeToAcknowledge, header.AcknowledgedBy)} |");
        Line(text, $"| Resolved | {Moment(header.Resolved, header.TimeToResolve, header.ResolvedBy)} |");
        Line(text, $"| Participants | {(header.Participants.IsEmpty ? "nobody" : string.Join(", ", header.Participants.Select(p => PostMortemText.Plain(p.Name))))} |");
    }

    private static string Moment(Instant? at, Duration? after, string? by) =>
        at is not { } time ? "no" : $"{PostMortemText.Time(time)} ({PostMortemText.Length(after ?? Duration.Zero)} after detection) by {PostMortemText.Plain(by ?? "unknown")}";

    private static string Drafted(PostMortemSection section) => section.Drafted.IsEmpty
        ? "*Nothing was written here.*"
        : string.Join("\n", section.Drafted.Select(s => $"{(section.Drafted.Length == 1 ? "" : "- ")}{s.Text} {Entries(s.EntryIds)}"));

    private static void Alerts(StringBuilder text, PostMortemHeader header)
    {
        if (header.Alerts.IsEmpty) return;
        Block(text, string.Create(CultureInfo.InvariantCulture, $"## Alerts ({header.TotalAlerts})"));
        text.Append('\n');
        foreach (var alert in header.Alerts)
            Line(text, $"- {PostMortemText.Plain(alert.Name)}, {alert.Severity}, from {PostMortemText.Time(alert.FirstAt)} {(alert.LastAt is { } end ? "to " + PostMortemText.Time(end) : "and still firing")}: {PostMortemText.Plain(alert.Labels)}");
        if (header.TotalAlerts > header.Alerts.Length) Line(text, string.Create(CultureInfo.InvariantCulture, $"- and {header.TotalAlerts - header.Alerts.Length} more"));
    }

    private static void Deliveries(StringBuilder text, PostMortemHeader header)
    {
        if (header.Deliveries.IsEmpty) return;
        Block(text, "## Who was told");
        text.Append('\n');
        foreach (var delivery in header.Deliveries)
        {
            var failed = delivery.FailedAttempts == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {delivery.FailedAttempts} failed attempts");
            var how = delivery.DeliveredAt is { } at ? $"told at {PostMortemText.Time(at)}" : $"{delivery.State}{(delivery.Detail is { } detail ? ": " + PostMortemText.Plain(detail) : "")}";
            Line(text, $"- {PostMortemText.Plain(delivery.Receiver)}, {delivery.Occasion.Replace('_', ' ')}{(delivery.IsFallback ? ", standing in for another receiver" : "")}: {how}{failed}");
        }
    }

    private static string Entries(IReadOnlyCollection<long> ids) => ids.Count == 0 ? "" : $"\\[entry {string.Join(", ", ids)}\\]";

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static void Block(StringBuilder text, string block) => text.Append('\n').Append(block).Append('\n');
}
