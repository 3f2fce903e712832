using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Incidents.Server.Tests.Ui;

/// <summary>The stream by a clock that the test moves.</summary>
public sealed class EventStreamTests
{
    [Test]
    public async Task A_stream_to_which_all_that_happens_says_nothing_beats_on_and_ends_with_its_key()
    {
        await using var engine = await Engine.StartAsync();
        await engine.Post("incidents", new { title = "Checkout errors", severity = "critical" });
        var number = (await engine.TheIncident())["number"]!.GetValue<long>();
        var created = (await engine.Post("api-keys", new { name = "wall", scopes = new[] { "read" } })).Body;
        using var client = engine.Client(created["key"]!.GetValue<string>());
        await using var body = await OpenAsync(engine, client, "?types=resolved");
        using var stream = new StreamReader(body);
        var joined = NextEventAsync(stream);
        await TrafficAsync(engine, number, seconds: 10, until: joined);
        await joined;

        var beat = NextEventAsync(stream);
        await TrafficAsync(engine, number, seconds: 40, until: beat);
        Assert.That(beat.IsCompleted, Is.True, "no beat in 40 seconds");
        Assert.That(await beat, Is.EqualTo("beat"));

        await engine.Http.DeleteAsync(new Uri($"/api/v1/api-keys/{created["id"]}", UriKind.Relative));
        var ended = stream.ReadToEndAsync();
        await TrafficAsync(engine, number, seconds: 40, until: ended);
        Assert.That(ended.IsCompleted, Is.True, "a revoked key reads on after 40 seconds");
    }

    private static async Task<Stream> OpenAsync(Engine engine, HttpClient client, string query)
    {
        var opening = client.GetStreamAsync(new Uri("/api/v1/events" + query, UriKind.Relative));
        for (var i = 0; i < 200 && !opening.IsCompleted; i++)
        {
            engine.Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }

        return await opening;
    }

    /// <summary>One change a second of the engine's time.</summary>
    private static async Task TrafficAsync(Engine engine, long number, int seconds, Task? until = null)
    {
        for (var i = 0; i < seconds && until?.IsCompleted != true; i++)
        {
            await engine.Http.PostAsJsonAsync($"/api/v1/incidents/{number}/notes", new JsonObject { ["text"] = "still looking" });
            engine.Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    /// <summary>Its name; "incident" and so on.</summary>
    private static async Task<string> NextEventAsync(StreamReader stream)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        var name = "message";
        while (await stream.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line[7..];
            else if (line.Length == 0) return name;
        }

        throw new EndOfStreamException();
    }
}
