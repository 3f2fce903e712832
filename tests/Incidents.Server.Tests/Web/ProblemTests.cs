using System.Net;
using System.Text.Json;
using FluentValidation;
using FluentValidation.Results;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Tests.Web;

internal sealed class ProblemTests
{
    private WebHost _host = null!;
    private HttpClient _client = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _host = await WebHost.StartAsync(app =>
        {
            app.MapGet("/api/test/boom", string () => throw new InvalidOperationException("secret detail"));
            app.MapGet("/api/test/invalid", string () => throw new ValidationException([new ValidationFailure("Matchers[1].LabelName", "no such label") { ErrorCode = "unknown_label" }]));
            app.MapGet("/api/test/conflict", string () => throw new DbUpdateConcurrencyException());
            app.MapGet("/api/test/cancelled", string () => throw new OperationCanceledException());
            app.MapGet("/api/test/number", (int count) => count);
            app.MapPost("/api/test/body", (Body body) => body);
            app.MapPost("/api/test/raw", async (HttpContext c) =>
            {
                if (!c.HasContentType(out var wrongType, "application/json", "text/plain")) return wrongType;
                using var raw = await c.ReadRawBodyAsync(100_000);
                return raw.Problem is { } problem ? problem : Results.Text(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(raw.Bytes.Span)));
            });
            app.MapPost("/page/form", async Task<IResult> (HttpContext c) =>
            {
                await c.Request.ReadFormAsync();
                throw new TimeoutException("secret detail", new Npgsql.NpgsqlException("secret detail", new TimeoutException()));
            });
            app.MapGet("/page", () => Results.StatusCode(404));
        });
        _client = _host.Client();
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        _client.Dispose();
        await _host.DisposeAsync();
    }

    [Test]
    public async Task A_page_that_fails_says_so_in_words_and_keeps_what_was_typed()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/page/form") { Content = new FormUrlEncodedContent([KeyValuePair.Create("text", "an hour's <work>")]) };
        request.Headers.Accept.ParseAdd("text/html");
        var answer = await _client.SendAsync(request);
        var html = await answer.Content.ReadAsStringAsync();

        Assert.That((int)answer.StatusCode, Is.GreaterThanOrEqualTo(500));
        Assert.That(answer.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/html"));
        Assert.That(html, Does.StartWith("<!DOCTYPE html>").And.Contain("<h1>").And.Contain("an hour&#x27;s &lt;work&gt;").And.Not.Contain("secret"));
    }

    [Test]
    public async Task An_unknown_route_is_a_problem_with_all_its_members()
    {
        var answer = await _client.GetAsync("/api/v1/nothing-here");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        var problem = await answer.ReadAsync();
        Assert.That(problem.Select(p => p.Key), Is.EquivalentTo(new[] { "type", "title", "status", "detail", "instance", "code", "trace_id" }));
        Assert.That(problem["code"]!.GetValue<string>(), Is.EqualTo("route_not_found"));
        Assert.That(problem["type"]!.GetValue<string>(), Is.EqualTo("/problems#route_not_found"));
        Assert.That(problem["instance"]!.GetValue<string>(), Is.EqualTo("/api/v1/nothing-here"));
        Assert.That(problem["trace_id"]!.GetValue<string>(), Does.Match("^[0-9a-f]{32}$"));
    }

    [Test]
    public async Task A_wrong_method_is_a_problem()
    {
        var answer = await _client.PutAsync("/api/v1/api-keys", WebHost.Json(new { }));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("method_not_allowed"));
    }

    [Test]
    public async Task A_failure_is_logged_once_and_tells_the_caller_nothing_but_the_trace()
    {
        var answer = await _client.GetAsync("/api/test/boom");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.InternalServerError));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.That(text, Does.Contain("internal_error").And.Not.Contain("secret detail").And.Not.Contain("InvalidOperation"));
        Assert.That(_host.Log.Lines.Count(l => l.Contains("secret detail", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    [Test]
    public async Task What_a_validator_found_is_pointed_at_in_the_names_of_the_wire()
    {
        var answer = await _client.GetAsync("/api/test/invalid");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        var error = (await answer.ReadAsync())["errors"]![0]!;
        Assert.That(error["pointer"]!.GetValue<string>(), Is.EqualTo("/matchers/1/label_name"));
        Assert.That(error["code"]!.GetValue<string>(), Is.EqualTo("unknown_label"));
        Assert.That(error["message"]!.GetValue<string>(), Is.EqualTo("no such label"));
    }

    [TestCase(null, 409, "conflict")]
    [TestCase("\"1\"", 412, "precondition_failed")]
    public async Task A_lost_race_is_409_or_412_when_the_caller_named_a_revision(string? ifMatch, int status, string code)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/test/conflict");
        if (ifMatch is not null) request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        var answer = await _client.SendAsync(request);
        Assert.That((int)answer.StatusCode, Is.EqualTo(status));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo(code));
    }

    [Test]
    public async Task A_time_out_of_our_own_is_not_taken_for_a_caller_who_left()
    {
        Assert.That((await _client.GetAsync("/api/test/cancelled")).StatusCode, Is.EqualTo(HttpStatusCode.InternalServerError));
    }

    [TestCase("{\"name\":\"a\",\"inner\":{\"items\":[1,\"x\"]}}", "/inner/items/1", "wrong_type")]
    [TestCase("{\"name\":\"a\",\"at\":\"yesterday\"}", "/at", "invalid_value")]
    [TestCase("{\"name\":\"a\",\"lasts\":\"15m\"}", "/lasts", "invalid_value")]
    [TestCase("{\"name\":", "/name", "not_json")]
    [TestCase("{}", "/name", "required")]
    [TestCase("{\"name\":null}", "/name", "required")]
    [TestCase("", "", "required")]
    public async Task A_body_that_cannot_be_read_is_pointed_at(string body, string pointer, string code)
    {
        var answer = await _client.PostAsync("/api/test/body", WebHost.Raw(body));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        var problem = await answer.ReadAsync();
        Assert.That(problem["errors"]![0]!["pointer"]!.GetValue<string>(), Is.EqualTo(pointer), problem.ToJsonString());
        Assert.That(problem["errors"]![0]!["code"]!.GetValue<string>(), Is.EqualTo(code));
        Assert.That(problem.ToJsonString(), Does.Not.Contain("Incidents.Server").And.Not.Contain("System."));
    }

    [Test]
    public async Task A_query_parameter_that_cannot_be_read_is_named()
    {
        var answer = await _client.GetAsync("/api/test/number?count=many");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That((await answer.ReadAsync())["errors"]![0]!["pointer"]!.GetValue<string>(), Is.EqualTo("?count"));
    }

    [Test]
    public async Task Json_goes_out_and_in_by_the_rules_and_unknown_fields_are_ignored()
    {
        var answer = await _client.PostAsync("/api/test/body", WebHost.Raw("""{"name":"a","some_number":3,"at":"2026-05-01T12:00:00.5+02:00","lasts":"PT15M","day":"2026-05-01","mood":"quite_good","new_field":{"x":1}}"""));
        Assert.That(await answer.Content.ReadAsStringAsync(), Is.EqualTo("""{"name":"a","some_number":3,"at":"2026-05-01T10:00:00.5Z","lasts":"PT15M","day":"2026-05-01","mood":"quite_good","inner":null}"""));
        Assert.That(JsonSerializer.Serialize(new Body("b"), ApiJson.Options), Does.StartWith("""{"name":"b","some_number":0"""));
    }

    [Test]
    public async Task Another_content_type_is_415()
    {
        foreach (var path in new[] { "/api/test/body", "/api/test/raw" })
        {
            var answer = await _client.PostAsync(path, WebHost.Raw("<a/>", "application/xml"));
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
            Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("unsupported_media_type"));
        }
    }

    [TestCase(0, false, 200)]
    [TestCase(1, true, 200)]
    [TestCase(99_999, false, 200)]
    [TestCase(100_000, false, 200)]
    [TestCase(100_000, true, 200)]
    [TestCase(100_001, false, 413)]
    [TestCase(100_001, true, 413)]
    [TestCase(3_000_000, true, 413)]
    public async Task A_raw_body_is_read_whole_up_to_its_limit_with_and_without_content_length(int length, bool chunked, int status)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/test/raw") { Content = new ByteArrayContent(bytes) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.TransferEncodingChunked = chunked;
        var answer = await _client.SendAsync(request);

        Assert.That((int)answer.StatusCode, Is.EqualTo(status));
        if (status == 200) Assert.That(await answer.Content.ReadAsStringAsync(), Is.EqualTo(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes))));
        else Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("body_too_large"));
    }

    [Test]
    public async Task An_ordinary_body_over_the_server_limit_is_413()
    {
        var answer = await _client.PostAsync("/api/test/body", WebHost.Json(new { name = new string('x', 1_100_000) }));
        Assert.That((int)answer.StatusCode, Is.EqualTo(413));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("body_too_large"));
    }

    [TestCase("/api/test/boom")]
    [TestCase("/api/v1/nothing")]
    [TestCase("/api/v1/api-keys")]
    [TestCase("/healthz")]
    public async Task Every_answer_carries_the_security_headers(string path)
    {
        var answer = await _client.GetAsync(path);
        Assert.That(answer.Headers.GetValues("X-Content-Type-Options"), Is.EqualTo(new[] { "nosniff" }));
        Assert.That(answer.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("default-src 'self'").And.Contain("frame-ancestors 'none'").And.Not.Contain("unsafe"));
        Assert.That(answer.Headers.Contains("Referrer-Policy"), Is.True);
        Assert.That(answer.Headers.Contains("Server"), Is.False);
    }

    internal enum Mood
    {
        Unknown,
        QuiteGood,
    }

    internal sealed record Inner(int[] Items);

    internal sealed record Body(string Name, int SomeNumber = 0, Instant? At = null, Duration? Lasts = null, LocalDate? Day = null, Mood Mood = Mood.Unknown, Inner? Inner = null);
}
