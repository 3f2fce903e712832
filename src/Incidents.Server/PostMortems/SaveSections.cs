using FluentValidation;
using Incidents.Domain.PostMortems;
using Mediator;

namespace Incidents.Server.PostMortems;

/// <summary>A person saves what was typed into the page. Each section stands for itself: somebody else's change of one holds up none of the others.</summary>
internal sealed record SaveSections(long Id, IReadOnlyList<TypedSection> Sections) : ICommand<SaveSectionsAnswer>;

/// <param name="Key">Which section.</param>
/// <param name="Text">What was typed.</param>
/// <param name="ReadRevision">Revision of the section as its writer had read it.</param>
internal sealed record TypedSection(string Key, string Text, long ReadRevision);

/// <param name="Answer">As of any verb; <c>Stale</c> when nothing could be written because of conflicts.</param>
/// <param name="Written">How many sections changed: the revision grew by this.</param>
/// <param name="Conflicts">Sections that somebody else wrote meanwhile; they are as that one left them.</param>
internal sealed record SaveSectionsAnswer(PostMortemAnswer Answer, int Written, IReadOnlySet<string> Conflicts);

internal sealed class SaveSectionsValidator : AbstractValidator<SaveSections>
{
    public SaveSectionsValidator()
    {
        RuleForEach(c => c.Sections).Must(s => s.Text.Length <= WritePostMortemValidator.LongestSection).WithErrorCode("too_long").WithMessage((_, s) => $"{PostMortemSections.TitleOf(s.Key)} may have at most {WritePostMortemValidator.LongestSection} characters, and has {s.Text.Length}.");
        RuleForEach(c => c.Sections).Must(s => !s.Text.Contains('\0', StringComparison.Ordinal)).WithErrorCode("invalid_character").WithMessage((_, s) => $"{PostMortemSections.TitleOf(s.Key)} contains a NUL character.");
    }
}

internal sealed class SaveSectionsHandler(PostMortemWork work) : ICommandHandler<SaveSections, SaveSectionsAnswer>
{
    public async ValueTask<SaveSectionsAnswer> Handle(SaveSections command, CancellationToken cancellationToken)
    {
        var written = 0;
        var conflicts = new HashSet<string>();
        var answer = await work.ChangeAsync(command.Id, null, "post_mortem.write", (postMortem, by, now) =>
        {
            PostMortemOutcome all = new PostMortemOutcome.AlreadySo("It says so already.");
            foreach (var section in command.Sections)
            {
                var outcome = postMortem.Write(section.Key, section.Text, section.ReadRevision, by, now);
                if (outcome is PostMortemOutcome.Impossible) return outcome;
                if (outcome is PostMortemOutcome.SectionChanged) conflicts.Add(section.Key);
                if (outcome is PostMortemOutcome.Changed) written++;

                // One that was written decides: the conflicts are told beside it.
                if (outcome is PostMortemOutcome.Changed || (outcome is PostMortemOutcome.SectionChanged && written == 0)) all = outcome;
            }

            return all;
        }, cancellationToken);
        return new SaveSectionsAnswer(answer, written, conflicts);
    }
}
