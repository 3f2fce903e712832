using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Notifications.Channels;
using Incidents.StandIns;
using NodaTime;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class PagerDutyChannelTests
{
    private ChannelHarness _harness = null!;

    private PagerDutyStandIn PagerDuty => _harness.StandIns.PagerDuty;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    private Task<DeliveryResult> Send(Notification notification, ThreadMemory? thread = null) => _harness.SendAsync("pagerduty", new PagerDutyReceiver(), notification, thread);

    [Test]
    public async Task A_new_incident_triggers_one_alert_with_everything_a_person_needs()
    {
        var result = await Send(Checkout());

        var body = PagerDuty.Events.Single().Body;
        Assert.That(result, Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(PagerDuty.Alerts["inc-142"].State, Is.EqualTo("triggered"));
        Assert.That((string?)body["payload"]!["summary"], Is.EqualTo("CRITICAL: Checkout errors 12 % (checkout, prod)"));
        Assert.That((string?)body["payload"]!["class"], Is.EqualTo("CheckoutErrors"));
        Assert.That((string?)body["payload"]!["component"], Is.EqualTo("checkout"));
        Assert.That((string?)body["payload"]!["custom_details"]!["value"], Is.EqualTo("12 % (limit 5 %)"));
        Assert.That((string?)body["client_url"], Is.EqualTo("https://incidents.example.org/i/142"));
        Assert.That((string?)body["links"]![0]!["href"], Is.EqualTo("https://runbooks.example.org/checkout"));
    }

    [Test]
    public async Task An_incident_goes_from_triggered_through_acknowledged_to_resolved()
    {
        var thread = Thread(await Send(Checkout()));
        thread = Thread(await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged, 2), thread));
        Assert.That(PagerDuty.Alerts["inc-142"].State, Is.EqualTo("acknowledged"));
        await Send(Checkout(SubjectState.Resolved, Occasion.Resolved, 3), thread);

        Assert.That(PagerDuty.Alerts["inc-142"].State, Is.EqualTo("resolved"));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge", "resolve" }));
    }

    [Test]
    public async Task An_incident_acknowledged_before_PagerDuty_heard_of_it_is_triggered_first()
    {
        var result = await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged));

        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge" }));
        Assert.That(Thread(result).ShownState, Is.EqualTo(SubjectState.Acknowledged));
    }

    [Test]
    public async Task A_trigger_that_passed_is_not_forgotten_when_the_acknowledge_fails()
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Status = 500, When = "acknowledge" });
        var failed = await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged));
        var thread = Thread(failed);
        await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged), thread);

        Assert.That(failed, Is.InstanceOf<DeliveryResult.RetryLater>());
        Assert.That(thread.ShownState, Is.EqualTo(SubjectState.Triggered));
        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "trigger", "acknowledge" }));
    }

    [Test]
    public async Task An_incident_resolved_before_PagerDuty_heard_of_it_is_not_told()
    {
        Assert.That(await Send(Checkout(SubjectState.Resolved, Occasion.Resolved)), Is.InstanceOf<DeliveryResult.NothingToSend>());
        Assert.That(PagerDuty.TotalEvents, Is.Zero);
    }

    [Test]
    public async Task An_incident_resolved_after_a_trigger_whose_answer_was_lost_is_resolved_there_too()
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Drop = true, TakesEffect = true });
        var lost = (DeliveryResult.RetryLater)await Send(Checkout());
        await Send(Checkout(SubjectState.Resolved, Occasion.Resolved, 2), new ThreadMemory(MayHaveArrived: lost.MayHaveArrived));

        Assert.That(lost.MayHaveArrived, Is.True);
        Assert.That(PagerDuty.Alerts["inc-142"].State, Is.EqualTo("resolved"));
    }

    [Test]
    public async Task A_retry_after_a_lost_answer_makes_no_second_alert()
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Drop = true, TakesEffect = true });
        await Send(Checkout());
        await Send(Checkout(), new ThreadMemory(MayHaveArrived: true));

        Assert.That(PagerDuty.Alerts, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task News_of_an_open_incident_update_the_same_alert_and_old_news_do_not()
    {
        var thread = Thread(await Send(Checkout()));
        thread = Thread(await Send(Checkout(occasion: Occasion.SeverityRaised, revision: 2), thread));
        var again = await Send(Checkout(occasion: Occasion.Updated, revision: 2), thread);

        Assert.That(PagerDuty.Alerts["inc-142"].Triggers, Is.EqualTo(2));
        Assert.That(again, Is.InstanceOf<DeliveryResult.NothingToSend>());
    }

    [Test]
    public async Task An_incident_taken_back_and_one_reopened_are_triggered_again()
    {
        var acknowledged = new ThreadMemory("inc-142", SubjectState.Acknowledged, 2);
        var resolved = new ThreadMemory("inc-142", SubjectState.Resolved, 3);
        await Send(Checkout(occasion: Occasion.Unacknowledged, revision: 3), acknowledged);
        await Send(Checkout(occasion: Occasion.Reopened, revision: 4), resolved);

        Assert.That(PagerDuty.Events.Select(e => e.Action), Is.EqualTo(new[] { "resolve", "trigger", "trigger" }));
    }

    [Test]
    public async Task A_megabyte_of_labels_is_cut_below_the_limit_and_says_so()
    {
        var result = await Send(Hostile());

        Assert.That(result, Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(PagerDuty.Events.Single().Bytes, Is.LessThan(512_000));
        Assert.That((string?)PagerDuty.Events.Single().Body["payload"]!["custom_details"]!["notice"], Does.StartWith("Details were too large"));
    }

    [Test]
    public async Task Without_a_key_the_operator_reads_what_to_write()
    {
        await using var bare = _harness.With(("PagerDuty:RoutingKey", null));

        Assert.That(await bare.SendAsync("pagerduty", new PagerDutyReceiver(), Checkout()), Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").StartsWith("PagerDuty__RoutingKey is not set"));
    }

    [TestCase(400, """{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}""", typeof(DeliveryResult.Misconfigured))]
    [TestCase(400, """{"status":"invalid event","errors":["'payload.source' is missing"]}""", typeof(DeliveryResult.Rejected))]
    [TestCase(401, "", typeof(DeliveryResult.Misconfigured))]
    [TestCase(403, "", typeof(DeliveryResult.Misconfigured))]
    [TestCase(404, "", typeof(DeliveryResult.Misconfigured))]
    [TestCase(302, "", typeof(DeliveryResult.Misconfigured))]
    [TestCase(408, "", typeof(DeliveryResult.RetryLater))]
    [TestCase(413, "", typeof(DeliveryResult.Rejected))]
    [TestCase(429, """{"status":"throttle exceeded"}""", typeof(DeliveryResult.RetryLater))]
    [TestCase(500, "", typeof(DeliveryResult.RetryLater))]
    [TestCase(503, "<html>busy</html>", typeof(DeliveryResult.RetryLater))]
    public async Task Every_answer_has_its_meaning(int status, string body, Type expected)
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Status = status, Body = body });

        Assert.That(await Send(Checkout()), Is.InstanceOf(expected));
    }

    [Test]
    public async Task A_throttled_account_holds_the_whole_channel_for_as_long_as_it_asks()
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Status = 429, Headers = new Dictionary<string, string> { ["Retry-After"] = "17" } });
        var later = (DeliveryResult.RetryLater)await Send(Checkout());

        Assert.That((later.After, later.WholeChannel, later.MayHaveArrived), Is.EqualTo(((Duration?)Duration.FromSeconds(17), true, false)));
    }

    [Test]
    public async Task A_key_that_comes_back_in_an_error_is_not_shown()
    {
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Status = 400, Body = $"bad key {PagerDutyKey}" });

        Assert.That(((DeliveryResult.Rejected)await Send(Checkout())).Reason, Does.Not.Contain(PagerDutyKey).And.Contain("***"));
    }

    [Test]
    public async Task A_refused_connection_cannot_have_delivered_anything()
    {
        await using var nowhere = _harness.With(("PagerDuty:EventsUrl", "http://127.0.0.1:1/v2/enqueue"));
        var later = (DeliveryResult.RetryLater)await nowhere.SendAsync("pagerduty", new PagerDutyReceiver(), Checkout());

        Assert.That((later.Reason, later.MayHaveArrived), Is.EqualTo(("the connection was refused", false)));
    }

    [Test]
    public async Task A_silent_server_costs_one_time_limit_and_may_have_taken_it()
    {
        await using var impatient = _harness.With(("Notifications:AttemptTimeLimit", "00:00:01"));
        _harness.StandIns.Faults.Add("pagerduty", new Fault { Hang = true });
        var later = (DeliveryResult.RetryLater)await impatient.SendAsync("pagerduty", new PagerDutyReceiver(), Checkout());

        Assert.That((later.Reason, later.MayHaveArrived), Is.EqualTo(("no answer within 1 s", true)));
    }

    [Test]
    public async Task A_shutdown_is_no_answer()
    {
        using var stopping = new CancellationTokenSource();
        await stopping.CancelAsync();

        Assert.That(async () => await _harness.SendAsync("pagerduty", new PagerDutyReceiver(), Checkout(), cancellationToken: stopping.Token), Throws.InstanceOf<OperationCanceledException>());
    }
}
