using Microsoft.Extensions.Logging.Console;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Incidents.Server.Web.Telemetry;

/// <summary>The <c>Metrics</c> section.</summary>
internal sealed class MetricsOptions
{
    /// <summary>Whether <c>/metrics</c> is open without a key. Default true, because Prometheus usually scrapes without one and the figures name no alert; false asks for the scope read.</summary>
    public bool AllowAnonymous { get; set; } = true;
}

internal static class TelemetryModule
{
    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        AddLogs(builder);

        // The settings of the OpenTelemetry specification; without an endpoint nothing is sent anywhere.
        var exports = !string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(r => r.AddService("incidents", serviceVersion: typeof(TelemetryModule).Assembly.GetName().Version?.ToString(3)))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(IncidentsMetrics.MeterName, "Npgsql").AddAspNetCoreInstrumentation().AddHttpClientInstrumentation().AddRuntimeInstrumentation();
                metrics.AddPrometheusExporter();
                if (exports) metrics.AddOtlpExporter();
            });

        // Spans cost time on the webhook path; they are made only when somebody takes them.
        if (!exports) return;
        telemetry.WithTracing(tracing => tracing
            .AddSource(IncidentsTracing.SourceName, "Npgsql")
            .SetSampler(SamplerFor(builder.Configuration))
            .AddAspNetCoreInstrumentation(o =>
            {
                o.Filter = static context => !IsProbe(context.Request.Path);

                // A heartbeat's address carries its secret.
                o.EnrichWithHttpRequest = static (span, request) =>
                {
                    if (request.Path.StartsWithSegments("/api/v1/heartbeats", out var rest) && rest.Value?.IndexOf('/', 1) > 0) span.SetTag("url.path", "/api/v1/heartbeats/{name}/{token}");
                };
            })

            // Many addresses carry a secret in their path (a heartbeat's, Slack's response_url, people's webhooks), so a span says only whom it went to.
            .AddHttpClientInstrumentation(o => o.EnrichWithHttpRequestMessage = static (span, request) => span.SetTag("url.full", request.RequestUri?.GetLeftPart(UriPartial.Authority)))
            .AddOtlpExporter());
    }

    public static void MapMetrics(this WebApplication app)
    {
        var endpoint = app.MapPrometheusScrapingEndpoint("/metrics");
        var options = app.Configuration.GetSection("Metrics").Get<MetricsOptions>() ?? new MetricsOptions();
        if (options.AllowAnonymous) endpoint.AllowAnonymous();
        else endpoint.RequireAuthorization(Scopes.Read);
    }

    /// <summary>One JSON object a line in production, so that machines can read it, with trace ids; <c>Logging__Console__FormatterName</c> chooses otherwise.</summary>
    private static void AddLogs(WebApplicationBuilder builder)
    {
        builder.Logging.Configure(o => o.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
        if (builder.Environment.IsProduction() && string.IsNullOrEmpty(builder.Configuration["Logging:Console:FormatterName"]))
            builder.Logging.AddJsonConsole();
        builder.Services.Configure<JsonConsoleFormatterOptions>(o =>
        {
            o.IncludeScopes = true;
            o.UseUtcTimestamp = true;
            o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
        });
    }

    /// <summary>The caller's decision counts; without one, <c>OTEL_TRACES_SAMPLER_ARG</c> (0 to 1) of traces are kept, all by default.</summary>
    private static ParentBasedSampler SamplerFor(IConfiguration configuration) =>
        new(configuration.GetValue<double?>("OTEL_TRACES_SAMPLER_ARG") is { } ratio ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler());

    private static bool IsProbe(PathString path) => path == "/healthz" || path == "/readyz" || path == "/metrics";
}
