using Incidents.Domain.Alerts;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications.Channels;
using Incidents.StandIns;
using NodaTime;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class LokiChannelTests
{
    private ChannelHarness _harness = null!;

    private LokiStandIn Loki => _harness.StandIns.Loki;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    private Task<DeliveryResult> Send(Notification notification, ThreadMemory? thread = null, LokiReceiver? receiver = null) =>
        _harness.SendAsync("loki", receiver ?? new LokiReceiver(), notification, thread);

    private static Notification Logged(int lines) => Checkout() with { Log = [.. Enumerable.Range(1, lines).Select(i => Line(i, $"line {i}"))] };

    private static Notification Notice(params AlertLine[] alerts) =>
        Checkout(SubjectState.Informed) with { IncidentNumber = null, SubjectKey = "notice-1", Severity = "info", Alerts = [.. alerts] };

    private static AlertLine Alert(bool isFiring) =>
        new("DiskSlow", "00000000000000aa", isFiring, "info", Labels.Of(("disk", "sda")), "disk is slow", Instant.FromUtc(2026, 3, 14, 3, 10), isFiring ? null : Instant.FromUtc(2026, 3, 14, 3, 20));

    [Test]
    public async Task Each_entry_of_the_timeline_is_one_line_with_few_labels()
    {
        var at = Instant.FromUnixTimeTicks(17_734_543_300_012_345L);
        await Send(Checkout() with { Log = [new LogLine(7, at, "escalated", "told Bo")] }, receiver: new LokiReceiver { Labels = new Dictionary<string, string> { ["team"] = "shop" }, Tenant = "ops" });

        var line = Loki.Lines.Single();
        Assert.That(line.Stream, Is.EqualTo("""{app="incidents", env="prod", event="escalated", severity="critical", team="shop"}"""));
        Assert.That(line.TimestampNanoseconds, Is.EqualTo("1773454330001234500"));
        Assert.That(line.Line, Is.EqualTo("INC-142 CRITICAL: Checkout errors 12 % (checkout, prod): told Bo"));
        Assert.That(line.Metadata, Does.Contain("\"incident\":\"INC-142\"").And.Contain("\"log_id\":\"7\""));
        Assert.That(line.Tenant, Is.EqualTo("ops"));
    }

    [Test]
    public async Task A_line_is_logged_once()
    {
        var thread = Thread(await Send(Logged(2)));

        Assert.That(await Send(Logged(2), thread), Is.InstanceOf<DeliveryResult.NothingToSend>());
        await Send(Logged(3), thread);
        Assert.That(Loki.Lines.Select(line => line.TimestampNanoseconds), Is.Unique);
        Assert.That(Loki.Lines, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task A_retry_after_a_lost_answer_pushes_the_very_same_lines()
    {
        _harness.StandIns.Faults.Add("loki", new Fault { Drop = true, TakesEffect = true });
        var lost = await Send(Logged(3));
        await Send(Logged(3) with { At = Now + Duration.FromMinutes(5) });

        Assert.That(lost, Is.InstanceOf<DeliveryResult.RetryLater>().With.Property("MayHaveArrived").True);
        Assert.That(Loki.Lines, Has.Count.EqualTo(3));
        Assert.That(Loki.Requests, Is.EqualTo(2));
    }

    [Test]
    public async Task Each_change_of_an_informational_alert_is_one_line()
    {
        var thread = Thread(await Send(Notice(Alert(true))));
        thread = Thread(await Send(Notice(Alert(true)), thread));
        await Send(Notice(Alert(false)), thread);

        Assert.That(Loki.Lines.Select(line => line.Line), Is.EqualTo(new[] { "INFO firing: DiskSlow: disk is slow {disk=\"sda\"}", "INFO resolved: DiskSlow: disk is slow {disk=\"sda\"}" }));
        Assert.That(Loki.Lines[1].TimestampNanoseconds, Is.EqualTo("1773458400000000000"));
    }

    [TestCase(204, typeof(DeliveryResult.Delivered))]
    [TestCase(260, typeof(DeliveryResult.Misconfigured))]
    [TestCase(302, typeof(DeliveryResult.Misconfigured))]
    [TestCase(401, typeof(DeliveryResult.Misconfigured))]
    [TestCase(403, typeof(DeliveryResult.Misconfigured))]
    [TestCase(404, typeof(DeliveryResult.Misconfigured))]
    [TestCase(400, typeof(DeliveryResult.Rejected))]
    [TestCase(422, typeof(DeliveryResult.Rejected))]
    [TestCase(429, typeof(DeliveryResult.RetryLater))]
    [TestCase(500, typeof(DeliveryResult.RetryLater))]
    [TestCase(503, typeof(DeliveryResult.RetryLater))]
    public async Task Every_answer_has_its_meaning(int status, Type expected)
    {
        _harness.StandIns.Faults.Add("loki", new Fault { Status = status, Body = "said so" });

        Assert.That(await Send(Logged(1)), Is.InstanceOf(expected));
    }

    [Test]
    public async Task A_batch_that_is_too_large_is_split_until_it_passes()
    {
        Loki.MostBytes = 1000;

        Assert.That(await Send(Logged(20)), Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(Loki.Lines.Select(line => line.Line).ToList(), Has.Count.EqualTo(20).And.Unique);
    }

    [Test]
    public async Task A_single_line_that_is_too_large_is_cut()
    {
        Loki.MostBytes = 3000;
        await Send(Checkout() with { Log = [Line(1, new string('x', 20_000))] });

        Assert.That(Loki.Lines.Single().Line, Does.EndWith("…"));
    }

    [Test]
    public async Task A_line_that_Loki_refuses_does_not_cost_the_others()
    {
        Loki.RefuseLinesWith = "line 3";
        var delivered = (DeliveryResult.Delivered)await Send(Logged(5));

        Assert.That(Loki.Lines, Has.Count.EqualTo(4));
        Assert.That(delivered.Answer, Is.EqualTo("4 lines stored, 1 refused: HTTP 400: max entry size exceeded"));
    }

    [Test]
    public async Task Hostile_text_is_one_line() =>
        Assert.That(await Send(Hostile() with { Log = [Line(1, "a\r\nb\ud800\0" + new string('é', 200_000))] }), Is.InstanceOf<DeliveryResult.Delivered>());

    [Test]
    public async Task Without_an_address_the_operator_reads_what_to_write()
    {
        await using var bare = _harness.With(("Loki:Url", null));

        Assert.That(await bare.SendAsync("loki", new LokiReceiver(), Logged(1)), Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").StartsWith("Loki__Url is not set"));
    }
}
