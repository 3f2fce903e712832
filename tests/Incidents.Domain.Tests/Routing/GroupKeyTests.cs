using System.Text;
using CsCheck;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;

namespace Incidents.Domain.Tests.Routing;

public sealed class GroupKeyTests
{
    private static readonly Gen<string> Tricky = Gen.String[Gen.OneOf(Gen.Char['a', 'c'], Gen.OneOf("\"\\{},= \n\0\u0001u0é😀".Select(Gen.Const).ToArray())), 0, 6];

    [Test]
    public void A_key_names_the_route_and_the_values()
    {
        var labels = Labels.Of(("cluster", "eu-1"), ("service", "check\"out"));

        Assert.That(GroupKey.Of("payments", ["cluster", "missing", "service"], labels), Is.EqualTo("""payments{cluster="eu-1", missing="", service="check\"out"}"""));
        Assert.That(GroupKey.Of("payments", null, labels), Is.EqualTo("""payments{cluster="eu-1", service="check\"out"}"""));
    }

    [Test]
    public void Different_values_never_make_the_same_key()
    {
        Gen.Select(Tricky, Tricky, Tricky, Tricky).Sample((a, b, c, d) =>
        {
            var one = GroupKey.Of("r", ["x", "y"], Labels.Of(("x", a), ("y", b)));
            var other = GroupKey.Of("r", ["x", "y"], Labels.Of(("x", c), ("y", d)));
            return one == other == (a == c && b == d);
        }, iter: 20_000);
    }

    [Test]
    public void No_two_of_all_short_values_of_awkward_characters_share_a_key()
    {
        const string Awkward = "\\\"n\n,{";
        var values = new List<string> { "" };
        for (var from = 0; values.Count < 1 + 6 + 36 + 216; from++) values.AddRange(Awkward.Select(c => values[from] + c).ToList());
        var shorter = values.Where(v => v.Length <= 2).ToArray();

        Assert.That(values.Select(v => GroupKey.Of("r", ["x"], Labels.Of(("x", v)))), Is.Unique);
        Assert.That(shorter.SelectMany(a => shorter.Select(b => GroupKey.Of("r", ["x", "y"], Labels.Of(("x", a), ("y", b))))), Is.Unique);
        Assert.That(values.Select(v => GroupKey.Of(v, [], Labels.Empty)), Is.Unique);
    }

    [Test]
    public void Different_label_sets_and_routes_never_make_the_same_key()
    {
        var pair = Gen.Select(Tricky.Where(n => n.Length > 0), Tricky.Where(v => v.Length > 0));
        var sets = pair.Array[0, 3].Select(pairs => Labels.From(pairs.Select(p => KeyValuePair.Create(p.Item1, p.Item2))));
        Gen.Select(Tricky, sets, Tricky, sets).Sample((routeA, a, routeB, b) =>
            GroupKey.Of(routeA, null, a) == GroupKey.Of(routeB, null, b) == (routeA == routeB && a.Equals(b)), iter: 20_000);
    }

    [Test]
    public void A_key_fits_a_database_index_and_holds_no_control_characters()
    {
        var text = Gen.String[Gen.OneOf(Gen.Char, Gen.Char['\0', '\u0020'], Gen.Char['\ud800', '\udfff']), 0, 1200];
        Gen.Select(text, text).Sample((a, b) =>
        {
            var key = GroupKey.Of("r", ["x", "y"], Labels.Of(("x", a), ("y", b)));
            return Encoding.UTF8.GetByteCount(key) <= 2_600 && !key.Any(c => char.IsControl(c) && c < 0x80) && !key.Any(char.IsSurrogate);
        });
    }

    [Test]
    public void Long_values_that_differ_only_at_the_end_keep_apart()
    {
        var one = GroupKey.Of("r", ["x"], Labels.Of(("x", new string('a', 5_000) + "1")));
        var other = GroupKey.Of("r", ["x"], Labels.Of(("x", new string('a', 5_000) + "2")));

        Assert.That(one, Is.Not.EqualTo(other));
        Assert.That(one, Does.StartWith("r{x=\"aaa"));
    }
}
