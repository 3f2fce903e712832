using Incidents.Domain.OnCall;
using NodaTime;

namespace Incidents.Domain.Tests.OnCall;

public sealed class ShiftSwapTests
{
    private static readonly Instant Asked = On.Utc("2026-03-01T00:00:00Z");
    private static readonly Schedule Pair = On.Schedule(On.Daily("2026-03-02", "00:00", "ana", "bo"));

    private static readonly ShiftSwap Swap = new()
    {
        Id = "s1",
        Schedule = "primary",
        From = "ana",
        Gives = On.Between("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z"),
        InReturn = On.Between("2026-03-03T08:00:00Z", "2026-03-03T12:00:00Z"),
        RequestedAt = Asked,
    };

    [Test]
    public void A_swap_changes_nothing_until_it_is_taken_and_then_both_shifts()
    {
        var taken = ((SwapOutcome.Changed)Swap.Take("bo", Asked + Duration.FromHours(1))).Swap;

        Assert.That(Swap.ToOverrides(), Is.Empty);
        Assert.That(On.Who(Pair, "2026-03-02T10:00:00Z", [.. taken.ToOverrides()]), Is.EqualTo("bo"));
        Assert.That(On.Who(Pair, "2026-03-03T10:00:00Z", [.. taken.ToOverrides()]), Is.EqualTo("ana"));
        Assert.That(On.Who(Pair, "2026-03-03T12:00:00Z", [.. taken.ToOverrides()]), Is.EqualTo("bo"));
    }

    [Test]
    public void A_shift_under_way_is_taken_from_now_on()
    {
        var now = On.Utc("2026-03-02T10:00:00Z");

        Assert.That(((SwapOutcome.Changed)Swap.Take("bo", now)).Swap.ToOverrides()[0].From, Is.EqualTo(now));
    }

    [Test]
    public void It_is_taken_once()
    {
        var taken = ((SwapOutcome.Changed)Swap.Take("bo", Asked)).Swap;

        Assert.That(taken.Take("bo", Asked), Is.TypeOf<SwapOutcome.AlreadySo>());
        Assert.That(taken.Take("cy", Asked), Is.EqualTo(new SwapOutcome.Impossible("bo has taken it.")));
        Assert.That(taken.Withdraw(Asked), Is.TypeOf<SwapOutcome.Impossible>());
    }

    [Test]
    public void What_cannot_be_taken_says_why()
    {
        Assert.That(Swap.Take("ana", Asked), Is.TypeOf<SwapOutcome.Impossible>());
        Assert.That(Swap.Take("bo", On.Utc("2026-03-02T12:00:00Z")), Is.EqualTo(new SwapOutcome.Impossible("The shift is over.")));
        Assert.That((Swap with { OfferedTo = "cy" }).Take("bo", Asked), Is.EqualTo(new SwapOutcome.Impossible("It was offered to cy.")));
        Assert.That(((SwapOutcome.Changed)Swap.Withdraw(Asked)).Swap.Take("bo", Asked), Is.EqualTo(new SwapOutcome.Impossible("It was withdrawn.")));
        Assert.That((Swap with { InReturn = Swap.Gives }).Take("bo", Asked), Is.TypeOf<SwapOutcome.Impossible>());
        Assert.That((Swap with { InReturn = On.Between("2026-02-27T08:00:00Z", "2026-02-28T12:00:00Z") }).Take("bo", Asked), Is.EqualTo(new SwapOutcome.Impossible("What is offered in return is over.")));
    }
}
