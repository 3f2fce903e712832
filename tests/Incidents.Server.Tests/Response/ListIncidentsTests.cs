
namespace Incidents.Server.Tests.Response;

/// <summary>The list of incidents: newest first over all states, page by page, each exactly once.</summary>
public sealed class ListIncidentsTests
{
    private Engine _engine = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _engine = await Engine.StartAsync();

        // Three at each moment, so that pages break between incidents of the same time.
        await _engine.Query<long>("""
            with made as (
              insert into incidents (number, group_key, group_id, title, severity, state, since, opened_at, firing_alerts, total_alerts, reopened, receivers, playbooks, manual_review_required, about_engine, resolved_by_alerts, revision, updated_at)
              select 1000 + n, 'g' || n, gen_random_uuid(), 'Made ' || n, (array['critical', 'warning'])[1 + n % 2], (array['triggered', 'acknowledged', 'resolved', 'closed'])[1 + n % 4],
                '2026-03-01T00:00:00Z', '2026-03-01T00:00:00Z'::timestamptz + (n / 3) * interval '1 minute', 1, 1, 0, '{}', '{}', false, false, false, 1, '2026-03-01T00:00:00Z'
              from generate_series(1, 40) n returning 1)
            select count(*) from made
            """);
    }

    [OneTimeTearDown]
    public async Task StopAsync() => await _engine.DisposeAsync();

    [TestCase("", 40)]
    [TestCase("state=triggered", 10)]
    [TestCase("state=triggered,acknowledged", 20)]
    [TestCase("state=resolved,closed,resolved&severity=warning", 10)]
    [TestCase("q=Made 1", 11)]
    public async Task Pages_follow_each_other_without_a_gap_or_a_repeat(string filter, int count)
    {
        var seen = new List<(string OpenedAt, long Number)>();
        for (string? cursor = null; ;)
        {
            var page = await _engine.Get($"incidents?limit=7&{filter}{(cursor is null ? "" : $"&cursor={cursor}")}");
            seen.AddRange(page["items"]!.AsArray().Select(i => ((string)i!["opened_at"]!, (long)i["number"]!)));
            cursor = (string?)page["next_cursor"];
            if (cursor is null) break;
            Assert.That(page["items"]!.AsArray(), Has.Count.EqualTo(7));
        }

        Assert.That(seen, Has.Count.EqualTo(count));
        Assert.That(seen, Is.EqualTo(seen.OrderByDescending(s => s.OpenedAt, StringComparer.Ordinal).ThenByDescending(s => s.Number)));
        Assert.That(seen, Is.Unique);
    }
}
