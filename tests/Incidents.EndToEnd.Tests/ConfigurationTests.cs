using System.Text.Json.Nodes;
using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>A bad configuration file never replaces a good one and never stops paging.</summary>
public sealed class ConfigurationTests
{
    [Test]
    public async Task A_broken_routing_file_is_named_to_the_column_while_paging_goes_on_and_its_repair_is_taken()
    {
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns);
        await engine.StartAsync();
        var good = await File.ReadAllTextAsync(engine.RoutingFile);
        var version = (string)(await engine.GetAsync("/api/v1/config"))["version"]!;

        // By the file watcher.
        await File.WriteAllTextAsync(engine.RoutingFile, good.Replace("critical: [pagerduty-critical,", "critical: [pagerdutty-critical,", StringComparison.Ordinal));
        await Eventually.IsAsync(async () => (string)(await engine.GetAsync("/readyz"))["status"]!, Is.EqualTo("degraded"), "the page says that the files are not in force");
        var config = await engine.GetAsync("/api/v1/config");
        var problem = config["problems"]!.AsArray().Single()!;
        var line = 1 + Array.FindIndex(good.Split('\n'), l => l.Contains("critical: [pagerduty-critical,", StringComparison.Ordinal));
        Assert.That((string)config["version"]!, Is.EqualTo(version));
        Assert.That((string)problem["file"]!, Does.EndWith("routing.yaml"));
        Assert.That((int)problem["line"]!, Is.EqualTo(line));
        Assert.That((int)problem["column"]!, Is.GreaterThan(1));
        Assert.That((string)problem["code"]!, Is.Not.Empty);
        Assert.That((string)problem["fix"]!, Does.Contain("pagerduty-critical"));
        Assert.That(await engine.Http.GetStringAsync("/metrics"), Does.Match(@"(?m)^incidents_config_last_reload_successful(\{[^}]*\})? 0\b"));

        // By the API.
        using (var answer = await engine.Http.PostAsync("/api/v1/config/reload", null))
        {
            Assert.That((int)answer.StatusCode, Is.EqualTo(422));
            Assert.That((string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["code"]!, Is.EqualTo("configuration_invalid"));
        }

        await engine.SendAsync(Webhook.Of("DiskFull", "orders-db", "critical", firing: true, TimeProvider.System.GetUtcNow()));
        await Eventually.IsAsync(() => standIns.PagerDuty.Alerts.Count, Is.EqualTo(1), "paging goes on with the old routes");

        await File.WriteAllTextAsync(engine.RoutingFile, good);
        await Eventually.IsAsync(async () => (string)(await engine.GetAsync("/readyz"))["status"]!, Is.EqualTo("ready"), "the repair is taken");
        Assert.That(await engine.Http.GetStringAsync("/metrics"), Does.Match(@"(?m)^incidents_config_last_reload_successful(\{[^}]*\})? 1\b"));
    }

    [Test]
    public async Task A_server_with_a_broken_routing_file_names_every_problem_and_ends_with_code_3()
    {
        await using var standIns = await StandInServer.StartAsync();
        var good = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "config", "routing.yaml"));
        await using var engine = new EngineProcess(standIns, good.Replace("default: warning ", "default: wrning ", StringComparison.Ordinal).Replace("critical: [pagerduty-critical,", "critical: [nobody,", StringComparison.Ordinal));

        engine.Launch();

        Assert.That(await engine.Process.ExitAsync(), Is.EqualTo(3));
        await Eventually.IsAsync(() => engine.Printed, Does.Contain("wrning").And.Contain("nobody").And.Match(@"routing\.yaml:\d+:\d+"), "both problems are printed");
    }
}
