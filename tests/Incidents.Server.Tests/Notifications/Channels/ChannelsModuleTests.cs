using FluentValidation;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications;
using Incidents.Server.Notifications.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class ChannelsModuleTests
{
    private ChannelHarness _harness = null!;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [Test]
    public void Five_channels_are_registered_and_described()
    {
        var registrations = _harness.Services.GetServices<ChannelRegistration>().ToList();

        Assert.That(registrations.Select(r => r.Key), Is.EqualTo(new[] { "pagerduty", "slack", "email", "loki", "webhook" }));
        Assert.That(registrations, Has.All.Matches<ChannelRegistration>(r => r.Description.Length > 0 && _harness.Services.GetService(typeof(IValidator<>).MakeGenericType(r.ReceiverType)) is not null));
    }

    [Test]
    public void A_channel_that_is_not_known_is_a_bug_and_says_which_are() =>
        Assert.That(async () => await _harness.SendAsync("pigeon", new object(), Checkout()), Throws.InvalidOperationException.With.Message.Contains("pagerduty, slack, email, loki, webhook"));

    [Test]
    public void A_bug_in_a_channel_is_not_taken_for_a_broken_network() =>
        Assert.That(async () => await _harness.SendAsync("slack", new PagerDutyReceiver(), Checkout()), Throws.InstanceOf<InvalidCastException>());

    [Test]
    public void Secrets_are_marked()
    {
        foreach (var (type, property) in new[] { (typeof(PagerDutyReceiver), "RoutingKey"), (typeof(WebhookReceiver), "Secret") })
            Assert.That(type.GetProperty(property)!.GetCustomAttributes(typeof(SecretAttribute), false), Has.Length.EqualTo(1));
    }

    [TestCase("PagerDuty:EventsUrl", "ftp://x", "PagerDuty__EventsUrl")]
    [TestCase("Slack:ApiUrl", "ftp://x", "Slack__ApiUrl")]
    [TestCase("Loki:Url", "ftp://x", "Loki__Url")]
    [TestCase("Smtp:Port", "0", "Smtp__Port")]
    [TestCase("Smtp:Security", "ssl", "Smtp__Security")]
    [TestCase("Smtp:From", "nobody", "Smtp__From")]
    [TestCase("Notifications:AttemptTimeLimit", "00:05:00", "Notifications__AttemptTimeLimit")]
    public async Task A_wrong_setting_is_named_as_it_is_written(string key, string value, string named)
    {
        await using var wrong = _harness.With((key, value));

        Assert.That(() => wrong.Services.GetRequiredService<IStartupValidator>().Validate(), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains(named));
    }

    [Test]
    public async Task A_password_is_not_sent_in_plain_text_to_another_machine()
    {
        await using var wrong = _harness.With(("Smtp:Host", "mail.example.org"), ("Smtp:User", "incidents"), ("Smtp:Security", "none"));

        Assert.That(() => wrong.Services.GetRequiredService<IStartupValidator>().Validate(), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("Smtp__User"));
    }

    [Test]
    public void Receivers_are_checked_before_anything_is_sent() => Assert.Multiple(() =>
    {
        Assert.That(new SlackReceiverValidator().Validate(new SlackReceiver { Channel = "#alerts" }).IsValid, Is.True);
        Assert.That(new SlackReceiverValidator().Validate(new SlackReceiver { Channel = "two words" }).IsValid, Is.False);
        Assert.That(new EmailReceiverValidator().Validate(new EmailReceiver { To = ["Ana <ana@example.org>"] }).IsValid, Is.True);
        Assert.That(new EmailReceiverValidator().Validate(new EmailReceiver { To = [] }).IsValid, Is.False);
        Assert.That(new EmailReceiverValidator().Validate(new EmailReceiver { To = ["ana"] }).IsValid, Is.False);
        Assert.That(new LokiReceiverValidator().Validate(new LokiReceiver()).IsValid, Is.True);
        Assert.That(new LokiReceiverValidator().Validate(new LokiReceiver { Labels = new Dictionary<string, string> { ["a-b"] = "x" } }).IsValid, Is.False);
        Assert.That(new LokiReceiverValidator().Validate(new LokiReceiver { Tenant = "a|b" }).IsValid, Is.False);
        Assert.That(new WebhookReceiverValidator().Validate(new WebhookReceiver { Url = new Uri("https://example.org") }).IsValid, Is.True);
        Assert.That(new WebhookReceiverValidator().Validate(new WebhookReceiver { Url = new Uri("ftp://example.org") }).IsValid, Is.False);
        Assert.That(new WebhookReceiverValidator().Validate(new WebhookReceiver { Url = new Uri("https://example.org"), Secret = "whsec_%" }).IsValid, Is.False);
    });
}
