using Incidents.Domain.OnCall;
using Incidents.Server.OnCall;
using Incidents.Server.Storage;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;

namespace Incidents.Server.Tests.OnCall;

public sealed class OnCallOverridesTests
{
    public const string OnCall = """
        version: 1
        people:
          - {key: ana, email: ana@example.com}
          - {key: bo, email: bo@example.com}
        schedules:
          - key: primary
            time_zone: UTC
            layers: [{name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [ana, bo]}]
        """;

    [Test]
    public async Task Overrides_count_from_their_start_until_they_end_or_are_cancelled()
    {
        await using var engine = await Engine.StartAsync(onCall: OnCall);
        var now = engine.Now;
        var kept = await Add(engine, "primary", now, now + Duration.FromHours(8));
        var cut = await Add(engine, "primary", now, now + Duration.FromHours(8), cancelled: now + Duration.FromHours(1));
        await Add(engine, "primary", now + Duration.FromHours(2), now + Duration.FromHours(3), cancelled: now + Duration.FromHours(1));
        await Add(engine, "elsewhere", now, now + Duration.FromHours(8));

        var whole = await Load(engine, now, now + Duration.FromDays(1));

        Assert.That(whole.Select(o => o.Id), Is.EquivalentTo(new[] { kept.ToString(), cut.ToString() }), "one cancelled before it began is none, and schedules that are gone have none");
        Assert.That(whole.Single(o => o.Id == cut.ToString()).Until, Is.EqualTo(now + Duration.FromHours(1)));
        Assert.That((await Load(engine, now, now)).Count, Is.EqualTo(2), "the first moment counts");
        Assert.That((await Load(engine, now + Duration.FromHours(1), now + Duration.FromHours(1))).Single().Id, Is.EqualTo(kept.ToString()), "cancelled from then on");
        Assert.That(await Load(engine, now + Duration.FromHours(8), now + Duration.FromHours(8)), Is.Empty, "the end does not count");
    }

    private static async Task<IReadOnlyList<Override>> Load(Engine engine, Instant from, Instant to)
    {
        await using var connection = await engine.Sql.OpenConnectionAsync();
        return await engine.Services.GetRequiredService<OnCallOverrides>().LoadAsync(connection, from, to, CancellationToken.None);
    }

    private static async Task<Guid> Add(Engine engine, string schedule, Instant from, Instant until, Instant? cancelled = null)
    {
        await using var scope = engine.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        var row = new OverrideRow { Id = Guid.NewGuid(), Schedule = schedule, StartsAt = from, EndsAt = until, People = ["bo"], CreatedAt = engine.Now, CreatedBy = "test", CancelledAt = cancelled };
        db.Add(row);
        await db.SaveChangesAsync();
        return row.Id;
    }
}
