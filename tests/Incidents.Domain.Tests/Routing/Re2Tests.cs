using Incidents.Domain.Routing;

namespace Incidents.Domain.Tests.Routing;

public sealed class Re2Tests
{
    [TestCase("a.c", "abc", true)]
    [TestCase("a.c", "a\nc", false)]
    [TestCase("(?s)a.c", "a\nc", true)]
    [TestCase("abc", "xabc", false)]
    [TestCase("abc", "abcx", false)]
    [TestCase("abc", "abc\n", false)]
    [TestCase("abc$", "abc\n", false)]
    [TestCase("a$\n", "a\n", false)]
    [TestCase("abc|x", "abc", true)]
    [TestCase("(?P<name>ab)+", "abab", true)]
    [TestCase("(?<name>ab)+", "abab", true)]
    [TestCase("(?P<a>x)(?P<b>y)", "xy", true)]
    [TestCase(@"\Qa.b*\E+", "a.b**", true)]
    [TestCase(@"\Qa.b\E", "axb", false)]
    [TestCase(@"\Qa.b", "a.b", true)]
    [TestCase(@"\pL+", "aé", true)]
    [TestCase(@"\pN", "a", false)]
    [TestCase(@"\PL", "1", true)]
    [TestCase(@"\p{^L}", "1", true)]
    [TestCase(@"[\pL1]+", "é1", true)]
    [TestCase(@"[^\pL]+", "é", false)]
    [TestCase("[[:alpha:]]+", "abZ", true)]
    [TestCase("[[:alpha:]]+", ":", false)]
    [TestCase("[[:^digit:]x]+", "ax", true)]
    [TestCase("[[:^digit:]]", "1", false)]
    [TestCase("[[:word:]-]+", "a_1-", true)]
    [TestCase(@"\d+", "٣", false)]
    [TestCase(@"\d+", "123", true)]
    [TestCase(@"\w+", "é", false)]
    [TestCase(@"\W", "é", true)]
    [TestCase(@"[\W]", "é", true)]
    [TestCase(@"[\D]", "1", false)]
    [TestCase(@"\s", "\u00a0", false)]
    [TestCase(@"\s", "\v", false)]
    [TestCase(@"\S", "\u00a0", true)]
    [TestCase("(?i)CRIT", "crit", true)]
    [TestCase("(?i:C)rit", "cRit", false)]
    [TestCase("(?m)a$\nb", "a\nb", true)]
    [TestCase("a{2}", "aa", true)]
    [TestCase("a{,2}", "a{,2}", true)]
    [TestCase("a{x", "a{x", true)]
    [TestCase("[a-c[x]+", "b[x", true)]
    [TestCase("[]a]+", "]a", true)]
    [TestCase("[^]a]", "b", true)]
    [TestCase("[a-]+", "a-", true)]
    [TestCase(@"\x41\x{42}\103", "ABC", true)]
    [TestCase(@"\x{1F600}+", "😀😀", true)]
    [TestCase(@"\.\-\/\_", ".-/_", true)]
    [TestCase("a #b", "a #b", true)]
    [TestCase("", "", true)]
    [TestCase("a+?", "aaa", true)]
    [TestCase(@"\Aab\z", "ab", true)]
    public void Expressions_mean_what_RE2_means(string pattern, string text, bool matches)
    {
        var regex = Re2.TryCompile(pattern, out var error);

        Assert.That(error, Is.Null);
        Assert.That(regex!.IsMatch(text), Is.EqualTo(matches));
    }

    [TestCase("a(?=b)", "look-ahead", 1)]
    [TestCase("(?!b)", "look-ahead", 0)]
    [TestCase("(?<=b)a", "look-behind", 0)]
    [TestCase("(?<!b)a", "look-behind", 0)]
    [TestCase("(?>a)", "atomic", 0)]
    [TestCase(@"(a)\1", "back-references", 3)]
    [TestCase("(?P=n)", "back-reference", 0)]
    [TestCase("(?U)a+", "flag U", 2)]
    [TestCase("(?x)a", "not a flag", 2)]
    [TestCase(@"\Z", "not an escape", 0)]
    [TestCase(@"ab\q", "not an escape", 2)]
    [TestCase(@"a\", "backslash", 1)]
    [TestCase("a(b", "not closed", 1)]
    [TestCase("a)b", "closing", 1)]
    [TestCase("x[a", "not closed", 1)]
    [TestCase("[z-a]", "backwards", 1)]
    [TestCase("[[:foo:]]", "not a known class", 1)]
    [TestCase(@"\p{Greek}", "not supported", 0)]
    [TestCase("a{1001}", "1000", 1)]
    [TestCase("*a", "nothing before", 0)]
    [TestCase("a**", "after another", 0)]
    [TestCase("[😀]", "beyond U+FFFF", 1)]
    public void What_RE2_lacks_or_cannot_be_run_faithfully_is_refused_with_its_place(string pattern, string words, int offset)
    {
        var regex = Re2.TryCompile(pattern, out var error);

        Assert.That(regex, Is.Null);
        Assert.That(error!.Message, Does.Contain(words));
        Assert.That(error.Offset, Is.EqualTo(offset));
    }

    [Test]
    public void An_expression_that_ruins_backtracking_engines_ends()
    {
        var regex = Re2.TryCompile("(a+)+b", out _);

        Assert.That(regex!.IsMatch(new string('a', 5_000)), Is.False);
    }
}
