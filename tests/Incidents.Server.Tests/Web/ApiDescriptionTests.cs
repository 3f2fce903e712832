using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;

namespace Incidents.Server.Tests.Web;

/// <summary>What every endpoint must say about itself. Also used on the whole server.</summary>
internal static class ApiContract
{
    /// <summary>One line for each endpoint that says too little; empty when all is well.</summary>
    public static IReadOnlyList<string> Violations(EndpointDataSource endpoints, JsonObject openApi)
    {
        var violations = new List<string>();
        foreach (var endpoint in endpoints.Endpoints.OfType<RouteEndpoint>())
        {
            var path = "/" + endpoint.RoutePattern.RawText?.Trim('/');
            if (!path.StartsWith("/api/", StringComparison.Ordinal)) continue;
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [])
            {
                var name = $"{method} {path}";
                var documented = Regex.Replace(path, @"\{(\w+)[^}]*\}", "{$1}");
                if (openApi["paths"]?[documented]?[method.ToLowerInvariant()] is not JsonObject operation)
                {
                    violations.Add($"{name}: not in the description");
                    continue;
                }

                if (string.IsNullOrWhiteSpace(operation["summary"]?.GetValue<string>())) violations.Add($"{name}: no summary");
                if (operation["tags"] is not JsonArray { Count: > 0 } || operation["tags"]![0]!.GetValue<string>().StartsWith("Incidents.Server", StringComparison.Ordinal)) violations.Add($"{name}: no tag");
                if (operation["operationId"] is null) violations.Add($"{name}: no operation id");
                if (endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null && endpoint.Metadata.GetMetadata<IAuthorizeData>()?.Policy is null) violations.Add($"{name}: says neither a scope nor that it is open");
                if (operation["responses"] is not JsonObject responses || !responses.Any(r => r.Key[0] is '2' or '3')) violations.Add($"{name}: no success documented");
                else
                {
                    foreach (var (status, response) in responses.Where(r => r.Key[0] is '4' or '5'))
                        if (response!["content"]?[ApiProblem.MediaType] is null || !response["description"]!.GetValue<string>().Contains('`', StringComparison.Ordinal)) violations.Add($"{name}: {status} names no problem code");
                    if (responses["500"] is null) violations.Add($"{name}: does not document 500");
                }

                // A link of an account is said whole and has no revision.
                if (method is "PATCH" or "PUT" && !path.StartsWith("/api/v1/account-links/", StringComparison.Ordinal) && responsesOf(operation)["412"] is null) violations.Add($"{name}: does not document 412");
            }
        }

        return violations;

        static JsonObject responsesOf(JsonObject operation) => operation["responses"]!.AsObject();
    }
}

internal sealed class ApiDescriptionTests
{
    private WebHost _host = null!;
    private JsonObject _openApi = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _host = await WebHost.StartAsync(app => app.MapPost("/api/test/described", (Described body) => TypedResults.Ok(body)).WithIdempotency()
            .RequireAuthorization(Scopes.Respond).WithTags("Test").WithName("Describe").WithSummary("Test").WithProblem(409, "own_code", "It is so."));
        using var anybody = _host.Client(null);
        _openApi = await (await anybody.GetAsync("/openapi/v1.json")).ReadAsync();
    }

    [OneTimeTearDown]
    public async Task Stop() => await _host.DisposeAsync();

    [Test]
    public void Every_endpoint_has_a_summary_tags_and_its_problem_codes()
    {
        Assert.That(ApiContract.Violations(_host.Services.GetRequiredService<EndpointDataSource>(), _openApi), Is.Empty);
    }

    [Test]
    public void The_contract_check_can_fail()
    {
        _openApi["paths"]!["/api/v1/audit"]!["get"]!.AsObject().Remove("summary", out var summary);
        Assert.That(ApiContract.Violations(_host.Services.GetRequiredService<EndpointDataSource>(), _openApi), Has.One.EqualTo("GET /api/v1/audit: no summary"));
        _openApi["paths"]!["/api/v1/audit"]!["get"]!["summary"] = summary;
    }

    [Test]
    public void It_is_openapi_31_with_both_ways_to_sign_in()
    {
        Assert.That(_openApi["openapi"]!.GetValue<string>(), Does.StartWith("3.1"));
        Assert.That(_openApi["components"]!["securitySchemes"]!.AsObject().Select(s => s.Value!["scheme"]!.GetValue<string>()), Is.EquivalentTo(new[] { "bearer", "basic" }));
        Assert.That(_openApi["paths"]!["/api/test/described"]!["post"]!["security"]!.AsArray().Select(s => s!.AsObject().Single().Key), Is.EqualTo(new[] { "bearer", "basic" }));
        Assert.That(_openApi["paths"]!["/healthz"]!["get"]!.AsObject().ContainsKey("security"), Is.False);
    }

    [Test]
    public void Problems_are_documented_by_code_and_share_one_schema()
    {
        var responses = _openApi["paths"]!["/api/test/described"]!["post"]!["responses"]!.AsObject();
        Assert.That(responses.Select(r => r.Key), Is.SupersetOf(new[] { "200", "400", "401", "403", "409", "413", "415", "422", "500", "503" }));
        Assert.That(responses["409"]!["description"]!.GetValue<string>(), Does.Contain("`own_code`: It is so.").And.Contain("`idempotency_in_progress`"));
        Assert.That(responses["409"]!["content"]![ApiProblem.MediaType]!["schema"]!["$ref"]!.GetValue<string>(), Is.EqualTo("#/components/schemas/Problem"));
        Assert.That(_openApi["components"]!["schemas"]!["Problem"]!["properties"]!.AsObject().Select(p => p.Key), Does.Contain("trace_id"));
    }

    [Test]
    public void Times_and_names_are_described_as_they_are_on_the_wire()
    {
        TestContext.Out.WriteLine(_openApi.ToJsonString());
        var properties = _openApi["components"]!["schemas"]!["Described"]!["properties"]!;
        Assert.That(properties["happened_at"]!["format"]!.GetValue<string>(), Is.EqualTo("date-time"));
        Assert.That(properties["happened_at"]!["type"]!.GetValue<string>(), Is.EqualTo("string"));
        Assert.That(properties["ended_at"]!["format"]!.GetValue<string>(), Is.EqualTo("date-time"));
        Assert.That(properties["ended_at"]!["type"]!.AsArray().Select(t => t!.GetValue<string>()), Is.EquivalentTo(new[] { "null", "string" }));
        Assert.That(properties["lasts"]!["format"]!.GetValue<string>(), Is.EqualTo("duration"));
    }

    [Test]
    public async Task The_reference_page_needs_nothing_from_the_internet()
    {
        using var anybody = _host.Client(null);
        var answer = await anybody.GetAsync("/docs/");
        if (answer.StatusCode is HttpStatusCode.Found or HttpStatusCode.MovedPermanently) answer = await anybody.GetAsync(answer.Headers.Location);
        var html = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), html);
        Assert.That(html, Does.Not.Match("(src|href)=\"https?://").And.Not.Contain("cdn."));

        foreach (Match asset in Regex.Matches(html, "(?:src|href)=\"(?<path>[^\"#]+)\""))
        {
            var got = await anybody.GetAsync(new Uri(new Uri(anybody.BaseAddress!, "/docs/"), asset.Groups["path"].Value));
            Assert.That(got.StatusCode, Is.EqualTo(HttpStatusCode.OK), asset.Value);
        }
    }

    [Test]
    public async Task Every_problem_code_is_explained()
    {
        using var anybody = _host.Client(null);
        var items = (await (await anybody.GetAsync("/problems")).ReadAsync())["items"]!.AsArray();
        Assert.That(items.Select(i => i!["code"]!.GetValue<string>()), Is.Unique.And.Contains("own_code").And.Contains("missing_scope").And.Contains("last_admin_key"));
        Assert.That(items.Single(i => i!["code"]!.GetValue<string>() == "own_code")!["operations"]![0]!.GetValue<string>(), Is.EqualTo("Describe"));
    }

    internal sealed record Described(Instant HappenedAt, Instant? EndedAt, Duration? Lasts);
}
