namespace Incidents.Server.OnCall;

/// <summary>Who is on call, and who is told next.</summary>
internal static class OnCallModule
{
    public static void AddOnCall(this WebApplicationBuilder builder) => builder.Services.AddSingleton<OnCallOverrides>();
}
