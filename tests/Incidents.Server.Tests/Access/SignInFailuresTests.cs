using System.Net;
using Incidents.Server.Ui;
using Microsoft.Extensions.Time.Testing;

namespace Incidents.Server.Tests.Access;

public sealed class SignInFailuresTests
{
    private static readonly IPAddress Address = IPAddress.Parse("192.0.2.7");

    [Test]
    public async Task Ten_attempts_a_minute_however_many_come_at_once()
    {
        var clock = new FakeTimeProvider();
        using var failures = new SignInFailures(clock);
        var taken = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => failures.TryTake(Address))));
        Assert.That(taken.Count(t => t), Is.EqualTo(10));
        Assert.That(failures.TryTake(IPAddress.Parse("192.0.2.8")), Is.True);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.That(failures.TryTake(Address), Is.True);
    }

    [Test]
    public void Right_ones_do_not_count()
    {
        using var failures = new SignInFailures(new FakeTimeProvider());
        for (var i = 0; i < 50; i++)
        {
            Assert.That(failures.TryTake(Address), Is.True);
            failures.GiveBack(Address);
        }
    }

    [Test]
    public void One_customers_network_counts_as_one_and_strangers_clear_no_counts()
    {
        using var failures = new SignInFailures(new FakeTimeProvider());
        for (var i = 0; i < 10; i++) Assert.That(failures.TryTake(IPAddress.Parse($"2001:db8:1:2::{i:x}")), Is.True);
        Assert.That(failures.TryTake(IPAddress.Parse("2001:db8:1:2:ffff::1")), Is.False);
        for (var i = 0; i < 12_000; i++) failures.TryTake(IPAddress.Parse($"2001:db8:{i / 0x10000 + 2:x}:{i % 0x10000:x}::1"));
        Assert.That(failures.TryTake(IPAddress.Parse("2001:db8:1:2::1")), Is.False);
        Assert.That(SignInFailures.NetworkOf(IPAddress.Parse("::ffff:192.0.2.7")), Is.EqualTo(Address));
    }

    [Test]
    public async Task Two_hash_at_once_and_a_third_waits_for_its_turn()
    {
        using var failures = new SignInFailures(new FakeTimeProvider());
        var first = await failures.TakeTurnAsync(CancellationToken.None);
        using var second = await failures.TakeTurnAsync(CancellationToken.None);
        var third = failures.TakeTurnAsync(CancellationToken.None);
        Assert.That(third.IsCompleted, Is.False);
        first!.Dispose();
        using var turn = await third;
        Assert.That(turn, Is.Not.Null);
    }
}
