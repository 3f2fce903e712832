namespace Incidents.Server.Ui.Live;

internal static class LiveModule
{
    public static void AddLive(this IServiceCollection services) => services
        .AddSingleton<ChangeFeed>()
        .AddHostedService(s => s.GetRequiredService<ChangeFeed>())
        .AddHostedService<TellReplicas>()
        .AddHostedService<HearReplicas>();

    public static void MapLive(this WebApplication app) => app.MapEventStream();
}
