using System.Globalization;
using System.Net;
using System.Text;

namespace Incidents.StandIns;

/// <summary>Everything received, side by side, for people who watch the demo.</summary>
internal static class StatePage
{
    private const int Shown = 50;

    public static string Html(StandInServer server)
    {
        var html = new StringBuilder("""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Stand-ins: what was received</title>
            <style>
            :root{color-scheme:light dark} body{font:15px/1.45 system-ui,sans-serif;margin:1rem}
            main{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem}
            section{border:1px solid #8886;border-radius:6px;padding:.6rem 1rem;overflow:auto} h1{font-size:1.3rem} h2{font-size:1.05rem;margin:.2rem 0 .6rem}
            table{border-collapse:collapse;width:100%} th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8883}
            pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:0} .reply{padding-left:1.2rem;opacity:.8}
            </style></head><body><h1>What PagerDuty, Slack, mail, Loki and webhooks received</h1><main>
            """);

        html.Append("<section><h2>PagerDuty · ").Append(server.PagerDuty.TotalEvents.ToString(CultureInfo.InvariantCulture)).Append(" events</h2><table><tr><th>Alert<th>State<th>Severity<th>Summary<th>As Tenex Engineer</tr>");
        foreach (var alert in server.PagerDuty.Alerts.Values.TakeLast(Shown))
        {
            html.Append("<tr>");
            foreach (var cell in (string[])[alert.DedupKey, alert.State, alert.Severity, alert.Summary]) html.Append("<td><pre>").Append(Encode(cell)).Append("</pre>");
            html.Append("<td><form method=\"post\" action=\"/pagerduty/do\"><input type=\"hidden\" name=\"key\" value=\"").Append(Encode(alert.DedupKey)).Append("\">");
            foreach (var verb in alert.State switch { "triggered" => (string[])["acknowledge", "resolve"], "acknowledged" => ["resolve", "time-out"], _ => ["reopen"] }) html.Append("<button name=\"verb\" value=\"").Append(verb).Append("\">").Append(verb).Append("</button> ");
            html.Append("</form></tr>");
        }

        html.Append("</table></section>");

        html.Append("<section><h2>Slack · ").Append(server.Slack.Roots.Count.ToString(CultureInfo.InvariantCulture)).Append(" messages</h2><table><tr><th>Channel<th>Message, then its thread</tr>");
        foreach (var root in server.Slack.Roots.Reverse().Take(Shown))
        {
            html.Append("<tr><td>").Append(Encode("#" + server.Slack.NameOf(root.Channel))).Append("<td><pre>").Append(Encode(root.Words.Length > 0 ? root.Words : root.Text)).Append("</pre>");
            foreach (var (action, option, text) in root.Buttons)
            {
                html.Append("<form method=\"post\" action=\"/slack/press\" style=\"display:inline\">");
                foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("channel", root.Channel), ("ts", root.Ts), ("action", action), ("option", option ?? "")]) html.Append("<input type=\"hidden\" name=\"").Append(name).Append("\" value=\"").Append(Encode(value)).Append("\">");
                html.Append("<button>").Append(Encode(text)).Append("</button></form> ");
            }

            if (root.Updates > 0) html.Append("<small>updated ").Append(root.Updates.ToString(CultureInfo.InvariantCulture)).Append(" times</small>");
            foreach (var reply in server.Slack.Replies(root.Ts)) html.Append("<pre class=\"reply\">↳ ").Append(Encode(reply.Text)).Append("</pre>");
            html.Append("</tr>");
        }

        foreach (var answer in server.Slack.Answers.Reverse().Take(5)) html.Append("<tr><td>only you<td><pre>").Append(Encode(answer["text"].Word())).Append("</pre></tr>");
        html.Append("</table></section>");
        Section("Mail", server.Smtp.TotalMails, "mails", ["At", "To", "Subject", "Begins"],
            server.Smtp.Mails.Reverse().Take(Shown).Select(mail => new[] { mail.At, string.Join(", ", mail.Recipients), mail.Message.Subject ?? "", (mail.Message.TextBody ?? "").Split('\n')[0] }));
        Section("Loki", server.Loki.Lines.Count, "lines", ["Stream", "Line"], server.Loki.Lines.Reverse().Take(Shown).Select(line => new[] { line.Stream, line.Line }));
        Section("Webhook", server.Webhook.Calls.Count, "calls", ["At", "Type", "Signed", "Body"],
            server.Webhook.Calls.Reverse().Take(Shown).Select(call => new[] { call.At, call.Body["type"].Word(), call.IsSigned ? "yes" : "not checked", call.Body.ToJsonString() }));
        return html.Append("</main></body></html>").ToString();

        void Section(string title, long count, string unit, string[] columns, IEnumerable<string[]> rows)
        {
            html.Append("<section><h2>").Append(title).Append(" · ").Append(count.ToString(CultureInfo.InvariantCulture)).Append(' ').Append(unit).Append("</h2><table><tr>");
            foreach (var column in columns) html.Append("<th>").Append(column);
            html.Append("</tr>");
            foreach (var row in rows)
            {
                html.Append("<tr>");
                foreach (var cell in row) html.Append("<td><pre>").Append(Encode(cell.Length > 600 ? cell[..600] + "…" : cell)).Append("</pre>");
                html.Append("</tr>");
            }

            html.Append("</table></section>");
        }
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
