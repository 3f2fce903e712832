using Incidents.Server.Scheduling;
using Incidents.Server.Web;
using Microsoft.Extensions.Time.Testing;

namespace Incidents.Server.Tests.Scheduling;

internal sealed class WorkersReadinessTests
{
    [Test]
    public async Task A_worker_is_stalled_a_minute_after_its_next_look_was_due_and_not_while_it_sleeps()
    {
        var clock = new FakeTimeProvider();
        var health = new WorkerHealth();
        health.Beat("auditor", TimeSpan.FromSeconds(60), clock);
        var readiness = new WorkersReadiness(health, clock);

        clock.Advance(TimeSpan.FromSeconds(119));
        Assert.That((await readiness.CheckAsync(CancellationToken.None)).Status, Is.EqualTo("ok"));
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.That((await readiness.CheckAsync(CancellationToken.None)).Status, Is.EqualTo("failed"));
    }
}
