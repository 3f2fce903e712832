using Incidents.Domain.Notifications;
using Incidents.Domain.Routing;

namespace Incidents.Domain.Tests.Notifications;

internal sealed class FailOverTests
{
    private static readonly Dictionary<string, Receiver> Receivers = new[]
    {
        Receiver("pager", "pagerduty", "mail"), Receiver("slack", "slack"), Receiver("other-slack", "slack"), Receiver("mail", "email"), Receiver("hook", "webhook"), Receiver("logs", "loki"),
    }.ToDictionary(r => r.Name, StringComparer.Ordinal);

    [Test]
    public void The_configured_fallback_comes_first() => Assert.That(Choose("pager", of: ["pager", "slack"]), Is.EqualTo("mail"));

    [Test]
    public void Without_one_another_receiver_of_the_incident_on_another_channel_is_told() => Assert.That(Choose("slack", of: ["slack", "other-slack", "hook"]), Is.EqualTo("hook"));

    [Test]
    public void Without_any_the_one_that_reaches_people_best_is_told() => Assert.That(Choose("slack", of: ["slack"]), Is.EqualTo("pager"));

    [Test]
    public void Nobody_is_asked_twice() => Assert.That(Choose("pager", of: ["pager", "slack"], asked: ["mail"]), Is.EqualTo("slack"));

    [Test]
    public void Logs_are_nobody() => Assert.That(Choose("slack", of: ["slack", "logs"], asked: ["pager", "mail", "hook"]), Is.Null);

    [Test]
    public void A_parked_receiver_is_the_last_resort()
    {
        Assert.That(Choose("pager", of: ["pager", "slack"], parked: ["mail"]), Is.EqualTo("slack"));
        Assert.That(Choose("pager", of: ["pager"], asked: ["slack", "other-slack", "hook"], parked: ["mail"]), Is.EqualTo("mail"));
    }

    [Test]
    public void One_that_is_gone_from_the_configuration_has_a_successor() => Assert.That(Choose("gone", of: ["gone", "slack"]), Is.EqualTo("slack"));

    private static Receiver Receiver(string name, string channel, string? fallback = null) => new() { Name = name, Channel = channel, Settings = new object(), Fallback = fallback };

    private static string? Choose(string failed, string[] of, string[]? asked = null, string[]? parked = null, bool mayWake = true) =>
        FailOver.Choose(failed, new HashSet<string>([failed, .. asked ?? []], StringComparer.Ordinal), of, Receivers, new HashSet<string>(parked ?? [], StringComparer.Ordinal), mayWake);
}
