using FluentValidation;
using Incidents.Domain.PostMortems;
using Mediator;

namespace Incidents.Server.PostMortems;

/// <summary>A person writes sections.</summary>
/// <param name="Id">Which post-mortem.</param>
/// <param name="Sections">New text by key of section; what is not named stays.</param>
/// <param name="ReadRevision">The revision the writer had read; null to write over whatever is there.</param>
/// <param name="MergeSections">True: only a change of the same section since then is a conflict. False: any change is.</param>
internal sealed record WritePostMortem(long Id, IReadOnlyDictionary<string, string> Sections, long? ReadRevision, bool MergeSections) : ICommand<PostMortemAnswer>;

internal sealed class WritePostMortemValidator : AbstractValidator<WritePostMortem>
{
    public const int LongestSection = 100_000;

    public WritePostMortemValidator()
    {
        RuleFor(c => c.Sections).NotEmpty();
        RuleForEach(c => c.Sections).Must(s => PostMortemSections.IsKey(s.Key)).WithErrorCode("unknown_section").WithMessage((_, s) => $"There is no section \"{s.Key}\"; there are {string.Join(", ", PostMortemSections.All.Select(k => k.Key))}.");
        RuleForEach(c => c.Sections).Must(s => s.Value.Length <= LongestSection).WithErrorCode("too_long").WithMessage((_, s) => $"{s.Key} may have at most {LongestSection} characters.");
        RuleForEach(c => c.Sections).Must(s => !s.Value.Contains('\0', StringComparison.Ordinal)).WithErrorCode("invalid_character").WithMessage((_, s) => $"{s.Key} contains a NUL character.");
    }
}

internal sealed class WritePostMortemHandler(PostMortemWork work) : ICommandHandler<WritePostMortem, PostMortemAnswer>
{
    public async ValueTask<PostMortemAnswer> Handle(WritePostMortem command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Id, command.MergeSections ? null : command.ReadRevision, "post_mortem.write", (postMortem, by, now) =>
        {
            // All sections or none: the first that cannot be written leaves the transaction without a commit.
            var read = command.ReadRevision ?? postMortem.Revision;
            PostMortemOutcome all = new PostMortemOutcome.AlreadySo("It says so already.");
            foreach (var (key, text) in command.Sections)
            {
                var outcome = postMortem.Write(key, text, read, by, now);
                if (outcome is PostMortemOutcome.Impossible or PostMortemOutcome.SectionChanged) return outcome;
                if (outcome is PostMortemOutcome.Changed) all = outcome;
            }

            return all;
        }, cancellationToken);
}
