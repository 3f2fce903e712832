using System.Text.Json.Nodes;
using Incidents.Server.Notifications;
using Incidents.Server.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications;

/// <summary>What is claimed, and what that costs while much waits.</summary>
internal sealed class DeliveryWorkTests
{
    private const int Many = 20_000;

    private Engine _engine = null!;

    private DeliveryWork Work => _engine.Services.GetRequiredService<DeliveryWork>();

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    public async Task What_waits_for_a_parked_receiver_costs_the_others_nothing()
    {
        await Waits("parked", Many);
        await Waits("exhausted", Many, first: Many);
        await Waits("works", 3, first: 2 * Many);
        await Run($"insert into receiver_states (receiver, is_parked, blocked_until, reason, since, probes) values ('parked', true, '{_engine.Now + Seconds(60)}', 'wrong token', now(), 0)");
        await Run("analyze deliveries");

        Assert.That(await RowsReadByClaim(new Dictionary<string, int> { ["exhausted"] = 0 }), Is.LessThan(100));
    }

    [Test]
    public async Task A_queue_that_was_empty_when_it_was_counted_is_read_in_its_order_when_it_is_long()
    {
        await Waits("works", 2000);
        await Run("update deliveries set state = 'delivered'");
        await Run("vacuum analyze deliveries");
        await Waits("works", Many, first: Many);

        Assert.That(await RowsReadByClaim(new Dictionary<string, int> { ["works"] = 64 }), Is.LessThan(400), "64 are claimed");
    }

    [Test]
    public async Task A_receiver_with_much_to_hear_and_a_small_budget_does_not_starve_the_others()
    {
        await Waits("slow", 500);
        await Waits("quick", 2, first: 1000, dueAfter: 5);
        _engine.Clock.Advance(TimeSpan.FromSeconds(10));
        var claimed = await Work.ClaimAsync(new Dictionary<string, int> { ["slow"] = 1, ["quick"] = 32 }, 200, Seconds(15), _engine.Now, CancellationToken.None);
        Assert.That(claimed.Select(c => c.Receiver).Order(), Is.EqualTo(new[] { "quick", "quick", "slow" }));
        Assert.That(claimed.Single(c => c.Receiver == "slow").Id, Is.EqualTo(1_000_000), "the oldest first");
    }

    [Test]
    public async Task Of_a_parked_receiver_one_delivery_probes_and_of_a_thread_one_is_under_way()
    {
        await Waits("parked", 5);
        await Waits("works", 2, first: 10);
        await Run($"insert into receiver_states (receiver, is_parked, blocked_until, reason, since, probes) values ('parked', true, '{_engine.Now}', 'wrong token', now(), 0)");
        Assert.That((await Claim()).Select(c => c.Receiver).Order(), Is.EqualTo(new[] { "parked", "works", "works" }));
        Assert.That(await Claim(), Is.Empty);

        await Run("insert into deliveries (id, thread_id, receiver, occasion, occasion_weight, state, created_at, due_at, attempts) select 5, thread_id, receiver, 'updated', 7, 'queued', created_at, due_at, 0 from deliveries where receiver = 'works' and state = 'sending' limit 1");
        Assert.That(await Claim(), Is.Empty, "the one before it is still under way");

        Task<List<ClaimedDelivery>> Claim() => Work.ClaimAsync(new Dictionary<string, int>(), 100, Seconds(15), _engine.Now, CancellationToken.None);
    }

    [Test]
    public async Task What_somebody_changes_while_it_is_being_claimed_is_claimed_as_it_is_then()
    {
        await Waits("works", 3);
        await using var gate = await _engine.Sql.OpenConnectionAsync();
        await Do(gate, "select pg_advisory_lock(77)");

        // The claim has begun and looks at the queue when it comes to this gate.
        const string before = "where d.receiver = a.receiver and d.state = 'queued' and d.due_at";
        Assert.That(DeliveryWork.Claim, Does.Contain(before));
        await using var claiming = await _engine.Services.GetRequiredService<WorkPool>().OpenConnectionAsync(CancellationToken.None);
        await using var transaction = await claiming.BeginTransactionAsync();
        await Do(claiming, DeliveryWork.ClaimInOrder);
        await using var claim = new NpgsqlCommand(DeliveryWork.Claim.Replace(before, before.Replace("where ", "where (select pg_advisory_xact_lock_shared(77)) is not null and ", StringComparison.Ordinal), StringComparison.Ordinal), claiming);
        DeliveryWork.AddParameters(claim.Parameters, new Dictionary<string, int>(), 100, Seconds(15), _engine.Now);
        var claimed = claim.ExecuteReaderAsync();
        while (await _engine.Query<long>("select count(*) from pg_locks where locktype = 'advisory' and objid = 77 and not granted") == 0) await Task.Yield();
        await Run("update deliveries set occasion = 'escalated' where id = 1000001");
        await Do(gate, "select pg_advisory_unlock(77)");

        var occasions = new List<string>();
        await using var reader = await claimed;
        while (await reader.ReadAsync()) occasions.Add(reader.GetString(5));
        Assert.That(occasions.Order(), Is.EqualTo(new[] { "escalated", "opened", "opened" }));

        static async Task Do(NpgsqlConnection connection, string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private async Task<double> RowsReadByClaim(Dictionary<string, int> budgets)
    {
        await using var connection = await _engine.Sql.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var order = new NpgsqlCommand(DeliveryWork.ClaimInOrder, connection)) await order.ExecuteNonQueryAsync();
        await using var explain = new NpgsqlCommand("explain (analyze, format json) " + DeliveryWork.Claim, connection);
        DeliveryWork.AddParameters(explain.Parameters, budgets, 100, Seconds(15), _engine.Now);
        return RowsRead(JsonNode.Parse((string)(await explain.ExecuteScalarAsync())!));
    }

    private Task Waits(string receiver, int count, int first = 0, int dueAfter = 0) => Run($"""
        insert into deliveries (id, thread_id, receiver, occasion, occasion_weight, state, created_at, due_at, attempts)
        select 1000000 + n, 1000000 + n, '{receiver}', 'opened', 0, 'queued', t, t + make_interval(secs => {dueAfter}), 0 from generate_series({first}, {first + count - 1}) n, (select '{_engine.Now}'::timestamptz) now(t)
        """);

    private async Task Run(string sql)
    {
        await using var command = _engine.Sql.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>All rows of deliveries that any node of the plan looked at.</summary>
    private static double RowsRead(JsonNode? plan) => plan switch
    {
        JsonArray many => many.Sum(RowsRead),
        JsonObject node => node.Where(p => p.Value is JsonArray or JsonObject).Sum(p => RowsRead(p.Value))
            + (node["Relation Name"]?.GetValue<string>() == "deliveries" ? ((node["Actual Rows"]?.GetValue<double>() ?? 0) + (node["Rows Removed by Filter"]?.GetValue<double>() ?? 0)) * (node["Actual Loops"]?.GetValue<double>() ?? 1) : 0),
        _ => 0,
    };
}
