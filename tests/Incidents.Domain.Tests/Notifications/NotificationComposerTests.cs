using Incidents.Domain.Alerts;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Notifications;

internal sealed class NotificationComposerTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 14, 2, 0);

    [TestCase("javascript:alert(1)")]
    [TestCase("data:text/html,<script>alert(1)</script>")]
    [TestCase("file:///etc/passwd")]
    [TestCase("/relative")]
    [TestCase("")]
    [TestCase("not a link")]
    public void Only_web_links_are_passed_on(string link)
    {
        var message = Compose(annotations: Labels.Of(("runbook_url", link), ("dashboard_url", link)), generator: link);
        Assert.That(new[] { message.RunbookUrl, message.DashboardUrl, message.SourceUrl }, Is.All.Null);
    }

    [Test]
    public void Web_links_are_passed_on() =>
        Assert.That(Compose(annotations: Labels.Of(("runbook_url", "https://runbooks.example.org/a b"))).RunbookUrl, Is.EqualTo("https://runbooks.example.org/a%20b"));

    [Test]
    public void A_long_link_is_whole()
    {
        var link = "https://grafana.example.org/d/" + new string('x', 1000);
        Assert.That(Compose(annotations: Labels.Of(("runbook_url", link))).RunbookUrl, Is.EqualTo(link));
    }

    [Test]
    public void A_link_of_absurd_length_is_left_out() =>
        Assert.That(Compose(annotations: Labels.Of(("runbook_url", "https://example.org/" + new string('x', 3000)))).RunbookUrl, Is.Null);

    [Test]
    public void Labels_that_become_facts_are_one_bounded_line()
    {
        var service = Compose(labels: Labels.Of(("service", "a\r\nBcc: everybody\u2028" + new string('é', 5000)))).Service!;
        Assert.That(service.Length, Is.LessThanOrEqualTo(200));
        Assert.That(service.Any(c => char.IsControl(c) || c == '\u2028'), Is.False);
    }

    [Test]
    public void Only_labels_that_all_alerts_share_are_common()
    {
        var message = NotificationComposer.Compose(Incident(), [Alert(Labels.Of(("service", "shop"), ("pod", "1"))), Alert(Labels.Of(("service", "shop"), ("pod", "2")))], [], Occasion.Opened, null, Now);
        Assert.That(message.CommonLabels, Is.EqualTo(Labels.Of(("service", "shop"))));
        Assert.That(message.Service, Is.EqualTo("shop"));
    }

    [Test]
    public void At_most_twenty_alerts_are_listed() =>
        Assert.That(NotificationComposer.Compose(Incident(), [.. Enumerable.Range(0, 500).Select(i => Alert(Labels.Of(("n", $"{i}"))))], [], Occasion.Opened, null, Now).Alerts, Has.Length.EqualTo(20));

    [Test]
    public void Every_state_and_occasion_has_a_message_with_the_same_key()
    {
        var incident = Incident();
        var keys = new HashSet<string>();
        foreach (var act in new Action[]
                 {
                     () => { }, () => incident.Acknowledge(Actor.Engine, Now), () => incident.Resolve(Actor.Engine, null, Duration.FromMinutes(10), Now),
                     () => incident.Reopen(Actor.Engine, null, Now),
                 })
        {
            act();
            var message = NotificationComposer.Compose(incident, [], [], Occasion.Updated, new Uri("https://incidents.example.org"), Now);
            keys.Add(message.SubjectKey);
            Assert.That(message.State, Is.EqualTo(incident.State));
            Assert.That(message.Url, Is.EqualTo("https://incidents.example.org/i/7"));
        }

        Assert.That(keys, Is.EqualTo(new[] { "inc-7" }));
    }

    private static Notification Compose(Labels? labels = null, Labels? annotations = null, string generator = "") =>
        NotificationComposer.Compose(Incident(), [Alert(labels ?? Labels.Of(("alertname", "DiskFull")), annotations, generator)], [], Occasion.Opened, null, Now);

    private static Incident Incident() => Domain.Response.Incident.Open(7, Guid.Empty, "Disk full", new FiringAlert("DiskFull", new RoutingDecision
    {
        Severity = Severity.Critical, Receivers = ["pager"], GroupKey = "g", OpensIncident = true, Path = ["default"],
    }, Now, false), Now);

    private static SubjectAlert Alert(Labels labels, Labels? annotations = null, string generator = "") => new()
    {
        Name = "DiskFull", Fingerprint = "0123456789abcdef", IsFiring = true, Severity = Severity.Critical, Labels = labels, Annotations = annotations ?? Labels.Empty, GeneratorUrl = generator, StartsAt = Now,
    };
}
