using System.Collections.Immutable;
using System.Globalization;
using FluentValidation;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.OnCall;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using NodaTime.Text;
using Npgsql;

namespace Incidents.Server.Ui;

/// <summary>The page of who is on call: now, the next two weeks, holes, and a form by which somebody takes it.</summary>
internal static class OnCallPages
{
    private static readonly Duration Shown = Duration.FromDays(14);
    private static readonly LocalDateTimePattern FormTime = LocalDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd'T'HH:mm");

    public static void MapOnCallPages(this WebApplication app)
    {
        var page = app.MapGroup("/on-call").ExcludeFromDescription();
        page.MapGet("", (HttpContext http, DutyBooks books, IActiveConfiguration configuration, NpgsqlDataSource database, TimeProvider clock, CancellationToken stop) => ShowAsync(http, books, configuration, database, clock, 200, null, null, stop)).RequireAuthorization(Scopes.Read);
        page.MapGet("/overrides", () => SignIn.SeeOther("/on-call")).RequireAuthorization(Scopes.Read);
        page.MapPost("/overrides", TakeAsync).RequireFormToken().RequireAuthorization(Scopes.Respond);
    }

    private static async Task<IResult> TakeAsync(HttpContext http, DutyBooks books, IActiveConfiguration configuration, NpgsqlDataSource database, ISender sender, TimeProvider clock, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var typed = new OverrideTyped(form["schedule"].ToString(), form["person"].ToString(), form["from"].ToString(), form["until"].ToString(), form["replaces"].ToString(), form["reason"].ToString());
        Task<IResult> Refused(int status, string problem) => ShowAsync(http, books, configuration, database, clock, status, problem, typed, cancellationToken);

        var now = clock.GetCurrentInstant();
        var roster = (await books.ReadAsync(now, now, cancellationToken)).Roster;
        if (!roster.Schedules.TryGetValue(typed.Schedule, out var schedule)) return await Refused(400, "Choose a schedule.");
        if (!TryRead(typed.Until, schedule.Zone, out var until)) return await Refused(400, "Write until when, as 2026-01-31T09:00.");
        var from = now;
        if (typed.From.Length > 0 && !TryRead(typed.From, schedule.Zone, out from)) return await Refused(400, "Write from when, as 2026-01-31T09:00, or leave it empty for now.");
        try
        {
            return await sender.Send(new CreateOverride(schedule.Key, from, until, [typed.Person], typed.Replaces.Length == 0 ? null : typed.Replaces, typed.Reason), cancellationToken) switch
            {
                DutyAnswer<OverrideRow>.Is => SignIn.SeeOther("/on-call"),
                DutyAnswer<OverrideRow>.Forbidden(var why) => await Refused(403, why),
                _ => await Refused(409, "The schedule is gone."),
            };
        }
        catch (ValidationException invalid)
        {
            return await Refused(400, string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage)));
        }
    }

    /// <summary>What a form says is on the clock of the schedule; a time that the clock repeats is its first, one that it skips is the jump.</summary>
    private static bool TryRead(string text, DateTimeZone zone, out Instant at)
    {
        var parsed = FormTime.Parse(text.Length > 16 ? text[..16] : text);
        at = parsed.Success ? DutyClock.At(parsed.Value, zone) : default;
        return parsed.Success;
    }

    private static async Task<IResult> ShowAsync(HttpContext http, DutyBooks books, IActiveConfiguration configuration, NpgsqlDataSource database, TimeProvider clock, int status, string? problem, OverrideTyped? typed, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var book = await books.ReadAsync(now, now + WhoIsOnCall.LookAhead, cancellationToken);
        Instant? checkedAt;
        ImmutableArray<HoleShown> holes;
        await using (var connection = await database.OpenConnectionAsync(cancellationToken)) (_, checkedAt, holes) = await WatchCoverage.ReadAsync(connection, cancellationToken);

        var view = new OnCallView
        {
            Schedules = [.. book.Roster.Schedules.Values.OrderBy(s => s.Name, StringComparer.OrdinalIgnoreCase).Select(s => Of(s, book, now))],
            People = [.. book.Roster.People.Values.OrderBy(p => p.Name, StringComparer.OrdinalIgnoreCase).Select(p => (p.Key, p.Name))],
            CheckedAt = checkedAt is { } at ? Time(at, DateTimeZone.Utc).Text + " UTC" : null,
            Holes = [.. holes.Where(h => h.Until > now).Take(20).Select(h => new OnCallHole(Time(h.From, DateTimeZone.Utc), Time(h.Until, DateTimeZone.Utc), $"{h.Severity} on route {h.Route}", h.Detail))],
            WithoutPolicy = [.. CoverageQuestions.WithoutPolicy(configuration.Current.Routing.Describe()).GroupBy(q => q.Route).Select(q => $"{string.Join(" and ", q.Select(r => r.Severity))} on route {q.Key}")],
            Problem = problem,
            Typed = typed ?? new OverrideTyped("", "", "", "", "", ""),
        };
        return Pages.Show<OnCallPage>(http, status, new() { [nameof(OnCallPage.Frame)] = Pages.Frame(http, "On call"), [nameof(OnCallPage.View)] = view });
    }

    private static OnCallSchedule Of(Schedule schedule, DutyBook book, Instant now)
    {
        var who = WhoIsOnCall.Of(schedule, book, now);
        return new OnCallSchedule(
            schedule.Key, schedule.Name, schedule.Zone.Id, Names(who.People), who.IsGap, Because(who.People), who.Until is { } until ? Time(until, schedule.Zone) : null,
            who.Next is { } next ? (Names(next.People), Time(next.From, schedule.Zone)) : null,
            [.. ScheduleCalculator.Shifts(schedule, [.. book.Overrides], new Interval(now, now + Shown)).Select(s => ShiftShown.Of(s, book.Roster)).Select(s => new OnCallShift(Time(s.From, schedule.Zone), Time(s.Until, schedule.Zone), Names(s.People), Because(s.People), s.IsGap))], schedule.Team);
    }

    private static string Names(ImmutableArray<OnDutyShown> people) => people.IsEmpty ? "Nobody" : string.Join(" and ", people.Select(p => p.Name));

    private static string Because(ImmutableArray<OnDutyShown> people) => string.Join(", ", people.Select(p => p.Because.StartsWith("override", StringComparison.Ordinal) ? "override" : p.Because).Distinct());

    private static OnCallTime Time(Instant at, DateTimeZone zone) => new(InstantPattern.ExtendedIso.Format(at), at.InZone(zone).ToString("ddd d MMM HH:mm", CultureInfo.InvariantCulture));
}
