using System.Text;
using CsCheck;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;

namespace Incidents.Domain.Tests.Routing;

public sealed class MatcherSyntaxTests
{
    [TestCase("", "")]
    [TestCase("{}", "")]
    [TestCase("foo=bar", "foo|=|bar")]
    [TestCase("{foo=bar}", "foo|=|bar")]
    [TestCase("foo=bar,", "foo|=|bar")]
    [TestCase(" { foo = \"bar\" , baz !~ \"a|b\" , } ", "foo|=|bar;baz|!~|a|b")]
    [TestCase("foo=\"\"", "foo|=|")]
    [TestCase("foo!=\"a,b}\"", "foo|!=|a,b}")]
    [TestCase("\"service.name\"=\"x\"", "service.name|=|x")]
    [TestCase("équipe=\"é\"", "équipe|=|é")]
    [TestCase("foo=\"\\u00e9\\t\\x41\"", "foo|=|\\u00e9\\t\\x41")] // both read it, differently: classic wins, and keeps the unknown escapes
    [TestCase("\"a.b\"=\"\\u00e9\\t\\x41\"", "a.b|=|é\tA")]
    [TestCase("\"a.b\"=\"\\xc3\\xa9\"", "a.b|=|é")]
    public void Matchers_read_as_Alertmanager_reads_them(string text, string expected)
    {
        var result = MatcherSyntax.Parse(text);

        Assert.That(result.Error, Is.Null);
        Assert.That(string.Join(';', result.Matchers.Select(m => $"{m.Name}|{m.Operator}|{m.Value}")), Is.EqualTo(expected));
    }

    [TestCase("foo=", "foo|=|", false, Description = "an empty unquoted value is classic only")]
    [TestCase("foo=\"a\\qb\"", "foo|=|a\\qb", false, Description = "an unknown escape is literal in classic, an error in UTF-8")]
    [TestCase("foo=bar=baz", "foo|=|bar=baz", false)]
    [TestCase("foo=a\\n", "foo|=|a\n", false)]
    [TestCase("{foo=bar", "foo|=|bar", false)]
    [TestCase("foo=\"\\t\"", "foo|=|\\t", true)]
    public void Where_the_two_syntaxes_differ_the_classic_one_wins_with_a_warning(string text, string expected, bool isUtf8Too)
    {
        var result = MatcherSyntax.Parse(text);

        Assert.That(string.Join(';', result.Matchers.Select(m => $"{m.Name}|{m.Operator}|{m.Value}")), Is.EqualTo(expected));
        Assert.That(result.Warning, Is.Not.Null);
        Assert.That(MatcherSyntax.ParseUtf8(text).Error is null, Is.EqualTo(isUtf8Too));
    }

    [TestCase("foo", 2)]
    [TestCase("=bar", 0)]
    [TestCase("foo=\"bar", 4)]
    [TestCase("foo==bar", 4, Description = "classic reads the value '=bar'")]
    [TestCase("{foo=bar}}", 9)]
    [TestCase("a.b=\"x\" y=z", 8)]
    [TestCase("a.b=\"\\q\"", 5)]
    [TestCase(",", 0)]
    public void What_cannot_be_read_says_where(string text, int offset)
    {
        var error = MatcherSyntax.ParseUtf8(text).Error;

        Assert.That(error, Is.Not.Null);
        Assert.That(error!.Offset, Is.EqualTo(offset), error.Message);
    }

    [TestCase("team=~\"a(b\"", 8)]
    [TestCase("team=~a(?=b)", 7)]
    [TestCase("x=\"1\", team=~\"[z-a]\"", 15)]
    public void A_bad_regular_expression_is_shown_at_its_character(string text, int offset)
    {
        var error = MatcherSyntax.Parse(text).Error;

        Assert.That(error, Is.Not.Null);
        Assert.That(error!.IsRegex, Is.True);
        Assert.That(error.Offset, Is.EqualTo(offset), error.Message);
    }

    [TestCase("foo=\"\"", true)]
    [TestCase("foo!=\"x\"", true)]
    [TestCase("foo!~\"x\"", true)]
    [TestCase("foo=~\".*\"", true)]
    [TestCase("foo=~\"|x\"", true)]
    [TestCase("foo=\"x\"", false)]
    [TestCase("foo=~\".+\"", false)]
    [TestCase("foo!=\"\"", false)]
    public void A_missing_label_equals_the_empty_text(string text, bool matches)
    {
        Assert.That(MatcherSyntax.Parse(text).Matchers.Single().Matches(Labels.Of(("bar", "x"))), Is.EqualTo(matches));
    }

    private static readonly Gen<string> AnyText = Gen.String[Gen.OneOf(Gen.Char['a', 'z'], Gen.OneOf("\"\\\n,{}=!~ '`\té…".Select(Gen.Const).ToArray())), 0, 12];

    [Test]
    public void What_a_matcher_prints_reads_back_as_itself()
    {
        var names = Gen.OneOf(AnyText.Where(n => n.Length > 0), Gen.OneOf(new[] { "severity", "a_b:c", "service.name", "9x" }.Select(Gen.Const).ToArray()));
        Gen.Select(names, Gen.OneOf(Gen.Const("="), Gen.Const("!=")), AnyText).Sample((name, @operator, value) =>
        {
            var matcher = Matcher.TryCreate(name, @operator, value, out _)!;
            var read = MatcherSyntax.ParseUtf8(matcher.ToString());
            return read.Error is null && read.Matchers.Single().Equals(matcher);
        });
    }

    [Test]
    public void With_a_classic_name_the_default_mode_reads_it_back_too()
    {
        Gen.Select(Gen.OneOf(Gen.Const("severity"), Gen.Const("_x"), Gen.Const("a:b")), Gen.OneOf(Gen.Const("="), Gen.Const("!=")), AnyText).Sample((name, @operator, value) =>
        {
            var matcher = Matcher.TryCreate(name, @operator, value, out _)!;
            var read = MatcherSyntax.Parse(matcher + ", " + matcher);
            return read is { Error: null, Warning: null } && read.Matchers.SequenceEqual([matcher, matcher]);
        });
    }

    [Test]
    public void No_text_makes_the_reader_fail_other_than_by_an_error_inside_the_text()
    {
        Gen.String[Gen.OneOf(Gen.Char['a', 'c'], Gen.OneOf("\"\\,{}=!~ xu0(".Select(Gen.Const).ToArray())), 0, 16].Sample(text =>
        {
            var result = MatcherSyntax.Parse(text);
            return result.Error is not { } error || (error.Offset >= 0 && error.Offset <= text.Length && error.Length > 0);
        });
    }
}
