using Incidents.Server.Storage;
using Incidents.Server.Tests.Web;
using Incidents.Server.Ui.Live;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Incidents.Server.Tests.Ui;

internal sealed class ChangeFeedTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Test]
    public async Task An_entry_is_caught_up_with_however_many_the_feed_has_not_told_before_it()
    {
        await using var engine = await Engine.StartAsync();
        await engine.Post("incidents", new { title = "Checkout errors", severity = "critical" });
        var number = (await engine.TheIncident())["number"]!.GetValue<long>();
        var before = await engine.Query<long>("select max(id) from timeline_entries");
        await engine.AddsNotes(number, 20);

        // The feed looked when the last was there and those before it were not yet.
        var last = await engine.Query<long>("select max(id) from timeline_entries");
        var missed = await engine.Services.GetRequiredService<ChangeFeed>().CatchUpAsync(new FeedPosition(before, []), new FeedPosition(before + 1, [last]), 3, CancellationToken.None);

        Assert.That(missed!.Select(e => e.Text), Is.EqualTo(["note 1", "note 20"]));
    }

    [Test]
    public async Task Streams_end_when_nobody_can_say_what_changes_and_new_ones_begin_once_somebody_can()
    {
        await using var database = await StoppableDatabase.StartAsync();
        await using var source = StorageModule.CreateDataSource(database.ConnectionString);
        using var feed = new ChangeFeed(source, TimeProvider.System, NullLogger<ChangeFeed>.Instance);
        await feed.StartAsync(CancellationToken.None);
        var reader = new FeedReader(null);
        feed.Add(reader);
        await reader.Joined.Task.WaitAsync(Soon, TimeProvider.System);

        await database.StopAsync();
        feed.Wake();
        await reader.Batches.Reader.Completion.WaitAsync(Soon, TimeProvider.System);

        var next = new FeedReader(null);
        feed.Add(next);
        await database.StartAgainAsync();
        await next.Joined.Task.WaitAsync(Soon, TimeProvider.System);
        Assert.That(next.Batches.Reader.Completion.IsCompleted, Is.False);
        await feed.StopAsync(CancellationToken.None);
    }
}
