using CsCheck;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Routing;

public sealed class PromDurationTests
{
    [TestCase("0", 0)]
    [TestCase("0s", 0)]
    [TestCase("90s", 90_000)]
    [TestCase("1h30m", 5_400_000)]
    [TestCase("1d", 86_400_000)]
    [TestCase("1w", 604_800_000)]
    [TestCase("1y", 31_536_000_000)]
    [TestCase("1y1w1d1h1m1s1ms", 31_536_000_000 + 604_800_000 + 86_400_000 + 3_600_000 + 60_000 + 1_000 + 1)]
    [TestCase("1500ms", 1_500)]
    public void Lengths_read_as_Prometheus_reads_them(string text, long milliseconds)
    {
        Assert.That(PromDuration.TryParse(text, out var duration, out var error), Is.True, error);
        Assert.That(duration, Is.EqualTo(Duration.FromMilliseconds(milliseconds)));
    }

    [TestCase("", "empty")]
    [TestCase("5", "no unit")]
    [TestCase("1.5h", "unit '.'")]
    [TestCase("-5m", "no number")]
    [TestCase("5m1h", "out of order")]
    [TestCase("1m1m", "twice")]
    [TestCase("5x", "unknown unit 'x'")]
    [TestCase("5 m", "unknown unit ' m'")]
    [TestCase("m", "no number")]
    [TestCase("5us", "unknown unit")]
    [TestCase("293y", "292 years")]
    [TestCase("99999999999999999999s", "292 years")]
    public void Other_texts_are_refused_with_a_reason(string text, string reason)
    {
        Assert.That(PromDuration.TryParse(text, out _, out var error), Is.False);
        Assert.That(error, Does.Contain(reason));
    }

    [Test]
    public void A_formatted_length_reads_back_as_itself()
    {
        Gen.OneOf(Gen.Long[0, 100_000], Gen.Long[0, 9_000_000_000_000]).Sample(milliseconds =>
        {
            var duration = Duration.FromMilliseconds(milliseconds);
            return PromDuration.TryParse(PromDuration.Format(duration), out var read, out _) && read == duration;
        });
    }
}
