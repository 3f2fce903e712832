using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>Kill any process at any moment, start it again: work goes on, nothing is lost, nothing is twice.</summary>
public sealed class KillTests
{
    [Test]
    public async Task Nothing_that_was_taken_is_lost_when_the_server_and_its_database_are_killed_again_and_again()
    {
        const int Seed = 20261124;
        await TestContext.Out.WriteLineAsync($"seed {Seed}");
        var random = new Random(Seed);
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns, Load.Routing(standIns));
        await engine.StartAsync();
        await using var load = new Load([engine], senders: 16, webhooksEach: 150, Seed);

        var sending = load.RunAsync();
        for (var kill = 1; kill <= 5; kill++)
        {
            await load.HasReceiptsAsync((kill * 380) + random.Next(200));
            if (kill == 3)
            {
                // Its own database instead; the server brings it back.
                await EngineProcess.KillAsync(engine.PostmasterPid!.Value);
                continue;
            }

            await engine.KillAsync();
            await engine.StartAsync();
        }

        await sending;
        await load.IsAccountedForAsync(engine, standIns);
    }

    [Test]
    public async Task A_killed_server_that_starts_again_has_its_data_and_a_stop_in_order_leaves_no_postgres()
    {
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns);
        await engine.StartAsync();
        var (_, receipt) = await engine.SendAsync(Webhook.Of("DiskFull", "orders-db", "critical", firing: true, TimeProvider.System.GetUtcNow()));
        var postmaster = engine.PostmasterPid;

        await engine.KillAsync();
        await engine.StartAsync();

        Assert.That((string)(await engine.GetAsync($"/api/v1/inbox/{receipt}"))["id"]!, Is.EqualTo(receipt));
        Assert.That(engine.PostmasterPid, Is.EqualTo(postmaster), "the PostgreSQL that went on is taken over");
        Assert.That(await engine.Process.StopAsync(), Is.EqualTo(0));
        Assert.That(engine.PostmasterPid, Is.Null);
    }
}
