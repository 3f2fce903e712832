using System.Collections.Concurrent;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Incidents.Benchmarks;

/// <summary>Takes what the engine or Alertmanager sends, and remembers when each number first arrived and how often.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private ConcurrentDictionary<long, (long At, int Times)> _arrived = new();

    private Receiver(WebApplication app) => _app = app;

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    public IReadOnlyDictionary<long, (long At, int Times)> Arrived => _arrived;

    public static async Task<Receiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new Receiver(app);
        app.Run(receiver.TakeAsync);
        await app.StartAsync();
        return receiver;
    }

    public void Forget() => _arrived = new();

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task TakeAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var number = Payloads.NumberIn(body.GetBuffer().AsSpan(0, (int)body.Length));
        var now = TimeProvider.System.GetTimestamp();
        _arrived.AddOrUpdate(number, (now, 1), (_, before) => (before.At, before.Times + 1));
    }
}
