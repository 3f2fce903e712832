using Incidents.Server.Ui.Live;

namespace Incidents.Server.Ui;

/// <summary>Pages for people, and the stream that keeps them up to date.</summary>
internal static class UiModule
{
    public static void AddUi(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        // It warns that keys of sessions are not encrypted at rest; why they are not is in docs/decisions/sessions.md.
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection.KeyManagement.XmlKeyManager", LogLevel.Error);
        services.AddRazorComponents();
        services.AddAntiforgery(o => o.Cookie.Name = "incidents_form");
        services.AddResponseCompression(o =>
        {
            // Form tokens are encrypted anew for every page, so what an attacker sees of lengths tells nothing of them.
            o.EnableForHttps = true;
            o.MimeTypes = ["text/html"];
        });
        services.AddScoped<PageData>();
        services.AddSignIn();
        services.AddPasskeys();
        builder.AddOidc();
        services.AddLive();
    }

    public static void MapUi(this WebApplication app)
    {
        app.UseResponseCompression();
        app.MapAssets();
        app.MapSignIn();
        app.MapOidc();
        app.MapPasskeys();
        app.MapAccount();
        app.MapIncidentPages();
        app.MapSilencePages();
        app.MapOnCallPages();
        app.MapMailLinks();
        app.MapAccountLinkPages();
        app.MapLive();
    }
}
