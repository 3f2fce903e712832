using FluentValidation;
using Incidents.Server.Web.Telemetry;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.DependencyInjection.Extensions;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>The <c>Web</c> section.</summary>
internal sealed class WebOptions
{
    /// <summary>Largest body of an ordinary API request, in bytes. Default 1 MiB. Webhooks have limits of their own.</summary>
    public long MaxBodyBytes { get; set; } = 1024 * 1024;
}

/// <summary>What every endpoint stands on. Needs from others: <c>IncidentsDbContext</c> and <c>IActiveConfiguration</c>.</summary>
internal static class WebModule
{
    public static void AddWeb(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(s => new ProcessStart(s.GetRequiredService<TimeProvider>().GetCurrentInstant()));
        AddServer(builder);
        AddAuthentication(services);
        builder.AddTelemetry();

        services.AddMediator(options =>
        {
            options.ServiceLifetime = ServiceLifetime.Scoped;
            options.GenerateTypesAsInternal = true;
            options.PipelineBehaviors = [typeof(ValidationBehavior<,>), typeof(ConflictRetryBehavior<,>)];
        });
        services.AddScoped<MessageDepth>();
        services.AddValidatorsFromAssembly(typeof(WebModule).Assembly, includeInternalTypes: true);

        services.AddHttpContextAccessor();
        services.AddScoped<IActor, RequestActor>();
        services.AddScoped<IAuditLog, AuditLog>();
        services.AddUsers();

        services.AddSingleton<IdempotencyStore>();
        services.AddHostedService<IdempotencyPurge>();

        services.AddSingleton<Readiness>();
        services.AddSingleton<DatabaseReadiness.Schema>();
        services.AddScoped<IReadinessCheck, DatabaseReadiness>();
        services.AddScoped<IReadinessCheck, ConfigurationReadiness>();

        services.AddApiDescription();
    }

    /// <summary>Call before any other module maps: the order here is the order in which a request passes.</summary>
    public static void MapWeb(this WebApplication app)
    {
        app.UseSecurityHeaders();
        app.UseExceptionHandler();
        app.UseStatusCodePages(context =>
        {
            var problem = ApiProblem.ForStatus(context.HttpContext.Response.StatusCode, context.HttpContext.Request);
            return ProblemPage.IsFor(context.HttpContext.Request) ? ProblemPage.WriteAsync(context.HttpContext, problem) : problem.ExecuteAsync(context.HttpContext);
        });
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseMiddleware<IdempotencyMiddleware>();

        _ = app.Services.GetRequiredService<ProcessStart>();
        app.MapHealth();
        app.MapMetrics();
        app.MapApiDescription();
        app.MapApiKeys();
        app.MapUsers();
        app.MapAudit();
    }

    private static void AddServer(WebApplicationBuilder builder)
    {
        var options = builder.Configuration.GetSection("Web").Get<WebOptions>() ?? new WebOptions();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        });
        builder.Services.Configure<JsonOptions>(o => ApiJson.Configure(o.SerializerOptions));

        // In every environment alike: the handler below writes the answer, and it wants to know why.
        builder.Services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        builder.Services.AddExceptionHandler<ProblemExceptionHandler>();
        builder.Services.AddProblemDetails();
    }

    private static void AddAuthentication(IServiceCollection services)
    {
        services.AddOptions<AuthOptions>().BindConfiguration("Auth").ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<BrowserSignIn>();
        services.AddSingleton<ApiKeyCache>();
        services.AddHostedService(s => s.GetRequiredService<ApiKeyCache>());
        services.AddAuthentication(AuthSchemes.Default)
            .AddPolicyScheme(AuthSchemes.Default, null, o => o.ForwardDefaultSelector = BrowserSignIn.SchemeFor)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyAuthentication>(AuthSchemes.ApiKey, null);

        services.AddSingleton<IAuthorizationMiddlewareResultHandler, ApiRefusals>();
        var authorization = services.AddAuthorizationBuilder();
        foreach (var scope in Scopes.All)
            authorization.AddPolicy(scope, p => p.RequireAuthenticatedUser().RequireAssertion(c => Scopes.Covers(c.User, scope)));

        // An endpoint that says nothing is closed. What is open says so with AllowAnonymous.
        authorization.SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
    }
}
