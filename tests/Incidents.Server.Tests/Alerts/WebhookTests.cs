using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.Server.Alerts;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Alerts;

/// <summary>Everything a sender may send ends in exactly one recorded outcome (P2), whatever it looks like.</summary>
internal sealed class WebhookTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [TestCase("am-v4-empty-alerts.json", "ingested")]
    [TestCase("am-v4-mixed-firing-and-resolved.json", "ingested: opened 1, attached 1, resolved 1")]
    [TestCase("am-v4-resolved-all.json", "ingested: resolved 3")]
    [TestCase("am-v4-resolved-zero-endsat.json", "ingested: resolved 1")]
    [TestCase("am-v4-truncated-status-misleading.json", "ingested: resolved 2")]
    [TestCase("am-v4-unicode-and-utf8-label-names.json", "ingested: opened 1")]
    public async Task A_captured_payload_ends_in_its_outcome(string file, string outcome)
    {
        var receipt = await _engine.ReceivesBody(await File.ReadAllTextAsync(Path.Combine(TestContext.CurrentContext.TestDirectory, "Payloads", file)));
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo(outcome));
    }

    [TestCase("""{"alerts":[{"labels":{"alertname":"A"}}]}""", "ingested: opened 1", TestName = "without status, times and fingerprint it fires")]
    [TestCase("""{"version":"3","groupKey":18195285354214864953,"status":"firing","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2017-01-01T00:00:00Z"}]}""", "ingested: opened 1", TestName = "version 3 with a numeric group key")]
    [TestCase("""{"status":"resolved","alerts":[{"labels":{"alertname":"A"}}]}""", "ingested: resolved 1", TestName = "the status of the body decides when nothing else does")]
    [TestCase("""{"status":"resolved","alerts":[{"status":"firing","labels":{"alertname":"A"},"endsAt":"0001-01-01T00:00:00Z"}]}""", "ingested: opened 1", TestName = "the status of the alert decides before that of the body")]
    [TestCase("""{"alerts":[{"labels":{"alertname":"A","code":503,"canary":true}}]}""", "ingested: opened 1", TestName = "numbers as label values")]
    [TestCase("""{"alerts":[{"labels":{"alertname":"A","x":"a\u0000b\ud800c"}}]}""", "ingested: opened 1", TestName = "NUL and half a surrogate")]
    [TestCase("""{"alerts":[{"labels":{"alertname":"A"}}],"truncatedAlerts":7,"groupKey":"g"}""", "ingested: opened 1", TestName = "truncated")]
    [TestCase("""{"text":"my own template","channel":"#x"}""", "quarantined: quarantined 1", TestName = "a custom payload")]
    [TestCase("""[1,2]""", "quarantined: quarantined 1", TestName = "an array")]
    [TestCase("""not json""", "quarantined: quarantined 1", TestName = "no JSON")]
    [TestCase("", "quarantined: quarantined 1", TestName = "nothing at all")]
    [TestCase("""{"alerts":[{"labels":{"alertname":"A"}},{"status":"firing"},7]}""", "partial: opened 1, quarantined 2", TestName = "some alerts unreadable")]
    [TestCase("""{"alerts":[{"labels":{"alertname":"A"}}""", "quarantined: quarantined 1", TestName = "cut off")]
    public async Task Whatever_comes_is_accounted_for(string body, string outcome) => Assert.That(await _engine.OutcomesOf(await _engine.ReceivesBody(body)), Is.EqualTo(outcome));

    [Test]
    public async Task Broken_utf8_and_a_byte_order_mark_cost_no_alert()
    {
        byte[] body = [0xEF, 0xBB, 0xBF, .. "{\"alerts\":[{\"labels\":{\"alertname\":\"A"u8, 0xFF, 0xC3, .. "\"}}]}"u8];
        var receipt = await _engine.StoresBytes(body);
        await _engine.RunsDueWork();
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: opened 1"));
        Assert.That(await _engine.Query<byte[]>("select body from inbox_bodies"), Is.EqualTo(body), "the bytes are kept as they came");
    }

    [Test]
    public async Task The_same_payload_from_fifty_senders_changes_nothing_after_the_first()
    {
        var body = Encoding.UTF8.GetBytes(_engine.Body(null, Firing("DiskFull").As("critical"), Firing("Slow")));
        await Parallel.ForEachAsync(Enumerable.Range(0, 100), new ParallelOptions { MaxDegreeOfParallelism = 50 }, async (_, _) => await _engine.StoresBytes(body));
        var ingest = _engine.Services.GetRequiredService<IngestInbox>();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => { while ((await ingest.RunOnceAsync(CancellationToken.None)).Webhooks > 0) { } })));
        await _engine.RunsDueWork();

        Assert.That(await _engine.Query<string>("select format('%s %s %s %s', count(*), sum(opened), sum(duplicate), sum(alerts)) from inbox"), Is.EqualTo("100 2 198 200"));
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(2));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
        Assert.That(_engine.StandIns.Slack.Messages.Count(m => m.ThreadTs is null), Is.EqualTo(2));
    }

    [Test]
    public async Task A_resolve_before_its_firing_makes_the_late_firing_an_echo()
    {
        Assert.That(await _engine.OutcomesOf(await _engine.Receives(Resolved("DiskFull"))), Is.EqualTo("ingested: resolved 1"));
        await _engine.Passes(Seconds(5));
        Assert.That(await _engine.OutcomesOf(await _engine.Receives(Firing("DiskFull"))), Is.EqualTo("ingested: duplicate 1"));
        Assert.That(await _engine.Incidents(), Is.Empty);

        await _engine.Passes(Seconds(20));
        Assert.That(await _engine.OutcomesOf(await _engine.Receives(Firing("DiskFull"))), Is.EqualTo("ingested: opened 1"), "beyond the echo window it is a new fire, also with the same start");
    }

    [Test]
    public async Task Another_start_time_of_an_open_alert_is_a_duplicate_and_ends_with_it()
    {
        await _engine.Receives(Firing("DiskFull"));
        var receipt = await _engine.Receives(Firing("DiskFull").Since("2026-03-02T08:58:00Z"));
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: duplicate 1"));
        await _engine.Receives(Resolved("DiskFull"));
        Assert.That((await _engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("resolved"));
        Assert.That(await _engine.Query<long>("select count(*) from alerts where status = 'firing'"), Is.Zero);
    }

    [Test]
    public async Task Five_thousand_alerts_in_one_body_are_one_page()
    {
        var receipt = await _engine.Receives([.. Enumerable.Range(0, 5000).Select(i => Firing("DiskFull").As("critical").With("instance", $"db-{i}"))]);
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: opened 1, attached 4999"));
        Assert.That((await _engine.TheIncident())["firing_alerts"]!.GetValue<int>(), Is.EqualTo(5000));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_quarantined_webhook_is_replayed_and_only_a_quarantined_one()
    {
        var bad = await _engine.ReceivesBody("""{"alerts":[{"labels":{"alertname":"A"}},{}]}""");
        Assert.That((await _engine.Post($"inbox/{bad}/replay")).Status, Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(await _engine.OutcomesOf(bad), Is.EqualTo("partial: duplicate 1, quarantined 1"));
        var good = await _engine.Receives(Firing("B"));
        Assert.That((await _engine.Post($"inbox/{good}/replay")).Status, Is.EqualTo(HttpStatusCode.Conflict));
    }
}

/// <summary>Webhooks that break a stage, and many workers at once.</summary>
internal sealed class IngestTests
{
    [Test]
    public async Task A_webhook_that_breaks_the_engine_is_set_aside_and_the_others_pass()
    {
        await using var engine = await StartAsync(configure: services => services.AddSingleton<IIngestStage, BreaksOnPoison>());
        var receipts = new List<string>();
        foreach (var name in new[] { "Before", "Poison", "After" }) receipts.Add(await engine.StoresBytes(Encoding.UTF8.GetBytes(engine.Body(null, Firing(name)))));
        await engine.RunsDueWork();

        Assert.That(await engine.OutcomesOf(receipts[0]), Is.EqualTo("ingested: opened 1"));
        Assert.That(await engine.OutcomesOf(receipts[1]), Is.EqualTo("quarantined: quarantined 1"));
        Assert.That((await engine.Get($"inbox/{receipts[1]}"))["reason"]!.GetValue<string>(), Does.Contain("poisoned"));
        Assert.That(await engine.OutcomesOf(receipts[2]), Is.EqualTo("ingested: opened 1"));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task Eight_workers_over_hundreds_of_webhooks_keep_one_open_incident_a_group_and_true_counts()
    {
        await using var engine = await StartAsync();
        var random = new Random(20260302);
        var last = new Dictionary<int, (bool Fires, string Start)>();
        for (var i = 0; i < 400; i++)
        {
            // Each webhook is newer than the one before, so that the last report of each alert is known.
            engine.Clock.Advance(TimeSpan.FromMilliseconds(100));
            var alerts = Enumerable.Range(0, 3).Select(_ => random.Next(30)).Distinct().Select(n =>
            {
                var fires = random.Next(3) > 0;
                var start = fires || !last.TryGetValue(n, out var before) ? $"2026-03-02T0{1 + (i / 60)}:{i % 60:00}:00Z" : before.Start;
                last[n] = (fires, start);
                return (fires ? Firing($"Alert{n % 10}") : Resolved($"Alert{n % 10}")).With("instance", $"{n}").Since(start);
            }).ToArray();
            await engine.StoresBytes(Encoding.UTF8.GetBytes(engine.Body(null, alerts)));
        }

        engine.Clock.Advance(TimeSpan.FromSeconds(1));
        var ingest = engine.Services.GetRequiredService<IngestInbox>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    if ((await ingest.RunOnceAsync(CancellationToken.None)).Webhooks == 0) break;
                }
                catch (Npgsql.PostgresException e) when (e.SqlState is "40P01")
                {
                    // A worker repeats what lost a deadlock.
                }
            }
        })));
        await engine.RunsDueWork();
        await engine.ExpectsAllAccountedFor();
        Assert.That(await engine.Query<long>("select count(*) from (select fingerprint from alerts where status = 'firing' and outcome <> 'duplicate' group by fingerprint having count(*) > 1) d"), Is.Zero, "fingerprints with two open episodes");
        var firing = await engine.Query<string[]>("select coalesce(array_agg(labels->>'instance'), '{}') from alerts where status = 'firing' and outcome <> 'duplicate'");
        Assert.That(firing, Is.EquivalentTo(last.Where(l => l.Value.Fires).Select(l => $"{l.Key}")), "an alert fires if and only if its newest report says so");
        Assert.That(await engine.Query<long>("select count(*) from incidents i where state in ('triggered','acknowledged') and not exists (select 1 from alerts a where a.incident_number = i.number and a.status = 'firing')"), Is.Zero, "open incidents without a firing alert");
    }

    private sealed class BreaksOnPoison : IIngestStage
    {
        public ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken) =>
            batch.Fired.Any(f => f.Labels["alertname"] == "Poison") ? throw new InvalidOperationException("poisoned") : ValueTask.CompletedTask;
    }
}
