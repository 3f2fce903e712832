using Incidents.Server.Alerts;

namespace Incidents.Server.PostMortems;

/// <summary>The stage that learns: an incident that is over gets a draft, people make it a post-mortem.</summary>
internal static class PostMortemsModule
{
    public static void AddPostMortems(this WebApplicationBuilder builder)
    {
        builder.Services.AddAntiforgery();
        builder.Services.AddRazorComponents();
        builder.Services
            .AddSingleton<IIngestStage, DraftPostMortems>()
            .AddScoped<PostMortemWork>()
            .AddScoped<PostMortemReader>()
            .AddHostedService<DraftDue>();
    }

    public static void MapPostMortems(this WebApplication app)
    {
        app.MapPostMortemApi();
        app.MapPostMortemPage();
    }
}
