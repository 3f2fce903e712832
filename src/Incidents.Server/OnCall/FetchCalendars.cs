using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Asks the addresses of calendars, each as often as its schedule says, on one replica at a time. What cannot be fetched or read changes nothing: the last good copy counts until a better one
/// comes, and readiness names the schedule.
/// </summary>
internal sealed partial class FetchCalendars(
    IServiceScopeFactory scopes, IActiveConfiguration configuration, IHttpClientFactory http, WorkerHealth health, TimeProvider clock, ILogger<FetchCalendars> log)
    : Worker("calendars", null, TimeSpan.FromSeconds(15), health, clock, log)
{
    public const string HttpClientName = "calendar";

    private static readonly Duration Lease = Duration.FromMinutes(1);
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(20);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var sources = configuration.Current.Calendars.Values.Where(c => !string.IsNullOrEmpty(c.Url)).ToArray();
        if (sources.Length == 0) return false;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IncidentsDbContext>();
        foreach (var source in sources)
        {
            if (await ClaimAsync(db, source, cancellationToken) is not { } row) continue;
            var schedule = configuration.Current.OnCall.Schedules[source.Schedule];
            await FetchAsync(row, source, cancellationToken);
            await db.SaveChangesAsync(cancellationToken);
            if (row.Problem is { } problem) LogKept(schedule.Key, problem);
        }

        return false;
    }

    /// <summary>Null when it is not due, or another replica has it.</summary>
    private async Task<CalendarFeedRow?> ClaimAsync(IncidentsDbContext db, CalendarSource source, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var address = ImportedCalendars.HashOf(source.Url!);
        await db.Database.ExecuteSqlAsync($"insert into calendar_feeds (schedule, source, due_at, failures) values ({source.Schedule}, {address}, {now}, 0) on conflict do nothing", cancellationToken);

        // Another address is another calendar: nothing of the old one is kept, and it is asked at once.
        await db.Database.ExecuteSqlAsync($"update calendar_feeds set source = {address}, content = null, body = null, etag = null, fetched_at = null, problem = null, failures = 0, due_at = {now} where schedule = {source.Schedule} and source <> {address}", cancellationToken);
        if (await db.Database.ExecuteSqlAsync($"update calendar_feeds set due_at = {now + Lease} where schedule = {source.Schedule} and due_at <= {now}", cancellationToken) == 0) return null;
        return await db.Set<CalendarFeedRow>().AsTracking().SingleAsync(f => f.Schedule == source.Schedule, cancellationToken);
    }

    private async Task FetchAsync(CalendarFeedRow row, CalendarSource source, CancellationToken cancellationToken)
    {
        string? problem;
        try
        {
            problem = await AskAsync(row, source, cancellationToken);
        }
        catch (Exception error) when (error is HttpRequestException or IOException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            problem = error is OperationCanceledException ? "no answer within 20 seconds" : (error.InnerException ?? error).Message;
        }

        var now = Clock.GetCurrentInstant();
        row.Problem = problem;
        row.Failures = problem is null ? 0 : row.Failures + 1;
        row.DueAt = now + (problem is null ? source.Refresh : Duration.Min(source.Refresh, Duration.FromMinutes(Math.Min(row.Failures, 15))));
        if (problem is null) row.FetchedAt = now;
    }

    /// <summary>Null when the copy is good and new.</summary>
    private async Task<string?> AskAsync(CalendarFeedRow row, CalendarSource source, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(TimeLimit, Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Get, source.Url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/calendar"));
        if (row is { Body: not null, ETag: { } tag }) request.Headers.TryAddWithoutValidation("If-None-Match", tag);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        if (answer.StatusCode == HttpStatusCode.NotModified) return null;
        if ((int)answer.StatusCode is >= 300 and < 400) return $"HTTP {(int)answer.StatusCode}: redirects are not followed; write the final address";
        if (!answer.IsSuccessStatusCode) return $"HTTP {(int)answer.StatusCode}";

        await using var stream = await answer.Content.ReadAsStreamAsync(either.Token);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int read; (read = await stream.ReadAsync(buffer, either.Token)) > 0;)
        {
            body.Write(buffer, 0, read);
            if (body.Length > CalendarImport.MostCharacters) return "the calendar is larger than 4 MiB";
        }

        var text = Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length).Replace("\0", "", StringComparison.Ordinal);
        if (CalendarImport.Parse(text, out var problem) is null) return $"the calendar {problem}";
        (row.Body, row.Content, row.ETag) = (text, ImportedCalendars.HashOf(text), answer.Headers.ETag?.ToString());
        return null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The calendar of schedule {Schedule} was not fetched; the last good copy counts: {Problem}")]
    private partial void LogKept(string schedule, string problem);
}

/// <summary>Calendars that could not be fetched are named in <c>/readyz</c>: paging goes on by the last good copy. Why is said in the log and the API, because this page is open to anybody.</summary>
internal sealed class CalendarsReadiness(NpgsqlDataSource database, IActiveConfiguration configuration) : Web.IReadinessCheck
{
    public string Name => "calendars";

    public async ValueTask<Web.ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        var schedules = configuration.Current.Calendars.Values.Where(c => c.Url is not null).Select(c => c.Schedule).ToArray();
        if (schedules.Length == 0) return Web.ReadinessResult.Ok();
        await using var command = database.CreateCommand("select coalesce(array_agg(schedule order by schedule), '{}') from calendar_feeds where problem is not null and schedule = any($1)");
        command.Parameters.Add(Sql.P(schedules));
        var failing = (string[])(await command.ExecuteScalarAsync(cancellationToken))!;
        return failing.Length == 0 ? Web.ReadinessResult.Ok() : Web.ReadinessResult.Degraded($"calendars not fetched, their last good copy counts: {string.Join(", ", failing)}");
    }
}
