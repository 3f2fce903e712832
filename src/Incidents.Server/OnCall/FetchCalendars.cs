using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Asks the addresses of calendars, each as often as its schedule says, on one replica at a time. What cannot be fetched or read changes nothing: the last good copy counts until a better one
/// comes, and readiness names the schedule.
/// </summary>
internal sealed partial class FetchCalendars(
    NpgsqlDataSource database, IActiveConfiguration configuration, IHttpClientFactory http, WorkerHealth health, TimeProvider clock, ILogger<FetchCalendars> log)
    : Worker("calendars", null, TimeSpan.FromSeconds(15), health, clock, log)
{
    public const string HttpClientName = "calendar";

    private static readonly Duration Lease = Duration.FromMinutes(1);
    private static readonly Duration KeptUnused = Duration.FromDays(7);
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(20);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var sources = configuration.Current.Calendars.Values.Where(c => !string.IsNullOrEmpty(c.Url)).ToArray();
        if (sources.Length == 0) return false;
        foreach (var source in sources)
        {
            var address = ImportedCalendars.HashOf(source.Url!);
            if (await ClaimAsync(source.Schedule, address, cancellationToken) is not { } claim) continue;
            var copy = await FetchAsync(source, claim, cancellationToken);
            await StoreAsync(source, address, claim, copy, cancellationToken);
            if (copy.Problem is { } problem) LogKept(source.Schedule, problem);
        }

        // Addresses that no replica asks any more: while files differ, each replica keeps the copy of its own.
        await using var forget = database.CreateCommand("delete from calendar_feeds f where f.due_at < $1 and not exists (select from unnest($2::text[], $3::text[]) a(schedule, source) where a.schedule = f.schedule and a.source = f.source)");
        forget.Parameters.Add(Sql.P(Clock.GetCurrentInstant() - KeptUnused));
        forget.Parameters.Add(Sql.Column(sources, s => s.Schedule));
        forget.Parameters.Add(Sql.Column(sources, s => ImportedCalendars.HashOf(s.Url!)));
        await forget.ExecuteNonQueryAsync(cancellationToken);
        return false;
    }

    /// <summary>Null when it is not due, or another replica has it. Another address is another row: it starts without a copy, and is asked at once.</summary>
    private async Task<Claim?> ClaimAsync(string schedule, string address, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var batch = database.CreateBatch();
        batch.Add("insert into calendar_feeds (schedule, source, due_at, failures) values ($1, $2, $3, 0) on conflict do nothing", Sql.P(schedule), Sql.P(address), Sql.P(now));
        batch.Add("update calendar_feeds set due_at = $4 where schedule = $1 and source = $2 and due_at <= $3 returning due_at, failures, case when body is not null then etag end", Sql.P(schedule), Sql.P(address), Sql.P(now), Sql.P(now + Lease));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new Claim(reader.GetFieldValue<Instant>(0), reader.GetInt32(1), reader.IsDBNull(2) ? null : reader.GetString(2)) : null;
    }

    /// <summary>Nothing when the claim has run out and another replica has asked meanwhile.</summary>
    private async Task StoreAsync(CalendarSource source, string address, Claim claim, Answer answer, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var failures = answer.Problem is null ? 0 : claim.Failures + 1;
        await using var command = database.CreateCommand("""
            update calendar_feeds set problem = $4, failures = $5, due_at = $6, fetched_at = case when $4 is null then $7 else fetched_at end,
              body = coalesce($8, body), content = coalesce($9, content), etag = case when $8 is null then etag else $10 end
            where schedule = $1 and source = $2 and due_at = $3
            """);
        command.Parameters.Add(Sql.P(source.Schedule));
        command.Parameters.Add(Sql.P(address));
        command.Parameters.Add(Sql.P(claim.Until));
        command.Parameters.Add(Sql.Text(answer.Problem));
        command.Parameters.Add(Sql.P(failures));
        command.Parameters.Add(Sql.P(now + (answer.Problem is null ? source.Refresh : Duration.Min(source.Refresh, Duration.FromMinutes(Math.Min(failures, 15))))));
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.Text(answer.Text));
        command.Parameters.Add(Sql.Text(answer.Text is null ? null : ImportedCalendars.HashOf(answer.Text)));
        command.Parameters.Add(Sql.Text(answer.ETag));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<Answer> FetchAsync(CalendarSource source, Claim claim, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(source, claim, cancellationToken);
        }
        catch (Exception error) when (error is HttpRequestException or IOException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return Answer.No(error is OperationCanceledException ? "no answer within 20 seconds" : (error.InnerException ?? error).Message);
        }
    }

    private async Task<Answer> AskAsync(CalendarSource source, Claim claim, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(TimeLimit, Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        using var client = http.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Get, source.Url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/calendar"));
        if (claim.ETag is { } tag) request.Headers.TryAddWithoutValidation("If-None-Match", tag);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        if (answer.StatusCode == HttpStatusCode.NotModified) return Answer.Same;
        if ((int)answer.StatusCode is >= 300 and < 400) return Answer.No($"HTTP {(int)answer.StatusCode}: redirects are not followed; write the final address");
        if (!answer.IsSuccessStatusCode) return Answer.No($"HTTP {(int)answer.StatusCode}");

        await using var stream = await answer.Content.ReadAsStreamAsync(either.Token);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int read; (read = await stream.ReadAsync(buffer, either.Token)) > 0;)
        {
            body.Write(buffer, 0, read);
            if (body.Length > CalendarImport.MostCharacters) return Answer.No("the calendar is larger than 4 MiB");
        }

        var text = Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length).Replace("\0", "", StringComparison.Ordinal);
        if (CalendarImport.Parse(text, out var problem) is not { } calendar) return Answer.No($"the calendar {problem}");
        return calendar.WhyNotExpanded(Clock.GetCurrentInstant()) is { } why ? Answer.No($"the calendar {why}") : new Answer(null, text, answer.Headers.ETag?.ToString());
    }

    /// <param name="Until">While the row says so it is ours.</param>
    /// <param name="Failures">In a row, before this try.</param>
    /// <param name="ETag">Of the copy; null when there is none.</param>
    private sealed record Claim(Instant Until, int Failures, string? ETag);

    /// <summary>What asking came to. No text: the copy that is there stays.</summary>
    private sealed record Answer(string? Problem, string? Text, string? ETag)
    {
        public static readonly Answer Same = new(null, null, null);

        public static Answer No(string problem) => new(problem, null, null);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The calendar of schedule {Schedule} was not fetched; the last good copy counts: {Problem}")]
    private partial void LogKept(string schedule, string problem);
}

/// <summary>Calendars that could not be fetched are named in <c>/readyz</c>: paging goes on by the last good copy. Why is said in the log and the API, because this page is open to anybody.</summary>
internal sealed class CalendarsReadiness(NpgsqlDataSource database, IActiveConfiguration configuration, ImportedCalendars imported) : Web.IReadinessCheck
{
    public string Name => "calendars";

    public async ValueTask<Web.ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        var calendars = configuration.Current.Calendars;
        if (calendars.Count == 0) return Web.ReadinessResult.Ok();
        var addresses = calendars.Values.Where(c => c.Url is not null).ToArray();
        await using var command = database.CreateCommand("select coalesce(array_agg(f.schedule order by f.schedule), '{}') from calendar_feeds f join unnest($1::text[], $2::text[]) a(schedule, source) on a.schedule = f.schedule and a.source = f.source where f.problem is not null");
        command.Parameters.Add(Sql.Column(addresses, a => a.Schedule));
        command.Parameters.Add(Sql.Column(addresses, a => ImportedCalendars.HashOf(a.Url!)));
        var failing = (string[])(await command.ExecuteScalarAsync(cancellationToken))!;
        var unusable = imported.Unusable.Where(calendars.ContainsKey).ToArray();
        if (failing.Length + unusable.Length == 0) return Web.ReadinessResult.Ok();
        return Web.ReadinessResult.Degraded(string.Join("; ", new[]
        {
            failing.Length == 0 ? null : $"calendars not fetched, their last good copy counts: {string.Join(", ", failing)}",
            unusable.Length == 0 ? null : $"calendars that cannot be expanded, the layers count: {string.Join(", ", unusable)}",
        }.OfType<string>()));
    }
}
