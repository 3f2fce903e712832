using Incidents.Server.Web;

namespace Incidents.Server.OnCall;

/// <summary>Who is on call, and who is told next.</summary>
internal static class OnCallModule
{
    public static void AddOnCall(this WebApplicationBuilder builder)
    {
        builder.Services
            .AddSingleton<OnCallOverrides>()
            .AddSingleton<ImportedCalendars>()
            .AddSingleton<DutyBooks>()
            .AddSingleton<CheckCoverage>()
            .AddSingleton<CalendarLinks>()
            .AddScoped<IReadinessCheck, CalendarsReadiness>()
            .AddHostedService<FetchCalendars>()
            .AddHostedService<AnnounceHandOvers>()
            .AddHostedService<WatchCoverage>();
    }

    public static void MapOnCall(this WebApplication app) => app.MapOnCallApi();
}
