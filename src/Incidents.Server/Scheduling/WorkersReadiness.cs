using Incidents.Server.Web;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Scheduling;

/// <summary>A worker that has not finished a look at its work within a minute after the look was due is stalled: what it should do stays undone.</summary>
internal sealed class WorkersReadiness(WorkerHealth health, TimeProvider clock) : IReadinessCheck
{
    private static readonly Duration Limit = Duration.FromMinutes(1);

    public string Name => "workers";

    public ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var stalled = health.States.Where(s => now - s.Value.LastBeat > s.Value.Look + Limit).Select(s => $"{s.Key} has done nothing since {s.Value.LastBeat}").ToList();
        var failing = health.States.Where(s => s.Value.Error is not null).Select(s => $"{s.Key} fails and tries again").ToList();
        return ValueTask.FromResult(stalled.Count > 0 ? ReadinessResult.Failed(string.Join("; ", stalled)) : failing.Count > 0 ? ReadinessResult.Degraded(string.Join("; ", failing)) : ReadinessResult.Ok());
    }
}
