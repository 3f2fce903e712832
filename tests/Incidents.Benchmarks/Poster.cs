using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Incidents.Benchmarks;

/// <summary>Our own generator: open loop from due times, and as fast as a few connections carry.</summary>
internal sealed class Poster : IDisposable
{
    private const string Id = "424242424242";

    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 64, PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5) });
    private readonly Uri _target;
    private readonly string _body;
    private readonly bool _authorized;
    private static long _next = 1_000_000;

    private Poster(string target, string body, bool authorized) => (_target, _body, _authorized) = (new Uri(target), body, authorized);

    public static Poster ToUs(Served server, int alerts = 1) => new(server.Url + "/api/v1/webhooks/alertmanager", Payloads.Webhook(Id, alerts), authorized: true);

    public static Poster ToAlertmanager(Served alertmanager, int alerts = 1) => new(alertmanager.Url + "/api/v2/alerts", Payloads.ForAlertmanager(Id, alerts), authorized: false);

    public void Dispose() => _http.Dispose();

    /// <summary>One request with alerts that nobody has seen. Returns its number.</summary>
    public async Task<long> PostAsync()
    {
        var number = Interlocked.Increment(ref _next);
        await PostAsync(number);
        return number;
    }

    /// <summary>So many requests over so many connections, as fast as they go.</summary>
    public async Task PostAllAsync(int count, int connections)
    {
        var left = count;
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0) await PostAsync();
        })));
    }

    /// <summary>One request at each due time, whether the ones before it are answered or not. Returns when each was due.</summary>
    public async Task<Dictionary<long, long>> PostAtAsync(int perSecond, double seconds)
    {
        var due = new Dictionary<long, long>();
        var posts = new List<Task>();
        var ticks = (double)TimeProvider.System.TimestampFrequency / perSecond;
        var began = TimeProvider.System.GetTimestamp();
        var count = (int)(perSecond * seconds);
        for (var i = 0; i < count;)
        {
            var at = began + (long)(i * ticks);
            if (TimeProvider.System.GetTimestamp() < at)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
                continue;
            }

            var number = Interlocked.Increment(ref _next);
            due[number] = at;
            posts.Add(PostAsync(number));
            i++;
        }

        await Task.WhenAll(posts);
        return due;
    }

    private async Task PostAsync(long number)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(_body.Replace(Id, number.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, _target) { Content = content };
        if (_authorized) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Lab.Key);
        using var answer = await _http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }
}
