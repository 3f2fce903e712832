using System.ComponentModel.DataAnnotations;
using System.Diagnostics.Metrics;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.Scheduling;
using Incidents.Server.Web;
using Incidents.Server.Web.Telemetry;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Insights;

/// <summary>The <c>Heartbeat</c> section: a dead man's switch outside that rings when this engine falls silent.</summary>
internal sealed class HeartbeatOptions
{
    /// <summary>Asked with GET while all is well: <c>https://hc-ping.com/…</c>. A secret. Not set: none is sent.</summary>
    public Uri? Url { get; set; }

    /// <summary>How often. Default one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan Every { get; set; } = TimeSpan.FromMinutes(1);
}

/// <summary>What became of the last heartbeat that this replica owed to the switch outside.</summary>
internal sealed class HeartbeatSent
{
    /// <summary>Null: none was due yet.</summary>
    public volatile Last? Latest;

    /// <param name="At">When.</param>
    /// <param name="Problem">Why it was not sent or not taken; null when it was.</param>
    internal sealed record Last(Instant At, string? Problem);
}

/// <summary>
/// Tells the world outside that this engine works: sent only when the auditor lately found that everything balances and no worker stands still, so that the switch outside rings also
/// when the engine lives and does not do its work.
/// </summary>
internal sealed partial class SendHeartbeat(
    IHttpClientFactory http, IOptions<HeartbeatOptions> options, LastAudit audit, WorkersReadiness workers, HeartbeatSent sent, WorkerHealth health, TimeProvider clock, ILogger<SendHeartbeat> log)
    : Worker("engine-heartbeat", null, options.Value.Every, health, clock, log)
{
    /// <summary>The auditor looks once a minute; one that did not for this long has stopped.</summary>
    private static readonly Duration FreshAudit = Duration.FromMinutes(3);
    private static readonly Counter<long> Sent = IncidentsMetrics.Meter.CreateCounter<long>("incidents_heartbeats_sent", description: "Heartbeats owed to the switch outside, by result: sent, withheld (something is wrong here), refused (the far side did not take it).");

    /// <summary>At the start the first one goes out as soon as the auditor has looked, so that a restart misses none.</summary>
    protected override TimeSpan Pause => audit.Latest is null ? TimeSpan.FromSeconds(2) : base.Pause;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        if (await WhyNotAsync(now, cancellationToken) is { } why) Record(now, "withheld", why);
        else if (await AskAsync(cancellationToken) is { } problem) Record(now, "refused", problem);
        else Record(now, "sent", null);
        return false;
    }

    private async Task<string?> WhyNotAsync(Instant now, CancellationToken cancellationToken)
    {
        if (audit.Latest is not { } latest) return "the auditor has not looked yet";
        if (now - latest.At > FreshAudit) return $"the auditor last looked at {latest.At}";
        if (!latest.Balanced) return "the account does not balance";
        return await workers.CheckAsync(cancellationToken) is { Status: "failed", Detail: var detail } ? detail : null;
    }

    private async Task<string?> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var client = http.CreateClient(WebhookChannel.HttpClientName);
            using var request = new HttpRequestMessage(HttpMethod.Get, options.Value.Url);
            var answer = await client.AskAsync(request, Clock, cancellationToken);
            return answer.IsSuccess ? null : $"the far side answered HTTP {answer.Status}";
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // The address is a secret, and messages of such errors may hold it.
            return error is HttpRequestException { InnerException: TargetNotAllowedException refused } ? refused.Message : $"the far side could not be reached ({error.GetType().Name})";
        }
    }

    private void Record(Instant now, string result, string? problem)
    {
        Sent.Add(1, new KeyValuePair<string, object?>("result", result));
        if (problem is not null && sent.Latest?.Problem != problem) LogNotSent(result, problem);
        if (problem is null && sent.Latest is { Problem: not null }) LogSentAgain();
        sent.Latest = new HeartbeatSent.Last(now, problem);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The heartbeat to the switch outside was {Result}: {Problem}")]
    private partial void LogNotSent(string result, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "The heartbeat to the switch outside is sent again")]
    private partial void LogSentAgain();
}

/// <summary>What the auditor of this replica found last.</summary>
internal sealed class LastAudit
{
    /// <summary>Null: it has not looked yet.</summary>
    public volatile Found? Latest;

    /// <param name="At">When.</param>
    /// <param name="Balanced">Whether everything was accounted for.</param>
    internal sealed record Found(Instant At, bool Balanced);
}

/// <summary>Whether the switch outside hears us. When it does not, it rings there; here it is only said.</summary>
internal sealed class HeartbeatReadiness(HeartbeatSent sent) : IReadinessCheck
{
    public string Name => "heartbeat";

    public ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken) => new(sent.Latest switch
    {
        null => ReadinessResult.Ok("none was due yet"),
        { Problem: null } last => ReadinessResult.Ok($"sent at {last.At}"),
        var last => ReadinessResult.Degraded($"not sent since {last.At}: {last.Problem}"),
    });
}
