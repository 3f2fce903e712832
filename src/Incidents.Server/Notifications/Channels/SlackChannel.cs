using System.Globalization;
using System.Text.Json;
using FluentValidation;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>What <c>slack:</c> may say in <c>routing.yaml</c>.</summary>
internal sealed record SlackReceiver
{
    /// <summary>Channel id (<c>C0123456789</c>, best: it survives renaming and lets us recognise a message whose answer was lost) or name (<c>#alerts</c>).</summary>
    public required string Channel { get; init; }
}

internal sealed class SlackReceiverValidator : AbstractValidator<SlackReceiver>
{
    public SlackReceiverValidator() =>
        RuleFor(r => r.Channel).Must(channel => !string.IsNullOrWhiteSpace(channel) && channel.Length <= 255 && !channel.Any(char.IsWhiteSpace))
            .WithMessage("channel must be a channel id such as C0123456789, or a name such as \"#alerts\" (quoted, because # begins a comment).");
}

/// <summary>One message per subject, updated in place; what happened goes into its thread, one line each.</summary>
internal sealed partial class SlackChannel(ISlackApi slack, TimeProvider clock, ILogger<SlackChannel> log) : INotificationChannel<SlackReceiver>
{
    public const string MetadataType = "incidents_subject";

    private const int MostSingleReplies = 10;
    private const int MostReplyLength = 3500;
    private const int MostCombinedReplies = 3;

    // Slack's and our clocks may differ, and the message may be as old as the first attempt.
    private static readonly Duration LookBackMargin = Duration.FromMinutes(2);

    public async Task<DeliveryResult> SendAsync(
        Notification notification, SlackReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        if (!slack.HasToken)
            return new DeliveryResult.Misconfigured("Slack__BotToken is not set. Write the bot token of a Slack app (xoxb-…, scope chat:write) into Slack__BotToken.");

        var lines = notification.Log.Where(line => line.Id > thread.LogCursor).OrderBy(line => line.Id).ToList();
        if (thread.ShownState == notification.State && thread.ShownRevision >= notification.Revision && lines.Count == 0)
            return new DeliveryResult.NothingToSend(thread, "Slack already shows this state");

        var step = new Progress(thread);
        try
        {
            if (await ShowRootAsync(notification, receiver, attempt, step, cancellationToken) is { } failure) return step.With(failure);
            if (await ReplyAsync(notification, lines, step, cancellationToken) is { } replyFailure) return step.With(replyFailure);
        }
        catch (Exception broken) when (step.HasBegun && (NetworkFailure.IsNetwork(broken) || broken is OperationCanceledException))
        {
            // Without progress the registry answers; with progress it must not be lost, not even when we are shutting down.
            return step.With(broken is OperationCanceledException ? new DeliveryResult.RetryLater("no answer from Slack in time", MayHaveArrived: true) : NetworkFailure.Answer(broken));
        }

        return new DeliveryResult.Delivered(step.Thread with { MayHaveArrived = false }, step.Did.Count == 0 ? "message updated" : string.Join(", ", step.Did));
    }

    private async Task<DeliveryResult?> ShowRootAsync(Notification notification, SlackReceiver receiver, DeliveryAttempt attempt, Progress step, CancellationToken cancellationToken)
    {
        var known = Read(step.Thread.Reference);
        if (known is null && step.Thread.MayHaveArrived)
        {
            (known, var failure) = await FindAsync(notification, receiver, step.Thread, attempt, cancellationToken);
            if (failure is not null) return failure;
            if (known is not null) step.Did.Add("found the message of an attempt whose answer was lost");
        }

        if (known is not null && step.Thread.ShownState == notification.State && step.Thread.ShownRevision >= notification.Revision) return null;

        var message = Root(notification, receiver, known?.Channel ?? receiver.Channel);
        if (known is not null)
        {
            var updated = await SendOrSimplifyAsync(message, notification, m => slack.UpdateMessageAsync(m, known.Ts, cancellationToken), step);
            if (updated.Ok)
            {
                step.Shown(notification, known);
                step.Did.Add("message updated");
                return null;
            }

            if (SlackErrors.Classify(updated) != SlackErrorClass.UpdateOnly) return SlackErrors.ToResult(updated);
            LogRootLost(notification.SubjectKey, updated.Error);
            step.Did.Add($"message could not be updated ({updated.Error})");
        }

        var posted = await SendOrSimplifyAsync(message, notification, m => slack.PostMessageAsync(m, cancellationToken), step);
        if (!posted.Ok) return SlackErrors.ToResult(posted);
        if (posted.Ts is null) return new DeliveryResult.RetryLater("Slack said ok without a ts", MayHaveArrived: true);

        step.Shown(notification, new SlackReference(posted.Channel ?? message.Channel, posted.Ts));
        step.Did.Add("message posted");
        return null;
    }

    /// <summary>A layout that Slack refuses must not cost the message: once more, as one plain line.</summary>
    private static async Task<SlackAnswer> SendOrSimplifyAsync(SlackMessage message, Notification notification, Func<SlackMessage, Task<SlackAnswer>> send, Progress step)
    {
        var answer = await send(message);
        if (SlackErrors.Classify(answer) != SlackErrorClass.Content) return answer;

        step.Did.Add($"layout refused ({answer.Error}), sent as plain text");
        return await send(new SlackMessage { Channel = message.Channel, Text = SlackLayout.Plain(notification), ThreadTs = message.ThreadTs, Broadcast = message.Broadcast });
    }

    private async Task<(SlackReference? Found, DeliveryResult? Failure)> FindAsync(
        Notification notification, SlackReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        // Looking takes the id. Of a channel that is only named, Slack said it when the last message was posted there.
        var channel = IsChannelId(receiver.Channel) ? receiver.Channel : Read(attempt.Elsewhere)?.Channel;
        if (channel is null)
        {
            LogCannotLook(notification.SubjectKey, "the receiver names its channel without an id, and nothing was posted there before");
            return (null, null);
        }

        var oldest = (thread.FirstAttemptAt ?? Instant.FromDateTimeOffset(clock.GetUtcNow()) - Duration.FromDays(1)) - LookBackMargin;
        var answer = await slack.FindMessageAsync(channel, MetadataType, Payload(notification, receiver), oldest, cancellationToken);
        if (answer.Ok) return (answer.Ts is null ? null : new SlackReference(channel, answer.Ts), null);

        // Throttled or broken: look again later, rather than post blindly. Not allowed to look: a rare double is better than no message.
        var failure = SlackErrors.ToResult(answer);
        if (failure is DeliveryResult.RetryLater later) return (null, later with { MayHaveArrived = true });
        if (SlackErrors.IsAboutToken(answer.Error)) return (null, failure);
        LogCannotLook(notification.SubjectKey, answer.Error ?? "no error word");
        return (null, null);
    }

    private async Task<DeliveryResult?> ReplyAsync(Notification notification, List<LogLine> lines, Progress step, CancellationToken cancellationToken)
    {
        var root = Read(step.Thread.Reference);
        if (root is null || lines.Count == 0) return null;

        var replies = Replies(lines, notification);

        // An edited message notifies nobody, so what somebody must hear is said in the channel once more.
        var loud = Occasion.IsPage(notification.Occasion) && notification.Occasion != Occasion.Opened;
        for (var i = 0; i < replies.Count; i++)
        {
            var (text, cursor) = replies[i];
            var message = new SlackMessage { Channel = root.Channel, Text = text, ThreadTs = root.Ts, Broadcast = loud && i == replies.Count - 1 };
            var answer = await slack.PostMessageAsync(message, cancellationToken);
            var error = SlackErrors.Classify(answer);
            if (error == SlackErrorClass.Thread) answer = await slack.PostMessageAsync(message with { ThreadTs = null, Broadcast = false }, cancellationToken);
            else if (error == SlackErrorClass.Content) answer = await slack.PostMessageAsync(message with { Text = MessageText.TruncateSlack(text, 300) }, cancellationToken);
            if (!answer.Ok) return SlackErrors.ToResult(answer);
            step.Told(cursor);
        }

        step.Did.Add(string.Create(CultureInfo.InvariantCulture, $"{replies.Count} thread {(replies.Count == 1 ? "reply" : "replies")}"));
        return null;
    }

    /// <summary>One reply a line; of more than ten, a few long ones, so that a storm neither floods the thread nor meets the rate limit.</summary>
    private static List<(string Text, long Cursor)> Replies(List<LogLine> lines, Notification notification)
    {
        if (lines.Count <= MostSingleReplies) return [.. lines.Select(line => (Line(line, MostReplyLength), line.Id))];

        var replies = new List<(string Text, long Cursor)>();
        var text = "";
        for (var i = 0; i < lines.Count; i++)
        {
            var line = Line(lines[i], 300);
            if (text.Length + line.Length + 1 > MostReplyLength)
            {
                if (replies.Count == MostCombinedReplies - 1)
                {
                    var more = string.Create(CultureInfo.InvariantCulture, $"\n… and {lines.Count - i} more");
                    if (MessageText.SlackLink(notification.Url, "on the incident's page", 200) is { } link) more += " " + link;
                    text += more;
                    break;
                }

                replies.Add((text, lines[i - 1].Id));
                text = "";
            }

            text = text.Length == 0 ? line : $"{text}\n{line}";
        }

        replies.Add((text, lines[^1].Id));
        return replies;
    }

    private static string Line(LogLine line, int longest)
    {
        var at = line.At.ToString("HH:mm:ss", CultureInfo.InvariantCulture);
        var words = MessageText.SingleLine(line.Text);
        return MessageText.ForSlack($"{at} UTC  {(words.Length == 0 ? line.Kind : words)}", longest);
    }

    private static SlackMessage Root(Notification notification, SlackReceiver receiver, string channel) => new()
    {
        Channel = channel,
        Text = SlackLayout.Fallback(notification),
        Blocks = SlackLayout.Header(notification),
        Attachments = SlackLayout.Attachments(notification),
        EventType = MetadataType,
        EventPayload = Payload(notification, receiver),
    };

    private static Dictionary<string, string> Payload(Notification notification, SlackReceiver receiver) => new(StringComparer.Ordinal)
    {
        ["subject_key"] = notification.SubjectKey,
        ["receiver"] = receiver.Channel,
    };

    private static bool IsChannelId(string channel) =>
        channel.Length >= 9 && channel[0] is 'C' or 'G' or 'D' && channel.All(c => c is (>= 'A' and <= 'Z') or (>= '0' and <= '9'));

    private static SlackReference? Read(string? reference) => reference is null ? null : JsonSerializer.Deserialize<SlackReference>(reference, JsonSerializerOptions.Web);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Slack message of {SubjectKey} could not be updated ({Error}), a new one was posted")]
    private partial void LogRootLost(string subjectKey, string? error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Slack could not be asked for a message of {SubjectKey} that may have arrived ({Reason}), it may now be there twice")]
    private partial void LogCannotLook(string subjectKey, string reason);

    /// <summary>What this attempt has done so far, so that a failure half-way repeats none of it.</summary>
    private sealed class Progress(ThreadMemory thread)
    {
        private readonly ThreadMemory _before = thread;

        public ThreadMemory Thread { get; private set; } = thread;

        public List<string> Did { get; } = [];

        public bool HasBegun => Thread != _before;

        public void Shown(Notification notification, SlackReference reference) => Thread = Thread with
        {
            Reference = reference.Write(),
            ShownState = notification.State,
            ShownRevision = notification.Revision,
            MayHaveArrived = false,
        };

        public void Told(long cursor) => Thread = Thread with { LogCursor = cursor };

        public DeliveryResult With(DeliveryResult failure) => failure is DeliveryResult.RetryLater later && HasBegun ? later with { Progress = Thread } : failure;
    }
}

/// <summary>Where the root message is.</summary>
internal sealed record SlackReference(string Channel, string Ts)
{
    /// <summary>Always the same text for the same place, so that threads can be found by it.</summary>
    public string Write() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);
}
