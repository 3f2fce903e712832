using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Notifications;

internal sealed class FailOverTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 2, 9, 0);

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

    [Test]
    public void One_that_fails_itself_is_not_chosen_so_two_never_name_each_other()
    {
        var standings = new Dictionary<string, Standing> { ["slack"] = Standing.Failing, ["mail"] = Standing.Failing };
        Assert.That(Choice("slack", ["slack", "mail"], standings), Is.EqualTo(new FailOverChoice.Tell("pager")));
        Assert.That(Choice("mail", ["slack", "mail"], standings), Is.EqualTo(new FailOverChoice.Tell("pager")));
    }

    [Test]
    public void When_all_fail_nobody_is_left() =>
        Assert.That(Choice("slack", ["slack"], Receivers.Keys.ToDictionary(r => r, _ => Standing.Failing)), Is.EqualTo(new FailOverChoice.NobodyLeft()));

    [Test]
    public void One_that_knows_or_is_being_told_needs_no_second_message()
    {
        Assert.That(Choice("slack", ["slack", "mail"], new() { ["mail"] = Standing.Knows }), Is.EqualTo(new FailOverChoice.KnowsAlready("mail")));
        Assert.That(Choice("slack", ["slack", "mail"], new() { ["mail"] = Standing.BeingTold }), Is.EqualTo(new FailOverChoice.IsBeingTold("mail")));
    }

    [TestCase(false, 0, Occasion.Opened, 5, Standing.BeingTold, TestName = "a page that waits")]
    [TestCase(true, 1, Occasion.Opened, 5, Standing.BeingTold, TestName = "a page at its first attempt")]
    [TestCase(false, 1, Occasion.Opened, 5, Standing.Failing, TestName = "a page in back-off")]
    [TestCase(true, 2, Occasion.Opened, 5, Standing.Failing, TestName = "a page at its second attempt")]
    [TestCase(true, 1, Occasion.Opened, 0, Standing.Failing, TestName = "a page that hangs past its time")]
    [TestCase(false, 0, Occasion.Opened, null, Standing.Failing, TestName = "a page that has fallen over")]
    [TestCase(false, 0, Occasion.Updated, null, Standing.Knows, TestName = "an update that waits")]
    [TestCase(false, 1, Occasion.Updated, null, Standing.Failing, TestName = "an update in back-off")]
    public void How_it_stands_with_a_receiver_follows_from_its_deliveries(bool isUnderWay, int attempts, string occasion, int? failsOverIn, Standing standing) =>
        Assert.That(FailOver.StandingOf(wasShown: true, hasRefused: false, [new UnfinishedDelivery(isUnderWay, attempts, occasion, failsOverIn is { } seconds ? Now + Duration.FromSeconds(seconds) : null)], Now), Is.EqualTo(standing));

    [Test]
    public void One_that_refused_fails_and_one_that_never_heard_is_untold()
    {
        Assert.That(FailOver.StandingOf(wasShown: true, hasRefused: true, [], Now), Is.EqualTo(Standing.Failing));
        Assert.That(FailOver.StandingOf(wasShown: false, hasRefused: false, [], Now), Is.EqualTo(Standing.Untold));
    }

    private static Receiver Receiver(string name, string channel, string? fallback = null) => new() { Name = name, Channel = channel, Settings = new object(), Fallback = fallback };

    private static string? Choose(string failed, string[] of, string[]? asked = null, string[]? parked = null, bool mayWake = true) => Choice(failed, of, [], asked, parked, mayWake) is FailOverChoice.Tell(var to) ? to : null;

    private static FailOverChoice Choice(string failed, string[] of, Dictionary<string, Standing> standings, string[]? asked = null, string[]? parked = null, bool mayWake = true) =>
        FailOver.Choose(failed, new HashSet<string>([failed, .. asked ?? []], StringComparer.Ordinal), standings, of, Receivers, new HashSet<string>(parked ?? [], StringComparer.Ordinal), mayWake);
}
