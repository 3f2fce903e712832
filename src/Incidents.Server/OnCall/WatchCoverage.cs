using System.Collections.Immutable;
using System.Text.Json;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Checks coverage when the configuration, what can be sent by, an override, a swap or a calendar changed, and daily, on one replica. A hole ahead opens an incident about the engine; one that is open now opens a critical one.
/// Both are resolved when it is closed. The result is a row, so the page shows it without calculating.
/// </summary>
internal sealed partial class WatchCoverage(
    NpgsqlDataSource database, CheckCoverage coverage, IServiceScopeFactory scopes, IActiveConfiguration configuration, WorkerHealth health, TimeProvider clock, ILogger<WatchCoverage> log)
    : Worker("coverage", null, TimeSpan.FromSeconds(30), health, clock, log)
{
    public const string Ahead = "on-call coverage";
    public const string Now = "on-call coverage now";

    private const long LockKey = 0x1AC1_C0FE_4A6E;
    private const int MostStored = 200;
    private const int MostSaid = 5;
    private static readonly Duration Daily = Duration.FromHours(24);

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var (examined, checkedAt, holes) = await ReadAsync(connection, cancellationToken);

        // Nobody uses policies, and nobody ever did: nothing to look at.
        if (examined is null && CoverageQuestions.Of(current.Routing.Describe(), current.Reach).Count == 0) return false;

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var take = new NpgsqlCommand("select pg_try_advisory_xact_lock($1)", connection, transaction))
        {
            take.Parameters.Add(Sql.P(LockKey));
            if (!(bool)(await take.ExecuteScalarAsync(cancellationToken))!) return false;
        }

        var now = Clock.GetCurrentInstant();
        var state = await StateAsync(connection, current, cancellationToken);
        var isNew = examined != state || checkedAt is null || now - checkedAt >= Daily;
        if (isNew)
        {
            var report = await coverage.RunAsync(cancellationToken);
            holes = [.. report.Holes.Take(MostStored)];
            LogChecked(report.Questions, report.Holes.Length);
        }

        // The incident comes before the row: whoever dies between them says it again, which changes nothing.
        await SayAsync(holes, isNew, now, cancellationToken);
        if (!isNew) return false;
        await using var write = new NpgsqlCommand("""
            insert into coverage_checks (id, examined, checked_at, holes) values (1, $1, $2, $3::jsonb)
            on conflict (id) do update set examined = excluded.examined, checked_at = excluded.checked_at, holes = excluded.holes
            """, connection, transaction);
        write.Parameters.Add(Sql.P(state));
        write.Parameters.Add(Sql.P(now));
        write.Parameters.Add(Sql.P(JsonSerializer.Serialize(holes, ApiJson.Options)));
        await write.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return false;
    }

    /// <summary>The newest check, for whoever shows it; without a time when there was none.</summary>
    public static async Task<(string? Examined, Instant? CheckedAt, ImmutableArray<HoleShown> Holes)> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select examined, checked_at, holes::text from coverage_checks where id = 1", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken)) return (null, null, []);
        return (reader.GetString(0), reader.GetFieldValue<Instant>(1), JsonSerializer.Deserialize<ImmutableArray<HoleShown>>(reader.GetString(2), ApiJson.Options));
    }

    /// <summary>Differs whenever the answer may.</summary>
    private static async Task<string> StateAsync(NpgsqlConnection connection, EngineConfiguration current, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            select concat_ws(' ',
              (select concat(count(*), ' ', count(cancelled_at), ' ', max(greatest(created_at, cancelled_at))) from on_call_overrides), (select concat(count(taken_at), ' ', max(taken_at)) from shift_swaps),
              (select md5(string_agg(concat(schedule, source, content), ',' order by schedule, source)) from calendar_feeds),
              (select md5(string_agg(receiver, ',' order by receiver)) from receiver_states where is_parked))
            """, connection);
        return $"{current.Version} {ImportedCalendars.HashOf(Words(current.Reach))[..12]} {await command.ExecuteScalarAsync(cancellationToken)}";
    }

    /// <summary>The same file reaches others on a machine that lacks a token.</summary>
    private static string Words(Reach reach) => string.Join(';', new[] { reach.Channels, reach.Receivers, reach.PagingReceivers }.Select(names => string.Join(',', names.Order(StringComparer.Ordinal))));

    private async Task SayAsync(ImmutableArray<HoleShown> holes, bool isNew, Instant now, CancellationToken cancellationToken)
    {
        var open = holes.Where(h => h.From <= now && h.Until > now).ToArray();
        if (!isNew && open.Length == 0 && !holes.Any(h => h.Until <= now && h.Until > now - Daily)) return;

        await using var scope = scopes.CreateAsyncScope();
        var incidents = scope.ServiceProvider.GetRequiredService<EngineIncidents>();
        if (open.Length > 0) await incidents.RaiseAsync(Now, "On call: nobody is reached now", Severity.Critical, Said(open), cancellationToken, open.Min(h => h.From));
        else await incidents.ClearAsync(Now, "Somebody is reached again.", cancellationToken);
        if (!isNew) return;
        if (holes.Length > 0) await incidents.RaiseAsync(Ahead, "On call: coverage has a hole", Severity.Warning, Said(holes), cancellationToken);
        else await incidents.ClearAsync(Ahead, "Somebody is reached whenever an incident that has an escalation policy, or is critical, begins in the next 90 days.", cancellationToken);
    }

    private static string Said(IReadOnlyCollection<HoleShown> holes)
    {
        var lines = holes.Take(MostSaid).Select(h => $"{h.Severity} on route {h.Route}, from {CoverageQuestions.Minute(h.From)} until {CoverageQuestions.Minute(h.Until)}: {h.Detail}");
        return string.Join(" ", lines) + (holes.Count > MostSaid ? $" And {holes.Count - MostSaid} more: GET /api/v1/on-call/coverage." : "");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "On-call coverage was checked: {Questions} questions, {Holes} holes")]
    private partial void LogChecked(int questions, int holes);
}
