using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Notifications.Inbound;
using Incidents.StandIns;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using MimeKit;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class EmailChannelTests
{
    private static readonly EmailReceiver Receiver = new() { To = ["ana@example.org", "Bo <bo@example.org>"] };

    private ChannelHarness _harness = null!;

    private SmtpStandIn Smtp => _harness.StandIns.Smtp;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    private Task<DeliveryResult> Send(Notification notification, ThreadMemory? thread = null, string key = "dlv_1") => _harness.SendAsync("email", Receiver, notification, thread, key);

    private void Fail(string stage, int status = 0, string body = "", bool drop = false, bool takesEffect = false, string? when = null) =>
        _harness.StandIns.Faults.Add("smtp/" + stage, new Fault { Status = status, Body = body, Drop = drop, TakesEffect = takesEffect, When = when });

    [Test]
    public async Task A_mail_is_complete_as_text_and_as_html()
    {
        var result = await Send(Checkout());

        var mail = Smtp.Mails.Single();
        Assert.That(result, Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(mail.Sender, Is.EqualTo("incidents@example.org"));
        Assert.That(mail.Recipients, Is.EqualTo(new[] { "ana@example.org", "bo@example.org" }));
        Assert.That(mail.Message.Subject, Is.EqualTo("[CRITICAL] INC-142 Checkout errors 12 % (checkout, prod)"));
        Assert.That(mail.Message.TextBody, Does.StartWith("Triggered. CRITICAL: Checkout errors 12 % (checkout, prod)").And.Contain("Value: 12 % (limit 5 %)").And.Contain("https://incidents.example.org/i/142"));
        Assert.That(mail.Message.HtmlBody, Does.Contain(">Acknowledge</a>").And.Contain("https://runbooks.example.org/checkout").And.Not.Contain("<img"));
    }

    [Test]
    public async Task Headers_make_a_thread_and_keep_robots_quiet()
    {
        await Send(Checkout());

        var message = Smtp.Mails.Single().Message;
        Assert.That(message.MessageId, Is.EqualTo("inc-142.dlv_1@example.org"));
        Assert.That(message.InReplyTo, Is.EqualTo("inc-142@example.org"));
        Assert.That(message.References, Is.EqualTo(new[] { "inc-142@example.org" }));
        Assert.That(message.Headers["Auto-Submitted"], Is.EqualTo("auto-generated"));
        Assert.That(message.Headers["X-Auto-Response-Suppress"], Is.EqualTo("All"));
        Assert.That(message.Headers["List-Id"], Is.EqualTo("Incidents <incidents.example.org>"));
        Assert.That(message.Headers["X-Incidents-Id"], Is.EqualTo("INC-142"));
        Assert.That(message.Headers["X-Incidents-Severity"], Is.EqualTo("critical"));
        Assert.That(message.Headers["X-Incidents-State"], Is.EqualTo("triggered"));
    }

    [Test]
    public async Task The_subject_is_the_same_for_the_incidents_whole_life()
    {
        var thread = Thread(await Send(Checkout() with { Severity = "warning" }, key: "dlv_1"));
        thread = Thread(await Send(Checkout(occasion: Occasion.SeverityRaised, revision: 2), thread, "dlv_2"));
        thread = Thread(await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged, 3), thread, "dlv_3"));
        await Send(Checkout(SubjectState.Resolved, Occasion.Resolved, 4), thread, "dlv_4");

        Assert.That(Smtp.Mails.Select(mail => mail.Message.Subject).Distinct(), Is.EqualTo(new[] { "[WARNING] INC-142 Checkout errors 12 % (checkout, prod)" }));
        Assert.That(Smtp.Mails.SelectMany(mail => mail.Message.References).Distinct().ToList(), Has.Count.EqualTo(1));
        Assert.That(Smtp.Mails.Select(mail => mail.Message.MessageId).Distinct().ToList(), Has.Count.EqualTo(4));
        Assert.That(Smtp.Mails[3].Message.TextBody, Does.StartWith("Resolved"));
    }

    [Test]
    public async Task The_subject_of_a_first_mail_that_failed_outlives_a_raised_severity()
    {
        Fail("mail", 451, "later");
        var thread = Thread(await Send(Checkout() with { Severity = "warning" }));
        await Send(Checkout(), thread);

        Assert.That(Smtp.Mails.Single().Message.Subject, Does.StartWith("[WARNING]"));
    }

    [TestCase(Occasion.Updated)]
    [TestCase(Occasion.Unacknowledged)]
    public async Task Small_changes_send_no_mail(string occasion)
    {
        Assert.That(await Send(Checkout(occasion: occasion)), Is.InstanceOf<DeliveryResult.NothingToSend>());
        Assert.That(Smtp.Connections, Is.Zero);
    }

    [Test]
    public async Task One_refused_recipient_does_not_cost_the_others_their_mail()
    {
        Fail("rcpt", 550, "no such user", when: "ana@");
        var delivered = (DeliveryResult.Delivered)await Send(Checkout());

        Assert.That(Smtp.Mails.Single().Recipients, Is.EqualTo(new[] { "bo@example.org" }));
        Assert.That(delivered.Answer, Does.Contain("refused for ana@example.org (550 no such user)"));
    }

    [Test]
    public async Task Only_the_recipient_that_was_put_off_gets_it_again()
    {
        Fail("rcpt", 450, "greylisted", when: "ana@");
        var later = (DeliveryResult.RetryLater)await Send(Checkout());
        await Send(Checkout(), Thread(later));

        Assert.That(later.Reason, Does.Contain("ana@example.org (450 greylisted)"));
        Assert.That(Smtp.Mails.Select(mail => mail.Recipients.Single()), Is.EqualTo(new[] { "bo@example.org", "ana@example.org" }));
        Assert.That(Smtp.Mails.Select(mail => mail.Message.MessageId).Distinct().ToList(), Has.Count.EqualTo(1));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_letter_refused_as_a_whole_does_not_cost_the_others_theirs(bool closes)
    {
        Fail("end-of-data", 554, "looks like spam", drop: closes);
        var delivered = (DeliveryResult.Delivered)await WithLinks().SendAsync(Checkout(), Receiver, new ThreadMemory(), new DeliveryAttempt("dlv_1", 1), CancellationToken.None);

        Assert.That(Smtp.Mails.Select(mail => mail.Recipients.Single()), Is.EqualTo(new[] { "bo@example.org" }));
        Assert.That(delivered.Answer, Does.Contain("refused for ana@example.org (554 looks like spam)"));
    }

    [Test]
    public async Task Whoever_had_it_when_the_time_was_up_does_not_get_it_again()
    {
        _harness.StandIns.Faults.Add("smtp/rcpt", new Fault { Hang = true, When = "bo@" });
        using var limit = new CancellationTokenSource();
        var sending = WithLinks().SendAsync(Checkout(), Receiver, new ThreadMemory(), new DeliveryAttempt("dlv_1", 1), limit.Token);
        while (_harness.StandIns.Faults.Waiting > 0 && !sending.IsCompleted) await Task.Yield();
        await limit.CancelAsync();
        var later = (DeliveryResult.RetryLater)await sending;
        await WithLinks().SendAsync(Checkout(), Receiver, Thread(later), new DeliveryAttempt("dlv_1", 2), CancellationToken.None);

        Assert.That(Smtp.Mails.Select(mail => mail.Recipients.Single()), Is.EqualTo(new[] { "ana@example.org", "bo@example.org" }));
    }

    /// <summary>Each recipient has a letter of their own.</summary>
    private EmailChannel WithLinks() => new(_harness.Services.GetRequiredService<IOptionsMonitor<SmtpOptions>>(), NullLogger<EmailChannel>.Instance,
        new MailLinks(new EphemeralDataProtectionProvider(), Options.Create(new EngineOptions { PublicUrl = new Uri("https://incidents.example.org") }), TimeProvider.System));

    [Test]
    public async Task A_mail_refused_for_everybody_is_rejected()
    {
        Fail("rcpt", 550, "no such user", when: "ana@");
        Fail("rcpt", 553, "not here", when: "bo@");

        Assert.That(await Send(Checkout()), Is.InstanceOf<DeliveryResult.Rejected>().With.Property("Reason").Contains("bo@example.org"));
    }

    [Test]
    public async Task A_mail_put_off_for_everybody_is_tried_again()
    {
        Fail("rcpt", 452, "full", when: "ana@");
        Fail("rcpt", 452, "full", when: "bo@");

        Assert.That(await Send(Checkout()), Is.InstanceOf<DeliveryResult.RetryLater>());
    }

    [TestCase("mail", 451, typeof(DeliveryResult.RetryLater))]
    [TestCase("mail", 553, typeof(DeliveryResult.Rejected))]
    [TestCase("data", 451, typeof(DeliveryResult.RetryLater))]
    [TestCase("data", 554, typeof(DeliveryResult.Rejected))]
    [TestCase("end-of-data", 452, typeof(DeliveryResult.RetryLater))]
    [TestCase("end-of-data", 552, typeof(DeliveryResult.Rejected))]
    [TestCase("connect", 421, typeof(DeliveryResult.RetryLater))]
    public async Task Every_reply_code_has_its_meaning(string stage, int status, Type expected)
    {
        Fail(stage, status, "said so");

        Assert.That(await Send(Checkout()), Is.InstanceOf(expected));
        Assert.That(Smtp.TotalMails, Is.Zero);
    }

    [Test]
    public async Task A_mail_whose_answer_was_lost_comes_again_with_the_same_id()
    {
        Fail("end-of-data", drop: true, takesEffect: true);
        var lost = (DeliveryResult.RetryLater)await Send(Checkout());
        await Send(Checkout(), Thread(lost));

        Assert.That(lost.MayHaveArrived, Is.True);
        Assert.That(Smtp.Mails.Select(mail => mail.Message.MessageId), Is.EqualTo(new[] { "inc-142.dlv_1@example.org", "inc-142.dlv_1@example.org" }));
    }

    [Test]
    public async Task A_server_that_leaves_at_the_greeting_cannot_have_taken_it()
    {
        Fail("connect", drop: true);

        Assert.That(((DeliveryResult.RetryLater)await Send(Checkout())).MayHaveArrived, Is.False);
    }

    [Test]
    public async Task A_refused_connection_is_tried_again()
    {
        await using var nowhere = _harness.With(("Smtp:Port", "1"));
        var later = (DeliveryResult.RetryLater)await nowhere.SendAsync("email", Receiver, Checkout());

        Assert.That((later.Reason, later.MayHaveArrived), Is.EqualTo(("the connection was refused", false)));
    }

    [Test]
    public async Task A_server_without_TLS_is_not_spoken_to_in_the_clear()
    {
        await using var strict = _harness.With(("Smtp:Security", "starttls"));

        Assert.That(await strict.SendAsync("email", Receiver, Checkout()), Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").Contains("Smtp__Security=starttls"));
        Assert.That(Smtp.TotalMails, Is.Zero);
    }

    [Test]
    public async Task A_wrong_password_waits_for_a_person_and_a_right_one_passes()
    {
        await using var locked = await StartAsync(options: new StandInOptions { SmtpLogin = ("incidents", "secret") });
        await using var wrong = locked.With(("Smtp:User", "incidents"), ("Smtp:Password", "wrong"));
        await using var right = locked.With(("Smtp:User", "incidents"), ("Smtp:Password", "secret"));

        var refused = await wrong.SendAsync("email", Receiver, Checkout());
        Assert.That(refused, Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").Contains("Smtp__Password"));
        Assert.That(((DeliveryResult.Misconfigured)refused).Reason, Does.Not.Contain("wrong"));
        Assert.That(await right.SendAsync("email", Receiver, Checkout()), Is.InstanceOf<DeliveryResult.Delivered>());
    }

    [Test]
    public async Task A_server_whose_authentication_is_out_of_order_is_tried_again()
    {
        await using var locked = await StartAsync(new() { ["Smtp:User"] = "incidents", ["Smtp:Password"] = "secret" }, new StandInOptions { SmtpLogin = ("incidents", "secret") });
        locked.StandIns.Faults.Add("smtp/auth", new Fault { Times = 2, Status = 454, Body = "4.7.0 temporary authentication failure" });

        Assert.That(await locked.SendAsync("email", Receiver, Checkout()), Is.InstanceOf<DeliveryResult.RetryLater>());
    }

    [Test]
    public async Task Hostile_text_adds_no_header_no_markup_and_stays_under_100_kB()
    {
        await Send(Hostile());

        var mail = Smtp.Mails.Single();
        Assert.That(mail.Message.Headers.Any(header => header.Id == HeaderId.Bcc), Is.False);
        Assert.That(mail.Message.Subject, Does.Not.Contain("\n").And.Length.LessThanOrEqualTo(250));
        Assert.That(mail.Message.HtmlBody, Does.Not.Contain("<script>"));
        Assert.That(mail.Bytes, Is.LessThan(100_000));
    }

    [Test]
    public async Task A_line_that_begins_with_a_dot_arrives_as_it_was()
    {
        await Send(Checkout() with { Description = "first\n.second\n..third" });

        Assert.That((Smtp.Mails.Single().Message.TextBody ?? "").ReplaceLineEndings("\n"), Does.Contain("first\n.second\n..third"));
    }

    [Test]
    public async Task Without_a_host_the_operator_reads_what_to_write()
    {
        await using var bare = _harness.With(("Smtp:Host", null));

        Assert.That(await bare.SendAsync("email", Receiver, Checkout()), Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").StartsWith("Smtp__Host is not set"));
    }
}
