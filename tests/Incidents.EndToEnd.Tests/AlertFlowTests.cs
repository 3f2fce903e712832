using System.Globalization;
using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>The whole way, with nothing of the field replaced: a Prometheus rule fires, Alertmanager posts, people are told, and told again when it changes.</summary>
public sealed class AlertFlowTests
{
    [Test]
    public async Task A_rule_that_fires_reaches_everybody_its_severity_says_and_ends_everywhere_when_it_stops()
    {
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns);
        await engine.StartAsync();
        await using var field = new Field(engine);
        field.Break("CheckoutDown", "DiskFillsUp", "SlowReports");
        await field.StartAsync();

        await Eventually.IsAsync(() => standIns.PagerDuty.Alerts.Values.Select(a => (a.State, a.Severity)), Is.EqualTo(new[] { ("triggered", "critical") }), "PagerDuty is told of the critical alert and of no other", 90);
        await Eventually.IsAsync(() => Channels(standIns), Is.EquivalentTo(new[] { "critical-alerts: CheckoutDown", "alerts: DiskFillsUp", "monitoring: SlowReports" }), "each severity has its Slack channel");
        await Eventually.IsAsync(() => Mails(standIns), Is.EquivalentTo(new[] { "on-call@example.com: CheckoutDown", "dev-team@example.com: DiskFillsUp" }), "critical and warning are mailed, info is not");
        await Eventually.IsAsync(() => standIns.Loki.Lines.Count, Is.EqualTo(1), "the informing alert is logged");

        var number = await engine.QueryAsync<long>("select number from incidents where severity = 'critical'");
        var trace = await engine.QueryAsync<string>("select split_part(trace_parent, '-', 2) from inbox join inbox_bodies using (id) where convert_from(body, 'UTF8') like '%CheckoutDown%' order by id limit 1");
        Assert.That(await engine.QueryAsync<string[]>(string.Create(CultureInfo.InvariantCulture, $"select array_agg(distinct split_part(trace_parent, '-', 2)) from deliveries where incident_number = {number}")),
            Is.EqualTo(new[] { trace }), "one trace from the webhook to every delivery");

        await engine.PostAsync(string.Create(CultureInfo.InvariantCulture, $"/api/v1/incidents/{number}/acknowledge"));
        await Eventually.IsAsync(() => standIns.PagerDuty.Alerts.Values.Select(a => a.State), Is.EqualTo(new[] { "acknowledged" }), "the acknowledgement reaches PagerDuty");
        await Eventually.IsAsync(() => Root(standIns, "critical-alerts").Text, Does.Contain("Acknowledged"), "and Slack, in the same message");
        await Eventually.IsAsync(() => standIns.Smtp.Mails.Count(m => m.Recipients.Contains("on-call@example.com")), Is.EqualTo(2), "and mail");

        field.Break();
        await Eventually.IsAsync(() => standIns.PagerDuty.Alerts.Values.Select(a => a.State), Is.EqualTo(new[] { "resolved" }), "the end reaches PagerDuty", 60);
        await Eventually.IsAsync(() => standIns.Slack.Roots.Select(r => r.Text), Has.Exactly(3).Items.And.All.Contains("Resolved"), "and each Slack message");
        await Eventually.IsAsync(() => standIns.Smtp.Mails.Count, Is.EqualTo(5), "and the mail threads");
        Assert.That((bool)(await engine.GetAsync("/api/v1/ledger"))["balanced"]!, Is.True);
    }

    private static IEnumerable<string> Channels(StandInServer standIns) =>
        standIns.Slack.Roots.Select(r => $"{NameOf(standIns, r.Channel)}: {AlertIn(r.Text + r.Words)}");

    private static IEnumerable<string> Mails(StandInServer standIns) =>
        standIns.Smtp.Mails.Select(m => $"{string.Join(',', m.Recipients)}: {AlertIn(m.Message.TextBody ?? "")}");

    private static string AlertIn(string text) => new[] { "CheckoutDown", "DiskFillsUp", "SlowReports" }.FirstOrDefault(name => text.Contains(name, StringComparison.Ordinal)) ?? text;

    private static SlackMessageRecord Root(StandInServer standIns, string channel) => standIns.Slack.Roots.Single(r => NameOf(standIns, r.Channel) == channel);

    private static string NameOf(StandInServer standIns, string channel) =>
        (string)standIns.State()["slack"]!["messages"]!.AsArray().First(m => (string)m!["channel"]! == channel)!["channel_name"]!;
}
