using System.Collections.Concurrent;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Scheduling;

/// <summary>When each worker last finished a look at its work; <c>/readyz</c> and the auditor read it.</summary>
internal sealed class WorkerHealth
{
    private readonly ConcurrentDictionary<string, State> _states = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, State> States => _states;

    /// <param name="worker">Which.</param>
    /// <param name="look">How long it may sleep until its next look.</param>
    /// <param name="clock">The time.</param>
    public void Beat(string worker, TimeSpan look, TimeProvider clock) => _states[worker] = new State(clock.GetCurrentInstant(), Duration.FromTimeSpan(look), null);

    public void Fail(string worker, TimeSpan look, string error, TimeProvider clock) =>
        _states.AddOrUpdate(worker, new State(clock.GetCurrentInstant(), Duration.FromTimeSpan(look), error), (_, old) => old with { Error = error });

    /// <param name="LastBeat">Last successful look.</param>
    /// <param name="Look">How long it may sleep between looks.</param>
    /// <param name="Error">Why the looks since then failed; null when they did not.</param>
    internal sealed record State(Instant LastBeat, Duration Look, string? Error);
}
