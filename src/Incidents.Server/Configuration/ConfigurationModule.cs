using System.Text.Encodings.Web;
using System.Text.Json;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.OnCall;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Incidents.Server.Configuration;

/// <summary>Configuration as code: files in a directory, checked whole, in force until a better reading replaces them.</summary>
internal static class ConfigurationModule
{
    /// <summary>The process's exit code when the configuration at start has problems.</summary>
    public const int InvalidConfiguration = 3;

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static WebApplicationBuilder AddConfiguration(this WebApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(new ConfigurationDirectory(FindDirectory(builder.Configuration["Incidents:ConfigDirectory"], builder.Environment.ContentRootPath)));
        builder.Services.AddSingleton<EngineConfigurationLoader>();
        builder.Services.AddSingleton<ActiveConfiguration>();
        builder.Services.AddSingleton<IActiveConfiguration>(services => services.GetRequiredService<ActiveConfiguration>());
        builder.Services.AddHostedService<ConfigurationWatcher>();

        // Calendars that schedules are read from are at addresses from a file, as webhooks are.
        builder.Services.AddOutboundHttp(FetchCalendars.HttpClientName, guarded: true);
        return builder;
    }

    public static WebApplication MapConfiguration(this WebApplication app)
    {
        app.MapGet("/api/v1/config", ShowConfiguration.Handle).RequireAuthorization("read")
            .WithName("ShowConfiguration").WithSummary("The configuration in force, without secrets, and why newer files are not.").WithTags("configuration");
        app.MapPost("/api/v1/config/reload", ReloadConfiguration.Handle).RequireAuthorization("admin")
            .WithName("ReloadConfiguration").WithSummary("Read the configuration files again.").WithTags("configuration");

        var schema = RoutingSchema(app);
        app.MapGet("/schemas/v1/routing.json", () => Results.Text(schema, "application/schema+json")).AllowAnonymous().ExcludeFromDescription();
        var onCall = OnCallSchema(app);
        app.MapGet("/schemas/v1/oncall.json", () => Results.Text(onCall, "application/schema+json")).AllowAnonymous().ExcludeFromDescription();
        return app;
    }

    /// <summary>
    /// The first reading. False when it has problems: they were printed, nothing is in force, and the process must end with <see cref="InvalidConfiguration"/>.
    /// Call it before the server starts.
    /// </summary>
    public static bool LoadConfiguration(this WebApplication app, TextWriter output)
    {
        var reading = app.Services.GetRequiredService<ActiveConfiguration>().Start();
        if (reading.Problems.Count > 0) output.Write(ProblemText.Format(reading.Problems));
        return reading.Configuration is not null;
    }

    /// <summary>Answers <c>--print-schema routing</c> and <c>--print-schema oncall</c> on <paramref name="output"/>. True when that was asked; then the process ends.</summary>
    public static bool PrintSchemaIfAsked(this WebApplication app, string[] args, TextWriter output)
    {
        if (args is not ["--print-schema", "routing" or "oncall"]) return false;
        output.WriteLine(args[1] == "routing" ? RoutingSchema(app) : OnCallSchema(app));
        return true;
    }

    private static string RoutingSchema(WebApplication app) =>
        app.Services.GetRequiredService<EngineConfigurationLoader>().RoutingSchema().ToJsonString(Readable);

    private static string OnCallSchema(WebApplication app) =>
        app.Services.GetRequiredService<EngineConfigurationLoader>().OnCallSchema().ToJsonString(Readable);

    /// <summary>A path that is set counts from the working directory. Unset: <c>config</c> in the working directory, else the one shipped beside the program.</summary>
    private static string FindDirectory(string? configured, string contentRoot)
    {
        if (!string.IsNullOrWhiteSpace(configured)) return Path.GetFullPath(configured);
        var here = Path.GetFullPath("config");
        return File.Exists(Path.Combine(here, EngineConfigurationLoader.RoutingFileName)) ? here : Path.Combine(contentRoot, "config");
    }
}
