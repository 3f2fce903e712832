using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>
/// Senders that behave as Alertmanager: each has groups of its own that begin, repeat and end, and each webhook is sent again until it is taken.
/// Every receipt is kept, so that all of them can be asked for afterwards.
/// </summary>
internal sealed class Load(IReadOnlyList<EngineProcess> engines, int senders, int webhooksEach, int seed) : IAsyncDisposable
{
    private const int GroupsEach = 3;
    private const int SlackChannels = 8;

    private readonly ConcurrentQueue<(EngineProcess Engine, string Receipt)> _receipts = new();
    private readonly ConcurrentDictionary<string, bool> _firing = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _end = new(TimeSpan.FromMinutes(4));
    private Task _running = Task.CompletedTask;

    /// <summary>Everything critical goes to PagerDuty and a webhook, and to one of a few Slack channels, because Slack takes a message a second for each.</summary>
    public static string Routing(StandInServer standIns)
    {
        var text = new StringBuilder($$"""
            version: 1
            receivers:
              - name: pager
                pagerduty: {routing_key: "${env:PagerDuty__RoutingKey}"}
              - name: hook
                webhook: {url: "{{standIns.WebhookUrl}}load"}

            """);
        for (var i = 0; i < SlackChannels; i++) text.Append(CultureInfo.InvariantCulture, $"  - name: slack-{i}\n    slack: {{channel: \"#load-{i}\"}}\n");
        text.Append("route:\n  name: default\n  group_by: [alertname, service]\n  receivers: [hook]\n  routes:\n");
        for (var i = 0; i < SlackChannels; i++) text.Append(CultureInfo.InvariantCulture, $"    - name: shard-{i}\n      matchers: ['service=\"shard-{i}\"']\n      receivers: [pager, hook, slack-{i}]\n");
        return text.ToString();
    }

    public Task RunAsync() => _running = Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(() => SendAsync(sender))));

    public int ReceiptsOf(EngineProcess engine) => _receipts.Count(r => r.Engine == engine);

    /// <summary>Waits until this many webhooks were taken.</summary>
    public async Task HasReceiptsAsync(int count)
    {
        await Eventually.IsAsync(() => _receipts.Count, Is.GreaterThanOrEqualTo(count), $"{count} webhooks are taken", 120);
        if (_running.IsFaulted) await _running;
    }

    /// <summary>The account after the storm: each receipt, each incident, each receiver.</summary>
    public async Task IsAccountedForAsync(EngineProcess engine, StandInServer standIns)
    {
        Assert.That(_receipts, Has.Count.EqualTo(senders * webhooksEach));
        Assert.That(_receipts.Select(r => r.Receipt), Is.Unique);
        await Eventually.IsAsync(() => engine.QueryAsync<long>("select count(*) from inbox where state = 'pending'"), Is.Zero, "everything is ingested", 120);
        await Eventually.IsAsync(() => engine.QueryAsync<string[]>("select coalesce(array_agg(receiver || ' ' || state || ' ' || coalesce(detail, '') order by id), '{}') from deliveries where state in ('queued', 'sending')"),
            Is.Empty, "everything is delivered", 150);

        foreach (var (_, receipt) in _receipts)
        {
            var shown = await engine.GetAsync($"/api/v1/inbox/{receipt}");
            Assert.That((string)shown["state"]!, Is.EqualTo("ingested"), receipt);
            Assert.That(shown["outcomes"]!.AsObject().Sum(o => (int)o.Value!), Is.EqualTo(1), receipt);
        }

        var ledger = await engine.GetAsync("/api/v1/ledger");
        Assert.That((bool)ledger["balanced"]!, Is.True, ledger.ToJsonString());
        Assert.That(await engine.QueryAsync<long>("select count(*) from (select from incidents where state in ('triggered', 'acknowledged') group by group_id having count(*) > 1) g"), Is.Zero, "one open incident for each group");

        var incidents = await engine.QueryAsync<string[]>("select array_agg(split_part(a.name, ' ', 1) || ' ' || i.number || ' ' || i.state order by i.number) from incidents i join lateral (select name from alerts where incident_number = i.number limit 1) a on true");
        Assert.That(incidents.Select(i => i.Split(' ')[0]).Distinct(), Is.EquivalentTo(_firing.Keys), "each group has its incident");
        foreach (var group in incidents.GroupBy(i => i.Split(' ')[0]))
        {
            var last = group.Last().Split(' ');
            Assert.That(last[2], Is.EqualTo(_firing[last[0]] ? "triggered" : "resolved"), group.Key);
        }

        Assert.That(await engine.QueryAsync<long>("select count(*) from incidents i cross join unnest(i.receivers) r where not exists (select from deliveries d where d.incident_number = i.number and d.receiver = r and d.state = 'delivered')"),
            Is.Zero, "each receiver of each incident was told");
        var states = incidents.Select(i => i.Split(' ')).ToDictionary(i => $"inc-{i[1]}", i => i[2]);

        // One that was over before its page was sent is not opened at PagerDuty: no attempt of its own says that a trigger was accepted.
        // (It is resolved there when an attempt was cut off by the kill and may have arrived; of a key it does not know PagerDuty makes nothing.)
        var over = await engine.QueryAsync<string[]>("""
            select coalesce(array_agg('inc-' || i.number), '{}') from incidents i
            where i.state = 'resolved' and not exists (
                select from deliveries d join delivery_attempts a on a.delivery_id = d.id
                where d.incident_number = i.number and d.receiver = 'pager' and a.result = 'delivered' and a.detail like '%trigger%')
            """);
        var told = standIns.PagerDuty.Alerts.Keys.ToHashSet(StringComparer.Ordinal);
        var expected = states.Where(s => told.Contains(s.Key) || s.Value != "resolved" || !over.Contains(s.Key));
        Assert.That(standIns.PagerDuty.Alerts.Values.Select(a => $"{a.DedupKey} {a.State}"), Is.EquivalentTo(expected.Select(s => $"{s.Key} {s.Value}")), "PagerDuty has one alert for each incident, in its state");
        Assert.That(standIns.Slack.Roots.Select(r => (string)r.Body["metadata"]!["event_payload"]!["subject_key"]!), Is.EquivalentTo(states.Keys), "Slack has one message for each incident");
        Assert.That(standIns.Webhook.Calls.Select(c => (string)c.Body["data"]!["key"]!).Distinct(), Is.EquivalentTo(states.Keys), "the webhook was called for each incident");
        await TestContext.Out.WriteLineAsync($"{_receipts.Count} webhooks, {incidents.Length} incidents, {standIns.PagerDuty.TotalEvents} PagerDuty events, {standIns.Slack.Messages.Count} Slack messages, {standIns.Webhook.Calls.Count} webhook calls ({standIns.Webhook.Distinct.Count} distinct)");
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task SendAsync(int sender)
    {
        var random = new Random(seed + sender);
        var startsAt = new DateTimeOffset[GroupsEach];
        for (var i = 0; i < webhooksEach; i++)
        {
            var group = i % GroupsEach;
            var name = string.Create(CultureInfo.InvariantCulture, $"Load-{sender}-{group}");
            var wasFiring = _firing.GetValueOrDefault(name);
            var firing = !wasFiring || random.Next(8) > 0;
            if (!wasFiring) startsAt[group] = TimeProvider.System.GetUtcNow();
            _firing[name] = firing;
            var webhook = Webhook.Of(name, string.Create(CultureInfo.InvariantCulture, $"shard-{((sender * GroupsEach) + group) % SlackChannels}"), "critical", firing, startsAt[group], TimeProvider.System.GetUtcNow());
            await SendUntilTakenAsync(webhook, sender + i);
        }
    }

    private async Task SendUntilTakenAsync(JsonObject webhook, int turn)
    {
        while (true)
        {
            _end.Token.ThrowIfCancellationRequested();
            var engine = engines[turn++ % engines.Count];
            try
            {
                var (status, receipt) = await engine.SendAsync(webhook);
                if (receipt is not null)
                {
                    _receipts.Enqueue((engine, receipt));
                    return;
                }

                if (status < HttpStatusCode.InternalServerError) throw new AssertionException($"A webhook was refused for good: {status}");
            }
            catch (HttpRequestException)
            {
                // Killed at this moment: whether it was stored is not known, so it is sent again.
            }
            catch (TaskCanceledException) when (!_end.IsCancellationRequested)
            {
                // No answer at all: the same.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, _end.Token);
        }
    }
}
