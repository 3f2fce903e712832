using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.Ui.Live;

namespace Incidents.EndToEnd.Tests.Ui;

public sealed class EventStreamTests
{
    // Nothing of the channels: none is set up here, and the timeline says so at moments of its own.
    private const string Mine = "?types=acknowledged,note";

    [Test]
    public async Task A_program_goes_on_where_it_was_and_hears_nothing_twice()
    {
        await using var host = await UiHost.StartAsync();
        var number = await host.OpenAsync("Checkout errors");
        string last;
        await using (var stream = await Stream.OpenAsync(host, Mine))
        {
            Assert.That((await stream.NextAsync()).Name, Is.EqualTo("beat"));
            await host.DoAsync(number, "acknowledge");
            var heard = await stream.NextAsync();
            Assert.That(heard.Data["type"]!.GetValue<string>(), Is.EqualTo("acknowledged"));
            last = heard.Id!;
        }

        await host.DoAsync(number, "notes", new { text = "missed" });
        await using var again = await Stream.OpenAsync(host, Mine, last);
        await host.DoAsync(number, "notes", new { text = "live" });

        Assert.That((await again.NextAsync()).Data["text"]!.GetValue<string>(), Is.EqualTo("missed"));
        Assert.That((await again.NextAsync()).Data["text"]!.GetValue<string>(), Is.EqualTo("live"));
    }

    [Test]
    public async Task A_position_that_cannot_be_read_is_answered_with_reset()
    {
        await using var host = await UiHost.StartAsync();
        await using var stream = await Stream.OpenAsync(host, lastEventId: "yesterday");

        Assert.That((await stream.NextAsync()).Name, Is.EqualTo("reset"));
    }

    [Test]
    public async Task Only_the_wanted_types_are_told()
    {
        await using var host = await UiHost.StartAsync();
        var number = await host.OpenAsync("Checkout errors");
        await using var stream = await Stream.OpenAsync(host, query: "?types=resolved");
        await stream.NextAsync();

        await host.DoAsync(number, "acknowledge");
        await host.DoAsync(number, "resolve");

        Assert.That((await stream.NextAsync()).Data["type"]!.GetValue<string>(), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task Without_credentials_the_stream_answers_401_and_leads_nowhere()
    {
        await using var host = await UiHost.StartAsync();
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(host.Address) };
        client.DefaultRequestHeaders.Accept.ParseAdd("text/html");

        Assert.That((await client.GetAsync("/api/v1/events")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public void A_position_knows_what_was_told_out_of_order()
    {
        var position = new FeedPosition(10, []);
        position.Add(11);
        position.Add(13);

        var read = FeedPosition.Parse(position.ToString())!;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(position.ToString(), Is.EqualTo("11+13"));
            Assert.That(read.Has(12), Is.False);
            Assert.That(read.Has(13), Is.True);
        }

        position.Add(12);
        Assert.That(position.ToString(), Is.EqualTo("13"));
    }

    private sealed class Stream(HttpResponseMessage response, StreamReader reader) : IAsyncDisposable
    {
        public static async Task<Stream> OpenAsync(UiHost host, string query = "", string? lastEventId = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events" + query);
            if (lastEventId is not null) request.Headers.Add("Last-Event-ID", lastEventId);
            var response = await host.Api.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            return new Stream(response, new StreamReader(await response.Content.ReadAsStreamAsync()));
        }

        public async Task<(string? Id, string? Name, JsonNode Data)> NextAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            string? id = null, name = null, data = null;
            while (await reader.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
                else if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line[7..];
                else if (line.StartsWith("data: ", StringComparison.Ordinal)) data = line[6..];
                else if (line.Length == 0 && data is not null) return (id, name, JsonNode.Parse(data)!);
            }

            throw new EndOfStreamException();
        }

        public ValueTask DisposeAsync()
        {
            reader.Dispose();
            response.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
