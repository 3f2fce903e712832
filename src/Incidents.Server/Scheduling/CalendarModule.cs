using Npgsql;
using Quartz;

namespace Incidents.Server.Scheduling;

/// <summary>The <c>Calendar</c> section.</summary>
internal sealed class CalendarOptions
{
    /// <summary>Whether this replica takes part in calendar work. Default true; each job runs on one of the replicas that do.</summary>
    public bool Enabled { get; set; } = true;
}

/// <summary>
/// What belongs to a calendar rather than to a row with a due time. Quartz keeps it in PostgreSQL as a cluster, so that of N replicas each firing happens on one,
/// and on another if that one dies.
/// </summary>
internal static class CalendarModule
{
    private const string SchedulerName = "incidents";

    public static void AddCalendar(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<CalendarOptions>().BindConfiguration("Calendar");
        builder.Services.AddOptions<RetentionOptions>().BindConfiguration("Retention").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<Retention>();
        if (!builder.Configuration.GetValue("Calendar:Enabled", true)) return;

        AddScheduler(builder.Services, calendar => calendar.ScheduleJob<RetentionJob>(
            trigger => trigger.WithIdentity("retention").WithCronSchedule("0 20 3 * * ?", schedule => schedule.InTimeZone(TimeZoneInfo.Utc)),
            job => job.WithIdentity("retention").RequestRecovery()));
        builder.Services.AddHostedService<CalendarService>();
    }

    /// <summary>A member of the cluster; it does nothing until it is started.</summary>
    internal static void AddScheduler(IServiceCollection services, Action<IQuartzBuilder> jobs) => services.AddQuartz(calendar =>
    {
        calendar.ConfigureScheduler(scheduler =>
        {
            scheduler.InstanceName = SchedulerName;
            scheduler.GenerateInstanceId = true;
        });
        calendar.UseInstanceIdGenerator<ReplicaId>();
        calendar.UseDefaultThreadPool(2);
        calendar.UsePersistentStore(store =>
        {
            // Data of jobs as readable text, which later versions can still read. The tables are made by a migration; Quartz only checks them.
            store.ConfigureStore(options => options.StoreJobDataAsStrings = true);
            store.UsePostgres(source => source.DataSourceFactory = provider => provider.GetRequiredService<NpgsqlDataSource>());
            store.UseSystemTextJsonSerializer(_ => { });
            store.UseClustering(_ => { });
        });
        jobs(calendar);
    });
}

/// <summary>Names this replica in the cluster; two processes on one machine are two replicas.</summary>
internal sealed class ReplicaId : Quartz.Extensibility.IInstanceIdGenerator
{
    public ValueTask<string> GenerateInstanceId(CancellationToken cancellationToken = default) => ValueTask.FromResult($"{Environment.MachineName}-{Guid.NewGuid():n}");
}

/// <summary>Starts the calendar when the database lets it, and keeps trying: nothing that pages people waits for it, and readiness does not depend on it.</summary>
internal sealed partial class CalendarService(ISchedulerFactory schedulers, TimeProvider clock, ILogger<CalendarService> log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        IScheduler? scheduler = null;
        while (scheduler is null)
        {
            try
            {
                var made = await schedulers.GetScheduler(stoppingToken);
                await made.Start(stoppingToken);
                scheduler = made;
            }
            catch (Exception error) when (error is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                LogNotStarted(error);
                await Task.Delay(Pause, clock, stoppingToken);
            }
        }

        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, clock, stoppingToken);
        }
        finally
        {
            await scheduler.Shutdown(waitForJobsToComplete: true, CancellationToken.None);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The calendar could not be started; it is tried again")]
    private partial void LogNotStarted(Exception error);
}
