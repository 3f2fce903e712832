using System.Globalization;
using Incidents.Domain.Notifications;
using Incidents.Server.Notifications;
using Incidents.Server.Storage;
using NodaTime;

namespace Incidents.Benchmarks;

/// <summary>How much of everything a run does.</summary>
internal sealed record Size(int Rounds, double Seconds, int StormGroups, int OpenAlerts, int Starts, int Timers, int Pending)
{
    public static Size Of(bool quick, bool full) =>
        quick ? new(1, 2, 3_000, 10_000, 2, 2_000, 20_000) : new(3, 3, 20_000, full ? 1_000_000 : 100_000, 5, 10_000, 1_000_000);
}

/// <summary>The goals of <c>docs/performance.md</c>, one method each or a few that share their set-up.</summary>
internal sealed class Scenarios(Lab lab, Table table, Size size, TextWriter progress)
{
    private const string Rates = "rates";
    private const string Pipe = "pipe";
    private const string Storm = "storm";

    private const string WebhookPath = "/api/v1/webhooks/alertmanager";

    /// <summary>Goals 1 to 4: how fast webhooks go in. Our figure is what was *ingested* (episode, incident and delivery committed) from the first request until the inbox was empty. Neither side sends; goals 5 and 6 have that.</summary>
    public async Task RatesAsync()
    {
        await using var server = await lab.ServerAsync(Rates, sends: false);
        await using var alertmanager = await lab.AlertmanagerAsync("alertname", sends: false);
        var one = Payloads.Webhook(Payloads.Counter, 1);
        var ten = Payloads.Webhook(Payloads.Counter, 10);
        var fifty = Payloads.Webhook(Payloads.Counter, 50);

        var new64 = table.Add(1, "1 new alert a webhook, 64 connections ÷ `ins1`", "/s", 0.6, 1.0);
        var accept64 = table.Add(1, "… answered 202 while it lasted", "/s");
        var repeat64 = table.Add(1, "1 repeated alert a webhook, 64 connections ÷ `ins1`", "/s", 0.6, 1.0);
        var new256 = table.Add(2, "1 new alert a webhook, 256 connections ÷ `ins1` at 256", "/s", 1.2, 2.0);
        var collapse = table.Add(2, "… ÷ the same at 64", "/s", 0.8, 1.0);
        var new10 = table.Add(3, "10 new alerts a webhook, 64 connections ÷ `ins1`", "alerts/s", 1.0, 2.0);
        var repeat10 = table.Add(3, "10 repeated alerts a webhook, 64 connections ÷ `ins1`", "alerts/s", 2.0, 3.5);
        var am1 = table.Add(4, "1 new alert, 64 connections ÷ Alertmanager in memory", "/s", 0.5, 0.9);
        var am1Tail = table.Add(4, "… p99 of the answer", "ms", 1.0, 0.3, most: true);
        var am50 = table.Add(4, "50 new alerts, 64 connections ÷ Alertmanager in memory", "/s", 0.5, 0.7);
        var am50Tail = table.Add(4, "… p99 of the answer", "ms", 1.0, 0.3, most: true);
        var single = table.Add(4, "1 new alert, 1 connection ÷ Alertmanager in memory", "/s");
        var sixteen = table.Add(4, "1 new alert, 16 connections ÷ Alertmanager in memory", "/s");

        // Compiled and with statistics, as after a minute of life.
        await IngestAsync(server, one, 64);
        await IngestAsync(server, ten, 64);
        await lab.RunSqlAsync(Rates, "analyze");
        await IngestAsync(server, one, 64, repeatAfter: 500);
        await IngestAsync(server, ten, 64, repeatAfter: 100);

        for (var round = 0; round < size.Rounds; round++)
        {
            var ins64 = await lab.Machine.QuietAsync(() => lab.Ins1Async(64, size.Seconds));
            var ours = await lab.Machine.QuietAsync(() => IngestAsync(server, one, 64));
            var am = await lab.Machine.QuietAsync(() => AlertmanagerAsync(alertmanager, 1, 64));
            new64.Round(ours.Ingested, ins64);
            accept64.Round(ours.Accepted, ins64);
            am1.Round(ours.Ingested, am.PerSecond);
            am1Tail.Round(ours.P99, am.P99);
            repeat64.Round((await lab.Machine.QuietAsync(() => IngestAsync(server, one, 64, repeatAfter: 500))).Ingested, ins64);

            var ins256 = await lab.Machine.QuietAsync(() => lab.Ins1Async(256, size.Seconds));
            var ours256 = await lab.Machine.QuietAsync(() => IngestAsync(server, one, 256));
            new256.Round(ours256.Ingested, ins256);
            collapse.Round(ours256.Ingested, ours.Ingested);

            new10.Round((await lab.Machine.QuietAsync(() => IngestAsync(server, ten, 64))).Ingested * 10, ins64);
            repeat10.Round((await lab.Machine.QuietAsync(() => IngestAsync(server, ten, 64, repeatAfter: 100))).Ingested * 10, ins64);

            var ours50 = await lab.Machine.QuietAsync(() => IngestAsync(server, fifty, 64));
            var theirs50 = await lab.Machine.QuietAsync(() => AlertmanagerAsync(alertmanager, 50, 64));
            am50.Round(ours50.Ingested, theirs50.PerSecond);
            am50Tail.Round(ours50.P99, theirs50.P99);

            single.Round((await lab.Machine.QuietAsync(() => IngestAsync(server, one, 1))).Ingested, (await lab.Machine.QuietAsync(() => AlertmanagerAsync(alertmanager, 1, 1))).PerSecond);
            sixteen.Round((await lab.Machine.QuietAsync(() => IngestAsync(server, one, 16))).Ingested, (await lab.Machine.QuietAsync(() => AlertmanagerAsync(alertmanager, 1, 16))).PerSecond);
            progress.WriteLine($"  rates, round {round + 1} of {size.Rounds}");
        }
    }

    /// <summary>Goals 5 and 9: from the moment an alert is due to be posted until the receiver has it.</summary>
    public async Task PipeAsync()
    {
        await using var server = await lab.ServerAsync(Pipe);
        using (var warm = Poster.ToUs(server)) await warm.PostAtAsync(500, size.Seconds);
        await lab.SentAsync(Pipe);
        await lab.RunSqlAsync(Pipe, "analyze");

        var wake = table.Add(9, "incident decided → send begins, p99 (yardstick: 1 ms)", "ms", 20, 5, most: true);
        foreach (var rate in (int[])[50, 200, 500, 2000])
        {
            var busy = rate >= 2000;
            var p50 = table.Add(5, $"{rate} alerts/s: alert → receiver, p50 ÷ Alertmanager", "ms", 2.0, 1.5, most: true);
            var p99 = table.Add(5, $"{rate} alerts/s: alert → receiver, p99 ÷ Alertmanager", "ms", busy ? 1.2 : 2.0, busy ? 0.8 : 1.2, most: true);
            for (var round = 0; round < size.Rounds; round++)
            {
                var since = TimeProvider.System.GetUtcNow();
                var ours = await lab.Machine.QuietAsync(async () =>
                {
                    using var poster = Poster.ToUs(server);
                    return await LatencyAsync(poster, rate);
                });
                await lab.SentAsync(Pipe);
                if (!busy) wake.Round(await WakeUpAsync(since), 1);
                await using var alertmanager = await lab.AlertmanagerAsync("'...'", sends: true);
                var theirs = await lab.Machine.QuietAsync(async () =>
                {
                    using var poster = Poster.ToAlertmanager(alertmanager);
                    return await LatencyAsync(poster, rate);
                });
                p50.Round(ours.P50, theirs.P50);
                p99.Round(ours.P99, theirs.P99);
            }

            progress.WriteLine($"  latency at {rate}/s");
        }
    }

    /// <summary>Goals 6 and 8: very many groups at once, each told exactly once; then the same deliveries taken from the table again, without sending.</summary>
    public async Task StormAsync()
    {
        var rate = table.Add(6, $"storm of {size.StormGroups} groups: notifications ÷ Alertmanager", "/s", 0.6, 0.9);
        var memory = table.Add(6, "… memory of the process after it ÷ Alertmanager", "MB", 0.8, 0.4, most: true);
        var once = table.Add(6, "… groups told exactly once", "", 1, 1);
        for (var round = 0; round < size.Rounds; round++)
        {
            double ours, ourMemory, onceOnly;
            var database = string.Create(CultureInfo.InvariantCulture, $"{Storm}{round}");
            await using (var server = await lab.ServerAsync(database))
            {
                using var poster = Poster.ToUs(server);
                await poster.PostAllAsync(500, 16);
                await lab.SentAsync(database);
                ours = await lab.Machine.QuietAsync(() => StormAsync(poster));
                await lab.SentAsync(database);
                ourMemory = Machine.ResidentMegabytes(server.Pid);
                onceOnly = lab.Receiver.Arrived.Values.Count(a => a.Times == 1);
            }

            await using var alertmanager = await lab.AlertmanagerAsync("'...'", sends: true);
            using var other = Poster.ToAlertmanager(alertmanager);
            rate.Round(ours, await lab.Machine.QuietAsync(() => StormAsync(other)));
            memory.Round(ourMemory, Machine.ResidentMegabytes(alertmanager.Pid));
            once.Round(onceOnly, size.StormGroups);
            progress.WriteLine($"  storm, round {round + 1} of {size.Rounds}");
        }

        var drain1 = table.Add(8, "deliveries claimed, loaded and recorded in hundreds, 1 worker ÷ `ins1` at 1 client", "/s", 3, 6);
        var drain16 = table.Add(8, "… 16 workers ÷ the best of 1, 4 and 16", "/s", 0.7, 0.95);
        for (var round = 0; round < size.Rounds; round++)
        {
            var ins = await lab.Machine.QuietAsync(() => lab.Ins1Async(1, size.Seconds));
            var rates = new List<double>();
            foreach (var workers in (int[])[1, 4, 16]) rates.Add(await lab.Machine.QuietAsync(() => DrainAsync(Storm + "0", workers)));
            drain1.Round(rates[0], ins);
            drain16.Round(rates[2], rates.Max());
        }

        progress.WriteLine("  drain");
    }

    /// <summary>Goal 7: incidents whose next step is due in the same second, fired by the worker itself as it runs in the server; nothing is sent.</summary>
    public async Task TimersAsync()
    {
        const string database = "timers";
        await using (await lab.ServerAsync(database, sends: false))
        {
        }

        await using var timers = await Timers.StartAsync(lab.ConnectionTo(database));
        var fired = table.Add(7, $"{size.Timers:#,0} escalation steps due at once, 1 worker ÷ `ins1` at 1 client", "/s", 4, 8);
        var many = table.Add(7, $"… {size.Pending:#,0} pending ÷ 1,000 pending", "/s", 0.9, 0.95);
        await timers.PrepareAsync(size.Timers + 1000);
        await timers.FireAsync(size.Timers);
        var few = new List<double>();
        for (var round = 0; round < size.Rounds; round++)
        {
            var ins = await lab.Machine.QuietAsync(() => lab.Ins1Async(1, size.Seconds));
            few.Add(await lab.Machine.QuietAsync(() => timers.FireAsync(size.Timers)));
            fired.Round(few[^1], ins);
        }

        await timers.PrepareAsync(size.Timers + size.Pending);
        await timers.FireAsync(size.Timers);
        foreach (var before in few) many.Round(await lab.Machine.QuietAsync(() => timers.FireAsync(size.Timers)), before);
        progress.WriteLine("  timers");
    }

    /// <summary>Goals 10 and 11: very many open alerts.</summary>
    public async Task ManyAsync()
    {
        const string database = "many";
        var one = Payloads.Webhook(Payloads.Counter, 1);
        var small = new List<(double Rate, double List, double ById)>();
        var large = new List<(double Rate, double List, double ById)>();
        double ourMemory;
        await using (var server = await lab.ServerAsync(database))
        {
            using var poster = Poster.ToUs(server);
            await poster.PostAllAsync(1000, 32);
            await lab.SentAsync(database);
            await lab.RunSqlAsync(database, "analyze");
            for (var round = 0; round < size.Rounds; round++) small.Add(await SizedAsync(server, database, one));

            var stored = (long)(await lab.ScalarAsync(database, "select count(*) from incidents"))!;
            await poster.PostAllAsync((int)Math.Max(0, size.OpenAlerts - stored), 32);
            await lab.SentAsync(database, 600);
            ourMemory = Machine.ResidentMegabytes(server.Pid);
            await lab.RunSqlAsync(database, "vacuum analyze");
            for (var round = 0; round < size.Rounds; round++) large.Add(await SizedAsync(server, database, one));
        }

        progress.WriteLine("  growth");
        var ingest = table.Add(11, $"1 new alert, 64 connections: {size.OpenAlerts:#,0} stored ÷ few stored", "/s", 0.7, 0.85);
        var list = table.Add(11, "… list of open incidents, 16 connections, p99", "ms", 1.5, 1.2, most: true);
        var byId = table.Add(11, "… one incident, 16 connections, p99", "ms", 1.5, 1.2, most: true);
        foreach (var (before, after) in small.Zip(large))
        {
            ingest.Round(after.Rate, before.Rate);
            list.Round(after.List, before.List);
            byId.Round(after.ById, before.ById);
        }

        var alone = table.Add(10, $"memory with {size.OpenAlerts:#,0} open alerts, each in its own group ÷ Alertmanager", "MB", 0.5, 0.25, most: true);
        var grouped = table.Add(10, "… ÷ Alertmanager with all in one group", "MB", 1.2, 0.7, most: true);
        foreach (var (row, groupBy, body) in ((Row, string, int)[])[(alone, "'...'", 100), (grouped, "alertname", 100)])
        {
            await using var alertmanager = await lab.AlertmanagerAsync(groupBy, sends: false);
            using var poster = Poster.ToAlertmanager(alertmanager, body);
            await poster.PostAllAsync(size.OpenAlerts / body, 4);
            await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System);
            row.Round(ourMemory, Machine.ResidentMegabytes(alertmanager.Pid));
        }

        progress.WriteLine("  memory");
    }

    /// <summary>Goal 12: from the start of the process until it is ready, and until the first alert is taken. The database is there and migrated.</summary>
    public async Task StartAsync()
    {
        var ready = table.Add(12, "start → ready ÷ Alertmanager", "ms", 8, 5, most: true);
        var first = table.Add(12, "start → first alert durable ÷ Alertmanager (in memory)", "ms", 12, 7, most: true);
        for (var round = 0; round < size.Starts; round++)
        {
            var began = TimeProvider.System.GetTimestamp();
            double ours, oursFirst;
            await using (var server = await lab.ServerAsync("start"))
            {
                using var poster = Poster.ToUs(server);
                await poster.PostAsync();
                (ours, oursFirst) = (server.ReadyAfter.TotalMilliseconds, TimeProvider.System.GetElapsedTime(began).TotalMilliseconds);
            }

            began = TimeProvider.System.GetTimestamp();
            await using var alertmanager = await lab.AlertmanagerAsync("alertname", sends: false);
            using var other = Poster.ToAlertmanager(alertmanager);
            await other.PostAsync();

            // The first start makes the database; it is not counted.
            if (round == 0) continue;
            ready.Round(ours, alertmanager.ReadyAfter.TotalMilliseconds);
            first.Round(oursFirst, TimeProvider.System.GetElapsedTime(began).TotalMilliseconds);
        }
    }

    private async Task<(double Ingested, double Accepted, double P99)> IngestAsync(Served server, string body, int connections, int repeatAfter = 0, string database = Rates)
    {
        if (database == Rates) await lab.IngestedAsync(database);
        else await lab.SentAsync(database);
        const string count = "select count(*) from inbox where state = 'ingested'";
        var before = (long)(await lab.ScalarAsync(database, count))!;
        var began = TimeProvider.System.GetTimestamp();
        var wrk = await Programs.WrkAsync(server.Url + WebhookPath, body, connections, size.Seconds, Lab.Key, repeatAfter);
        await lab.IngestedAsync(database);
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        var ingested = (long)(await lab.ScalarAsync(database, count))! - before;
        if (wrk.Refused > 0) progress.WriteLine($"  {wrk.Refused} requests were refused");
        return (ingested / seconds, wrk.PerSecond, wrk.P99);
    }

    private Task<WrkResult> AlertmanagerAsync(Served alertmanager, int alerts, int connections) =>
        Programs.WrkAsync(alertmanager.Url + "/api/v2/alerts", Payloads.ForAlertmanager(Payloads.Counter, alerts), connections, size.Seconds, key: null);

    private async Task<(double P50, double P99)> LatencyAsync(Poster poster, int perSecond)
    {
        lab.Receiver.Forget();
        await poster.PostAtAsync(20, 0.5);
        var due = await poster.PostAtAsync(perSecond, size.Seconds);
        await UntilArrivedAsync(due.Count, () => due.Keys.Count(lab.Receiver.Arrived.ContainsKey));
        var waited = due.Select(d => lab.Receiver.Arrived.TryGetValue(d.Key, out var arrived) ? TimeProvider.System.GetElapsedTime(d.Value, arrived.At).TotalMilliseconds : double.PositiveInfinity).Order().ToList();
        return (waited[waited.Count / 2], waited[waited.Count * 99 / 100]);
    }

    private async Task<double> WakeUpAsync(DateTimeOffset since) => (double)(await lab.ScalarAsync(Pipe, string.Create(CultureInfo.InvariantCulture,
        $"select percentile_cont(0.99) within group (order by extract(epoch from a.started_at - d.created_at)::float8 * 1000) from deliveries d join delivery_attempts a on a.delivery_id = d.id and a.number = 1 where d.created_at >= '{since:O}'")))!;

    private async Task<double> StormAsync(Poster poster)
    {
        lab.Receiver.Forget();
        var began = TimeProvider.System.GetTimestamp();
        await poster.PostAllAsync(size.StormGroups, 16);
        await UntilArrivedAsync(size.StormGroups, () => lab.Receiver.Arrived.Count);
        var last = lab.Receiver.Arrived.Values.Max(a => a.At);
        return lab.Receiver.Arrived.Count / TimeProvider.System.GetElapsedTime(began, last).TotalSeconds;
    }

    private static async Task UntilArrivedAsync(int wanted, Func<int> arrived)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (arrived() < wanted && TimeProvider.System.GetElapsedTime(began).TotalSeconds < 90) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
    }

    private async Task<double> DrainAsync(string database, int workers)
    {
        await lab.RunSqlAsync(database, "update deliveries set state = 'queued', attempts = 0, first_attempt_at = null, done_at = null, due_at = now(); update notification_threads set shown_revision = 0, shown_state = null; delete from delivery_attempts");
        await lab.RunSqlAsync(database, "vacuum analyze");
        await using var source = WorkPool.Of(lab.ConnectionTo(database), workers);
        var work = new DeliveryWork(source);
        using var ids = new IdBlocks();
        var record = new RecordAttempts(source, ids);
        var done = 0;
        var began = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var now = Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow());
                var claimed = await work.ClaimAsync(new Dictionary<string, int>(), 100, Duration.FromSeconds(30), now, CancellationToken.None);
                if (claimed.Count == 0) return;
                var contents = await work.LoadAsync(claimed, null, now, CancellationToken.None);
                await record.RunAsync([.. claimed.Select(c => new FinishedAttempt(c, contents[c.Id].Thread, new DeliveryResult.Delivered(contents[c.Id].Thread, "HTTP 200"), new RetryDecision.Done(), now, now))], isRepeat: false, CancellationToken.None);
                Interlocked.Add(ref done, claimed.Count);
            }
        })));
        return done / TimeProvider.System.GetElapsedTime(began).TotalSeconds;
    }

    private async Task<(double Rate, double List, double ById)> SizedAsync(Served server, string database, string body)
    {
        // Reads first: the writes after them leave work behind.
        var list = await lab.Machine.QuietAsync(() => Programs.WrkAsync(server.Url + "/api/v1/incidents?limit=50", null, 16, Math.Min(2, size.Seconds), Lab.Key));
        var byId = await lab.Machine.QuietAsync(() => Programs.WrkAsync(server.Url + "/api/v1/incidents/500", null, 16, Math.Min(2, size.Seconds), Lab.Key));
        var rate = await lab.Machine.QuietAsync(() => IngestAsync(server, body, 64, database: database));
        await lab.SentAsync(database);
        return (rate.Ingested, list.P99, byId.P99);
    }
}
