using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using NodaTime;
using Scalar.AspNetCore;

namespace Incidents.Server.Web;

/// <summary>The description at <c>/openapi/v1.json</c>, the page that shows it at <c>/docs</c>, and the list of problem codes at <c>/problems</c>.</summary>
internal static class ApiDescription
{
    private const string Document = "v1";
    private const string ProblemSchema = "Problem";

    public static void AddApiDescription(this IServiceCollection services) => services.AddOpenApi(Document, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        // One word on the wire needs no schema of its own, and a shared one could not say which use of it may be null.
        options.CreateSchemaReferenceId = type => FormatOf(type.Type) is not null || type.Type == typeof(JsonNode) ? null : OpenApiOptions.CreateDefaultSchemaReferenceId(type);
        options.AddDocumentTransformer(DescribeDocumentAsync);
        options.AddOperationTransformer(DescribeOperationAsync);
        options.AddSchemaTransformer(DescribeTypeAsync);
    });

    public static void MapApiDescription(this WebApplication app)
    {
        app.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
        app.MapScalarApiReference("/docs", options => options
            .WithTitle("Incidents API")
            .WithOpenApiRoutePattern("/openapi/{documentName}.json")
            .DisableDefaultFonts()
            .DisableTelemetry()
            .DisableAgent()
            .AddPreferredSecuritySchemes("bearer")).AllowAnonymous();
        app.MapGet("/problems", (EndpointDataSource endpoints) => ProblemsOf(endpoints)).AllowAnonymous()
            .WithTags("Problems").WithName("ListProblems").WithSummary("Every problem code and what it means");
    }

    /// <summary>A problem code, and the operations that name it; none for those any operation may answer with.</summary>
    internal sealed record ProblemCode(string Code, int Status, string Title, string Meaning, ImmutableArray<string> Operations);

    internal static Page<ProblemCode> ProblemsOf(EndpointDataSource endpoints)
    {
        var named = endpoints.Endpoints.SelectMany(e => e.Metadata.OfType<ProblemMetadata>(), (e, problem) => (problem, Operation: e.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? e.DisplayName ?? ""));
        return Page.Whole<ProblemCode>(
        [
            .. named.Concat(CommonProblems.Everywhere.Select(problem => (problem, Operation: "")))
                .GroupBy(p => p.problem.Code)
                .OrderBy(g => g.Min(p => p.problem.Status)).ThenBy(g => g.Key, StringComparer.Ordinal)
                .Select(g => new ProblemCode(g.Key, g.First().problem.Status, ApiProblem.TitleOf(g.Key), g.First().problem.Meaning,
                    [.. g.Select(p => p.Operation).Where(o => o.Length > 0).Distinct().Order(StringComparer.Ordinal)])),
        ]);
    }

    private static Task DescribeDocumentAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Incidents",
            Version = typeof(ApiDescription).Assembly.GetName().Version?.ToString(3) ?? "0.0.0",
            Description = "Alert routing and incidents between Prometheus Alertmanager and people. Errors are RFC 9457 problems; decide on `code`, all of them are at /problems.",
        };
        // Whatever address was used to fetch it is the one to use.
        document.Servers = [new OpenApiServer { Url = "/" }];
        return Task.CompletedTask;
    }

    private static async Task DescribeOperationAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var document = context.Document ?? throw new InvalidOperationException("An operation is described within a document.");
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        if (document.Components?.Schemas?.ContainsKey(ProblemSchema) is not true)
            document.AddComponent(ProblemSchema, await context.GetOrCreateSchemaAsync(typeof(Problem), null, cancellationToken));

        operation.Responses ??= [];
        var problems = metadata.OfType<ProblemMetadata>().Concat(CommonProblems.Of([.. metadata], context.Description.HttpMethod ?? "GET"));
        foreach (var status in problems.GroupBy(p => p.Status))
        {
            var key = status.Key.ToString(System.Globalization.CultureInfo.InvariantCulture);
            var meaning = string.Join("\n", status.DistinctBy(p => p.Code).Select(p => $"- `{p.Code}`: {p.Meaning}"));
            if (operation.Responses.TryGetValue(key, out var documented) && documented is OpenApiResponse { Content.Count: > 0 } own)
            {
                own.Content.TryAdd(ApiProblem.MediaType, ProblemContent(document));
                own.Description = $"{own.Description}\n{meaning}";
            }
            else
            {
                operation.Responses[key] = new OpenApiResponse { Description = meaning, Content = new Dictionary<string, OpenApiMediaType> { [ApiProblem.MediaType] = ProblemContent(document) } };
            }
        }

        if (metadata.OfType<IdempotencyMetadata>().Any())
        {
            (operation.Parameters ??= []).Add(new OpenApiParameter
            {
                Name = "Idempotency-Key",
                In = ParameterLocation.Header,
                Description = "Makes the request safe to repeat for 24 hours: a repeat gets the first answer again.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = 255 },
            });
        }

        if (!metadata.OfType<IAllowAnonymous>().Any())
        {
            AddSecuritySchemes(document);
            operation.Security =
            [
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] },
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("basic", document)] = [] },
            ];
            if (metadata.OfType<IAuthorizeData>().Select(a => a.Policy).FirstOrDefault(p => p is not null) is { } scope)
                operation.Description = $"{operation.Description}\n\nScope: `{scope}`.".Trim();
        }
    }

    private static void AddSecuritySchemes(OpenApiDocument document)
    {
        if (document.Components?.SecuritySchemes?.ContainsKey("bearer") is true) return;
        document.AddComponent<IOpenApiSecurityScheme>("bearer", new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An API key." });
        document.AddComponent<IOpenApiSecurityScheme>("basic", new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "basic", Description = "An API key as the password; the user name does not matter. For Alertmanager." });
    }

    private static OpenApiMediaType ProblemContent(OpenApiDocument document) => new() { Schema = new OpenApiSchemaReference(ProblemSchema, document) };

    /// <summary>Types with a converter of their own look like "anything" to the generator.</summary>
    private static Task DescribeTypeAsync(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var type = context.JsonTypeInfo.Type;
        if (FormatOf(type) is not { } format) return Task.CompletedTask;
        var nullable = Nullable.GetUnderlyingType(type) is not null || schema.Type?.HasFlag(JsonSchemaType.Null) is true;
        schema.Type = nullable ? JsonSchemaType.String | JsonSchemaType.Null : JsonSchemaType.String;
        schema.Format = format;
        schema.Properties?.Clear();
        schema.Required?.Clear();
        return Task.CompletedTask;
    }

    private static string? FormatOf(Type type) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        var t when t == typeof(Instant) || t == typeof(OffsetDateTime) => "date-time",
        var t when t == typeof(LocalDate) => "date",
        var t when t == typeof(LocalTime) => "time",
        var t when t == typeof(Duration) || t == typeof(Period) => "duration",
        var t when typeof(DateTimeZone).IsAssignableFrom(t) => "iana-time-zone",
        _ => null,
    };
}
