using System.Globalization;
using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>
/// How a subject looks in Slack. Every length is counted after escaping, and the parts add up to less than 10,000 characters, because Slack refuses
/// whole messages from somewhere above 11,000 on without saying so in its documentation.
/// </summary>
internal static class SlackLayout
{
    public const string AcknowledgeAction = "incident_ack";
    public const string UnacknowledgeAction = "incident_unack";
    public const string ResolveAction = "incident_resolve";
    public const string ReopenAction = "incident_reopen";
    public const string MoreAction = "incident_more";
    public const string RunbookAction = "incident_runbook";
    public const string OpenAction = "incident_open";

    /// <summary>Where the buttons are within a message.</summary>
    public const string ActionsBlock = "incident_actions";

    // What the overflow menu's options say, each with the incident's number after a blank.
    public const string EscalateOption = "escalate";
    public const string AssignOption = "assign_me";
    public const string SnoozeHourOption = "snooze_1h";
    public const string SnoozeNightOption = "snooze_8h";
    public const string UnacknowledgeOption = "unack";

    private const int MostHeader = 150;
    private const int MostField = 250;
    private const int MostBody = 2800;
    private const int MostContextLine = 300;
    private const int MostUrl = 500;
    private const int MostFallback = 300;
    private const int ShownAlerts = 5;

    /// <summary>Severity, title and place on one line: what a lock screen shows.</summary>
    public static string Fallback(Notification notification)
    {
        var number = MessageText.Number(notification) is { } name ? name + " · " : "";
        return MessageText.ForSlack($"{Emoji(notification)} {number}{MessageText.OneLine(notification)}", MostFallback);
    }

    /// <summary>The message when Slack refuses our layout: one line and a link, nothing that could be refused.</summary>
    public static string Plain(Notification notification) =>
        MessageText.SlackLink(notification.Url, "open", MostUrl) is { } link ? $"{Fallback(notification)} {link}" : Fallback(notification);

    /// <summary>The header. It stands above the coloured part, because a message that has top-level blocks does not show its fallback text as well.</summary>
    public static JsonArray Header(Notification notification)
    {
        var state = notification.State switch
        {
            SubjectState.Acknowledged or SubjectState.Resolved => MessageText.StateLine(notification) + " · ",
            _ => "",
        };
        var number = MessageText.Number(notification) is { } name ? name + " · " : "";
        var text = $"{Emoji(notification)} {state}{MessageText.SeverityWord(notification.Severity)} · {number}{MessageText.SingleLine(notification.Title)}";
        return [new JsonObject { ["type"] = "header", ["text"] = PlainText(text, MostHeader) }];
    }

    /// <summary>The coloured part: fields, words, context, buttons.</summary>
    public static JsonArray Attachments(Notification notification)
    {
        var blocks = new JsonArray();
        var fields = Fields(notification);
        if (fields.Count > 0) blocks.Add(new JsonObject { ["type"] = "section", ["fields"] = fields });
        if (Body(notification) is { Length: > 0 } body) blocks.Add(new JsonObject { ["type"] = "section", ["text"] = Markdown(body) });
        var context = Context(notification);
        if (context.Count > 0) blocks.Add(new JsonObject { ["type"] = "context", ["elements"] = context });
        var actions = Actions(notification);
        if (actions.Count > 0) blocks.Add(new JsonObject { ["type"] = "actions", ["block_id"] = ActionsBlock, ["elements"] = actions });
        return [new JsonObject { ["color"] = Colour(notification), ["fallback"] = Fallback(notification), ["blocks"] = blocks }];
    }

    private static string Emoji(Notification notification) => notification switch
    {
        { State: SubjectState.Resolved } => "🟢",
        { State: SubjectState.Acknowledged } => "🟠",
        { Severity: Severity.Critical } => "🔴",
        { Severity: Severity.Warning } => "🟡",
        _ => "🔵",
    };

    private static string Colour(Notification notification) => notification switch
    {
        { State: SubjectState.Resolved } => "#2EB67D",
        { State: SubjectState.Acknowledged } => "#F2811D",
        { Severity: Severity.Critical } => "#D0021B",
        { Severity: Severity.Warning } => "#ECB22E",
        _ => "#1264A3",
    };

    private static JsonArray Fields(Notification notification)
    {
        var fields = new JsonArray();
        Add("Service", notification.Service);
        Add("Env", string.Join(", ", new[] { notification.Environment, notification.Cluster }.Where(part => !string.IsNullOrWhiteSpace(part))));
        Add("Value", MessageText.ValueAndThreshold(notification));
        AddEscaped("Since", $"{Moment(notification.Since)} ({MessageText.HowLong(notification)})");
        if (notification.State != SubjectState.Resolved)
        {
            Add("On-call", notification.AssignedTo);
            Add("Escalates", notification.NextEscalation);
        }

        return fields;

        void Add(string name, string? text)
        {
            var line = MessageText.SingleLine(text ?? "");
            if (line.Length > 0) AddEscaped(name, MessageText.ForSlack(line, MostField - name.Length - 3));
        }

        void AddEscaped(string name, string text) => fields.Add(Markdown($"*{name}*\n{text}"));
    }

    private static string Body(Notification notification)
    {
        var parts = new List<string>();
        var summary = notification.Summary.Trim();
        var description = notification.Description.Trim();
        if (summary.Length > 0 && summary != notification.Title.Trim()) parts.Add(MessageText.ForSlack(summary, 1000));
        if (description.Length > 0 && description != summary) parts.Add(MessageText.ForSlack(description, 1400));
        if (notification.Alerts.Length > 1)
        {
            var lines = notification.Alerts.Take(ShownAlerts).Select(alert =>
                $"• {(alert.IsFiring ? "firing" : "resolved")}: {MessageText.ForSlack(MessageText.SingleLine(alert.Summary.Length > 0 ? $"{alert.Name}: {alert.Summary}" : alert.Name), 120)}").ToList();
            if (notification.TotalAlerts > lines.Count) lines.Add(string.Create(CultureInfo.InvariantCulture, $"… and {notification.TotalAlerts - lines.Count} more"));
            parts.Add(string.Join('\n', lines));
        }

        var link = MessageText.SlackLink(notification.Url, "Open " + (MessageText.Number(notification) ?? "in Incidents"), MostUrl);
        var room = MostBody - (link is null ? 0 : link.Length + 1);
        var body = MessageText.TruncateSlack(string.Join('\n', parts), room);
        return link is null ? body : body.Length == 0 ? link : $"{body}\n{link}";
    }

    private static JsonArray Context(Notification notification)
    {
        var elements = new JsonArray();
        if (notification.TotalAlerts > 1) Add(string.Create(CultureInfo.InvariantCulture, $"{notification.FiringAlerts} of {notification.TotalAlerts} alerts firing"));
        if (notification.WhatWasDone is { } done) Add("Auto-remediation: " + done);
        if (notification.ManualReviewRequired) Add("Manual review required");
        if (notification.LikelyCause is { } cause) Add("Probable: " + cause);
        if (MessageText.HttpUrl(notification.RunbookUrl) is null && notification is not { IncidentNumber: null, Alerts.IsEmpty: true }) Add("No runbook: add annotation runbook_url");
        return elements;

        void Add(string text)
        {
            var line = MessageText.SingleLine(text);
            if (line.Length > 0) elements.Add(Markdown(MessageText.ForSlack(line, MostContextLine)));
        }
    }

    // Two to four, never more: with six people press the wrong one.
    private static JsonArray Actions(Notification notification)
    {
        var buttons = new JsonArray();
        if (MessageText.Number(notification) is { } number)
        {
            switch (notification.State)
            {
                case SubjectState.Resolved:
                    if (MessageText.HttpUrl(notification.Url, MostUrl) is { } page) buttons.Add(LinkButton("Open post-mortem", page + "/post-mortem", OpenAction));
                    buttons.Add(Button("Reopen", ReopenAction, number));
                    return buttons;
                case SubjectState.Acknowledged:
                    buttons.Add(Button("Resolve", ResolveAction, number));
                    buttons.Add(Button("Un-acknowledge", UnacknowledgeAction, number));
                    break;
                default:
                    var acknowledge = Button("Acknowledge", AcknowledgeAction, number);
                    acknowledge["style"] = "primary";
                    buttons.Add(acknowledge);
                    buttons.Add(Button("Resolve", ResolveAction, number));
                    break;
            }

            buttons.Add(More(number, notification.State == SubjectState.Acknowledged));
        }

        if (MessageText.HttpUrl(notification.RunbookUrl, MostUrl) is { } runbook) buttons.Add(LinkButton("Runbook", runbook, RunbookAction));
        return buttons;
    }

    // Slack takes five at most.
    private static JsonObject More(string number, bool isAcknowledged)
    {
        var options = new JsonArray(
            Option("Assign to me", $"{AssignOption} {number}"), Option("Snooze 1 h", $"{SnoozeHourOption} {number}"), Option("Snooze 8 h", $"{SnoozeNightOption} {number}"), Option("Escalate", $"{EscalateOption} {number}"));
        if (isAcknowledged) options.Add(Option("Un-acknowledge", $"{UnacknowledgeOption} {number}"));
        return new() { ["type"] = "overflow", ["action_id"] = MoreAction, ["options"] = options };
    }

    private static JsonObject Option(string text, string value) => new() { ["text"] = PlainText(text, 75), ["value"] = value };

    private static JsonObject Button(string text, string action, string value) =>
        new() { ["type"] = "button", ["text"] = PlainText(text, 75), ["action_id"] = action, ["value"] = value };

    private static JsonObject LinkButton(string text, string url, string action) =>
        new() { ["type"] = "button", ["text"] = PlainText(text, 75), ["action_id"] = action, ["url"] = url };

    private static JsonObject PlainText(string text, int longest) => new() { ["type"] = "plain_text", ["text"] = MessageText.ForSlack(text, longest), ["emoji"] = true };

    private static JsonObject Markdown(string text) => new() { ["type"] = "mrkdwn", ["text"] = text };

    private static string Moment(Instant at) => string.Create(CultureInfo.InvariantCulture, $"<!date^{at.ToUnixTimeSeconds()}^{{date_short_pretty}} {{time}}|{at.ToString("uuuu-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)}>");
}
