using System.Net;
using Incidents.Server.Storage;
using Incidents.StandIns;
using Microsoft.Extensions.Logging.Abstractions;

namespace Incidents.EndToEnd.Tests;

/// <summary>A database that is not the server's own: it goes away and comes back, and it is shared.</summary>
public sealed class OutageTests
{
    private string _directory = "";
    private EmbeddedPostgres _database = null!;

    [SetUp]
    public async Task StartDatabaseAsync()
    {
        _directory = Directory.CreateTempSubdirectory("incidents-e2e-db-").FullName;
        File.SetUnixFileMode(_directory, File.GetUnixFileMode(_directory) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        _database = new EmbeddedPostgres(new() { DataDirectory = _directory, OrphanGrace = TimeSpan.FromSeconds(2) }, TimeProvider.System, NullLogger<EmbeddedPostgres>.Instance);
        await _database.StartAsync(CancellationToken.None);
    }

    [TearDown]
    public async Task StopDatabaseAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Test]
    public async Task Without_its_database_the_server_says_503_and_why_and_goes_on_by_itself_when_it_is_back()
    {
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns, database: _database.ConnectionString);
        await engine.StartAsync();
        var now = TimeProvider.System.GetUtcNow();

        await _database.StopAsync(CancellationToken.None);

        using (var hang = new CancellationTokenSource(TimeSpan.FromSeconds(10)))
        {
            var (status, _) = await engine.SendAsync(Webhook.Of("DiskFull", "orders-db", "critical", firing: true, now)).WaitAsync(hang.Token);
            Assert.That(status, Is.EqualTo(HttpStatusCode.ServiceUnavailable), "not stored, so not taken");
        }

        await Eventually.IsAsync(async () =>
        {
            using var answer = await engine.Http.GetAsync("/readyz");
            return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
        }, Does.StartWith("503").And.Match(@"""name"":""database"",""status"":""failed"",""detail"":""[^""]+"), "readiness names the database");

        await _database.StartAsync(CancellationToken.None);

        await Eventually.IsAsync(async () => (await engine.SendAsync(Webhook.Of("DiskFull", "orders-db", "critical", firing: true, now))).Status, Is.EqualTo(HttpStatusCode.Accepted), "it takes webhooks again");
        await Eventually.IsAsync(() => standIns.PagerDuty.Alerts.Count, Is.EqualTo(1), "and pages");
        await Eventually.IsAsync(async () => (string)(await engine.GetAsync("/readyz"))["status"]!, Is.EqualTo("ready"), "and is ready, in the same process");
        Assert.That(engine.Process.HasExited, Is.False);
    }

    [Test]
    public async Task Two_servers_share_the_work_and_killing_either_loses_nothing_and_doubles_nothing()
    {
        await using var standIns = await StandInServer.StartAsync();
        await using var one = new EngineProcess(standIns, Load.Routing(standIns), _database.ConnectionString);
        await using var other = new EngineProcess(standIns, Load.Routing(standIns), _database.ConnectionString);
        await one.StartAsync();
        await other.StartAsync();
        await using var load = new Load([one, other], senders: 8, webhooksEach: 60, seed: 20261124);

        var sending = load.RunAsync();
        await load.HasReceiptsAsync(120);
        await one.KillAsync();
        await one.StartAsync();
        await load.HasReceiptsAsync(300);
        await other.KillAsync();
        await other.StartAsync();
        await sending;

        Assert.That(load.ReceiptsOf(one), Is.GreaterThan(0), "the first took part");
        Assert.That(load.ReceiptsOf(other), Is.GreaterThan(0), "the second took part");
        await load.IsAccountedForAsync(one, standIns);
    }

    [Test]
    public async Task A_server_killed_between_two_steps_of_an_escalation_or_in_one_goes_on_and_each_step_pages_once()
    {
        const int Incidents = 4;

        // When nobody takes them, the engine opens an incident about itself, which escalates, too.
        const string Ours = "in (select i.number from incidents i where not i.about_engine)";
        string[] people = ["ana", "bo", "cy"];
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns, $$"""
            version: 1
            receivers:
              - name: hook
                webhook: {url: "{{standIns.WebhookUrl}}steps"}
            route:
              name: default
              group_by: [alertname, service]
              receivers: [hook]
              escalation_policy: {critical: critical}
            """, _database.ConnectionString);

        // Nothing becomes due by itself while this runs: only what is moved here.
        await File.WriteAllTextAsync(Path.Combine(engine.ConfigDirectory, "oncall.yaml"), $"""
            version: 1
            people:
            {string.Join('\n', people.Select((p, i) => $"  - {{key: {p}, slack_id: U0STEP0000{i}, time_zone: UTC, contacts: [{{channel: slack}}]}}"))}
            escalation_policies:
              - key: critical
                steps:
            {string.Join('\n', people.Select(p => $"      - {{targets: [{{person: {p}}}], escalate_after: 6h}}"))}
            """);
        await engine.StartAsync();
        for (var i = 0; i < Incidents; i++) await engine.SendAsync(Webhook.Of("DiskFull", $"db-{i}", "critical", firing: true, TimeProvider.System.GetUtcNow()));
        Task<long> FiredAsync(int step) => engine.QueryAsync<long>($"select count(*) from timeline_entries where kind = 'step_fired' and text like 'Step {step} of 3:%' and incident_number {Ours}");
        Task MoveAsync(string which) => engine.QueryAsync<long>($"with m as (update escalations set due_at = now() - interval '1 second' where status = 'running' and {which} and number {Ours} returning 1) select count(*) from m");
        int Messages(int person) => standIns.Slack.Roots.Count(m => m.Channel.EndsWith($"0STEP0000{person}", StringComparison.Ordinal) && m.Text.Contains("DiskFull", StringComparison.Ordinal));

        // A message that was sent and is not written down yet may be sent again (P4): what is shown here is that steps do not.
        Task RecordedAsync() => Eventually.IsAsync(() => engine.QueryAsync<long>("select count(*) from deliveries where state in ('queued', 'sending')"), Is.Zero, "everything is delivered");
        await Eventually.IsAsync(() => Messages(0), Is.EqualTo(Incidents), "the first step pages");
        await RecordedAsync();

        // Between two steps: it is dead when the second becomes due.
        await engine.KillAsync();
        await MoveAsync("true");
        await engine.StartAsync();
        await Eventually.IsAsync(() => Messages(1), Is.EqualTo(Incidents), "the second step pages when it is there again");
        await RecordedAsync();
        Assert.That(Messages(0), Is.EqualTo(Incidents), "the first does not again");

        // In the midst: steps become due one after another, and it is killed while it fires them.
        for (var number = 1; number <= Incidents; number++)
        {
            await MoveAsync("number = (select min(number) from escalations where step = 2)");
            await engine.KillAsync();
            await engine.StartAsync();
            await Eventually.IsAsync(() => FiredAsync(3), Is.EqualTo(number), "the third step fires");
        }

        await engine.KillAsync();
        await MoveAsync("step = 3");
        await engine.StartAsync();
        await Eventually.IsAsync(() => engine.QueryAsync<long>($"select count(*) from timeline_entries where kind = 'policy_ended' and incident_number {Ours}"), Is.EqualTo(Incidents), "the end is told");
        await RecordedAsync();

        Assert.That(new[] { await FiredAsync(1), await FiredAsync(2), await FiredAsync(3) }, Is.All.EqualTo(Incidents), "each step fired once");
        Assert.That(await engine.QueryAsync<long>($"select count(*) from pages where incident_number {Ours}"), Is.EqualTo(people.Length * Incidents));
        Assert.That(await engine.QueryAsync<long>($"select count(*) from escalations where status = 'ended' and due_at is null and number {Ours}"), Is.EqualTo(Incidents));
        Assert.That((Messages(0), Messages(1)), Is.EqualTo((Incidents, Incidents)), "and paged once");
        Assert.That(Messages(2), Is.AtLeast(Incidents), "a kill between sending and writing it down may repeat a message, and loses none");
    }
}
