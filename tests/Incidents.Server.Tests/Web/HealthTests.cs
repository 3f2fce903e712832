using System.Diagnostics;
using System.Net;
using Incidents.Server.Configuration;
using Incidents.Server.Web;
using Incidents.Server.Web.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Tests.Web;

internal sealed class HealthTests
{
    [Test]
    public async Task Ready_says_what_was_checked()
    {
        await using var host = await WebHost.StartAsync();
        using var anybody = host.Client(null);
        var answer = await anybody.GetAsync("/readyz");
        var report = await answer.ReadAsync();

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), report.ToJsonString());
        Assert.That(report["status"]!.GetValue<string>(), Is.EqualTo("ready"));
        Assert.That(report["checks"]!.AsArray().Select(c => c!["name"]!.GetValue<string>()), Is.EquivalentTo(new[] { "database", "configuration" }));
    }

    [Test]
    public async Task A_broken_configuration_degrades_and_still_serves()
    {
        await using var host = await WebHost.StartAsync();
        host.Configuration.Problems = [new ConfigurationProblem("config/routing.yaml", 12, 3, "IR103", "no such receiver", "write one")];
        using var anybody = host.Client(null);
        var answer = await anybody.GetAsync("/readyz");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("\"degraded\"").And.Contain("config/routing.yaml:12"));
    }

    [Test]
    public async Task One_failed_check_makes_it_unready_and_a_check_that_throws_or_hangs_does_too()
    {
        await using var host = await WebHost.StartAsync(configure: b =>
        {
            b.Services.AddScoped<IReadinessCheck>(_ => new Check("workers", () => new(ReadinessResult.Failed("stalled for 70 s"))));
            b.Services.AddScoped<IReadinessCheck>(_ => new Check("throws", () => throw new InvalidOperationException("secret")));
            b.Services.AddScoped<IReadinessCheck>(_ => new Check("hangs", () => new(new TaskCompletionSource<ReadinessResult>().Task)));
        });
        using var anybody = host.Client(null);
        var answer = await anybody.GetAsync("/readyz");
        var checks = (await answer.ReadAsync())["checks"]!.AsArray().ToDictionary(c => c!["name"]!.GetValue<string>(), c => c!["status"] + ": " + c["detail"]);

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(checks["workers"], Is.EqualTo("failed: stalled for 70 s"));
        Assert.That(checks["throws"], Does.StartWith("failed").And.Not.Contain("secret"));
        Assert.That(checks["hangs"], Is.EqualTo("failed: no answer within 1 s"));
        Assert.That(checks["database"], Does.StartWith("ok"));
    }

    [Test]
    public async Task Checks_that_ask_the_database_do_so_side_by_side()
    {
        await using var host = await WebHost.StartAsync(configure: b =>
        {
            foreach (var name in new[] { "one", "two" })
            {
                b.Services.AddScoped<IReadinessCheck>(services =>
                {
                    var db = services.GetRequiredService<Incidents.Server.Storage.IncidentsDbContext>();
                    return new Check(name, async () =>
                    {
                        await db.Database.ExecuteSqlAsync($"select pg_sleep(0.1)");
                        return ReadinessResult.Ok();
                    });
                });
            }
        });
        using var anybody = host.Client(null);
        var answer = await anybody.GetAsync("/readyz");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), await answer.Content.ReadAsStringAsync());
    }

    [Test]
    public async Task Version_says_what_runs()
    {
        await using var host = await WebHost.StartAsync();
        using var anybody = host.Client(null);
        var version = await (await anybody.GetAsync("/version")).ReadAsync();

        Assert.That(version["version"]!.GetValue<string>(), Does.Match(@"^\d+\.\d+\.\d+"));
        Assert.That(version["config_version"]!.GetValue<string>(), Is.EqualTo("0123456789ab"));
        Assert.That(version.ContainsKey("commit"), Is.True);
        Assert.That(version["started_at"]!.GetValue<string>(), Does.EndWith("Z"));
    }

    [Test]
    public async Task Prometheus_can_scrape_our_figures_without_a_key_unless_that_is_switched_off()
    {
        await using var open = await WebHost.StartAsync();
        IncidentsMetrics.Meter.CreateCounter<long>("incidents.test.received", "{thing}").Add(3);
        using var anybody = open.Client(null);
        Assert.That(await anybody.GetStringAsync("/metrics"), Does.Contain("incidents_test_received"));

        await using var closed = await WebHost.StartAsync(configure: b => b.Configuration["Metrics:AllowAnonymous"] = "false");
        using var nobody = closed.Client(null);
        using var reader = closed.Client();
        Assert.That((await nobody.GetAsync("/metrics")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await reader.GetAsync("/metrics")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [TestCase("Production", null, "json")]
    [TestCase("Production", "simple", "simple")]
    [TestCase("Development", null, null)]
    public async Task In_production_a_log_line_is_json_unless_chosen_otherwise(string environment, string? chosen, string? used)
    {
        await using var host = await WebHost.StartAsync(environment: environment, configure: b =>
        {
            b.Logging.AddConsole();
            b.Configuration["Logging:Console:FormatterName"] = chosen;
        });
        Assert.That(host.Services.GetRequiredService<IOptions<ConsoleLoggerOptions>>().Value.FormatterName, Is.EqualTo(used));
    }

    [Test]
    public async Task Work_that_waited_goes_on_in_the_trace_of_the_request_that_caused_it()
    {
        await using var host = await WebHost.StartAsync(app => app.MapGet("/api/test/trace", () => IncidentsTracing.Capture()));
        using var client = host.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/test/trace");
        request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        var stored = (await (await client.SendAsync(request)).Content.ReadAsStringAsync()).Trim('"');

        Assert.That(stored, Does.StartWith("00-0af7651916cd43dd8448eb211c80319c-"));
        using (var activity = IncidentsTracing.Continue("deliver", stored))
        {
            Assert.That(Activity.Current, Is.SameAs(activity));
            Assert.That(activity.TraceId.ToString(), Is.EqualTo("0af7651916cd43dd8448eb211c80319c"));
            Assert.That(activity.ParentSpanId.ToString(), Is.EqualTo(stored.Split('-')[2]));
        }

        using var fresh = IncidentsTracing.Continue("deliver", "nonsense");
        Assert.That(fresh.ParentSpanId, Is.EqualTo(default(ActivitySpanId)));
        Assert.That(fresh.TraceId.ToString(), Is.Not.EqualTo("0af7651916cd43dd8448eb211c80319c"));
    }

    private sealed class Check(string name, Func<ValueTask<ReadinessResult>> check) : IReadinessCheck
    {
        public string Name => name;

        public ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken) => check();
    }
}
