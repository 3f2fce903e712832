using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FluentValidation;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Notifications.Inbound;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using Microsoft.Extensions.Options;
using MimeKit;
using MimeKit.IO;

namespace Incidents.Server.Notifications.Channels;

/// <summary>The mail server that takes our mail. Section <c>Smtp</c>.</summary>
internal sealed class SmtpOptions
{
    /// <summary>Host name. No default: without it no mail can go out.</summary>
    public string? Host { get; set; }

    /// <summary>Port. Default 587; 465 goes with <see cref="Security"/> <c>tls</c>.</summary>
    public int Port { get; set; } = 587;

    /// <summary><c>starttls</c> (default; refuses a server that does not offer it), <c>tls</c> (from the first byte) or <c>none</c>.</summary>
    public string Security { get; set; } = "starttls";

    /// <summary>User name; left out: no authentication.</summary>
    public string? User { get; set; }

    public string? Password { get; set; }

    /// <summary>Sender, as <c>incidents@example.org</c> or <c>Incidents &lt;incidents@example.org&gt;</c>. Default <c>incidents@localhost</c>. Its domain ends our Message-IDs, so a change begins new threads.</summary>
    public string From { get; set; } = "incidents@localhost";

    /// <summary>A password is sent in plain text to this machine only.</summary>
    public bool MayAuthenticate => string.IsNullOrEmpty(User) || Security != "none" || Host is "localhost" || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));
}

/// <summary>What <c>email:</c> may say in <c>routing.yaml</c>.</summary>
internal sealed record EmailReceiver
{
    /// <summary>Mail addresses, at least one.</summary>
    public required IReadOnlyList<string> To { get; init; }
}

internal sealed class EmailReceiverValidator : AbstractValidator<EmailReceiver>
{
    public EmailReceiverValidator()
    {
        RuleFor(r => r.To).NotEmpty().WithMessage("to is empty; write at least one mail address.");
        RuleForEach(r => r.To).Must(EmailChannel.IsAddress).WithMessage("'{PropertyValue}' is not a mail address; write it as ana@example.org.");
    }
}

/// <summary>
/// One mail for each change a person must know of, all of a subject in one thread. Small changes stay in Slack and on the page.
/// While something can be done about it, each recipient gets a copy with links that act in their name; there are none without <paramref name="links"/>.
/// </summary>
internal sealed partial class EmailChannel(IOptionsMonitor<SmtpOptions> options, ILogger<EmailChannel> log, MailLinks? links = null) : INotificationChannel<EmailReceiver>
{
    public static bool IsAddress(string? text) =>
        text is not null && MailboxAddress.TryParse(text, out var mailbox) && mailbox.Address.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < mailbox.Address.Length - 1;

    public async Task<DeliveryResult> SendAsync(
        Notification notification, EmailReceiver receiver, ThreadMemory thread, DeliveryAttempt attempt, CancellationToken cancellationToken)
    {
        var smtp = options.CurrentValue;
        if (string.IsNullOrWhiteSpace(smtp.Host))
            return new DeliveryResult.Misconfigured("Smtp__Host is not set. Write the name of the mail server into Smtp__Host, and Smtp__Port, Smtp__Security, Smtp__User, Smtp__Password and Smtp__From as it wants them.");
        if (!IsWorthAMail(notification.Occasion)) return new DeliveryResult.NothingToSend(thread, $"no mail is sent for occasion {notification.Occasion}");

        // What the subject line says must outlive a raised severity, so the first one is remembered from the first attempt on.
        var memory = EmailMemory.Read(thread.Reference) ?? new EmailMemory(notification.Severity, null, []);
        if (memory.Delivery != attempt.Key) memory = memory with { Delivery = attempt.Key, Told = [] };

        var waiting = receiver.To.Select(MailboxAddress.Parse).Where(to => !memory.Told.Contains(to.Address, StringComparer.OrdinalIgnoreCase)).ToList();
        if (waiting.Count == 0) return new DeliveryResult.Delivered(Shown(thread, notification, memory), "every recipient has it already");

        var from = MailboxAddress.Parse(smtp.From);
        var everybody = receiver.To.Select(MailboxAddress.Parse).ToList();
        var letters = Letters(notification, waiting).Select(letter => (letter.To, Message: EmailLayout.Compose(notification, memory.Severity, attempt.Key, from, everybody, letter.Links))).ToList();
        try
        {
            var outcome = await HandOverAsync(smtp, notification, letters, from, cancellationToken);
            memory = memory with { Told = [.. memory.Told, .. outcome.Accepted] };
            return outcome switch
            {
                { Failure: DeliveryResult.RetryLater later } => later with { Progress = thread with { Reference = memory.Write() } },

                // What some have cannot be taken back, and the others would not get it at another attempt either.
                { Failure: DeliveryResult.Rejected rejected } when memory.Told.Count > 0 => new DeliveryResult.Delivered(Shown(thread, notification, memory), $"accepted for {string.Join(", ", memory.Told)}; {rejected.Reason}"),
                { Failure: { } failure } => failure,
                _ => Conclude(outcome.Refused, notification, thread, memory, outcome.Answer),
            };
        }
        finally
        {
            foreach (var letter in letters) letter.Message.Dispose();
        }
    }

    /// <summary>One for all; or one for each, where each has links of its own.</summary>
    private IEnumerable<(List<MailboxAddress> To, ActionLinks Links)> Letters(Notification notification, List<MailboxAddress> waiting)
    {
        if (links is null || notification.State is not (SubjectState.Triggered or SubjectState.Acknowledged) || links.For(notification, "", MailLink.Acknowledge) is null)
            return [(waiting, ActionLinks.None)];
        return waiting.Select(to => (new List<MailboxAddress> { to }, new ActionLinks(
            notification.State == SubjectState.Triggered ? links.For(notification, to.Address, MailLink.Acknowledge) : null, links.For(notification, to.Address, MailLink.Resolve))));
    }

    private static bool IsWorthAMail(string occasion) => Occasion.IsPage(occasion) || occasion is Occasion.Acknowledged or Occasion.Resolved;

    private static DeliveryResult Conclude(
        IReadOnlyList<RefusedRecipient> refused, Notification notification, ThreadMemory thread, EmailMemory now, string answer)
    {
        var later = refused.Where(r => !r.IsFinal).ToList();
        if (later.Count > 0)
        {
            // Only those that were put off get it again.
            return new DeliveryResult.RetryLater($"put off for {Name(later)}", Progress: thread with { Reference = now.Write() });
        }

        if (now.Told.Count == 0) return new DeliveryResult.Rejected($"refused for {Name(refused)}");
        var said = $"accepted for {string.Join(", ", now.Told)}";
        if (refused.Count > 0) said += $"; refused for {Name(refused)}";
        return new DeliveryResult.Delivered(Shown(thread, notification, now), answer.Length == 0 ? said : $"{said} ({answer})");
    }

    private static string Name(IEnumerable<RefusedRecipient> refused) => string.Join(", ", refused.Select(r => $"{r.Address} ({r.Code} {r.Answer})"));

    private static ThreadMemory Shown(ThreadMemory thread, Notification notification, EmailMemory memory) => thread with
    {
        Reference = memory.Write(),
        ShownState = notification.State,
        ShownRevision = notification.Revision,
        LogCursor = notification.Log.IsDefaultOrEmpty ? thread.LogCursor : Math.Max(thread.LogCursor, notification.Log.Max(line => line.Id)),
        MayHaveArrived = false,
    };

    private async Task<HandOver> HandOverAsync(
        SmtpOptions smtp, Notification notification, List<(List<MailboxAddress> To, MimeMessage Message)> letters, MailboxAddress from, CancellationToken cancellationToken)
    {
        using var client = new ForgivingSmtpClient();
        var accepted = new List<string>();
        var handing = false;
        try
        {
            var answer = "";
            foreach (var (to, message) in letters)
            {
                // Also again, after a server that refused a letter and closed the connection with it.
                if (!client.IsConnected) await ConnectAsync(client, smtp, cancellationToken);
                var before = client.Refused.Count;
                try
                {
                    handing = true;
                    var said = await client.SendAsync(message, from, to, cancellationToken);
                    handing = false;
                    accepted.AddRange(to.Where(t => !client.Refused.Any(r => r.Address == t.Address)).Select(t => t.Address));
                    answer = MessageText.Truncate(MessageText.SingleLine(said), 200);
                }
                catch (SmtpCommandException refusal) when (client.Refused.Count - before == to.Count)
                {
                    // Accepted for nobody of this letter; the next one is for others.
                    LogNobodyAccepted(notification.SubjectKey, refusal.StatusCode);
                    handing = false;
                    if (!client.IsConnected) return new HandOver(new DeliveryResult.RetryLater("the mail server closed the connection"), client.Refused, accepted, "");
                }
                catch (SmtpCommandException refusal) when (letters.Count > 1)
                {
                    // The letter was refused as a whole. Each has one of their own, so what a filter holds against this one says nothing about the others.
                    LogNobodyAccepted(notification.SubjectKey, refusal.StatusCode);
                    handing = false;
                    client.Refused.AddRange(to.Where(t => !client.Refused.Any(r => r.Address == t.Address)).Select(t => new RefusedRecipient(t.Address, (int)refusal.StatusCode, MessageText.Truncate(MessageText.SingleLine(refusal.Message), 120))));
                }
            }

            await QuitAsync(client, cancellationToken);
            return new HandOver(null, client.Refused, accepted, accepted.Count == 0 ? "" : answer);
        }
        catch (OperationCanceledException) when (accepted.Count > 0)
        {
            // The time is up, but some have it: they must not get it again at each attempt, while the last never do.
            return Fail(new DeliveryResult.RetryLater($"no time was left after {accepted.Count} of {letters.Sum(l => l.To.Count)} recipients", MayHaveArrived: handing));
        }
        catch (SmtpCommandException refusal)
        {
            var said = $"SMTP {(int)refusal.StatusCode} {MessageText.Truncate(MessageText.SingleLine(refusal.Message), 200)}";
            return Fail((int)refusal.StatusCode / 100 == 5 ? new DeliveryResult.Rejected(said) : new DeliveryResult.RetryLater(said));
        }
        catch (AuthenticationException refusal)
        {
            // 454 is the server's own trouble; everything else stays wrong until a person mends it.
            var said = MessageText.Truncate(MessageText.SingleLine(refusal.Message), 200);
            return Fail(said.StartsWith("454", StringComparison.Ordinal)
                ? new DeliveryResult.RetryLater($"SMTP authentication put off: {said}")
                : new DeliveryResult.Misconfigured($"The mail server refused to authenticate: {said}. Check Smtp__User and Smtp__Password."));
        }
        catch (SslHandshakeException failure)
        {
            return Fail(new DeliveryResult.Misconfigured(
                $"TLS with the mail server failed: {MessageText.Truncate(MessageText.SingleLine(failure.InnerException?.Message ?? failure.Message), 200)}. Check Smtp__Security (starttls, tls or none), Smtp__Port and the server's certificate."));
        }
        catch (NotSupportedException failure)
        {
            return Fail(new DeliveryResult.Misconfigured(
                $"The mail server lacks what Smtp__Security={smtp.Security} or Smtp__User needs: {MessageText.Truncate(MessageText.SingleLine(failure.Message), 200)}"));
        }
        catch (Exception failure) when (failure is ProtocolException or IOException or SocketException)
        {
            // Broken during MAIL…DATA: the server may have taken the mail. The next attempt carries the same Message-ID, by which mail stores drop doubles.
            return Fail(new DeliveryResult.RetryLater(failure is SocketException ? NetworkFailure.Reason(failure) : "the mail server closed the connection", MayHaveArrived: handing));
        }

        HandOver Fail(DeliveryResult failure) => new(failure, [], accepted, "");
    }

    private static async Task ConnectAsync(ForgivingSmtpClient client, SmtpOptions smtp, CancellationToken cancellationToken)
    {
        await client.ConnectAsync(smtp.Host!.Trim(), smtp.Port, smtp.Security switch
        {
            "tls" => SecureSocketOptions.SslOnConnect,
            "none" => SecureSocketOptions.None,
            _ => SecureSocketOptions.StartTls,
        }, cancellationToken);
        if (!string.IsNullOrEmpty(smtp.User)) await client.AuthenticateAsync(smtp.User, smtp.Password ?? "", cancellationToken);
    }

    private async Task QuitAsync(ForgivingSmtpClient client, CancellationToken cancellationToken)
    {
        try
        {
            await client.DisconnectAsync(quit: true, cancellationToken);
        }
        catch (Exception failure) when (failure is ProtocolException or IOException or SocketException or OperationCanceledException)
        {
            // The mail is handed over; a connection that breaks at the farewell must not have it sent again.
            LogNoFarewell(failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Mail about {SubjectKey} was accepted for no recipient, last status {Status}")]
    private partial void LogNobodyAccepted(string subjectKey, SmtpStatusCode status);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The mail server broke the connection after taking a mail")]
    private partial void LogNoFarewell(Exception failure);

    private sealed record HandOver(DeliveryResult? Failure, IReadOnlyList<RefusedRecipient> Refused, IReadOnlyList<string> Accepted, string Answer);

    private sealed record RefusedRecipient(string Address, int Code, string Answer)
    {
        public bool IsFinal => Code / 100 == 5;
    }

    /// <summary>One refused recipient must not cost the others their mail.</summary>
    private sealed class ForgivingSmtpClient : SmtpClient
    {
        public List<RefusedRecipient> Refused { get; } = [];

        protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
            Refused.Add(new RefusedRecipient(mailbox.Address, (int)response.StatusCode, MessageText.Truncate(MessageText.SingleLine(response.Response), 120)));
    }
}

/// <summary>What mail threads remember: the severity in their subject line, and whom the delivery under way has reached.</summary>
internal sealed record EmailMemory(string Severity, string? Delivery, IReadOnlyList<string> Told)
{
    public static EmailMemory? Read(string? reference) => reference is null ? null : JsonSerializer.Deserialize<EmailMemory>(reference, JsonSerializerOptions.Web);

    public string Write() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);
}

/// <summary>Where a recipient's buttons lead; null for a button that the mail does not have.</summary>
internal sealed record ActionLinks(string? Acknowledge, string? Resolve)
{
    public static readonly ActionLinks None = new(null, null);
}

/// <summary>How a subject looks as mail: complete as text, readable with images off, well under the 100 kB at which Gmail clips.</summary>
internal static class EmailLayout
{
    private const int MostBytes = 95_000;
    private const int MostFirst = 400;

    // What is left out at need: characters of free text, of a fact, of a line; number of alerts and of log lines.
    private static readonly Limits[] Sizes = [new(6000, 500, 200, 20, 30), new(2000, 300, 150, 10, 15), new(500, 150, 100, 3, 5)];

    /// <summary>The mail in the largest of a few sizes that stays under 95 kB as it goes over the wire.</summary>
    public static MimeMessage Compose(Notification notification, string firstSeverity, string deliveryKey, MailboxAddress from, IReadOnlyList<MailboxAddress> to, ActionLinks actions)
    {
        foreach (var limits in Sizes[..^1])
        {
            var message = Compose(notification, firstSeverity, deliveryKey, from, to, actions, limits);
            if (Measure(message) <= MostBytes) return message;
            message.Dispose();
        }

        return Compose(notification, firstSeverity, deliveryKey, from, to, actions, Sizes[^1]);
    }

    private static long Measure(MimeMessage message)
    {
        message.Prepare(EncodingConstraint.SevenBit);
        using var measure = new MeasuringStream();
        message.WriteTo(measure);
        return measure.Length;
    }

    private static MimeMessage Compose(
        Notification notification, string firstSeverity, string deliveryKey, MailboxAddress from, IReadOnlyList<MailboxAddress> to, ActionLinks actions, Limits limits)
    {
        var host = from.Domain.Length == 0 ? "localhost" : from.Domain;
        var root = $"{notification.SubjectKey}@{host}";
        var message = new MimeMessage
        {
            Subject = Subject(notification, firstSeverity),
            MessageId = $"{notification.SubjectKey}.{deliveryKey}@{host}",
            Date = notification.At.ToDateTimeOffset(),
            InReplyTo = root,
        };
        message.From.Add(from);
        message.To.AddRange(to);
        message.References.Add(root);
        message.Headers.Add("Auto-Submitted", "auto-generated");
        message.Headers.Add("X-Auto-Response-Suppress", "All");
        message.Headers.Add("List-Id", $"Incidents <incidents.{host}>");
        message.Headers.Add("X-Incidents-Id", MessageText.Number(notification) ?? notification.SubjectKey);
        message.Headers.Add("X-Incidents-Severity", notification.Severity);
        message.Headers.Add("X-Incidents-State", notification.State);
        message.Body = new BodyBuilder { TextBody = Text(notification, actions, limits), HtmlBody = Html(notification, actions, limits) }.ToMessageBody();
        return message;
    }

    /// <summary><c>[CRITICAL] INC-142 Checkout errors 12 % (checkout, prod)</c>; the same for all mails of the subject, or Gmail would split the thread.</summary>
    public static string Subject(Notification notification, string firstSeverity)
    {
        var number = MessageText.Number(notification) is { } name ? name + " " : "";
        return MessageText.Truncate($"[{MessageText.SeverityWord(firstSeverity)}] {number}{MessageText.TitleAndPlace(notification)}", 250);
    }

    private static string First(Notification notification) => MessageText.Truncate(
        $"{MessageText.StateLine(notification)}{Why(notification)}. {MessageText.SeverityWord(notification.Severity)}: {MessageText.TitleAndPlace(notification)}", MostFirst);

    private static string Why(Notification notification) => notification.Occasion switch
    {
        Occasion.Reopened => " again (reopened)",
        Occasion.Escalated => ", escalated",
        Occasion.Paged => ", and you are paged",
        Occasion.NobodyCame => ", and nobody has acknowledged",
        Occasion.AckTimedOut => " again (acknowledged too long ago)",
        Occasion.SeverityRaised => ", severity raised",
        Occasion.SnoozeEnded => " again (its snooze ended)",
        Occasion.QuietEnded => " (it was hidden until now)",
        _ => "",
    };

    private static string Text(Notification notification, ActionLinks actions, Limits limits)
    {
        var text = new StringBuilder();
        text.Append(First(notification)).Append("\n\n");
        if (actions.Acknowledge is not null) text.Append("Acknowledge: ").Append(actions.Acknowledge).Append('\n');
        if (actions.Resolve is not null) text.Append("Resolve: ").Append(actions.Resolve).Append('\n');
        if (actions != ActionLinks.None) text.Append("The links act in your name: do not forward this mail.\n\n");
        foreach (var fact in MessageText.Facts(notification)) text.Append(fact.Name).Append(": ").Append(MessageText.Truncate(fact.Text, limits.Fact)).Append('\n');
        foreach (var words in Words(notification, limits)) text.Append('\n').Append(words).Append('\n');
        if (notification.Alerts.Length > 1)
        {
            text.Append("\nAlerts:\n");
            foreach (var alert in notification.Alerts.Take(limits.Alerts)) text.Append("- ").Append(AlertWords(alert, limits)).Append('\n');
        }

        var lines = Lines(notification, limits);
        if (lines.Count > 0)
        {
            text.Append("\nWhat happened:\n");
            foreach (var line in lines) text.Append("- ").Append(line).Append('\n');
        }

        foreach (var (name, url) in Links(notification)) text.Append('\n').Append(name).Append(": ").Append(url);
        return text.Append('\n').ToString();
    }

    private static string Html(Notification notification, ActionLinks actions, Limits limits)
    {
        var html = new StringBuilder();
        html.Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"><meta name=\"viewport\" content=\"width=device-width\"></head>")
            .Append("<body style=\"font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;max-width:640px;margin:0 auto;padding:16px\">");

        // The preheader: what a mail list shows after the subject.
        html.Append("<div style=\"display:none;max-height:0;overflow:hidden\">").Append(Encode(First(notification))).Append("</div>");
        html.Append("<h1 style=\"font-size:20px;border-left:8px solid ").Append(Colour(notification)).Append(";padding-left:12px\">").Append(Encode(First(notification))).Append("</h1>");
        if (actions != ActionLinks.None)
        {
            // The page behind a link has the button that acts: scanners open every link in a mail.
            if (actions.Acknowledge is not null) Button(actions.Acknowledge, "Acknowledge", "#1264a3");
            if (actions.Resolve is not null) Button(actions.Resolve, "Resolve", actions.Acknowledge is null ? "#1264a3" : "#5f6368");
            html.Append("<p>The buttons act in your name: do not forward this mail.</p>");
        }
        else if (MessageText.HttpUrl(notification.Url) is { } page)
        {
            Button(page, notification.State == SubjectState.Triggered ? "Acknowledge" : "Open " + (MessageText.Number(notification) ?? "the alerts"), "#1264a3");
        }

        html.Append("<table style=\"border-collapse:collapse\">");
        foreach (var fact in MessageText.Facts(notification))
        {
            html.Append("<tr><th style=\"text-align:left;vertical-align:top;padding:2px 16px 2px 0\">").Append(Encode(fact.Name)).Append("</th><td style=\"overflow-wrap:anywhere\">");
            var text = MessageText.Truncate(fact.Text, limits.Fact);
            if (fact.Name == "Runbook" && MessageText.HttpUrl(notification.RunbookUrl) is { } runbook) html.Append("<a href=\"").Append(Encode(runbook)).Append("\">").Append(Encode(text)).Append("</a>");
            else html.Append(Encode(text));
            html.Append("</td></tr>");
        }

        html.Append("</table>");
        foreach (var words in Words(notification, limits)) html.Append("<p style=\"white-space:pre-wrap;overflow-wrap:anywhere\">").Append(Encode(words)).Append("</p>");
        List("Alerts", notification.Alerts.Length > 1 ? notification.Alerts.Take(limits.Alerts).Select(alert => AlertWords(alert, limits)) : []);
        List("What happened", Lines(notification, limits));
        html.Append("<p>");
        foreach (var (name, url) in Links(notification)) html.Append("<a href=\"").Append(Encode(url)).Append("\">").Append(Encode(name)).Append("</a> &nbsp; ");
        return html.Append("</p></body></html>").ToString();

        void Button(string href, string text, string colour) => html.Append("<p><a href=\"").Append(Encode(href)).Append("\" style=\"display:block;text-align:center;padding:16px;background:").Append(colour)
            .Append(";color:#ffffff;border-radius:6px;text-decoration:none;font-weight:bold\">").Append(Encode(text)).Append("</a></p>");

        void List(string title, IEnumerable<string> lines)
        {
            var items = lines.ToList();
            if (items.Count == 0) return;
            html.Append("<h2 style=\"font-size:17px\">").Append(title).Append("</h2><ul>");
            foreach (var item in items) html.Append("<li>").Append(Encode(item)).Append("</li>");
            html.Append("</ul>");
        }
    }

    private static string Colour(Notification notification) => notification.State switch
    {
        SubjectState.Resolved => "#2eb67d",
        SubjectState.Acknowledged => "#f2811d",
        _ => notification.Severity == Incidents.Domain.Routing.Severity.Critical ? "#d0021b" : "#ecb22e",
    };

    private static IEnumerable<string> Words(Notification notification, Limits limits)
    {
        var summary = notification.Summary.Trim();
        var description = notification.Description.Trim();
        if (summary.Length > 0 && summary != notification.Title.Trim()) yield return MessageText.Truncate(summary, limits.FreeText);
        if (description.Length > 0 && description != summary) yield return MessageText.Truncate(description, limits.FreeText);
    }

    private static string AlertWords(AlertLine alert, Limits limits)
    {
        var words = MessageText.SingleLine(alert.Summary.Length > 0 ? $"{alert.Name}: {alert.Summary}" : alert.Name);
        return $"{(alert.IsFiring ? "firing" : "resolved")}: {MessageText.Truncate(words, limits.Line)}";
    }

    private static List<string> Lines(Notification notification, Limits limits)
    {
        var lines = notification.Log.TakeLast(limits.LogLines).Select(line =>
            $"{line.At.ToString("HH:mm:ss", CultureInfo.InvariantCulture)} UTC {MessageText.Truncate(MessageText.SingleLine(line.Text), limits.Line)}").ToList();
        if (notification.Log.Length > lines.Count) lines.Insert(0, string.Create(CultureInfo.InvariantCulture, $"({notification.Log.Length - lines.Count} earlier entries are on the incident's page)"));
        return lines;
    }

    private static IEnumerable<(string Name, string Url)> Links(Notification notification)
    {
        if (MessageText.HttpUrl(notification.Url) is { } page) yield return (MessageText.Number(notification) ?? "Alerts", page);
        if (MessageText.HttpUrl(notification.DashboardUrl) is { } dashboard) yield return ("Dashboard", dashboard);
        if (MessageText.HttpUrl(notification.SourceUrl) is { } source) yield return ("Query", source);
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);

    private sealed record Limits(int FreeText, int Fact, int Line, int Alerts, int LogLines);
}
