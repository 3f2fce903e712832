using Incidents.Server.PostMortems;

namespace Incidents.Server.Tests.PostMortems;

internal sealed class PostMortemHtmlTests
{
    [TestCase(">")]
    [TestCase("- ")]
    public void Text_that_is_nested_too_deeply_is_shown_as_it_was_written(string nesting)
    {
        var html = PostMortemHtml.Fragment(string.Concat(Enumerable.Repeat(nesting, 300)) + " <b>deep</b>");

        Assert.That(html, Does.Contain("&lt;b&gt;deep&lt;/b&gt;").And.Not.Contain("<b>"));
    }
}
