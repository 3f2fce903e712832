using System.Net;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications.Channels;
using Incidents.StandIns;
using NodaTime;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class WebhookChannelTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private ChannelHarness _harness = null!;

    private WebhookStandIn Webhook => _harness.StandIns.Webhook;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync(options: new StandInOptions { WebhookSecret = Secret });

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    private WebhookReceiver Receiver(string? secret = Secret) => new() { Url = new Uri(_harness.StandIns.WebhookUrl + "hooks/incidents"), Secret = secret };

    private Task<DeliveryResult> Send(Notification notification, string? secret = Secret) => _harness.SendAsync("webhook", Receiver(secret), notification, key: "dlv_7");

    [Test]
    public async Task A_change_is_posted_signed_and_in_snake_case()
    {
        await Send(Checkout() with { Log = [Line(1)] });

        var call = Webhook.Calls.Single();
        Assert.That((call.Id, call.IsSigned), Is.EqualTo(("dlv_7", true)));
        Assert.That((string?)call.Body["type"], Is.EqualTo("incident.opened"));
        Assert.That((string?)call.Body["timestamp"], Does.EndWith("Z"));
        Assert.That((long?)call.Body["data"]!["number"], Is.EqualTo(142));
        Assert.That((string?)call.Body["data"]!["runbook_url"], Is.EqualTo("https://runbooks.example.org/checkout"));
        Assert.That((string?)call.Body["data"]!["labels"]!["alertname"], Is.EqualTo("CheckoutErrors"));
        Assert.That((string?)call.Body["data"]!["log"]![0]!["text"], Is.EqualTo("something happened"));
    }

    [Test]
    public void The_signature_is_the_one_of_the_standards_own_example() =>
        Assert.That(WebhookSignature.TryKey(Secret, out var key) ? WebhookSignature.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, """{"test": 2432232314}"""u8.ToArray()) : "",
            Is.EqualTo("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));

    [Test]
    public async Task Another_secret_is_refused_and_waits_for_a_person() =>
        Assert.That(await Send(Checkout(), "whsec_AAAA"), Is.InstanceOf<DeliveryResult.Misconfigured>());

    [Test]
    public async Task A_retry_carries_the_same_id()
    {
        _harness.StandIns.Faults.Add("webhook", new Fault { Drop = true, TakesEffect = true });
        await Send(Checkout());
        await Send(Checkout());

        Assert.That(Webhook.Calls, Has.Count.EqualTo(2));
        Assert.That(Webhook.Distinct, Has.Count.EqualTo(1));
    }

    [TestCase(200, typeof(DeliveryResult.Delivered))]
    [TestCase(204, typeof(DeliveryResult.Delivered))]
    [TestCase(302, typeof(DeliveryResult.Misconfigured))]
    [TestCase(400, typeof(DeliveryResult.Rejected))]
    [TestCase(401, typeof(DeliveryResult.Misconfigured))]
    [TestCase(403, typeof(DeliveryResult.Misconfigured))]
    [TestCase(404, typeof(DeliveryResult.Misconfigured))]
    [TestCase(408, typeof(DeliveryResult.RetryLater))]
    [TestCase(410, typeof(DeliveryResult.Misconfigured))]
    [TestCase(413, typeof(DeliveryResult.Rejected))]
    [TestCase(429, typeof(DeliveryResult.RetryLater))]
    [TestCase(500, typeof(DeliveryResult.RetryLater))]
    [TestCase(502, typeof(DeliveryResult.RetryLater))]
    public async Task Every_answer_has_its_meaning(int status, Type expected)
    {
        _harness.StandIns.Faults.Add("webhook", new Fault { Status = status, Headers = new Dictionary<string, string> { ["Location"] = "http://169.254.169.254/" } });

        Assert.That(await Send(Checkout()), Is.InstanceOf(expected));
    }

    [Test]
    public async Task One_busy_address_does_not_hold_the_others()
    {
        _harness.StandIns.Faults.Add("webhook", new Fault { Status = 429, Headers = new Dictionary<string, string> { ["Retry-After"] = "9" } });
        var later = (DeliveryResult.RetryLater)await Send(Checkout());

        Assert.That((later.After, later.WholeChannel), Is.EqualTo(((Duration?)Duration.FromSeconds(9), false)));
    }

    [Test]
    public async Task Hostile_text_is_sent_whole_enough_and_well_formed()
    {
        await Send(Hostile());

        Assert.That(Webhook.Calls.Single().Bytes, Is.LessThan(500_000));
    }

    [Test]
    public async Task A_private_address_is_refused_unless_it_is_allowed()
    {
        await using var guarded = _harness.With(("Webhook:AllowPrivateTargets", "false"));
        var refused = await guarded.SendAsync("webhook", Receiver(), Checkout());

        Assert.That(refused, Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").Contains("Webhook__AllowPrivateTargets=true"));
        Assert.That(Webhook.Calls, Is.Empty);
    }

    [Test]
    public async Task Cloud_credentials_are_out_of_reach_even_when_private_addresses_are_allowed()
    {
        var refused = await _harness.SendAsync("webhook", new WebhookReceiver { Url = new Uri("http://169.254.169.254/latest/meta-data") }, Checkout());

        Assert.That(refused, Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").Contains("never allowed"));
    }

    [TestCase("8.8.8.8", true, true)]
    [TestCase("2001:4860:4860::8888", true, true)]
    [TestCase("127.0.0.1", false, true)]
    [TestCase("::1", false, true)]
    [TestCase("10.1.2.3", false, true)]
    [TestCase("172.16.0.1", false, true)]
    [TestCase("172.32.0.1", true, true)]
    [TestCase("192.168.1.1", false, true)]
    [TestCase("100.64.0.1", false, true)]
    [TestCase("fd00::1", false, true)]
    [TestCase("::ffff:10.0.0.1", false, true)]
    [TestCase("64:ff9b::a00:1", false, true)]
    [TestCase("169.254.1.1", false, false)]
    [TestCase("::ffff:169.254.169.254", false, false)]
    [TestCase("64:ff9b::a9fe:a9fe", false, false)]
    [TestCase("fe80::1", false, false)]
    [TestCase("fd00:ec2::254", false, false)]
    [TestCase("0.0.0.0", false, false)]
    [TestCase("::", false, false)]
    [TestCase("224.0.0.1", false, false)]
    [TestCase("255.255.255.255", false, false)]
    public void Each_kind_of_address_is_known(string address, bool isOpen, bool isOpenWhenPrivateIsAllowed) => Assert.Multiple(() =>
    {
        Assert.That(TargetGuard.WhyRefused(IPAddress.Parse(address), allowPrivate: false) is null, Is.EqualTo(isOpen));
        Assert.That(TargetGuard.WhyRefused(IPAddress.Parse(address), allowPrivate: true) is null, Is.EqualTo(isOpenWhenPrivateIsAllowed));
    });
}
