using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.OnCall;

/// <summary>The REST face of people and schedules.</summary>
internal static class OnCallEndpoints
{
    private const int MostListed = 1000;
    private static readonly Duration LongestRange = Duration.FromDays(400);
    private static readonly Instant Earliest = Instant.FromUtc(2000, 1, 1, 0, 0);
    private static readonly Instant Latest = Instant.FromUtc(2100, 1, 1, 0, 0);

    public static void MapOnCallApi(this WebApplication app)
    {
        var onCall = app.MapGroup("/api/v1/on-call").WithTags("On call");
        onCall.MapGet("", WhoAsync).RequireAuthorization(Scopes.Read).WithName("WhoIsOnCall").WithSummary("Who is on call in each schedule, why, until when, and who is next").Produces<Page<WhoIsOnCall>>();
        onCall.MapGet("coverage", async (CheckCoverage coverage, CancellationToken stop) => TypedResults.Ok(await coverage.RunAsync(stop))).RequireAuthorization(Scopes.Read).WithName("CheckCoverage")
            .WithSummary("Is a person reached in time, whenever an incident begins in the next 90 days?").WithDescription("Calculated now, for every route and severity that names an escalation policy. Each hole has its first moment and the reason.");
        onCall.MapGet("export", async (ISender sender, CancellationToken stop) => Results.Text(await sender.Send(new ExportOverrides(), stop), "application/yaml", Encoding.UTF8)).RequireAuthorization(Scopes.Read)
            .WithName("ExportOverrides").WithSummary("Overrides and swaps that count or will, as YAML").Produces<string>(200, "application/yaml");

        var schedules = app.MapGroup("/api/v1/schedules").WithTags("On call");
        schedules.MapGet("", (IActiveConfiguration configuration) => Page.Whole<ScheduleShown>([.. configuration.Current.OnCall.Schedules.Values.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => Shown(s, configuration.Current, null))]))
            .RequireAuthorization(Scopes.Read).WithName("ListSchedules").WithSummary("Schedules, as oncall.yaml has them");
        schedules.MapGet("{key}", GetScheduleAsync).RequireAuthorization(Scopes.Read).WithName("GetSchedule").WithSummary("One schedule, and how the calendar it is read from is").Produces<ScheduleShown>().WithNoSchedule();
        schedules.MapGet("{key}/shifts", ShiftsAsync).RequireAuthorization(Scopes.Read).WithName("ListShifts").WithSummary("The final schedule over a range: layers, calendar, swaps and overrides laid on each other")
            .WithDescription("Shift after shift without a hole; a gap is a shift with nobody. At most 400 days; the default is the next two weeks.").Produces<Page<ShiftShown>>().WithNoSchedule();

        schedules.MapGet("{key}/overrides", ListOverridesAsync).RequireAuthorization(Scopes.Read).WithName("ListOverrides").WithSummary("Overrides that touch a range, the earliest first").Produces<Page<OverrideShown>>().WithNoSchedule();
        schedules.MapPost("{key}/overrides", CreateOverrideAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("CreateOverride").WithSummary("Somebody else has it for a while")
            .WithDescription("Of several overrides the one made last wins. What begins in the past begins now.").Produces<OverrideShown>(201).WithNoSchedule().WithNotAllowed();
        schedules.MapGet("{key}/overrides/{id:guid}", GetOverrideAsync).RequireAuthorization(Scopes.Read).WithName("GetOverride").WithSummary("One override").Produces<OverrideShown>().WithNoOverride();
        schedules.MapDelete("{key}/overrides/{id:guid}", async (string key, Guid id, ISender sender, CancellationToken stop) => await sender.Send(new CancelOverride(key, id), stop) switch
            {
                DutyAnswer<OverrideRow>.Is => Results.NoContent(),
                DutyAnswer<OverrideRow>.Forbidden(var why) => NotAllowed(why),
                _ => NoOverride(id),
            })
            .RequireAuthorization(Scopes.Respond).WithName("CancelOverride").WithSummary("An override counts no longer from now on").WithDescription("Safe to repeat. What was before stays as it was.").Produces(204).WithNoOverride().WithNotAllowed();

        schedules.MapGet("{key}/swaps", ListSwapsAsync).RequireAuthorization(Scopes.Read).WithName("ListSwaps").WithSummary("Shift swaps that are not over").Produces<Page<SwapShown>>().WithNoSchedule();
        schedules.MapPost("{key}/swaps", RequestSwapAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("RequestSwap").WithSummary("Somebody asks to be relieved")
            .WithDescription("Whoever is signed in as a user asks for oneself; for somebody else, whoever manages the schedule's team.").Produces<SwapShown>(201).WithNoSchedule().WithNotAllowed();
        schedules.MapGet("{key}/swaps/{id:guid}", GetSwapAsync).RequireAuthorization(Scopes.Read).WithName("GetSwap").WithSummary("One swap").Produces<SwapShown>().WithNoSwap();
        foreach (var (verb, name, summary) in new[] { (SwapVerb.Accept, "AcceptSwap", "Somebody takes it: from now on it counts"), (SwapVerb.Decline, "DeclineSwap", "The person it was offered to will not"), (SwapVerb.Withdraw, "WithdrawSwap", "The request is taken back") })
        {
            schedules.MapPost($"{{key}}/swaps/{{id:guid}}/{verb}", (string key, Guid id, SwapBy? body, HttpContext http, IAccess access, ISender sender, CancellationToken stop) => AnswerSwapAsync(key, id, verb, body, http, access, sender, stop))
                .RequireAuthorization(Scopes.Respond).WithIdempotency().WithName(name).WithSummary(summary).WithDescription("Safe to repeat. Whoever is signed in as a user does it for oneself; for somebody else, whoever manages the schedule's team.").Produces<SwapShown>().WithNoSwap().WithNotAllowed()
                .WithProblem(409, "impossible_transition", "Not possible as things are; the detail says why.").WithProblem(412, "precondition_failed", "The entity tag in If-Match is not the current one.");
        }

        Calendar(schedules, CalendarLinks.OfSchedule, "Schedule", (roster, key) => roster.Schedules.ContainsKey(key), NoSchedule, (key, book, span, now) =>
            ShiftCalendar.OfSchedule(book.Roster.Schedules[key], [.. book.Overrides], book.Roster, span.Start, span.End, now));

        var people = app.MapGroup("/api/v1/people").WithTags("On call");
        people.MapGet("", (IActiveConfiguration configuration) => Page.Whole<PersonShown>([.. configuration.Current.OnCall.People.Values.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => PersonShown.Of(p, configuration.Current.Reach))]))
            .RequireAuthorization(Scopes.Read).WithName("ListPeople").WithSummary("Everybody who can be on call, without secrets");
        people.MapGet("{key}", (string key, IActiveConfiguration configuration) => configuration.Current.OnCall.People.TryGetValue(key, out var person) ? Results.Ok(PersonShown.Of(person, configuration.Current.Reach)) : NoPerson(key))
            .RequireAuthorization(Scopes.Read).WithName("GetPerson").WithSummary("One person").Produces<PersonShown>().WithNoPerson();
        Calendar(people, CalendarLinks.OfPerson, "Person", (roster, key) => roster.People.ContainsKey(key), NoPerson, (key, book, span, now) =>
            ShiftCalendar.OfPerson(book.Roster.People[key], book.Roster.Schedules.Values.OrderBy(s => s.Key, StringComparer.Ordinal), [.. book.Overrides], book.Roster, span.Start, span.End, now));

        var policies = app.MapGroup("/api/v1/escalation-policies").RequireAuthorization(Scopes.Read).WithTags("On call");
        policies.MapGet("", (IActiveConfiguration configuration) => Page.Whole<PolicyShown>([.. configuration.Current.OnCall.Policies.Values.OrderBy(p => p.Key, StringComparer.Ordinal).Select(PolicyShown.Of)]))
            .WithName("ListEscalationPolicies").WithSummary("Escalation policies, as oncall.yaml has them");
        policies.MapGet("{key}", (string key, IActiveConfiguration configuration) => configuration.Current.OnCall.Policies.TryGetValue(key, out var policy) ? Results.Ok(PolicyShown.Of(policy)) : ApiProblem.NotFound("policy_not_found", $"There is no escalation policy {Quoted(key)}."))
            .WithName("GetEscalationPolicy").WithSummary("One escalation policy").Produces<PolicyShown>().WithProblem(404, "policy_not_found", "There is no such escalation policy.");
    }

    /// <summary>The feed, its secret address, and how that is ended.</summary>
    private static void Calendar(RouteGroupBuilder group, string kind, string name, Func<Roster, string, bool> exists, Func<string, ApiProblem> missing, Func<string, DutyBook, Interval, Instant, string> write)
    {
        group.MapGet("{key}/calendar.ics", async (string key, string? token, HttpContext http, CalendarLinks links, DutyBooks books, TimeProvider clock, CancellationToken stop) =>
            {
                // Whoever may not see it is not told whether it is there.
                if (!(token is null ? Scopes.Covers(http.User, Scopes.Read) : await links.IsGoodAsync(kind, key, token, stop)))
                    return token is null ? ApiProblem.Unauthorized("missing_credentials", "Send an API key, or use the address from calendar-url.") : ApiProblem.Forbidden("invalid_token", "This address is not good, or not any more; ask for a new one.");
                var now = clock.GetCurrentInstant();
                var span = new Interval(now - Duration.FromDays(30), now + Duration.FromDays(180));
                var book = await books.ReadAsync(span.Start - Duration.FromDays(367), span.End, stop);
                if (!exists(book.Roster, key)) return missing(key);
                http.Response.Headers.CacheControl = "private, max-age=300";
                return Results.Text(write(key, book, span, now), "text/calendar", Encoding.UTF8);
            })
            .AllowAnonymous().WithName($"Get{name}Calendar").WithSummary("Shifts as iCalendar (RFC 5545)").WithDescription("With a key of scope read, or by the secret address that calendar-url gives. A month back and half a year ahead.")
            .Produces<string>(200, "text/calendar").WithProblem(401, "missing_credentials", "Neither a key nor a token was sent.").WithProblem(403, "invalid_token", "The token is not good, or was ended.");
        group.MapGet("{key}/calendar-url", async (string key, HttpContext http, IActiveConfiguration configuration, IOptions<EngineOptions> options, CalendarLinks links, CancellationToken stop) =>
            {
                if (!exists(configuration.Current.OnCall, key)) return missing(key);
                http.Response.Headers.CacheControl = "no-store";
                var home = options.Value.PublicUrl ?? new Uri($"{http.Request.Scheme}://{http.Request.Host}");
                var token = await links.MakeAsync(kind, key, stop);
                return Results.Ok(new CalendarUrlShown(new Uri(home, $"/api/v1/{(kind == CalendarLinks.OfPerson ? "people" : "schedules")}/{Uri.EscapeDataString(key)}/calendar.ics?token={token}").AbsoluteUri));
            })
            .RequireAuthorization(Scopes.Read).WithName($"Get{name}CalendarUrl").WithSummary("The secret address of the calendar, for programs that cannot send a key")
            .Produces<CalendarUrlShown>().WithProblem(404, $"{kind}_not_found", $"There is no such {kind}.");
        group.MapPost("{key}/calendar-url/renew", async (string key, IActiveConfiguration configuration, ISender sender, CancellationToken stop) =>
            {
                if (!exists(configuration.Current.OnCall, key)) return missing(key);
                return await sender.Send(new RenewCalendarLink(kind, key), stop) is { } why ? NotAllowed(why) : Results.NoContent();
            })
            .RequireAuthorization(Scopes.Respond).WithName($"Renew{name}CalendarUrl").WithSummary("End every secret address of this calendar given out so far")
            .Produces(204).WithProblem(404, $"{kind}_not_found", $"There is no such {kind}.").WithNotAllowed();
    }

    private static async Task<IResult> WhoAsync([FromQuery, Description("RFC 3339; default now.")] string? at, DutyBooks books, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!TryTime("at", at, clock.GetCurrentInstant(), out var when, out var problem)) return problem!;
        var book = await books.ReadAsync(when, when + WhoIsOnCall.LookAhead, cancellationToken);
        return TypedResults.Ok(Page.Whole<WhoIsOnCall>([.. book.Roster.Schedules.Values.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => WhoIsOnCall.Of(s, book, when))]));
    }

    private static async Task<IResult> GetScheduleAsync(string key, IActiveConfiguration configuration, IncidentsDbContext db, TimeProvider clock, CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        if (!current.OnCall.Schedules.TryGetValue(key, out var schedule)) return NoSchedule(key);
        if (!current.Calendars.TryGetValue(key, out var source)) return TypedResults.Ok(Shown(schedule, current, null));
        var feed = source.Text is null ? await FeedAsync(source, db, cancellationToken) : null;
        var now = clock.GetCurrentInstant();
        var shifts = (source.Text ?? feed?.Body) is { } text ? CalendarImport.Parse(text, out _)?.Shifts(schedule, current.OnCall, now, now + Coverage.Horizon) : null;
        var problem = source.Url is "" ? "the variable or file that url refers to is absent" : feed?.Problem ?? (shifts?.Problem is { } why ? $"the calendar {why}" : null);
        return TypedResults.Ok(Shown(schedule, current, new CalendarStateShown(feed?.FetchedAt, problem, shifts?.Unknown ?? [])));
    }

    private static async Task<CalendarFeedRow?> FeedAsync(CalendarSource source, IncidentsDbContext db, CancellationToken cancellationToken)
    {
        var address = ImportedCalendars.HashOf(source.Url!);
        return await db.Set<CalendarFeedRow>().AsNoTracking().SingleOrDefaultAsync(f => f.Schedule == source.Schedule && f.Source == address, cancellationToken);
    }

    private static ScheduleShown Shown(Schedule schedule, EngineConfiguration configuration, CalendarStateShown? calendar) =>
        new(schedule.Key, schedule.Name, schedule.Zone.Id, [.. schedule.Layers.Select(l => LayerShown.Of(l, schedule.Zone))], configuration.Calendars.ContainsKey(schedule.Key), calendar, schedule.Team);

    private static async Task<IResult> ShiftsAsync(string key, [FromQuery, Description("RFC 3339; default now.")] string? from, [FromQuery, Description("RFC 3339; default two weeks after from.")] string? to, DutyBooks books, IActiveConfiguration configuration, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!configuration.Current.OnCall.Schedules.ContainsKey(key)) return NoSchedule(key);
        if (!TryRange(from, to, Duration.FromDays(14), clock, out var range, out var problem)) return problem!;
        var book = await books.ReadAsync(range.Start, range.End, cancellationToken);
        return book.Roster.Schedules.TryGetValue(key, out var schedule)
            ? TypedResults.Ok(Page.Whole<ShiftShown>([.. ScheduleCalculator.Shifts(schedule, [.. book.Overrides], range).Select(s => ShiftShown.Of(s, book.Roster))]))
            : NoSchedule(key);
    }

    private static async Task<IResult> ListOverridesAsync(string key, [FromQuery, Description("RFC 3339; default now.")] string? from, [FromQuery, Description("RFC 3339; default 90 days after from.")] string? to, IActiveConfiguration configuration, IncidentsDbContext db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!configuration.Current.OnCall.Schedules.ContainsKey(key)) return NoSchedule(key);
        if (!TryRange(from, to, Duration.FromDays(90), clock, out var range, out var problem)) return problem!;
        var (start, end) = (range.Start, range.End);
        var rows = await db.Set<OverrideRow>().AsNoTracking().Where(o => o.Schedule == key && o.EndsAt > start && o.StartsAt < end && (o.CancelledAt == null || o.CancelledAt > o.StartsAt))
            .OrderBy(o => o.StartsAt).ThenBy(o => o.Id).Take(MostListed).ToListAsync(cancellationToken);
        return TypedResults.Ok(Page.Whole<OverrideShown>([.. rows.Select(OverrideShown.Of)]));
    }

    private static async Task<IResult> CreateOverrideAsync(string key, OverrideWanted body, ISender sender, TimeProvider clock, CancellationToken cancellationToken) =>
        await sender.Send(new CreateOverride(key, body.From ?? clock.GetCurrentInstant(), body.Until, body.People, body.Replaces, body.Reason), cancellationToken) switch
        {
            DutyAnswer<OverrideRow>.Is(var made) => TypedResults.Created($"/api/v1/schedules/{Uri.EscapeDataString(key)}/overrides/{made.Id}", OverrideShown.Of(made)),
            DutyAnswer<OverrideRow>.Forbidden(var why) => NotAllowed(why),
            _ => NoSchedule(key),
        };

    private static async Task<IResult> GetOverrideAsync(string key, Guid id, IncidentsDbContext db, CancellationToken cancellationToken) =>
        await db.Set<OverrideRow>().AsNoTracking().SingleOrDefaultAsync(o => o.Id == id && o.Schedule == key, cancellationToken) is { } row ? TypedResults.Ok(OverrideShown.Of(row)) : NoOverride(id);

    private static async Task<IResult> ListSwapsAsync(string key, IActiveConfiguration configuration, IncidentsDbContext db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!configuration.Current.OnCall.Schedules.ContainsKey(key)) return NoSchedule(key);
        var now = clock.GetCurrentInstant();
        var rows = await db.Set<SwapRow>().AsNoTracking().Where(s => s.Schedule == key && (s.GivesUntil > now || s.ReturnsUntil > now)).OrderBy(s => s.GivesFrom).ThenBy(s => s.Id).Take(MostListed).ToListAsync(cancellationToken);
        return TypedResults.Ok(Page.Whole<SwapShown>([.. rows.Select(SwapShown.Of)]));
    }

    private static async Task<IResult> RequestSwapAsync(string key, SwapWanted body, HttpContext http, IAccess access, ISender sender, CancellationToken cancellationToken)
    {
        if ((body.Person ?? access.Person) is not { } person) return ApiProblem.Validation("/person", "required", Nobody);
        switch (await sender.Send(new RequestSwap(key, person, body.From, body.Until, body.ReturnFrom, body.ReturnUntil, body.OfferedTo, body.Reason), cancellationToken))
        {
            case DutyAnswer<SwapRow>.Is(var made):
                ETags.Set(http, made.Revision);
                return TypedResults.Created($"/api/v1/schedules/{Uri.EscapeDataString(key)}/swaps/{made.Id}", SwapShown.Of(made));
            case DutyAnswer<SwapRow>.Forbidden(var why):
                return NotAllowed(why);
            default:
                return NoSchedule(key);
        }
    }

    private static async Task<IResult> GetSwapAsync(string key, Guid id, HttpContext http, IncidentsDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Set<SwapRow>().AsNoTracking().SingleOrDefaultAsync(s => s.Id == id && s.Schedule == key, cancellationToken) is not { } row) return NoSwap(id);
        return ETags.NotModified(http, row.Revision) ?? TypedResults.Ok(SwapShown.Of(row));
    }

    private static async Task<IResult> AnswerSwapAsync(string key, Guid id, string verb, SwapBy? body, HttpContext http, IAccess access, ISender sender, CancellationToken cancellationToken)
    {
        if ((body?.By ?? access.Person) is not { } by) return ApiProblem.Validation("/by", "required", Nobody);
        switch (await sender.Send(new AnswerSwap(key, id, verb, by, IfMatch.Read(http)), cancellationToken))
        {
            case AnswerSwapResult.Is(var swap):
                ETags.Set(http, swap.Revision);
                return TypedResults.Ok(SwapShown.Of(swap));
            case AnswerSwapResult.NotFound:
                return NoSwap(id);
            case AnswerSwapResult.Stale(var revision):
                return ApiProblem.PreconditionFailed(ETags.For(revision));
            case AnswerSwapResult.Impossible(var detail):
                return ApiProblem.Conflict("impossible_transition", detail);
            case AnswerSwapResult.Forbidden(var why):
                return NotAllowed(why);
            default:
                throw new UnreachableException();
        }
    }

    private static bool TryRange(string? from, string? to, Duration otherwise, TimeProvider clock, out Interval range, out ApiProblem? problem)
    {
        range = default;
        if (!TryTime("from", from, clock.GetCurrentInstant(), out var start, out problem) || !TryTime("to", to, start + otherwise, out var end, out problem)) return false;
        if (end <= start) problem = ApiProblem.Validation("?to", "out_of_range", "to must be after from.");
        else if (end - start > LongestRange) problem = ApiProblem.Validation("?to", "out_of_range", "At most 400 days at once.");
        else range = new Interval(start, end);
        return problem is null;
    }

    private static bool TryTime(string name, string? text, Instant otherwise, out Instant at, out ApiProblem? problem)
    {
        (at, problem) = (otherwise, null);
        if (string.IsNullOrEmpty(text)) return true;
        if (!Rfc3339.TryRead(text, out at)) problem = ApiProblem.Validation($"?{name}", "invalid_time", "A time must be RFC 3339, such as 2026-01-31T08:30:00Z.");
        else if (at < Earliest || at > Latest) problem = ApiProblem.Validation($"?{name}", "out_of_range", "A time must be from 2000 to 2100.");
        return problem is null;
    }

    // What is shown back is what the caller typed, at a length that is no trouble.
    private static string Quoted(string key) => Domain.Alerts.AlertText.OneLine(key, 100);

    private const string Nobody = "You are nobody in oncall.yaml: sign in as a user who is, or name the person and manage the schedule's team.";

    private static ApiProblem NotAllowed(string why) => ApiProblem.Forbidden("not_allowed", why);

    private static RouteHandlerBuilder WithNotAllowed(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(403, "not_allowed", "The caller has no role in the team that this belongs to; the detail says which is missing.");

    private static ApiProblem NoSchedule(string key) => ApiProblem.NotFound("schedule_not_found", $"There is no schedule {Quoted(key)}.");

    private static ApiProblem NoPerson(string key) => ApiProblem.NotFound("person_not_found", $"There is no person {Quoted(key)}.");

    private static ApiProblem NoOverride(Guid id) => ApiProblem.NotFound("override_not_found", $"There is no override {id} in this schedule.");

    private static ApiProblem NoSwap(Guid id) => ApiProblem.NotFound("swap_not_found", $"There is no swap {id} in this schedule.");

    private static RouteHandlerBuilder WithNoSchedule(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "schedule_not_found", "There is no such schedule.");

    private static RouteHandlerBuilder WithNoPerson(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "person_not_found", "There is no such person.");

    private static RouteHandlerBuilder WithNoOverride(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "override_not_found", "There is no such override.");

    private static RouteHandlerBuilder WithNoSwap(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "swap_not_found", "There is no such swap.");
}

/// <param name="Until">When it ends.</param>
/// <param name="People">Keys of those who are on call then.</param>
/// <param name="From">When it begins; now when left out.</param>
/// <param name="Replaces">Only this person's place is taken.</param>
/// <param name="Reason">For others.</param>
internal sealed record OverrideWanted(Instant Until, string[] People, Instant? From = null, string? Replaces = null, string? Reason = null);

/// <param name="From">Beginning of what is given.</param>
/// <param name="Until">Its end.</param>
/// <param name="Person">Key of who wants to be relieved; the caller when left out.</param>
/// <param name="ReturnFrom">Beginning of what the person does in return.</param>
/// <param name="ReturnUntil">Its end.</param>
/// <param name="OfferedTo">Key of whom it is offered to; anybody when left out.</param>
/// <param name="Reason">For others.</param>
internal sealed record SwapWanted(Instant From, Instant Until, string? Person = null, Instant? ReturnFrom = null, Instant? ReturnUntil = null, string? OfferedTo = null, string? Reason = null);

/// <param name="By">Key of the person who acts; the caller when left out.</param>
internal sealed record SwapBy(string? By = null);
