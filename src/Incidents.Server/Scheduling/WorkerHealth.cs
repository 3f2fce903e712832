using System.Collections.Concurrent;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Scheduling;

/// <summary>When each worker last finished a look at its work; <c>/readyz</c> and the auditor read it.</summary>
internal sealed class WorkerHealth
{
    private readonly ConcurrentDictionary<string, State> _states = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, State> States => _states;

    public void Beat(string worker, TimeProvider clock) => _states[worker] = new State(clock.GetCurrentInstant(), null);

    public void Fail(string worker, string error, TimeProvider clock) =>
        _states.AddOrUpdate(worker, new State(clock.GetCurrentInstant(), error), (_, old) => old with { Error = error });

    /// <param name="LastBeat">Last successful look.</param>
    /// <param name="Error">Why the looks since then failed; null when they did not.</param>
    internal sealed record State(Instant LastBeat, string? Error);
}
