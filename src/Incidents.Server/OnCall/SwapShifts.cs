using FluentValidation;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.OnCall;

/// <summary>Somebody asks to be relieved, perhaps for a shift in return. Nothing changes until it is taken.</summary>
/// <param name="Schedule">Key of the schedule.</param>
/// <param name="Person">Key of who wants to be relieved.</param>
/// <param name="From">Beginning of what is given.</param>
/// <param name="Until">Its end.</param>
/// <param name="ReturnFrom">Beginning of what the person does in return; with <paramref name="ReturnUntil"/>, or neither.</param>
/// <param name="ReturnUntil">Its end.</param>
/// <param name="OfferedTo">Key of whom it is offered to; null: anybody.</param>
/// <param name="Reason">For others.</param>
internal sealed record RequestSwap(string Schedule, string Person, Instant From, Instant Until, Instant? ReturnFrom, Instant? ReturnUntil, string? OfferedTo, string? Reason) : ICommand<DutyAnswer<SwapRow>>;

internal sealed class RequestSwapValidator : AbstractValidator<RequestSwap>
{
    public RequestSwapValidator(IActiveConfiguration configuration, TimeProvider clock)
    {
        var people = configuration.Current.OnCall.People;
        RuleFor(c => c.Person).Must(people.ContainsKey).WithMessage("'{PropertyValue}' is not the key of a person.");
        RuleFor(c => c.OfferedTo).Must(o => o is null || people.ContainsKey(o)).WithMessage("'{PropertyValue}' is not the key of a person.")
            .Must((c, o) => o != c.Person).WithMessage("It cannot be offered to the person who asks.");
        RuleFor(c => c.Until).Must((c, until) => until > c.From).WithMessage("It must end after it begins.").Must(until => until > clock.GetCurrentInstant()).WithMessage("It would be over already.")
            .Must((c, until) => until - c.From <= CreateOverrideValidator.Longest).WithMessage("At most 366 days.");
        RuleFor(c => c.ReturnUntil).Must((c, until) => until is null == c.ReturnFrom is null).WithMessage("return_from and return_until go together.")
            .Must((c, until) => until is null || c.ReturnFrom is null || (until > c.ReturnFrom && until - c.ReturnFrom <= CreateOverrideValidator.Longest)).WithMessage("It must end after it begins, within 366 days.")
            .Must(until => until is null || until > clock.GetCurrentInstant()).WithMessage("It would be over already.");
        RuleFor(c => c.Reason).MaximumLength(500);
    }
}

internal sealed class RequestSwapHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAccess access, IActor actor, IAuditLog audit, TimeProvider clock) : ICommandHandler<RequestSwap, DutyAnswer<SwapRow>>
{
    public async ValueTask<DutyAnswer<SwapRow>> Handle(RequestSwap command, CancellationToken cancellationToken)
    {
        if (!configuration.Current.OnCall.Schedules.TryGetValue(command.Schedule, out var schedule)) return new DutyAnswer<SwapRow>.NotFound();
        if (access.WhyNotActFor(command.Person, schedule.Team) is { } why) return new DutyAnswer<SwapRow>.Forbidden(why);
        var row = new SwapRow
        {
            Id = Guid.CreateVersion7(clock.GetUtcNow()),
            Schedule = command.Schedule,
            Person = command.Person,
            GivesFrom = command.From,
            GivesUntil = command.Until,
            ReturnsFrom = command.ReturnFrom,
            ReturnsUntil = command.ReturnUntil,
            OfferedTo = command.OfferedTo,
            Reason = string.IsNullOrWhiteSpace(command.Reason) ? null : command.Reason.Trim(),
            RequestedAt = clock.GetCurrentInstant(),
            RequestedBy = actor.Name,
        };
        db.Add(row);
        audit.Add("swap.request", $"schedule/{row.Schedule}", new { id = row.Id, person = row.Person, from = row.GivesFrom, until = row.GivesUntil });
        await db.SaveChangesAsync(cancellationToken);
        return new DutyAnswer<SwapRow>.Is(row);
    }
}

/// <summary>What people do with a swap; text keys, as in the address.</summary>
internal static class SwapVerb
{
    public const string Accept = "accept";
    public const string Decline = "decline";
    public const string Withdraw = "withdraw";
}

/// <summary>Somebody takes a swap, declines it, or takes the request back.</summary>
/// <param name="Schedule">Key of the schedule.</param>
/// <param name="Id">Of the swap.</param>
/// <param name="Verb">One of <see cref="SwapVerb"/>.</param>
/// <param name="By">Key of the person who does.</param>
/// <param name="IfRevision">The revision decided on; null: whatever it is now.</param>
internal sealed record AnswerSwap(string Schedule, Guid Id, string Verb, string By, long? IfRevision) : ICommand<AnswerSwapResult>;

internal sealed class AnswerSwapValidator : AbstractValidator<AnswerSwap>
{
    public AnswerSwapValidator(IActiveConfiguration configuration) =>
        RuleFor(c => c.By).Must(configuration.Current.OnCall.People.ContainsKey).WithMessage("'{PropertyValue}' is not the key of a person.");
}

internal abstract record AnswerSwapResult
{
    private AnswerSwapResult() { }

    public sealed record Is(SwapRow Swap) : AnswerSwapResult;

    public sealed record NotFound : AnswerSwapResult;

    public sealed record Stale(long Revision) : AnswerSwapResult;

    public sealed record Impossible(string Detail) : AnswerSwapResult;

    /// <summary>The caller is not the person, nor speaks for the team; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : AnswerSwapResult;
}

internal sealed class AnswerSwapHandler(IncidentsDbContext db, IActiveConfiguration configuration, IAccess access, IAuditLog audit, TimeProvider clock) : ICommandHandler<AnswerSwap, AnswerSwapResult>
{
    public async ValueTask<AnswerSwapResult> Handle(AnswerSwap command, CancellationToken cancellationToken)
    {
        // The row lock makes two who take it at once take turns; the second is told who was first.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var row = await db.Set<SwapRow>().FromSql($"select * from shift_swaps where id = {command.Id} and schedule = {command.Schedule} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (row is null) return new AnswerSwapResult.NotFound();

        // Whoever takes a shift is called for it, so nobody takes it in another's name but who manages the schedule.
        if (access.WhyNotActFor(command.By, configuration.Current.OnCall.Schedules.GetValueOrDefault(command.Schedule)?.Team) is { } not) return new AnswerSwapResult.Forbidden(not);
        if (command.IfRevision is { } expected && expected != row.Revision) return new AnswerSwapResult.Stale(row.Revision);

        var (swap, now) = (row.ToSwap(), clock.GetCurrentInstant());
        var outcome = command.Verb switch
        {
            SwapVerb.Accept => swap.Take(command.By, now),
            SwapVerb.Decline => swap.Decline(command.By, now),
            _ when command.By != row.Person => new SwapOutcome.Impossible($"Only {row.Person} can withdraw it."),
            _ => swap.Withdraw(now),
        };
        if (outcome is SwapOutcome.Impossible(var why)) return new AnswerSwapResult.Impossible(why);
        if (outcome is not SwapOutcome.Changed(var changed)) return new AnswerSwapResult.Is(row);

        row.Become(changed);
        audit.Add($"swap.{command.Verb}", $"schedule/{row.Schedule}", new { id = row.Id, by = command.By });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new AnswerSwapResult.Is(row);
    }
}
