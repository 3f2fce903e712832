using CsCheck;
using Incidents.Domain.Alerts;

namespace Incidents.Domain.Tests.Alerts;

internal sealed class LabelsTests
{
    private static readonly string[] Names = ["a", "b", "alertname", "équipe", "z\u0301", "Z"];
    private static readonly string[] Values = ["", "1", "2", "日本"];

    private static readonly Gen<KeyValuePair<string, string>[]> Pairs =
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 3]).Select((name, value) => KeyValuePair.Create(Names[name], Values[value])).Array[0, 12];

    [Test]
    public void Names_are_unique_and_sorted_ordinally() => Pairs.Sample(pairs =>
    {
        var names = Labels.From(pairs).Select(p => p.Key).ToList();
        return names.SequenceEqual(names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
    });

    [Test]
    public void The_last_value_of_a_name_counts_and_an_empty_one_does_not() => Pairs.Sample(pairs =>
    {
        var labels = Labels.From(pairs);
        return pairs.Select(p => p.Key).Distinct(StringComparer.Ordinal).All(name =>
            labels[name] == (pairs.LastOrDefault(p => p.Key == name && p.Value.Length > 0).Value ?? ""));
    });

    [Test]
    public void Sets_are_equal_in_whatever_order_they_were_given() => Pairs.Sample(pairs =>
    {
        var one = pairs.DistinctBy(p => p.Key).ToArray();
        var (a, b) = (Labels.From(one), Labels.From(one.Reverse()));
        return a.Equals(b) && a.GetHashCode() == b.GetHashCode() && Fingerprint.Of(a) == Fingerprint.Of(b);
    });

    [Test]
    public void They_are_written_as_prometheus_writes_them() =>
        Assert.That(Labels.Of(("job", "a\"b\\c\nd"), ("alertname", "DiskFull")).ToString(), Is.EqualTo("{alertname=\"DiskFull\", job=\"a\\\"b\\\\c\\nd\"}"));
}

internal sealed class FingerprintTests
{
    [Test]
    public void It_equals_the_fingerprints_that_alertmanager_sent()
    {
        Assert.That(Fingerprint.Of(Labels.Of(("alertname", "HighValue"), ("instance", "api:8000"), ("job", "api"), ("severity", "high"))), Is.EqualTo("948c667b1fc76492"));
        Assert.That(Fingerprint.Of(Labels.Of(("alertname", "Instance Is Down"), ("host_name", "infra0"), ("instance", "localhost:9100"), ("job", "infra0"), ("priority", "P0"))), Is.EqualTo("4e4c4c3d872bf6d8"));
    }

    [Test]
    public void A_long_value_counts_whole() =>
        Assert.That(Fingerprint.Of(Labels.Of(("a", new string('x', 5000) + "1"))), Is.Not.EqualTo(Fingerprint.Of(Labels.Of(("a", new string('x', 5000) + "2")))));

    [Test]
    public void Name_and_value_do_not_run_together() =>
        Assert.That(Fingerprint.Of(Labels.Of(("ab", "c"))), Is.Not.EqualTo(Fingerprint.Of(Labels.Of(("a", "bc")))));
}
