using System.Collections.Immutable;
using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Domain.Routing;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Routing;

/// <summary>What a verb on a silence or a maintenance window came to.</summary>
internal abstract record SilenceAnswer
{
    private SilenceAnswer() { }

    public sealed record Is(SilenceRow Silence, bool IsChanged) : SilenceAnswer;

    public sealed record NotFound(long Id) : SilenceAnswer;

    /// <summary>It changed since the caller read it.</summary>
    public sealed record Stale(long Revision) : SilenceAnswer;

    public sealed record Impossible(string Detail) : SilenceAnswer;

    /// <summary>The caller may not act on what belongs to its team; <paramref name="Why"/> is for the person who asked.</summary>
    public sealed record Forbidden(string Why) : SilenceAnswer;

    /// <summary>The caller responds in several teams and must say for which this is.</summary>
    public sealed record NeedsTeam(string Why) : SilenceAnswer;
}

/// <summary>The frame of every command on a silence: lock and load, change, save with its audit entry, commit; then this process acts on it at once and others within a second.</summary>
internal sealed class SilenceWork(IncidentsDbContext db, IAccess access, IAuditLog audit, ActiveSilences active, MuteSignal mutes, MirrorSignal mirror, IMirrorPolicy policy, TimeProvider clock)
{
    public async Task<SilenceRow> AddAsync(SilenceRow silence, CancellationToken cancellationToken)
    {
        if (policy.Covers(silence)) (silence.MirrorState, silence.MirrorDueAt) = (MirrorState.Pending, clock.GetCurrentInstant());
        else if (policy.WhyNever(silence) is { } never) (silence.MirrorState, silence.MirrorDetail) = (MirrorState.Refused, never);
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        db.Add(silence);
        await db.SaveChangesAsync(cancellationToken);
        audit.Add($"{silence.Kind}.created", silence.ToRule().Rule, Facts(silence));
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        await ActAsync(cancellationToken);
        return silence;
    }

    /// <param name="kind">Which kind it must be.</param>
    /// <param name="id">Which.</param>
    /// <param name="ifRevision">The revision the caller decided on; null when it does not care.</param>
    /// <param name="action">For the audit log, without the kind.</param>
    /// <param name="change">Changes the row. Null when it did, else the answer that nothing was changed.</param>
    /// <param name="cancellationToken">Stops it before the commit.</param>
    public async Task<SilenceAnswer> ChangeAsync(string kind, long id, long? ifRevision, string action, Func<SilenceRow, Instant, SilenceAnswer?> change, CancellationToken cancellationToken)
    {
        db.ChangeTracker.Clear();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var silence = await db.Set<SilenceRow>().FromSql($"select * from silences where id = {id} and kind = {kind} for update").AsTracking().SingleOrDefaultAsync(cancellationToken);
        if (silence is null) return new SilenceAnswer.NotFound(id);
        if ((silence.Team is { } team ? access.WhyNot(Permission.Respond, team) : access.WhyNotForAll(Permission.Respond)) is { } why) return new SilenceAnswer.Forbidden(why);
        if (ifRevision is { } expected && expected != silence.Revision) return new SilenceAnswer.Stale(silence.Revision);
        var now = clock.GetCurrentInstant();
        if (change(silence, now) is { } unchanged) return unchanged;

        silence.Revision++;
        if (silence.UpstreamId is not null || policy.Covers(silence)) (silence.MirrorState, silence.MirrorDueAt, silence.MirrorAttempts) = (MirrorState.Pending, now, 0);
        audit.Add($"{kind}.{action}", silence.ToRule().Rule, Facts(silence));
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        await ActAsync(cancellationToken);
        return new SilenceAnswer.Is(silence, true);
    }

    private async Task ActAsync(CancellationToken cancellationToken)
    {
        // The very next webhook here must know of it.
        await db.Database.OpenConnectionAsync(cancellationToken);
        await active.RefreshAsync((NpgsqlConnection)db.Database.GetDbConnection(), clock.GetCurrentInstant(), cancellationToken);
        await db.Database.CloseConnectionAsync();
        mutes.Raise();
        mirror.Raise();
    }

    private static object Facts(SilenceRow silence) => new { silence.Team, silence.Matchers, silence.Reason, silence.StartsAt, silence.EndsAt, Recurs = silence.Windows is not null, silence.EndedBy };
}

/// <summary>Reads matchers as people write them.</summary>
internal static class MatchersRead
{
    private const int Most = 32;

    /// <summary>Each text may hold several conditions. Reports everything that is wrong by its place.</summary>
    public static ImmutableArray<Matcher> Of(IReadOnlyList<string>? texts, Action<int, string> report)
    {
        var read = ImmutableArray.CreateBuilder<Matcher>();
        for (var i = 0; i < (texts?.Count ?? 0); i++)
        {
            if (texts![i] is not { Length: <= 2000 } text)
            {
                report(i, "A matcher has at most 2000 characters.");
                continue;
            }

            var result = MatcherSyntax.Parse(text);
            if (result.Error is { } error) report(i, $"{error.Message} (at character {error.Offset + 1}). Write label=\"value\" with one of =, !=, =~, !~.");
            else read.AddRange(result.Matchers);
        }

        if (read.Count > Most) report(0, $"At most {Most} matchers.");
        return read.ToImmutable();
    }

    public static void MustBeMatchers<T>(this IRuleBuilderInitial<T, IReadOnlyList<string>?> rule) => rule.Custom((texts, context) =>
    {
        var isSound = true;
        var read = Of(texts, (i, message) =>
        {
            isSound = false;
            context.AddFailure(new FluentValidation.Results.ValidationFailure($"{context.PropertyPath}[{i}]", message) { ErrorCode = "invalid_matcher" });
        });
        if (isSound && Silence.ProblemOf(read) is { } problem) context.AddFailure(new FluentValidation.Results.ValidationFailure(context.PropertyPath, problem) { ErrorCode = "invalid_matcher" });
    });

    public static void MustBeWindows<T>(this IRuleBuilderInitial<T, IReadOnlyList<WindowText>?> rule) => rule.Custom((windows, context) =>
    {
        if (windows?.Count > 20) context.AddFailure("At most 20 windows.");
        for (var i = 0; i < Math.Min(windows?.Count ?? 0, 20); i++)
        {
            if (windows![i] is null) context.AddFailure($"{context.PropertyPath}[{i}]", "A window is an object.");
            else windows[i].Read(message => context.AddFailure(new FluentValidation.Results.ValidationFailure($"{context.PropertyPath}[{i}]", message) { ErrorCode = "invalid_window" }));
        }
    });
}

/// <summary>Silences wait to be mirrored.</summary>
internal sealed class MirrorSignal : WorkSignal;

/// <summary>Which silences Alertmanager is told of.</summary>
internal interface IMirrorPolicy
{
    bool Covers(SilenceRow silence);

    /// <summary>Why Alertmanager is not told of one that people may expect there; null when nothing is to be said.</summary>
    string? WhyNever(SilenceRow silence);
}
