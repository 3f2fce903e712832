using System.Net.Http.Headers;
using System.Text;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Tells people in Slack what became of what they pressed or typed. What they did is done by then; an answer that cannot be given is tried for as long as Slack takes it, half an hour.</summary>
internal sealed partial class SendReplies(NpgsqlDataSource database, IHttpClientFactory http, IOptionsMonitor<SlackOptions> slack, ReplySignal signal, WorkerHealth health, TimeProvider clock, ILogger<SendReplies> log)
    : Worker("replies", signal, TimeSpan.FromSeconds(2), health, clock, log)
{
    private const int MostPerClaim = 20;

    private static readonly Duration Lease = Duration.FromSeconds(30);
    private static readonly Duration LongestWait = Duration.FromMinutes(30);
    private static readonly TimeSpan LongestAttempt = TimeSpan.FromSeconds(8);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var claimed = new List<Reply>();
        await using (var command = database.CreateCommand("""
            update inbound_actions set due_at = $2, attempts = attempts + 1
            where id in (select id from inbound_actions where state = 'replying' and due_at <= $1 order by due_at limit $3 for update skip locked)
            returning id, reply_to, reply, attempts, received_at
            """))
        {
            command.Parameters.Add(Sql.P(now));
            command.Parameters.Add(Sql.P(now + Lease));
            command.Parameters.Add(Sql.P(MostPerClaim));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) claimed.Add(new Reply(reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetInt32(3), reader.GetFieldValue<Instant>(4)));
        }

        var answers = await Task.WhenAll(claimed.Select(reply => SendAsync(reply, cancellationToken)));
        for (var i = 0; i < claimed.Count; i++) await RecordAsync(claimed[i], answers[i], cancellationToken);
        return claimed.Count > 0;
    }

    /// <summary>Only Slack's own host gets answers, or the one that stands in for it: the address came from outside.</summary>
    internal static bool MayReplyTo(string? address, Uri apiUrl) =>
        Uri.TryCreate(address, UriKind.Absolute, out var target) && target.UserInfo.Length == 0
        && ((target.Scheme == Uri.UriSchemeHttps && target.Host == "hooks.slack.com" && target.IsDefaultPort) || (target.Scheme == apiUrl.Scheme && target.Authority == apiUrl.Authority));

    private async Task<Answer> SendAsync(Reply reply, CancellationToken cancellationToken)
    {
        if (!MayReplyTo(reply.To, slack.CurrentValue.ApiUrl)) return new Answer(true, "the answer was not sent: its address is not Slack's");
        using var timer = new CancellationTokenSource(LongestAttempt, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            using var client = http.CreateClient(SlackApi.HttpClientName);
            using var request = new HttpRequestMessage(HttpMethod.Post, reply.To) { Content = new StringContent(reply.Body, Encoding.UTF8, new MediaTypeHeaderValue("application/json", "utf-8")) };
            var answer = await client.AskAsync(request, Clock, either.Token);
            if (answer.IsSuccess) return new Answer(true, null);
            return new Answer(!answer.IsTransient, $"the answer was not taken (HTTP {answer.Status})", answer.RetryAfter);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Answer(false, "Slack did not take the answer in time");
        }
        catch (Exception failure) when (NetworkFailure.IsNetwork(failure))
        {
            return new Answer(false, $"Slack could not be reached for the answer: {NetworkFailure.Reason(failure)}");
        }
    }

    private async Task RecordAsync(Reply reply, Answer answer, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var next = now + Duration.Max(answer.After ?? Duration.Zero, Duration.FromSeconds(Math.Min(120, Math.Pow(2, reply.Attempts))));
        var isOver = answer.IsFinal || next > reply.ReceivedAt + LongestWait;
        if (answer.Problem is not null) LogNotSent(reply.Id, reply.Attempts, answer.Problem);
        await using var command = database.CreateCommand("""
            update inbound_actions set state = case when $2 then 'done' else state end, done_at = case when $2 then $3::timestamptz end, due_at = $4, reply_to = case when $2 then null else reply_to end, reply = case when $2 then null else reply end,
              outcome = case when $5::text is null then outcome else outcome || ' (' || $5::text || ')' end
            where id = $1 and state = 'replying' and attempts = $6
            """);
        command.Parameters.Add(Sql.P(reply.Id));
        command.Parameters.Add(Sql.P(isOver));
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(next));
        command.Parameters.Add(InboundActions.Text(isOver ? answer.Problem : null));
        command.Parameters.Add(Sql.P(reply.Attempts));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The answer to inbound action {InboundId} was not given at attempt {Attempt}: {Reason}")]
    private partial void LogNotSent(long inboundId, int attempt, string reason);

    private sealed record Reply(long Id, string To, string Body, int Attempts, Instant ReceivedAt);

    private sealed record Answer(bool IsFinal, string? Problem, Duration? After = null);
}
