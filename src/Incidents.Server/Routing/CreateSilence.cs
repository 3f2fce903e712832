using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Routing;

/// <summary>Somebody wants no pages about some alerts for a time.</summary>
/// <param name="Kind">One of <see cref="SilenceKind"/>.</param>
/// <param name="Matchers">In Alertmanager's syntax; all must hold.</param>
/// <param name="Reason">Why; everybody reads it.</param>
/// <param name="StartsAt">Now when left out.</param>
/// <param name="EndsAt">Required unless it recurs.</param>
/// <param name="Minutes">Instead of <paramref name="EndsAt"/>: a length from its start.</param>
/// <param name="Windows">Only while one of these holds; for maintenance windows.</param>
/// <param name="Team">It hides this team's alerts and those of no team. Left out: the caller's only team; of every team when the caller responds in all.</param>
internal sealed record CreateSilence(
    string Kind, IReadOnlyList<string>? Matchers, string? Reason, Instant? StartsAt = null, Instant? EndsAt = null, int? Minutes = null, IReadOnlyList<WindowText>? Windows = null, string? Team = null) : ICommand<SilenceAnswer>
{
    public Instant StartAt(Instant now) => StartsAt ?? now;

    public Instant? EndAt(Instant now) => EndsAt ?? (Minutes is > 0 and <= 366 * 24 * 60 and { } minutes && Silence.IsSound(StartAt(now)) ? StartAt(now) + Duration.FromMinutes(minutes) : null);
}

internal sealed class CreateSilenceValidator : AbstractValidator<CreateSilence>
{
    public CreateSilenceValidator(IActiveConfiguration configuration, TimeProvider clock)
    {
        RuleFor(c => c.Team).Must(t => t is null || configuration.Current.TeamKeys().Contains(t, StringComparer.Ordinal)).WithErrorCode("unknown_team").WithMessage("'{PropertyValue}' is no team of routing.yaml or oncall.yaml.");
        RuleFor(c => c.Matchers).MustBeMatchers();
        RuleFor(c => c.Windows).MustBeWindows();
        RuleFor(c => c.Reason).NotEmpty().WithMessage("A reason is required: others must know why they hear nothing.").MaximumLength(1000);
        RuleFor(c => c.Minutes).InclusiveBetween(1, 366 * 24 * 60);
        RuleFor(c => c.Minutes).Null().When(c => c.EndsAt is not null).WithMessage("Give either ends_at or minutes.");
        RuleFor(c => c.EndsAt).Custom((_, context) =>
        {
            var (command, now) = (context.InstanceToValidate, clock.GetCurrentInstant());
            if (Silence.ProblemOf(command.Kind, command.StartAt(now), command.EndAt(now), command.Windows is { Count: > 0 }, now) is { } problem) context.AddFailure(problem);
        });
    }
}

internal sealed class CreateSilenceHandler(SilenceWork work, IAccess access, IActor actor, TimeProvider clock) : ICommandHandler<CreateSilence, SilenceAnswer>
{
    public async ValueTask<SilenceAnswer> Handle(CreateSilence command, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Respond, command.Team) is { } why) return new SilenceAnswer.Forbidden(why);
        var team = command.Team;
        if (team is null)
        {
            (team, var open) = access.TeamOf(Permission.Respond);
            if (open is not null) return new SilenceAnswer.NeedsTeam(open);
        }

        var now = clock.GetCurrentInstant();
        return new SilenceAnswer.Is(await work.AddAsync(new SilenceRow
        {
            Kind = command.Kind,
            Matchers = [.. MatchersRead.Of(command.Matchers, (_, _) => { }).Select(m => m.ToString())],
            Owner = actor.Name,
            Team = team,
            Reason = command.Reason!.Trim(),
            StartsAt = command.StartAt(now),
            EndsAt = command.EndAt(now),
            Windows = SilenceRow.WriteWindows(command.Windows?.ToArray()),
            CreatedAt = now,
            Revision = 1,
        }, cancellationToken), true);
    }
}
