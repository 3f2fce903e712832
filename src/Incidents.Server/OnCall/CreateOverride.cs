using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.OnCall;

/// <summary>Somebody takes a schedule, or somebody's place in it, for a while.</summary>
/// <param name="Schedule">Key of the schedule.</param>
/// <param name="From">When it begins; the past is now, for what has been stays as it was.</param>
/// <param name="Until">When it ends.</param>
/// <param name="People">Keys of those who are on call then, all of them together.</param>
/// <param name="Replaces">Only this person's place is taken; null: theirs alone is on call.</param>
/// <param name="Reason">For others.</param>
internal sealed record CreateOverride(string Schedule, Instant From, Instant Until, IReadOnlyList<string> People, string? Replaces, string? Reason) : ICommand<DutyAnswer<OverrideRow>>;

/// <summary>What a change of who is on call came to.</summary>
internal abstract record DutyAnswer<TRow>
{
    private DutyAnswer() { }

    public sealed record Is(TRow Row) : DutyAnswer<TRow>;

    /// <summary>There is no such schedule, or nothing of it has this id.</summary>
    public sealed record NotFound : DutyAnswer<TRow>;

    /// <summary>The caller may not; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : DutyAnswer<TRow>;
}

internal sealed class CreateOverrideValidator : AbstractValidator<CreateOverride>
{
    public static readonly Duration Longest = Duration.FromDays(366);

    public CreateOverrideValidator(IActiveConfiguration configuration, TimeProvider clock)
    {
        var people = configuration.Current.OnCall.People;
        RuleFor(c => c.People).NotEmpty().WithMessage("Name somebody: an override can never make a gap.").Must(p => p.Count <= 50).WithMessage("At most 50 people.");
        RuleForEach(c => c.People).Must(p => p is not null && people.ContainsKey(p)).WithMessage("'{PropertyValue}' is not the key of a person.");
        RuleFor(c => c.Replaces).Must(r => r is null || people.ContainsKey(r)).WithMessage("'{PropertyValue}' is not the key of a person.");
        RuleFor(c => c.Until).Must((c, until) => until > c.From).WithMessage("It must end after it begins.")
            .Must(until => until > clock.GetCurrentInstant()).WithMessage("It would be over already.")
            .Must((c, until) => until - c.From <= Longest).WithMessage("At most 366 days; for longer, edit oncall.yaml.");
        RuleFor(c => c.Reason).MaximumLength(500);
    }
}

internal sealed partial class CreateOverrideHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAccess access, IActor actor, IAuditLog audit, TimeProvider clock, ILogger<CreateOverrideHandler> log) : ICommandHandler<CreateOverride, DutyAnswer<OverrideRow>>
{
    public async ValueTask<DutyAnswer<OverrideRow>> Handle(CreateOverride command, CancellationToken cancellationToken)
    {
        if (!configuration.Current.OnCall.Schedules.TryGetValue(command.Schedule, out var schedule)) return new DutyAnswer<OverrideRow>.NotFound();
        if (access.WhyNot(Permission.Respond, schedule.Team) is { } why) return new DutyAnswer<OverrideRow>.Forbidden(why);
        var now = clock.GetCurrentInstant();
        var row = new OverrideRow
        {
            Id = Guid.CreateVersion7(clock.GetUtcNow()),
            Schedule = command.Schedule,
            StartsAt = Instant.Max(command.From, now),
            EndsAt = command.Until,
            People = [.. command.People.Distinct(StringComparer.Ordinal)],
            Replaces = command.Replaces,
            Reason = string.IsNullOrWhiteSpace(command.Reason) ? null : command.Reason.Trim(),
            CreatedAt = now,
            CreatedBy = actor.Name,
        };
        db.Add(row);
        audit.Add("override.create", $"schedule/{row.Schedule}", new { id = row.Id, from = row.StartsAt, until = row.EndsAt, people = row.People, replaces = row.Replaces });
        await db.SaveChangesAsync(cancellationToken);
        LogMade(row.Id, row.Schedule);
        return new DutyAnswer<OverrideRow>.Is(row);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Override {OverrideId} of schedule {Schedule} was made")]
    private partial void LogMade(Guid overrideId, string schedule);
}
