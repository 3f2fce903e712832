using Incidents.Server.Storage;
using Incidents.Server.Tests.Web;
using Incidents.Server.Ui.Live;
using Microsoft.Extensions.Logging.Abstractions;

namespace Incidents.Server.Tests.Ui;

internal sealed class ChangeFeedTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

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
