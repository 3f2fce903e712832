using System.Diagnostics;
using NUnit.Framework.Constraints;

namespace Incidents.EndToEnd.Tests;

/// <summary>Real processes take the time they take: what must become true is asked for again until it is, with a bound that only guards against a hang.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns when <paramref name="read"/> gives what <paramref name="constraint"/> wants; fails with the last value seen otherwise.</summary>
    public static async Task IsAsync<T>(Func<Task<T>> read, IResolveConstraint constraint, string what, int seconds = 45)
    {
        var wanted = constraint.Resolve();
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            object? seen;
            try
            {
                seen = await read();
            }
            catch (HttpRequestException error) when (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds)
            {
                // The process is starting or was just killed.
                seen = error.Message;
                await Task.Delay(Pause, TimeProvider.System);
                continue;
            }

            if (wanted.ApplyTo(seen).IsSuccess) return;
            if (Stopwatch.GetElapsedTime(started).TotalSeconds >= seconds) Assert.Fail($"{what}\n  wanted: {wanted.Description}\n  after {seconds} s: {(seen is System.Collections.IEnumerable and not string ? string.Join("; ", ((System.Collections.IEnumerable)seen).Cast<object>()) : seen)}");
            await Task.Delay(Pause, TimeProvider.System);
        }
    }

    public static Task IsAsync<T>(Func<T> read, IResolveConstraint constraint, string what, int seconds = 45) => IsAsync(() => Task.FromResult(read()), constraint, what, seconds);
}
