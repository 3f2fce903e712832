using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>Something this process needs to do its work. Add one with <c>services.AddScoped&lt;IReadinessCheck, …&gt;()</c>.</summary>
internal interface IReadinessCheck
{
    /// <summary>Stable, lower case: <c>database</c>.</summary>
    string Name { get; }

    /// <summary>Has one second; taking longer counts as failed.</summary>
    ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>What a check found. <paramref name="Detail"/> is in words and shown to anybody: no host names, no secrets.</summary>
internal sealed record ReadinessResult(string Status, string Detail)
{
    public static ReadinessResult Ok(string detail = "") => new("ok", detail);

    /// <summary>Works, and somebody should look: the process stays in the load balancer.</summary>
    public static ReadinessResult Degraded(string detail) => new("degraded", detail);

    /// <summary>Cannot do its work: 503.</summary>
    public static ReadinessResult Failed(string detail) => new("failed", detail);
}

/// <summary>Body of <c>/readyz</c>; status is ready, degraded or unready.</summary>
internal sealed record ReadinessReport(string Status, IReadOnlyList<ReadinessFinding> Checks);

/// <summary>What one check found; status is ok, degraded or failed.</summary>
internal sealed record ReadinessFinding(string Name, string Status, string Detail);

/// <summary>Runs all checks side by side, one report a second at most, however many ask: the page is open to anybody and must not be a way to tire the database.</summary>
internal sealed partial class Readiness(IServiceScopeFactory scopes, TimeProvider clock, ILogger<Readiness> log)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);
    private static readonly Duration KeepFor = Duration.FromSeconds(1);

    private readonly Lock _gate = new();
    private Task<(ReadinessReport Report, Instant At)>? _latest;

    public async Task<ReadinessReport> ReportAsync(CancellationToken cancellationToken)
    {
        Task<(ReadinessReport Report, Instant At)> latest;
        lock (_gate)
        {
            if (_latest is null || (_latest.IsCompleted && (!_latest.IsCompletedSuccessfully || clock.GetCurrentInstant() - _latest.Result.At >= KeepFor))) _latest = Task.Run(MakeAsync, CancellationToken.None);
            latest = _latest;
        }

        return (await latest.WaitAsync(cancellationToken)).Report;
    }

    private async Task<(ReadinessReport, Instant)> MakeAsync()
    {
        int count;
        await using (var scope = scopes.CreateAsyncScope()) count = scope.ServiceProvider.GetServices<IReadinessCheck>().Count();
        var checks = await Task.WhenAll(Enumerable.Range(0, count).Select(RunAsync));
        var status = checks.Any(c => c.Status == "failed") ? "unready" : checks.Any(c => c.Status == "degraded") ? "degraded" : "ready";
        return (new ReadinessReport(status, checks), clock.GetCurrentInstant());
    }

    private async Task<ReadinessFinding> RunAsync(int index)
    {
        // A scope for each: checks run side by side and may not share what a scope shares, such as the DbContext.
        await using var scope = scopes.CreateAsyncScope();
        var check = scope.ServiceProvider.GetServices<IReadinessCheck>().ElementAt(index);
        using var limit = new CancellationTokenSource(Limit, clock);
        try
        {
            // The limit holds even for a check that does not listen to its token.
            var result = await check.CheckAsync(limit.Token).AsTask().WaitAsync(limit.Token);
            return new(check.Name, result.Status, result.Detail);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            return new(check.Name, "failed", "no answer within 1 s");
        }
        catch (Exception e) when (DatabaseTrouble.IsUnavailable(e))
        {
            return new(check.Name, "failed", DatabaseTrouble.InWords(e));
        }
        catch (Exception e)
        {
            // A check that throws is a defect of the check; the report must still come, and must say so.
            LogCheckFailed(check.Name, e);
            return new(check.Name, "failed", "the check itself failed; see the log");
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Readiness check {Check} failed to run")]
    private partial void LogCheckFailed(string check, Exception exception);
}
