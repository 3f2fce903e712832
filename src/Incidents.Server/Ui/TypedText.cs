using Incidents.Domain.PostMortems;
using Incidents.Server.PostMortems;

namespace Incidents.Server.Ui;

/// <summary>Something a person wrote into a form that was refused. It is shown back: it may be an hour's work and is nowhere else.</summary>
/// <param name="Label">Of the field.</param>
/// <param name="Text">As it arrived.</param>
public sealed record TypedText(string Label, string Text)
{
    /// <summary>The texts of a form; none if the request has no form that can be read.</summary>
    internal static async Task<IReadOnlyList<TypedText>> OfAsync(HttpRequest request)
    {
        if (!request.HasFormContentType) return [];
        try
        {
            return Of(await request.ReadFormAsync(request.HttpContext.RequestAborted));
        }
        catch (InvalidDataException)
        {
            // Not a form after all, or one beyond every limit: nothing a page of ours sends.
            return [];
        }
    }

    internal static IReadOnlyList<TypedText> Of(IFormCollection? form) => form is null ? [] :
        [.. from field in form
            let text = field.Value.ToString()
            where !string.IsNullOrWhiteSpace(text)
            let section = field.Key.StartsWith("text.", StringComparison.Ordinal) ? field.Key["text.".Length..] : null
            where section is null ? field.Key is "text" or "reason" : PostMortemSections.IsKey(section) && SectionRead.Parse(form[$"read.{section}"].ToString()).IsTouched(text)
            select new TypedText(section is null ? "What you typed" : PostMortemSections.TitleOf(section), text)];
}
