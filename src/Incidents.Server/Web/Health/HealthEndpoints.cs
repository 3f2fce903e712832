using System.Reflection;
using Incidents.Server.Configuration;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>What runs here. <paramref name="Commit"/> is empty when built outside of git; <paramref name="ConfigVersion"/> is equal on replicas that read the same files.</summary>
internal sealed record RunningVersion(string Version, string Commit, Instant StartedAt, string ConfigVersion);

/// <summary>When this process began.</summary>
internal sealed record ProcessStart(Instant At);

internal sealed record ProcessHealth(string Status);

internal static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        var health = app.MapGroup("").AllowAnonymous().WithTags("Health");

        health.MapGet("/healthz", () => new ProcessHealth("ok"))
            .WithName("GetHealth").WithSummary("Whether the process runs; asks nothing else");

        health.MapGet("/readyz", async (Readiness readiness, HttpContext context, CancellationToken cancellationToken) =>
            {
                context.Response.Headers.CacheControl = "no-store";
                var report = await readiness.ReportAsync(cancellationToken);
                return TypedResults.Json(report, ApiJson.Options, statusCode: report.Status == "unready" ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK);
            })
            .Produces<ReadinessReport>().Produces<ReadinessReport>(StatusCodes.Status503ServiceUnavailable)
            .WithName("GetReadiness").WithSummary("Whether it can do its work: database, configuration, workers");

        health.MapGet("/version", (IActiveConfiguration configuration, ProcessStart start) =>
            {
                var informational = typeof(HealthEndpoints).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";
                var parts = informational.Split('+', 2);
                return new RunningVersion(parts[0], parts.Length == 2 ? parts[1] : "", start.At, configuration.Current.Version);
            })
            .WithName("GetVersion").WithSummary("Version, commit, start time and configuration in force");
    }
}
