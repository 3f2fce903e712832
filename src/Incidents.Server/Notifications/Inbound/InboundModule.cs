using Incidents.Server.Notifications.Channels;
using Incidents.Server.Web;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>The way back: what people do in Slack, PagerDuty and mails. A new way in is one <see cref="IInboundHandler"/> and what takes its messages in.</summary>
internal static class InboundModule
{
    public static void AddInbound(this WebApplicationBuilder builder)
    {
        builder.Services
            .AddSingleton<InboundSignal>()
            .AddSingleton<ReplySignal>()
            .AddSingleton<InboundActions>()
            .AddSingleton<KnownPeople>()
            .AddSingleton<AccountLinkTokens>()
            .AddSingleton<MailLinks>()
            .AddScoped<IInboundHandler, SlackActions>()
            .AddScoped<IInboundHandler, PagerDutyEvents>()
            .AddSingleton<PagerDutyApi>()
            .AddHostedService<ActOnInbound>()
            .AddHostedService<SendReplies>()
            .AddSingleton<SlackSocketHealth>()
            .AddHostedService<SlackSocket>()
            .AddScoped<IReadinessCheck, SlackReadiness>();
        builder.Services.AddOptions<SlackOptions>().Validate(
            o => o.UnlinkedUsersMay is "nothing" or "acknowledge" or "everything", "Slack__UnlinkedUsersMay must be nothing, acknowledge or everything.");
    }

    public static void MapInbound(this WebApplication app)
    {
        app.MapSlackWebhooks();
        app.MapPagerDutyWebhook();
        app.MapAccountLinks();
        app.MapInboundActions();
    }
}
