using FluentValidation;
using Incidents.Server.Notifications.Channels;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Notifications;

/// <summary>The list of channels. A new one is one file in <c>Channels/</c> and one line here.</summary>
internal static class ChannelsModule
{
    public static WebApplicationBuilder AddChannels(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddNotificationChannel<PagerDutyChannel, PagerDutyReceiver>("pagerduty", "Pages through PagerDuty's Events API v2.", pages: true,
                (machine, receiver) => receiver is null || !string.IsNullOrWhiteSpace(((PagerDutyReceiver)receiver).RoutingKey ?? Options<PagerDutyOptions>(machine).RoutingKey))
            .AddNotificationChannel<SlackChannel, SlackReceiver>("slack", "One Slack message per incident, updated in place, with the log in its thread.", isSetUp: (machine, _) => !string.IsNullOrWhiteSpace(Options<SlackOptions>(machine).BotToken))
            .AddNotificationChannel<EmailChannel, EmailReceiver>("email", "Mail by SMTP, one thread per incident.", isSetUp: (machine, _) => !string.IsNullOrWhiteSpace(Options<SmtpOptions>(machine).Host))
            .AddNotificationChannel<LokiChannel, LokiReceiver>("loki", "Log lines pushed to Loki.", isSetUp: (machine, _) => Options<LokiOptions>(machine).Url is not null)
            .AddNotificationChannel<WebhookChannel, WebhookReceiver>("webhook", "JSON to any address, signed as Standard Webhooks does.", isSetUp: (_, receiver) => receiver is not WebhookReceiver { Secret: "" });

        services.AddSingleton<IValidator<PagerDutyReceiver>, PagerDutyReceiverValidator>()
            .AddSingleton<IValidator<SlackReceiver>, SlackReceiverValidator>()
            .AddSingleton<IValidator<EmailReceiver>, EmailReceiverValidator>()
            .AddSingleton<IValidator<LokiReceiver>, LokiReceiverValidator>()
            .AddSingleton<IValidator<WebhookReceiver>, WebhookReceiverValidator>();

        services.AddOptions<PagerDutyOptions>().BindConfiguration("PagerDuty")
            .Validate(o => OutboundHttp.IsHttp(o.EventsUrl), "PagerDuty__EventsUrl must be an absolute http(s) address, such as https://events.pagerduty.com/v2/enqueue.")
            .Validate(o => OutboundHttp.IsHttp(o.ApiUrl), "PagerDuty__ApiUrl must be an absolute http(s) address, such as https://api.pagerduty.com/.").ValidateOnStart();
        services.AddOptions<SlackOptions>().BindConfiguration("Slack")
            .Validate(o => OutboundHttp.IsHttp(o.ApiUrl), "Slack__ApiUrl must be an absolute http(s) address, such as https://slack.com/api/.").ValidateOnStart();
        services.AddOptions<LokiOptions>().BindConfiguration("Loki")
            .Validate(o => o.Url is null || OutboundHttp.IsHttp(o.Url), "Loki__Url must be an absolute http(s) address, such as http://loki:3100.").ValidateOnStart();
        services.AddOptions<SmtpOptions>().BindConfiguration("Smtp")
            .Validate(o => o.Port is > 0 and < 65536, "Smtp__Port must be from 1 to 65535; 587 for starttls, 465 for tls.")
            .Validate(o => o.Security is "starttls" or "tls" or "none", "Smtp__Security must be starttls, tls or none.")
            .Validate(o => EmailChannel.IsAddress(o.From), "Smtp__From must be a mail address, such as incidents@example.org.")
            .Validate(o => o.MayAuthenticate, "Smtp__User with Smtp__Security=none would send the password in plain text; write Smtp__Security=starttls or tls, or leave Smtp__User out.")
            .ValidateOnStart();
        services.AddOptions<WebhookOptions>().BindConfiguration("Webhook").ValidateOnStart();
        services.AddOptions<NotificationOptions>().BindConfiguration("Notifications")
            .Validate(o => o.AttemptTimeLimit >= TimeSpan.FromSeconds(1) && o.AttemptTimeLimit <= TimeSpan.FromSeconds(20), "Notifications__AttemptTimeLimit must be from 00:00:01 to 00:00:20.")
            .ValidateOnStart();

        services.AddOutboundHttp(PagerDutyChannel.HttpClientName);
        services.AddOutboundHttp(SlackApi.HttpClientName);
        services.AddOutboundHttp(LokiChannel.HttpClientName);
        services.AddOutboundHttp(WebhookChannel.HttpClientName, guarded: true);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<ISlackApi, SlackApi>();
        services.AddSingleton<NotificationChannels>();
        return builder;
    }

    /// <summary>Makes a channel known under its key in <c>routing.yaml</c>.</summary>
    /// <param name="services">Of the host.</param>
    /// <param name="key">In the configuration.</param>
    /// <param name="description">For operators.</param>
    /// <param name="pages">See <see cref="ChannelRegistration.Pages"/>.</param>
    /// <param name="isSetUp">See <see cref="ChannelRegistration.IsSetUp"/>.</param>
    public static IServiceCollection AddNotificationChannel<TChannel, TReceiver>(
        this IServiceCollection services, string key, string description, bool pages = false, Func<IServiceProvider, object?, bool>? isSetUp = null)
        where TChannel : class, INotificationChannel<TReceiver>
        where TReceiver : class =>
        services.AddSingleton<TChannel>()
            .AddSingleton(new ChannelRegistration(key, typeof(TReceiver), description) { Pages = pages, IsSetUp = isSetUp })
            .AddSingleton(provider => new ChannelSender(key, (settings, notification, thread, attempt, cancellationToken) =>
                provider.GetRequiredService<TChannel>().SendAsync(notification, (TReceiver)settings, thread, attempt, cancellationToken)));

    private static TOptions Options<TOptions>(IServiceProvider machine) where TOptions : class => machine.GetRequiredService<IOptionsMonitor<TOptions>>().CurrentValue;
}
