using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.Extensions.Options;
using NodaTime;
using Npgsql;
using Severity = Incidents.Domain.Routing.Severity;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Does what was pressed or typed in Slack, by the same commands as the API, in the name of the person. What it came to is told to that person alone; the message shows it to all.</summary>
internal sealed partial class SlackActions(ISender sender, IActor actor, KnownPeople people, AccountLinkTokens links, IActiveConfiguration configuration, IOptionsMonitor<SlackOptions> slack, IOptions<EngineOptions> engine) : IInboundHandler
{
    private const int ShownInList = 10;
    private const int ShownOfTimeline = 5;

    public string Channel => "slack";

    public string? Apology => Say("That could not be done: something failed inside Incidents. Try again, or use the incident's page.");

    public async Task<InboundResult> ActAsync(InboundAction action, object? found, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var request = SlackRequest.Read(action.Payload);
        var typed = action.Kind == SlackRequest.Command ? SlackCommand.Parse(request.Text) : null;
        if (typed is { Verb: "help" }) return new InboundResult("help was shown", Reply: Say(SlackCommand.Help(Cleaned(request.Action), typed.Problem)));

        var person = await people.FindAsync(KnownPeople.Slack, request.UserId, cancellationToken);
        if (person is null && !MayAnybody(action.Kind == SlackRequest.Command ? typed!.Verb : request.Action)) return Unlinked(request);

        var name = person?.Name ?? (MessageText.SingleLine(request.UserName) is { Length: > 0 } given ? MessageText.Truncate(given, 100) : request.UserId);
        actor.Is(name, ActorKind.Slack, $"slack/{request.UserId}", person?.Grants);
        if (person is not null && Permissions.WhyNot(person.Grants, typed is { Verb: "list" or "show" } ? Permission.See : Permission.Respond, null) is { } may)
            return new InboundResult($"refused: {may}", Number(request.Incident), name, Say($"Not done: {MessageText.ForSlack(may, 500)}"));
        try
        {
            var result = action.Kind switch
            {
                SlackRequest.Command => await RunAsync(typed!, cancellationToken),
                SlackRequest.Shortcut => await AddToTimelineAsync(request, connection, cancellationToken),
                _ => await PressAsync(request, name, connection, cancellationToken),
            };
            return result with { Actor = name };
        }
        catch (ValidationException invalid)
        {
            var why = string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage));
            return new InboundResult($"refused: {why}", Actor: name, Reply: Say(MessageText.ForSlack(why, 1000)));
        }
    }

    private bool MayAnybody(string verb) => slack.CurrentValue.UnlinkedUsersMay switch
    {
        "everything" => true,
        "acknowledge" => verb is SlackLayout.AcknowledgeAction or SlackLayout.UnacknowledgeAction or SlackLayout.UnacknowledgeOption or "ack" or "unack",
        _ => false,
    };

    private InboundResult Unlinked(SlackRequest request)
    {
        var how = links.AddressFor(KnownPeople.Slack, request.UserId, request.UserName) is { } address
            ? $"<{address}|Link your Slack account> (once; the link is yours alone and good for {AccountLinkTokens.GoodForMinutes} minutes), then press again."
            : "Ask an administrator to link your Slack account, or to set Incidents__PublicUrl so that you can do it yourself.";
        var page = Number(request.Incident) is { } number && engine.Value.PublicUrl is { } url ? $" In a hurry? {MessageText.SlackLink(new Uri(url, $"/i/{number}").ToString(), $"Open INC-{number}")}." : "";
        return new InboundResult("not done: this Slack account is linked to nobody here", Number(request.Incident), Reply: Say($"Not done: Incidents does not know who you are. {how}{page}"));
    }

    private async Task<InboundResult> PressAsync(SlackRequest request, string name, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var number = Number(request.Incident) ?? await FindIncidentAsync(request, connection, cancellationToken);
        if (number is not { } incident) return new InboundResult("the button names no incident", Reply: Say("This button names no incident."));
        ICommand<IncidentAnswer>? command = request.Action switch
        {
            SlackLayout.AcknowledgeAction => new AcknowledgeIncident(incident),
            SlackLayout.UnacknowledgeAction or SlackLayout.UnacknowledgeOption => new UnacknowledgeIncident(incident),
            SlackLayout.ResolveAction => new ResolveIncident(incident),
            SlackLayout.ReopenAction => new ReopenIncident(incident),
            SlackLayout.EscalateOption => new EscalateIncident(incident),
            SlackLayout.AssignOption => new AssignIncident(incident, name),
            SlackLayout.SnoozeHourOption => new SnoozeIncident(incident, null, 60),
            SlackLayout.SnoozeNightOption => new SnoozeIncident(incident, null, 480),
            _ => null,
        };
        return command is null
            ? new InboundResult($"unknown action {request.Action}", incident, Reply: Say("This message is from an earlier version of Incidents; use the incident's page."))
            : await SendAsync(incident, command, cancellationToken);
    }

    private async Task<InboundResult> RunAsync(SlackCommand typed, CancellationToken cancellationToken)
    {
        switch (typed.Verb)
        {
            case "list":
                return await ListAsync(cancellationToken);
            case "show":
                return await ShowAsync(typed.Number, cancellationToken);
            case "open":
                var opened = await sender.Send(new OpenIncident(typed.Text, typed.Severity), cancellationToken);
                return new InboundResult("opened", opened.Number, Reply: Say($"Opened {Link(opened.Number)}: {MessageText.ForSlack(opened.Title, 300)} ({opened.Severity})."));
            default:
                return await SendAsync(typed.Number, typed.Verb switch
                {
                    "ack" => new AcknowledgeIncident(typed.Number),
                    "unack" => new UnacknowledgeIncident(typed.Number),
                    "resolve" => new ResolveIncident(typed.Number, typed.Text.Length > 0 ? typed.Text : null),
                    "escalate" => new EscalateIncident(typed.Number, typed.Text.Length > 0 ? typed.Text : null),
                    "note" => new AddNote(typed.Number, typed.Text),
                    _ => throw new InvalidOperationException($"/incident has no verb {typed.Verb}."),
                }, cancellationToken);
        }
    }

    private async Task<InboundResult> SendAsync(long number, ICommand<IncidentAnswer> command, CancellationToken cancellationToken)
    {
        switch (await sender.Send(command, cancellationToken))
        {
            case IncidentAnswer.Is(var incident, true, var warning):
                var now = StateOf(incident);
                return new InboundResult(now, number, Reply: Say($"{Link(number)}: {MessageText.ForSlack(command is AddNote ? "noted." : now, 500)}{(warning is null ? "" : " " + MessageText.ForSlack(warning, 500))}"));
            case IncidentAnswer.Is(_, _, var detail):
                return new InboundResult(detail ?? "so already", number, Reply: Say($"{Link(number)}: {MessageText.ForSlack(detail ?? "It was so already.", 500)}"));
            case IncidentAnswer.Impossible(var detail):
                return new InboundResult(detail, number, Reply: Say($"{Link(number)}: not done. {MessageText.ForSlack(detail, 500)}"));
            case IncidentAnswer.Forbidden(var why):
                return new InboundResult($"refused: {why}", number, Reply: Say($"{Link(number)}: not done. {MessageText.ForSlack(why, 500)}"));
            default:
                return new InboundResult("no such incident", Reply: Say($"There is no incident {number}."));
        }
    }

    private async Task<InboundResult> AddToTimelineAsync(SlackRequest request, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (await FindIncidentAsync(request, connection, cancellationToken) is not { } number)
            return new InboundResult("the message is in no incident's thread", Reply: Say("This message is in no incident's thread. Reply to the message of an incident, or use `/incident note`."));
        var text = MessageText.SingleLine(Plain(request.Text));
        if (text.Length == 0) return new InboundResult("the message has no text", number, Reply: Say("This message has no text."));
        var author = request.AuthorId is null ? null : request.AuthorId == request.UserId ? null : (await people.FindAsync(KnownPeople.Slack, request.AuthorId, cancellationToken))?.Name ?? request.AuthorId;
        return await SendAsync(number, new AddNote(number, author is null ? text : $"{author} in Slack: {text}"), cancellationToken);
    }

    /// <summary>The incident whose thread a message is in, or whose message it is.</summary>
    private async Task<long?> FindIncidentAsync(SlackRequest request, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (request.Channel is not { } channel || (request.ThreadTs ?? request.MessageTs) is not { } ts) return null;
        var reference = new SlackReference(channel, ts).Write();
        foreach (var receiver in configuration.Current.Receivers.Values.Where(r => r.Channel == Channel))
        {
            // The newest first, by the receiver's own index: people act on what happens now.
            await using var command = new NpgsqlCommand("select incident_number from notification_threads where receiver = $1 and reference is not null and reference = $2 order by id desc limit 1", connection);
            command.Parameters.Add(Sql.P(receiver.Name));
            command.Parameters.Add(Sql.P(reference));
            if (await command.ExecuteScalarAsync(cancellationToken) is long number) return number;
        }

        return null;
    }

    private async Task<InboundResult> ListAsync(CancellationToken cancellationToken)
    {
        var open = await sender.Send(new ListIncidents([IncidentState.Triggered, IncidentState.Acknowledged], [], null, null, null, null, null, ShownInList + 1), cancellationToken);
        if (open.Count == 0) return new InboundResult("listed 0", Reply: Say("Nothing is open."));
        var lines = open.Take(ShownInList).Select(Line).ToList();
        if (open.Count > ShownInList) lines.Add("… and more.");
        return new InboundResult($"listed {Math.Min(open.Count, ShownInList)}", Reply: Say(string.Join('\n', lines)));
    }

    private async Task<InboundResult> ShowAsync(long number, CancellationToken cancellationToken)
    {
        if (await sender.Send(new GetIncident(number), cancellationToken) is not { } incident) return new InboundResult("no such incident", Reply: Say($"There is no incident {number}."));
        var timeline = await sender.Send(new ListNewestEntries(number, ShownOfTimeline), cancellationToken);
        var lines = timeline.Reverse().Select(e => $"{Clock(e.At)}  {MessageText.ForSlack(MessageText.SingleLine(e.Text), 300)}");
        return new InboundResult("shown", number, Reply: Say($"{Line(incident)}\n{string.Join('\n', lines)}"));
    }

    private string Line(Incident incident) => $"{Emoji(incident)} {Link(incident.Number)} {incident.Severity}: {MessageText.ForSlack(incident.Title, 200)} · {MessageText.ForSlack(StateOf(incident), 200)}";

    private static string Emoji(Incident incident) => incident switch
    {
        { IsOpen: false } => "🟢",
        { State: IncidentState.Acknowledged } => "🟠",
        { Severity: Severity.Critical } => "🔴",
        { Severity: Severity.Warning } => "🟡",
        _ => "🔵",
    };

    private static string StateOf(Incident incident) => incident switch
    {
        { State: IncidentState.Acknowledged, SnoozedUntil: { } until } => $"Acknowledged by {incident.AcknowledgedBy}, quiet until {Clock(until)}",
        { State: IncidentState.Acknowledged } => $"Acknowledged by {incident.AcknowledgedBy} {Clock(incident.AcknowledgedAt)}",
        { State: IncidentState.Resolved } => $"Resolved by {incident.ResolvedBy} {Clock(incident.ResolvedAt)}",
        { State: IncidentState.Closed } => "Closed",
        { AssignedTo: { } to } => $"Nobody has acknowledged it; assigned to {to}",
        _ => "Nobody has it",
    };

    private static string Clock(Instant? at) => at?.ToString("HH:mm 'UTC'", CultureInfo.InvariantCulture) ?? "";

    private string Link(long number) => (engine.Value.PublicUrl is { } url ? MessageText.SlackLink(new Uri(url, string.Create(CultureInfo.InvariantCulture, $"/i/{number}")).ToString(), $"INC-{number}") : null) ?? $"INC-{number}";

    private static long? Number(string? text) => SlackCommand.TryNumber(text, out var number) ? number : null;

    /// <summary>Slack escapes three characters, and nothing else, in what people write.</summary>
    private static string Plain(string text) => text.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal);

    private static string Cleaned(string command) => CommandName().IsMatch(command) ? command : "/incident";

    private static string Say(string text) => new JsonObject { ["response_type"] = "ephemeral", ["replace_original"] = false, ["text"] = text }.ToJsonString(JsonSerializerOptions.Web);

    [GeneratedRegex("^/[a-z0-9_-]{1,40}$")]
    private static partial Regex CommandName();
}

/// <summary>What was typed after <c>/incident</c>.</summary>
/// <param name="Verb">What to do; <c>help</c> also when it was not understood.</param>
/// <param name="Number">Of the incident, for verbs that need one.</param>
/// <param name="Text">The rest.</param>
/// <param name="Severity">For <c>open</c>.</param>
/// <param name="Problem">Why help is shown although something else was asked for; null when it was asked for.</param>
internal sealed record SlackCommand(string Verb, long Number = 0, string Text = "", string Severity = "critical", string? Problem = null)
{
    public static string Help(string command, string? problem) => (problem is null ? "" : MessageText.ForSlack(problem, 300) + "\n") + $"""
        `{command} list` what is open
        `{command} show 142` one incident and what happened last
        `{command} ack 142` you have it
        `{command} unack 142` you give it back
        `{command} resolve 142 what ended it` it is over; the words are optional
        `{command} escalate 142 why` call for more help
        `{command} note 142 text` into its timeline
        `{command} open title` a new incident; critical, unless `open warning title` says otherwise
        """;

    public static bool TryNumber(string? text, out long number)
    {
        var digits = (text ?? "").Trim().TrimStart('#');
        if (digits.StartsWith("INC-", StringComparison.OrdinalIgnoreCase)) digits = digits[4..];
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number > 0;
    }

    public static SlackCommand Parse(string text)
    {
        var (verb, rest) = Split(text);
        switch (verb.ToLowerInvariant())
        {
            case "" or "help":
                return new SlackCommand("help");
            case "list" or "ls":
                return new SlackCommand("list");
            case "open" or "new":
                var (word, title) = Split(rest);
                var severity = Domain.Routing.Severity.All.FirstOrDefault(s => s.Equals(word.TrimEnd(':'), StringComparison.OrdinalIgnoreCase));
                if (severity is not null && title.Length > 0) return new SlackCommand("open", Text: title, Severity: severity);
                return rest.Length == 0 ? new SlackCommand("help", Problem: "An incident needs a title.") : new SlackCommand("open", Text: rest);
            case var known and ("show" or "ack" or "acknowledge" or "unack" or "unacknowledge" or "resolve" or "escalate" or "note"):
                var (which, words) = Split(rest);
                if (!TryNumber(which, out var number)) return new SlackCommand("help", Problem: $"Which incident? Write its number: {known} 142");
                if (known == "note" && words.Length == 0) return new SlackCommand("help", Problem: "A note needs a text.");
                return new SlackCommand(known switch { "acknowledge" => "ack", "unacknowledge" => "unack", _ => known }, number, words);
            default:
                return new SlackCommand("help", Problem: $"There is no \"{MessageText.Truncate(verb, 40)}\".");
        }
    }

    private static (string Word, string After) Split(string text)
    {
        var trimmed = text.Trim();
        var end = trimmed.AsSpan().IndexOfAny(' ', '\t', '\n');
        return end < 0 ? (trimmed, "") : (trimmed[..end], trimmed[end..].Trim());
    }
}
