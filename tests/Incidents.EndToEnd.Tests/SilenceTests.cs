using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>A silence with a real Alertmanager beside it: both hide the same, and whatever still fires at its end pages once.</summary>
public sealed class SilenceTests
{
    [Test]
    public async Task A_silence_hides_what_alertmanager_says_it_hides_and_pages_once_at_its_end()
    {
        var port = ChildProcess.FreePort();
        using var alertmanager = new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}")) };
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns, settings: new Dictionary<string, string> { ["Alertmanager__Url"] = alertmanager.BaseAddress.ToString(), ["Alertmanager__MirrorSilences"] = "true" });
        await engine.StartAsync();
        await using var field = new Field(engine, port);
        field.Break("CheckoutDown", "DiskFillsUp");
        await field.StartAsync();
        await Eventually.IsAsync(async () => (await engine.GetAsync("/api/v1/incidents"))["items"]!.AsArray().Count, Is.EqualTo(2), "both are open", 90);

        using var made = await engine.Http.PostAsJsonAsync("/api/v1/silences", new { matchers = new[] { "service=\"shop\"" }, minutes = 60, reason = "the shop moves" });
        Assert.That((int)made.StatusCode, Is.EqualTo(201), await made.Content.ReadAsStringAsync());
        await Eventually.IsAsync(() => HiddenAsync(alertmanager), Is.EqualTo(2), "Alertmanager hides them, too");
        await Eventually.IsAsync(() => CountedAsync(engine), Is.EqualTo((2, 2, 2)), "here, Alertmanager's count, quiet incidents");

        // One that begins under the silence is never sent, and is counted all the same.
        field.Break("CheckoutDown", "DiskFillsUp", "SlowReports");
        await Eventually.IsAsync(() => HiddenAsync(alertmanager), Is.EqualTo(3), "it is hidden in Alertmanager", 60);
        await Eventually.IsAsync(async () => (await CountedAsync(engine)).Alerts, Is.EqualTo(3), "the counts are equal");
        Assert.That(Pages(standIns), Is.EqualTo(1));

        // Made there, listed here.
        using var theirs = await alertmanager.PostAsJsonAsync("/api/v2/silences", new
        {
            matchers = new[] { new { name = "alertname", value = "SlowReports", isRegex = false, isEqual = true } }, startsAt = DateTimeOffset.UnixEpoch, endsAt = DateTimeOffset.UnixEpoch.AddYears(100), createdBy = "ana", comment = "known",
        });
        theirs.EnsureSuccessStatusCode();
        await Eventually.IsAsync(
            async () => (await engine.GetAsync("/api/v1/silences"))["items"]!.AsArray().Where(s => (string)s!["source"]! == "alertmanager").Select(s => ((string)s!["owner"]!, (int)s["hides"]!["alerts"]!)),
            Is.EqualTo(new[] { ("ana", 1) }), "it is listed with what it hides", 30);

        using var end = await engine.Http.DeleteAsync("/api/v1/silences/1");
        end.EnsureSuccessStatusCode();
        await Eventually.IsAsync(() => Pages(standIns), Is.EqualTo(2), "what still fires pages");
        await Eventually.IsAsync(() => HiddenAsync(alertmanager), Is.EqualTo(1), "it is over in Alertmanager, too");
        var number = await engine.QueryAsync<long>("select number from incidents where severity = 'critical'");
        var timeline = (await engine.GetAsync(string.Create(CultureInfo.InvariantCulture, $"/api/v1/incidents/{number}/timeline")))["items"]!.AsArray().Select(e => (string)e!["text"]!);
        Assert.That(timeline, Has.One.Match("^It was hidden by silence 1 by .* \\(the shop moves\\); 1 alert still firing"));
        await Eventually.IsAsync(async () => (string)(await engine.GetAsync("/api/v1/silences/1"))["mirror"]!["state"]!, Is.EqualTo("ended"), "and said so");

        // Alertmanager itself is silent about what it had told before: without us nobody would hear of it before its repeat interval. What it never sent comes when its own silence is gone.
        var id = (string)JsonNode.Parse(await theirs.Content.ReadAsStringAsync())!["silenceID"]!;
        using var gone = await alertmanager.DeleteAsync($"/api/v2/silence/{id}");
        gone.EnsureSuccessStatusCode();
        await Eventually.IsAsync(() => engine.QueryAsync<long>("select count(*) from alerts where labels->>'alertname' = 'SlowReports' and outcome = 'informed'"), Is.EqualTo(1), "what was never sent arrives", 60);
        Assert.That(Pages(standIns), Is.EqualTo(2), "once");
        Assert.That((bool)(await engine.GetAsync("/api/v1/ledger"))["balanced"]!, Is.True);
    }

    private static int Pages(StandInServer standIns) => standIns.PagerDuty.Events.Count(e => e.Action == "trigger");

    private static async Task<int> HiddenAsync(HttpClient alertmanager) =>
        JsonNode.Parse(await alertmanager.GetStringAsync("/api/v2/alerts?active=false&silenced=true&inhibited=false"))!.AsArray().Count(a => a!["status"]!["silencedBy"]!.AsArray().Count > 0);

    private static async Task<(int Alerts, int? InAlertmanager, int Incidents)> CountedAsync(EngineProcess engine)
    {
        var hides = (await engine.GetAsync("/api/v1/silences/1"))["hides"]!;
        return ((int)hides["alerts"]!, (int?)hides["in_alertmanager"], (int)hides["incidents"]!);
    }
}
