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
}
