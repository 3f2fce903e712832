using FluentValidation;
using Incidents.Domain.Routing;
using Mediator;
using NodaTime;

namespace Incidents.Server.Routing;

/// <summary>Changes a silence or maintenance window that has not ended: most often, it lasts longer. What is null stays.</summary>
internal sealed record EditSilence(
    string Kind, long Id, IReadOnlyList<string>? Matchers, string? Reason, Instant? StartsAt, Instant? EndsAt, IReadOnlyList<WindowText>? Windows, long? IfRevision = null) : ICommand<SilenceAnswer>;

internal sealed class EditSilenceValidator : AbstractValidator<EditSilence>
{
    public EditSilenceValidator()
    {
        When(c => c.Matchers is not null, () => RuleFor(c => c.Matchers).MustBeMatchers());
        RuleFor(c => c.Windows).MustBeWindows();
        When(c => c.Reason is not null, () => RuleFor(c => c.Reason).NotEmpty().MaximumLength(1000));
    }
}

internal sealed class EditSilenceHandler(SilenceWork work) : ICommandHandler<EditSilence, SilenceAnswer>
{
    public async ValueTask<SilenceAnswer> Handle(EditSilence command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Kind, command.Id, command.IfRevision, "changed", (silence, now) =>
        {
            if (silence.StateAt(now) == "ended") return new SilenceAnswer.Impossible("It has ended; make a new one.");
            var (starts, ends) = (command.StartsAt ?? silence.StartsAt, command.EndsAt ?? silence.EndsAt);
            var windows = command.Windows is null ? silence.Windows : SilenceRow.WriteWindows(command.Windows.ToArray());
            if (Silence.ProblemOf(command.Kind, starts, ends, windows is not null, now) is { } problem) return new SilenceAnswer.Impossible(problem);

            var matchers = command.Matchers is null ? silence.Matchers : [.. MatchersRead.Of(command.Matchers, (_, _) => { }).Select(m => m.ToString())];
            var reason = command.Reason?.Trim() ?? silence.Reason;
            if (starts == silence.StartsAt && ends == silence.EndsAt && windows == silence.Windows && reason == silence.Reason && matchers.SequenceEqual(silence.Matchers)) return new SilenceAnswer.Is(silence, false);
            (silence.StartsAt, silence.EndsAt, silence.Windows, silence.Matchers, silence.Reason) = (starts, ends, windows, matchers, reason);
            return null;
        }, cancellationToken);
}
