using System.Net;
using Ganss.Xss;
using Markdig;

namespace Incidents.Server.PostMortems;

/// <summary>Markdown of people and of alerts as HTML that can do no harm: raw HTML is shown as text, and what remains is held to a list of harmless elements.</summary>
internal static class PostMortemHtml
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UsePipeTables().UseAutoLinks().DisableHtml().Build();
    private static readonly HtmlSanitizer Sanitizer = CreateSanitizer();

    /// <summary>A fragment to put into a page.</summary>
    public static string Fragment(string markdown)
    {
        try
        {
            return Sanitizer.Sanitize(Markdown.ToHtml(markdown, Pipeline));
        }
        catch (ArgumentException)
        {
            // Markdig's only word for what it refuses: nesting deeper than 128, as of a row of ">". The text must stay readable, and open for whoever would mend it.
            return $"<pre>{WebUtility.HtmlEncode(markdown)}</pre>\n";
        }
    }

    /// <summary>A document of its own.</summary>
    public static string Document(string title, string markdown) =>
        $"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{WebUtility.HtmlEncode(title)}</title>\n</head>\n<body>\n<main>\n{Fragment(markdown)}</main>\n</body>\n</html>\n";

    private static HtmlSanitizer CreateSanitizer()
    {
        var sanitizer = new HtmlSanitizer();
        sanitizer.AllowedTags.Clear();

        // No images: one in a text would tell its server who reads it.
        foreach (var tag in (string[])["a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"]) sanitizer.AllowedTags.Add(tag);
        sanitizer.AllowedAttributes.Clear();
        sanitizer.AllowedAttributes.Add("href");
        sanitizer.AllowedSchemes.Clear();
        foreach (var scheme in (string[])["http", "https", "mailto"]) sanitizer.AllowedSchemes.Add(scheme);
        sanitizer.AllowedCssProperties.Clear();
        sanitizer.PostProcessNode += (_, e) =>
        {
            if (e.Node is AngleSharp.Html.Dom.IHtmlAnchorElement link) link.SetAttribute("rel", "nofollow noopener noreferrer");
        };
        return sanitizer;
    }
}
