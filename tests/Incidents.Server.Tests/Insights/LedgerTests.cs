using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Server.Tests.Web;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Insights;

/// <summary>The account finds what was lost, and says it to people.</summary>
internal sealed class LedgerTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start()
    {
        _engine = await StartAsync();
        await _engine.Receives(Firing("DiskFull"), Firing("DeployDone").As("info"));
        await _engine.Passes(Seconds(1));
    }

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [TestCase("delete from inbox_bodies", "1 webhooks have lost their body")]
    [TestCase("update inbox set opened = opened + 1", "1 webhooks have alerts whose outcomes do not add up")]
    [TestCase("update alerts set incident_number = 999 where outcome = 'opened'", "1 alerts belong to an incident that does not exist")]
    [TestCase("update alerts set notice_id = 999 where outcome = 'informed'", "1 alerts were told of in a notice that does not exist")]
    [TestCase("update alerts set outcome = 'suppressed', outcome_reason = null where outcome = 'informed'", "1 alerts are suppressed by no named rule")]
    [TestCase("update incidents set firing_alerts = 5", "1 open incidents count other firing alerts than they have")]
    public async Task A_seeded_discrepancy_is_reported_and_an_incident_tells_people(string damage, string said)
    {
        await _engine.ExpectsAllAccountedFor();
        await using (var command = _engine.Sql.CreateCommand(damage)) await command.ExecuteNonQueryAsync();
        var ledger = await _engine.Get("ledger");
        Assert.That(ledger["balanced"]!.GetValue<bool>(), Is.False);
        Assert.That(ledger["discrepancies"]!.AsArray().Select(d => d!.GetValue<string>()), Does.Contain(said));

        await _engine.Audits();
        await _engine.Audits();
        var ours = (await _engine.Incidents()).Where(i => i["about_engine"]!.GetValue<bool>()).ToList();
        Assert.That(ours, Has.Count.EqualTo(1));
        await _engine.RunsDueWork();
        Assert.That(_engine.StandIns.PagerDuty.Events, Is.Not.Empty);
    }

    [Test]
    public async Task An_overdue_webhook_is_named_and_the_incident_about_it_clears()
    {
        var receipt = await _engine.StoresBytes(Encoding.UTF8.GetBytes(_engine.Body(null, Firing("Late"))));
        _engine.Clock.Advance(TimeSpan.FromMinutes(2));
        var ledger = await _engine.Get("ledger");
        Assert.That(ledger["overdue"]!.AsArray().Single(o => o!["kind"]!.GetValue<string>() == "webhook")!["id"]!.GetValue<string>(), Is.EqualTo(receipt));
        await _engine.Audits();
        Assert.That((await _engine.Incidents()).Count(i => i["about_engine"]!.GetValue<bool>()), Is.EqualTo(1));
        await _engine.RunsDueWork();
        await _engine.Audits();
        Assert.That((await _engine.Incidents()).Single(i => i["about_engine"]!.GetValue<bool>())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }
}

/// <summary>The outside contract on the whole server.</summary>
internal sealed class ContractTests
{
    private Engine _engine = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _engine = await StartAsync(settings: ("Receive:MostBodyBytes", "2048"));
        await _engine.Receives(Firing("A"), Firing("B"), Firing("C"));
    }

    [OneTimeTearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    private static async Task ExpectsAsync(HttpResponseMessage answer, HttpStatusCode status, string? code = null)
    {
        Assert.That(answer.StatusCode, Is.EqualTo(status), await answer.Content.ReadAsStringAsync());
        var said = await answer.ProblemCodeAsync();
        if (code is not null) Assert.That(said, Is.EqualTo(code));
        answer.Dispose();
    }

    [Test]
    public async Task Every_endpoint_keeps_the_contract()
    {
        using var anybody = _engine.Client(null);
        var openApi = await (await anybody.GetAsync("/openapi/v1.json")).ReadAsync();
        Assert.That(ApiContract.Violations(_engine.Services.GetRequiredService<EndpointDataSource>(), openApi), Is.Empty);
    }

    [Test]
    public async Task What_is_refused_is_refused_with_a_problem()
    {
        using var wrong = _engine.Client("inc_wrong_key_wrong_key_wrong_key");
        await ExpectsAsync(await wrong.GetAsync("/api/v1/incidents"), HttpStatusCode.Unauthorized);
        var (_, made) = await _engine.Post("api-keys", new { name = "reader", scopes = new[] { "read" } });
        using var reader = _engine.Client(made["key"]!.GetValue<string>());
        await ExpectsAsync(await reader.PostAsync("/api/v1/webhooks/alertmanager", WebHost.Raw("{}")), HttpStatusCode.Forbidden);
        await ExpectsAsync(await reader.PostAsync("/api/v1/incidents/1/acknowledge", null), HttpStatusCode.Forbidden);
        await ExpectsAsync(await _engine.Http.PostAsync("/api/v1/webhooks/alertmanager", WebHost.Raw("{}", "text/plain")), HttpStatusCode.UnsupportedMediaType);
        await ExpectsAsync(await _engine.Http.PostAsync("/api/v1/webhooks/alertmanager", WebHost.Raw(new string(' ', 4096))), HttpStatusCode.RequestEntityTooLarge);
        await ExpectsAsync(await _engine.Http.GetAsync("/api/v1/incidents/999"), HttpStatusCode.NotFound, "incident_not_found");
        await ExpectsAsync(await _engine.Http.GetAsync("/api/v1/incidents/999/deliveries"), HttpStatusCode.NotFound, "incident_not_found");
        await ExpectsAsync(await _engine.Http.GetAsync("/api/v1/incidents/999/alerts"), HttpStatusCode.NotFound, "incident_not_found");
        await ExpectsAsync(await _engine.Http.GetAsync("/api/v1/incidents?cursor=broken"), HttpStatusCode.BadRequest);
    }

    [Test]
    public async Task A_stale_tag_an_impossible_verb_and_a_repeated_key()
    {
        var (status, stale) = await _engine.Post("incidents/1/acknowledge", null, ("If-Match", "\"0\""));
        Assert.That((status, stale["code"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.PreconditionFailed, "precondition_failed")));
        await _engine.Does(2, "resolve");
        (status, var impossible) = await _engine.Post("incidents/2/acknowledge");
        Assert.That((status, impossible["code"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Conflict, "impossible_transition")));

        var (_, first) = await _engine.Post("incidents", new { title = "by hand", severity = "warning" }, ("Idempotency-Key", "once"));
        var (_, second) = await _engine.Post("incidents", new { title = "by hand", severity = "warning" }, ("Idempotency-Key", "once"));
        Assert.That(second["number"]!.GetValue<long>(), Is.EqualTo(first["number"]!.GetValue<long>()));
    }

    [Test]
    public async Task A_cursor_walks_the_list_without_gaps_and_repeats()
    {
        var seen = new List<long>();
        string? cursor = null;
        do
        {
            var page = await _engine.Get($"incidents?limit=1{(cursor is null ? "" : "&cursor=" + Uri.EscapeDataString(cursor))}");
            seen.AddRange(page["items"]!.AsArray().Select(i => i!["number"]!.GetValue<long>()));
            cursor = page["has_more"]!.GetValue<bool>() ? page["next_cursor"]!.GetValue<string>() : null;
        }
        while (cursor is not null);
        Assert.That(seen, Is.Unique.And.Ordered.Descending);
        Assert.That(seen, Has.Count.EqualTo(await _engine.Query<long>("select count(*) from incidents")));
    }
}
