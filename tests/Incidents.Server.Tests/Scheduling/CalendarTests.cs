using System.Collections.Concurrent;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;
using Quartz;

namespace Incidents.Server.Tests.Scheduling;

internal sealed class CalendarTests
{
    private TestDatabase _database = null!;
    private NpgsqlDataSource _source = null!;

    [SetUp]
    public async Task CreateAsync()
    {
        _database = await TestDatabase.CreateAsync();
        _source = StorageModule.CreateDataSource(_database.ConnectionString);
        await PrepareDatabase.MigrateAsync(_source, CancellationToken.None);
    }

    [TearDown]
    public async Task RemoveAsync()
    {
        await _source.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Test]
    public async Task Of_two_replicas_one_fires_each_time()
    {
        CountedJob.Fires.Clear();
        await using var first = Replica();
        await using var second = Replica();
        var schedulers = new[] { await first.GetRequiredService<ISchedulerFactory>().GetScheduler(), await second.GetRequiredService<ISchedulerFactory>().GetScheduler() };
        Assert.That(schedulers[0].SchedulerInstanceId, Is.Not.EqualTo(schedulers[1].SchedulerInstanceId));
        foreach (var scheduler in schedulers) await scheduler.Start();

        var trigger = new TriggerKey("counted");
        var until = TimeProvider.System.GetTimestamp();
        while (CountedJob.Fires.Count < 6 && TimeProvider.System.GetElapsedTime(until) < TimeSpan.FromSeconds(60)) await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        while (await schedulers[0].GetTrigger(trigger) is not null && TimeProvider.System.GetElapsedTime(until) < TimeSpan.FromSeconds(60)) await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        foreach (var scheduler in schedulers) await scheduler.Shutdown(waitForJobsToComplete: true);

        Assert.That(CountedJob.Fires, Has.Count.EqualTo(6));
        Assert.That(CountedJob.Fires, Is.Unique);
    }

    [Test]
    public async Task Retention_removes_what_is_old_and_keeps_its_account()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 6, 30, 12, 0, 0, TimeSpan.Zero));
        await AddAsync(1, "ingested", 31, opened: 2);
        await AddAsync(2, "ingested", 31, opened: 1);
        await AddAsync(3, "ingested", 29, opened: 1);
        await AddAsync(4, "quarantined", 31, opened: 0);
        await AddAsync(5, "quarantined", 91, opened: 0);
        await AddAsync(6, "pending", 400, opened: 0);
        await ExecuteAsync("insert into delivery_attempts (delivery_id, number, started_at, ended_at, result, detail) values (1, 1, '2026-01-01', '2026-01-01', 'delivered', ''), (1, 2, '2026-06-29', '2026-06-29', 'delivered', '')");

        var retention = new Retention(_source, Options.Create(new RetentionOptions()), clock, NullLogger<Retention>.Instance);
        await retention.RunAsync(CancellationToken.None);
        await retention.RunAsync(CancellationToken.None);

        Assert.That(await IdsAsync("select id from inbox order by id"), Is.EqualTo(new[] { 3L, 4L, 6L }));
        Assert.That(await IdsAsync("select id from inbox_bodies order by id"), Is.EqualTo(new[] { 3L, 4L, 6L }));
        Assert.That(await IdsAsync("select count(*) from delivery_attempts"), Is.EqualTo(new[] { 1L }));
        Assert.That(await IdsAsync("select webhooks from ledger_days order by day"), Is.EqualTo(new[] { 1L, 2L }));
        Assert.That(await IdsAsync("select opened from ledger_days order by day"), Is.EqualTo(new[] { 0L, 3L }));
        Assert.That(await IdsAsync("select count(*) from ledger_days where alerts <> opened + attached + suppressed + informed + duplicate + resolved + quarantined"), Is.EqualTo(new[] { 0L }));

        async Task AddAsync(long id, string state, int daysAgo, int opened)
        {
            var at = clock.GetCurrentInstant() - Duration.FromDays(daysAgo);
            await ExecuteAsync("insert into inbox (id, received_at, source, kind, state, bytes, attempts, alerts, opened, attached, suppressed, informed, duplicate, resolved, quarantined) values ($1, $2, 's', 'alertmanager', $3, 1, 0, $4, $4, 0, 0, 0, 0, 0, 0)", Sql.P(id), Sql.P(at), Sql.P(state), Sql.P(opened));
            await ExecuteAsync("insert into inbox_bodies (id, body) values ($1, '')", Sql.P(id));
        }
    }

    private ServiceProvider Replica()
    {
        var services = new ServiceCollection();
        services.AddLogging().AddSingleton(StorageModule.CreateDataSource(_database.ConnectionString));
        CalendarModule.AddScheduler(services, calendar => calendar.ScheduleJob<CountedJob>(
            trigger => trigger.WithIdentity("counted").StartNow().WithSimpleSchedule(schedule => schedule.WithInterval(TimeSpan.FromMilliseconds(300)).WithRepeatCount(5)), job => job.WithIdentity("counted")));
        return services.BuildServiceProvider();
    }

    private async Task ExecuteAsync(string sql, params NpgsqlParameter[] parameters)
    {
        await using var command = _source.CreateCommand(sql);
        command.Parameters.AddRange(parameters);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<long>> IdsAsync(string sql)
    {
        await using var command = _source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var ids = new List<long>();
        while (await reader.ReadAsync()) ids.Add(reader.GetInt64(0));
        return ids;
    }

    internal sealed class CountedJob : IJob
    {
        public static readonly ConcurrentBag<DateTimeOffset> Fires = [];

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            Fires.Add(context.ScheduledFireTimeUtc!.Value);
            return ValueTask.CompletedTask;
        }
    }
}
