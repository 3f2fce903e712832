using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Incidents.Benchmarks;

/// <summary>A program under measurement on a port of its own, ended with everything it started.</summary>
internal sealed class Served(Process process, string url) : IAsyncDisposable
{
    public string Url { get; } = url;

    public int Pid => process.Id;

    /// <summary>From the start of the process until it said that it is ready.</summary>
    public TimeSpan ReadyAfter { get; private set; }

    public static async Task<Served> StartAsync(string file, IEnumerable<string> arguments, string url, string readyPath, string log, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >>\"$LOG\" 2>&1", "sh", file, .. arguments]) { WorkingDirectory = Path.GetTempPath() };
        start.Environment["LOG"] = log;
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var began = TimeProvider.System.GetTimestamp();
        var served = new Served(Process.Start(start)!, url);
        using var http = new HttpClient();
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync(url + readyPath);
                if (answer.IsSuccessStatusCode) break;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            var waited = TimeProvider.System.GetElapsedTime(began);
            if (served.HasEnded || waited > TimeSpan.FromSeconds(60)) throw new InvalidOperationException($"{file} did not become ready; it wrote to {log}:\n{string.Join('\n', File.ReadLines(log).TakeLast(15))}");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        served.ReadyAfter = TimeProvider.System.GetElapsedTime(began);
        return served;
    }

    private bool HasEnded => process.HasExited;

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            // In order first, so that what was sent is written down.
            using (Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)])) { }
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15), TimeProvider.System);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }
}

/// <param name="PerSecond">Requests.</param>
/// <param name="P99">Milliseconds.</param>
/// <param name="Seconds">Length of the run.</param>
/// <param name="Refused">Answers other than 2xx.</param>
internal sealed record WrkResult(double PerSecond, double P99, double Seconds, long Refused);

/// <summary>The two generators that we did not write: wrk for HTTP, pgbench for the database.</summary>
internal static partial class Programs
{
    private static int _run;

    /// <summary>Closed loop at <paramref name="connections"/>. <see cref="Payloads.Counter"/> in the body becomes a number that no other request has, or with <paramref name="repeatAfter"/> one of so many that come again and again.</summary>
    public static async Task<WrkResult> WrkAsync(string url, string? body, int connections, double seconds, string? key, int repeatAfter = 0)
    {
        var run = Interlocked.Increment(ref _run);
        var script = Path.GetTempFileName();
        var parts = (body ?? "").Split(Payloads.Counter);
        var pieces = string.Join(" .. id .. ", parts.Select(p => $"[==[{p}]==]"));
        await File.WriteAllTextAsync(script, $$"""
            local threads = 0
            function setup(thread) threads = threads + 1; thread:set("number", threads) end
            local count = 0
            wrk.method = "{{(body is null ? "GET" : "POST")}}"
            wrk.headers["Content-Type"] = "application/json"
            {{(key is null ? "" : $"wrk.headers[\"Authorization\"] = \"Bearer {key}\"")}}
            {{(parts.Length == 1 ? (body is null ? "" : $"wrk.body = {pieces}") : $"request = function() count = count + 1; local id = {(repeatAfter > 0 ? $"string.format('9%d%06d', number, count % {repeatAfter})" : $"string.format('%d%d%08d', {run + 100}, number, count)")}; return wrk.format(nil, nil, nil, {pieces}) end")}}
            """);
        var threads = connections == 1 ? 1 : 2;
        var text = await RunAsync("wrk", ["-t", Invariant(threads), "-c", Invariant(connections), "-d", $"{Math.Ceiling(seconds):0}s", "--timeout", "10s", "--latency", "-s", script, url]);
        File.Delete(script);
        var p99 = P99().Match(text);
        var total = Total().Match(text);
        return new WrkResult(
            double.Parse(Rate().Match(text).Groups[1].Value, CultureInfo.InvariantCulture),
            double.Parse(p99.Groups[1].Value, CultureInfo.InvariantCulture) * (p99.Groups[2].Value switch { "us" => 0.001, "ms" => 1, _ => 1000 }),
            double.Parse(total.Groups[2].Value, CultureInfo.InvariantCulture) * (total.Groups[3].Value == "m" ? 60 : 1),
            Refused().Match(text) is { Success: true } refused ? long.Parse(refused.Groups[1].Value, CultureInfo.InvariantCulture) : 0);
    }

    /// <summary><c>ins1</c>: one row of 1.5 KB of JSON for each commit. Transactions per second.</summary>
    public static async Task<double> PgbenchAsync(string pgbench, string host, int clients, double seconds)
    {
        var script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, "insert into ins1 (at, body) values (now(), :body::jsonb);\n");
        var body = Payloads.Webhook("7", 1).Replace("\\\"", "", StringComparison.Ordinal);

        try
        {
            // Its time includes connecting, its rate does not: on a busy machine 256 clients may need seconds before the first of them begins.
            for (var connecting = clients / 64; ; connecting = (connecting + 1) * 3)
            {
                var text = await RunAsync(pgbench, ["-n", "-M", "prepared", "-f", script, "-D", $"body={body}", "-c", Invariant(clients), "-j", "2", "-T", $"{Math.Ceiling(seconds + connecting):0}", "-h", host, "-p", "5432", "-U", "incidents", "ins1"]);
                if (Tps().Match(text) is { Success: true } tps) return double.Parse(tps.Groups[1].Value, CultureInfo.InvariantCulture);
                if (connecting > 30) throw new InvalidOperationException($"pgbench did not get to work:\n{text}");
            }
        }
        finally
        {
            File.Delete(script);
        }
    }

    private static string Invariant(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static async Task<string> RunAsync(string file, IEnumerable<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? text : throw new InvalidOperationException($"{file}: {await errors}");
    }

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Rate();

    [GeneratedRegex(@"99%\s+([\d.]+)(us|ms|s)")]
    private static partial Regex P99();

    [GeneratedRegex(@"(\d+) requests in ([\d.]+)(s|m),")]
    private static partial Regex Total();

    [GeneratedRegex(@"Non-2xx or 3xx responses: (\d+)")]
    private static partial Regex Refused();

    [GeneratedRegex(@"tps = ([\d.]+)")]
    private static partial Regex Tps();
}
