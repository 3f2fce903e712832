using System.Globalization;

namespace Incidents.Benchmarks;

/// <summary>Tells our own load from that of others, so that a disturbed round is measured again.</summary>
internal sealed class Machine
{
    private const double TicksPerSecond = 100;

    /// <summary>Cores that others may use before a measurement counts as disturbed.</summary>
    private const double MostOthers = 0.3;

    private readonly HashSet<int> _roots = [Environment.ProcessId];

    /// <summary>Measurements, and those among them that stayed disturbed after they were repeated.</summary>
    public (int All, int Disturbed) Count { get; private set; }

    /// <summary>A process whose descendants are ours although they are not our children (PostgreSQL leaves its parent).</summary>
    public void Adopt(int pid) => _roots.Add(pid);

    /// <summary>Runs a measurement; when others used the machine meanwhile, once more, and keeps the less disturbed one.</summary>
    public async Task<T> QuietAsync<T>(Func<Task<T>> measure)
    {
        await WaitForQuietAsync();
        var (first, others) = await WatchedAsync(measure);
        if (others > MostOthers)
        {
            await WaitForQuietAsync();
            var (second, again) = await WatchedAsync(measure);
            if (again < others) (first, others) = (second, again);
        }

        Count = (Count.All + 1, Count.Disturbed + (others > MostOthers ? 1 : 0));
        return first;
    }

    private async Task WaitForQuietAsync()
    {
        for (var i = 0; i < 20; i++)
        {
            var (_, others) = await WatchedAsync(async () =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(250), TimeProvider.System);
                return 0;
            });
            if (others < MostOthers) return;
        }
    }

    private async Task<(T Value, double Others)> WatchedAsync<T>(Func<Task<T>> measure)
    {
        var before = Foreign();
        var started = TimeProvider.System.GetTimestamp();
        var value = await measure();
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        var ticks = Foreign().Sum(p => Math.Max(0, p.Value - before.GetValueOrDefault(p.Key)));
        return (value, ticks / TicksPerSecond / seconds);
    }

    /// <summary>Processor time of every process that is neither ours nor descends from ours.</summary>
    private Dictionary<int, long> Foreign()
    {
        var parents = new Dictionary<int, int>();
        var used = new Dictionary<int, long>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)) continue;
            try
            {
                var stat = File.ReadAllText($"{directory}/stat");
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                parents[pid] = int.Parse(fields[1], CultureInfo.InvariantCulture);
                used[pid] = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            }
            catch (IOException)
            {
                // It ended while we looked.
            }
        }

        foreach (var pid in used.Keys.Where(IsOurs).ToList()) used.Remove(pid);
        return used;

        bool IsOurs(int pid)
        {
            for (; pid > 1; pid = parents.GetValueOrDefault(pid))
            {
                if (_roots.Contains(pid)) return true;
            }

            return false;
        }
    }

    public static double ResidentMegabytes(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
