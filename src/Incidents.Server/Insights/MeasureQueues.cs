using System.Diagnostics.Metrics;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web.Telemetry;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Insights;

/// <summary>
/// Length of each queue and age of what waits longest in it, for <c>/metrics</c>: what falls behind is seen before it is late.
/// Measured every few seconds by every replica, from indexes that hold only what waits.
/// </summary>
internal sealed class MeasureQueues(NpgsqlDataSource database, WorkerHealth health, TimeProvider clock, ILogger<MeasureQueues> log)
    : Worker("queue-metrics", null, TimeSpan.FromSeconds(10), health, clock, log)
{
    private static IReadOnlyList<Queue> _last = [];
    private static readonly ObservableGauge<long> Lengths = IncidentsMetrics.Meter.CreateObservableGauge("incidents_queue_length", () => _last.Select(q => new Measurement<long>(q.Length, new KeyValuePair<string, object?>("queue", q.Name))), description: "Rows that wait, by queue.");
    private static readonly ObservableGauge<double> Ages = IncidentsMetrics.Meter.CreateObservableGauge("incidents_queue_age", () => _last.Select(q => new Measurement<double>(q.Age.TotalSeconds, new KeyValuePair<string, object?>("queue", q.Name))), "s", "How long the oldest row of a queue has waited past its due time.");

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var command = database.CreateCommand("""
            select 'inbox', count(*), min(received_at) from inbox where state = 'pending'
            union all select 'deliveries', count(*), min(due_at) from deliveries where state = 'queued'
            union all select 'fail_over', count(*), min(fail_over_at) from deliveries where fail_over_at is not null
            union all select 'settle', count(*), min(settle_at) from alerts where settle_at <= $1
            """);
        command.Parameters.Add(Sql.P(now));
        var queues = new List<Queue>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            queues.Add(new Queue(reader.GetString(0), reader.GetInt64(1), reader.IsDBNull(2) ? Duration.Zero : Duration.Max(Duration.Zero, now - reader.GetFieldValue<Instant>(2))));
        _last = queues;
        return false;
    }

    private sealed record Queue(string Name, long Length, Duration Age);
}
