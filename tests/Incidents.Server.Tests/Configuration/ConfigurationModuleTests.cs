using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Incidents.Server.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace Incidents.Server.Tests.Configuration;

public sealed class ConfigurationModuleTests
{
    private const string Good = "version: 1\nreceivers:\n  - {name: chat, slack: {channel: x}}\nroute: {receivers: [chat]}\n";

    private TestDirectory _directory = null!;
    private WebApplication _app = null!;

    [SetUp]
    public void Begin()
    {
        _directory = new TestDirectory();
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseTestServer();
        builder.Configuration["Incidents:ConfigDirectory"] = _directory.Path;
        foreach (var channel in TestChannels.All) builder.Services.AddSingleton(channel);
        builder.Services.AddAuthentication();
        builder.Services.AddAuthorizationBuilder().AddPolicy("read", p => p.RequireAssertion(_ => true)).AddPolicy("admin", p => p.RequireAssertion(_ => true));
        builder.AddConfiguration();
        _app = builder.Build();
        _app.MapConfiguration();
    }

    [TearDown]
    public async Task End()
    {
        await _app.DisposeAsync();
        _directory.Dispose();
    }

    [Test]
    public void At_start_problems_are_printed_and_the_server_must_not_start()
    {
        _directory.Write(Good.Replace("[chat]", "[caht]", StringComparison.Ordinal));
        var output = new StringWriter();

        Assert.That(_app.LoadConfiguration(output), Is.False);
        Assert.That(output.ToString(), Does.Contain("config/routing.yaml:4:21: error IR103").And.Contain("^^^^"));
    }

    [Test]
    public async Task A_reload_answers_with_the_version_or_with_every_problem()
    {
        _directory.Write(Good);
        Assert.That(_app.LoadConfiguration(TextWriter.Null), Is.True);
        await _app.StartAsync();
        using var client = _app.GetTestClient();

        var good = await client.PostAsync("/api/v1/config/reload", null);
        _directory.Write(Good.Replace("[chat]", "[caht]", StringComparison.Ordinal));
        var bad = await client.PostAsync("/api/v1/config/reload", null);
        var shown = await client.GetFromJsonAsync<JsonObject>("/api/v1/config");

        Assert.That(good.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(bad.StatusCode, Is.EqualTo(HttpStatusCode.UnprocessableEntity));
        Assert.That(bad.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
        var problem = (await bad.Content.ReadFromJsonAsync<JsonObject>())!;
        Assert.That(problem["code"]!.GetValue<string>(), Is.EqualTo("configuration_invalid"));
        Assert.That(problem["errors"]![0]!["code"]!.GetValue<string>(), Is.EqualTo("IR103"));
        Assert.That(shown!["problems"]!.AsArray(), Has.Count.EqualTo(1));
        Assert.That(shown["effective"]!["route"]!["receivers"]!["info"]![0]!.GetValue<string>(), Is.EqualTo("chat"));
        await _app.StopAsync();
    }

    [Test]
    public async Task The_schema_is_served_and_printed()
    {
        _directory.Write(Good);
        _app.LoadConfiguration(TextWriter.Null);
        await _app.StartAsync();
        using var client = _app.GetTestClient();
        var printed = new StringWriter();

        var served = await client.GetStringAsync("/schemas/v1/routing.json");

        Assert.That(_app.PrintSchemaIfAsked(["--print-schema", "routing"], printed), Is.True);
        Assert.That(_app.PrintSchemaIfAsked(["--urls", "x"], printed), Is.False);
        Assert.That(printed.ToString().TrimEnd(), Is.EqualTo(served));
        await _app.StopAsync();
    }
}
