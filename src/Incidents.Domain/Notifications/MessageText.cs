using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Domain.Notifications;

/// <summary>One fact of a message: a short name and one line of text.</summary>
public sealed record Fact(string Name, string Text);

/// <summary>The words that every channel uses, and the safe ways to shorten hostile text.</summary>
public static class MessageText
{
    private const char Ellipsis = '…';

    private static readonly InstantPattern Moment = InstantPattern.CreateWithInvariantCulture("uuuu-MM-dd HH:mm 'UTC'");
    private static readonly InstantPattern Clock = InstantPattern.CreateWithInvariantCulture("HH:mm 'UTC'");

    /// <summary>What people call the subject: <c>INC-142</c>; null for a group of informational alerts.</summary>
    public static string? Number(Notification notification) =>
        notification.IncidentNumber is { } number ? string.Create(CultureInfo.InvariantCulture, $"INC-{number}") : null;

    /// <summary>What a lock screen shows: <c>CRITICAL: Checkout errors 12 % (checkout, prod)</c>, with the state in front once it is no longer new.</summary>
    public static string OneLine(Notification notification)
    {
        var state = notification.State is SubjectState.Acknowledged or SubjectState.Resolved ? StateWord(notification.State) + " · " : "";
        return $"{state}{SeverityWord(notification.Severity)}: {TitleAndPlace(notification)}";
    }

    /// <summary><c>Checkout errors 12 % (checkout, prod)</c>: never changes over the subject's life.</summary>
    public static string TitleAndPlace(Notification notification)
    {
        var title = SingleLine(notification.Title);
        if (title.Length == 0) title = "(no title)";
        var where = Where(notification);
        return where.Length == 0 ? title : $"{title} ({where})";
    }

    /// <summary>Service, environment and cluster, as far as they are known: <c>checkout, prod, eu-1</c>.</summary>
    public static string Where(Notification notification) => string.Join(", ",
        new[] { notification.Service, notification.Environment, notification.Cluster }
            .Where(part => !string.IsNullOrWhiteSpace(part)).Select(part => SingleLine(part!)).Where(part => part.Length > 0));

    public static string SeverityWord(string severity) => severity.ToUpperInvariant();

    public static string StateWord(string state) => state switch
    {
        SubjectState.Triggered => "Triggered",
        SubjectState.Acknowledged => "Acknowledged",
        SubjectState.Resolved => "Resolved",
        SubjectState.Informed => "For information",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a subject state."),
    };

    /// <summary>State, by whom and when: <c>Acknowledged by Ana, 03:14 UTC</c>.</summary>
    public static string StateLine(Notification notification)
    {
        var (by, at) = notification.State switch
        {
            SubjectState.Acknowledged => (notification.AcknowledgedBy, notification.AcknowledgedAt),
            SubjectState.Resolved => (notification.ResolvedBy, notification.ResolvedAt),
            _ => (null, (Instant?)null),
        };
        var line = StateWord(notification.State);
        if (!string.IsNullOrWhiteSpace(by)) line += $" by {SingleLine(by)}";
        if (at is { } moment) line += $", {Clock.Format(moment)}";
        return line;
    }

    /// <summary>
    /// The facts after the headline, in the order every message tells them: where, how bad, since when, what was done, why, what to do, who is next.
    /// Each is one line and well-formed; none is escaped for any channel.
    /// </summary>
    public static ImmutableArray<Fact> Facts(Notification notification)
    {
        var facts = ImmutableArray.CreateBuilder<Fact>();
        Add("Service", notification.Service);
        Add("Environment", notification.Environment);
        Add("Cluster", notification.Cluster);
        Add("Value", ValueAndThreshold(notification));
        Add("Since", Since(notification));
        if (notification.TotalAlerts > 1) Add("Alerts", string.Create(CultureInfo.InvariantCulture, $"{notification.FiringAlerts} of {notification.TotalAlerts} firing"));
        Add("Already done", notification.WhatWasDone);
        if (notification.ManualReviewRequired) Add("Needed", "manual review required");
        Add("Likely cause", notification.LikelyCause);
        Add("Runbook", HttpUrl(notification.RunbookUrl) ?? "none: add annotation runbook_url");
        if (notification.State != SubjectState.Resolved)
        {
            Add("On call", notification.AssignedTo);
            Add("Escalates", notification.NextEscalation);
        }

        return facts.ToImmutable();

        void Add(string name, string? text)
        {
            var line = SingleLine(text ?? "");
            if (line.Length > 0) facts.Add(new Fact(name, line));
        }
    }

    /// <summary><c>12 % (limit 5 %)</c>; null when neither is known.</summary>
    public static string? ValueAndThreshold(Notification notification) => (notification.Value, notification.Threshold) switch
    {
        ({ Length: > 0 } value, { Length: > 0 } threshold) => $"{value} (limit {threshold})",
        ({ Length: > 0 } value, _) => value,
        (_, { Length: > 0 } threshold) => $"limit {threshold}",
        _ => null,
    };

    /// <summary><c>2026-03-14 03:10 UTC (4 min)</c>; of a resolved subject, how long it lasted.</summary>
    public static string Since(Notification notification) =>
        $"{Moment.Format(notification.Since)} ({HowLong(notification)})";

    /// <summary>From the first alert's begin to now, or to the resolve.</summary>
    public static string HowLong(Notification notification)
    {
        var end = notification.State == SubjectState.Resolved ? notification.ResolvedAt ?? notification.At : notification.At;
        return InWords(end - notification.Since);
    }

    /// <summary><c>45 s</c>, <c>4 min</c>, <c>2 h 5 min</c>, <c>3 d 4 h</c>. A negative length (clocks differ) is <c>0 s</c>.</summary>
    public static string InWords(Duration length)
    {
        if (length < Duration.FromMinutes(1)) return Say(Math.Max(0, (long)length.TotalSeconds), "s", 0, "");
        if (length < Duration.FromHours(1)) return Say((long)length.TotalMinutes, "min", 0, "");
        if (length < Duration.FromDays(1)) return Say((long)length.TotalHours, "h", length.Minutes, "min");
        return Say(length.Days, "d", length.Hours, "h");

        static string Say(long big, string bigUnit, long small, string smallUnit) => small == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{big} {bigUnit}")
            : string.Create(CultureInfo.InvariantCulture, $"{big} {bigUnit} {small} {smallUnit}");
    }

    /// <summary>The address if it is an absolute http(s) one of at most <paramref name="longest"/> characters; else null, for no channel takes anything else in a link.</summary>
    public static string? HttpUrl(string? url, int longest = 1000)
    {
        if (string.IsNullOrWhiteSpace(url) || url.Length > longest) return null;
        if (!Uri.TryCreate(WellFormed(url).Trim(), UriKind.Absolute, out var parsed)) return null;
        if (parsed.Scheme != Uri.UriSchemeHttp && parsed.Scheme != Uri.UriSchemeHttps) return null;
        var address = parsed.AbsoluteUri;
        return address.Length <= longest ? address : null;
    }

    /// <summary>Lone surrogates become U+FFFD; control characters except tab and line feed go. What remains can be encoded anywhere.</summary>
    public static string WellFormed(string text)
    {
        if (IsWellFormed(text)) return text;
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '\n' or '\t' || !Rune.IsControl(rune)) clean.Append(rune.ToString());
        }

        return clean.ToString();
    }

    /// <summary>On one line: every run of white space (CR and LF among it) becomes one space, so that it can go into a header.</summary>
    public static string SingleLine(string text)
    {
        var line = new StringBuilder(text.Length);
        var gap = false;
        foreach (var rune in text.EnumerateRunes())
        {
            // Runes that break lines for some readers: LS and PS are white space, and so is NEL, which is also a control.
            if (Rune.IsWhiteSpace(rune))
            {
                gap = line.Length > 0;
                continue;
            }

            if (Rune.IsControl(rune)) continue;
            if (gap) line.Append(' ');
            gap = false;
            line.Append(rune.ToString());
        }

        return line.ToString();
    }

    /// <summary>At most <paramref name="longest"/> UTF-16 units, the last an ellipsis when something was cut; never half of a surrogate pair.</summary>
    public static string Truncate(string text, int longest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(longest);
        var clean = WellFormed(text);
        if (clean.Length <= longest) return clean;
        if (longest == 0) return "";
        var cut = longest - 1;
        if (cut > 0 && char.IsHighSurrogate(clean[cut - 1])) cut--;
        return clean[..cut] + Ellipsis;
    }

    /// <summary>At most <paramref name="longest"/> Unicode code points, the last an ellipsis when something was cut.</summary>
    public static string TruncateRunes(string text, int longest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(longest);
        var clean = WellFormed(text);
        if (clean.Length <= longest) return clean;
        if (longest == 0) return "";
        var (count, position, lastKept) = (0, 0, 0);
        foreach (var rune in clean.EnumerateRunes())
        {
            if (++count > longest) return clean[..lastKept] + Ellipsis;
            position += rune.Utf16SequenceLength;
            if (count == longest - 1) lastKept = position;
        }

        return clean;
    }

    /// <summary>At most <paramref name="longest"/> bytes of UTF-8, the last an ellipsis (3 bytes) when something was cut.</summary>
    public static string TruncateUtf8(string text, int longest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(longest, 3);
        var clean = WellFormed(text);
        if (Encoding.UTF8.GetByteCount(clean) <= longest) return clean;
        var (bytes, position) = (0, 0);
        foreach (var rune in clean.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > longest - 3) break;
            position += rune.Utf16SequenceLength;
        }

        return clean[..position] + Ellipsis;
    }

    /// <summary>
    /// Text for Slack: <c>&amp;</c>, <c>&lt;</c> and <c>&gt;</c> escaped (a label <c>&lt;!channel&gt;</c> would page everybody), then cut so that the *escaped* form keeps to
    /// <paramref name="longest"/>; never half of an entity or a surrogate pair.
    /// </summary>
    public static string ForSlack(string text, int longest)
    {
        // Escaping only lengthens, so what is beyond the limit already can go before it: a 100 kB annotation costs no more than a short one.
        var clean = WellFormed(text.Length > longest + 1 ? text[..(longest + 1)] : text);
        return TruncateSlack(clean.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal), longest);
    }

    /// <summary>A Slack link, or null when the address is none that Slack would take.</summary>
    public static string? SlackLink(string? url, string text, int longest = 1000)
    {
        if (HttpUrl(url, longest) is not { } address) return null;
        var safe = address.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "%3C", StringComparison.Ordinal)
            .Replace(">", "%3E", StringComparison.Ordinal).Replace("|", "%7C", StringComparison.Ordinal);
        return $"<{safe}|{ForSlack(SingleLine(text), 200)}>";
    }

    /// <summary>Cuts text that is already escaped for Slack, never inside an entity, a link or a surrogate pair.</summary>
    public static string TruncateSlack(string escaped, int longest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(longest);
        if (escaped.Length <= longest) return escaped;
        if (longest == 0) return "";
        var cut = longest - 1;
        var kept = escaped.AsSpan(0, cut);

        // In escaped text '<' only opens a link and '&' only an entity, so an opener without its closer before the cut is torn.
        var link = kept.LastIndexOf('<');
        if (link >= 0 && kept[link..].IndexOf('>') < 0) cut = link;
        kept = escaped.AsSpan(0, cut);
        var entity = kept.LastIndexOf('&');
        if (entity >= 0 && kept[entity..].IndexOf(';') < 0) cut = entity;
        if (cut > 0 && char.IsHighSurrogate(escaped[cut - 1])) cut--;
        return escaped[..cut] + Ellipsis;
    }

    private static bool IsWellFormed(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsControl(c) && c is not ('\n' or '\t')) return false;
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) i++;
            else if (char.IsSurrogate(c)) return false;
        }

        return true;
    }
}
