using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Tells the receivers a schedule names who goes on call and who goes off. It compares who is on call now with who was when somebody last looked, under the lock of the schedule's row, so of any number of
/// replicas one announces each change, whatever made it: the rotation, an override, a swap, a calendar, or an edit of the file.
/// </summary>
internal sealed class AnnounceHandOvers(
    NpgsqlDataSource database, OnCallOverrides overrides, IActiveConfiguration configuration, IServiceScopeFactory scopes, IdBlocks ids, DeliverySignal deliveries, WorkerHealth health, TimeProvider clock, ILogger<AnnounceHandOvers> log)
    : Worker("hand-overs", null, TimeSpan.FromSeconds(15), health, clock, log)
{
    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        foreach (var (schedule, receivers) in current.HandOverReceivers) await LookAsync(current.OnCall, current.OnCall.Schedules[schedule], receivers, cancellationToken);
        return false;
    }

    private async Task LookAsync(Roster roster, Schedule schedule, ImmutableArray<string> receivers, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        string[]? before = null;
        var since = Instant.MinValue;
        await using (var look = new NpgsqlCommand("select people, since from duty_watches where schedule = $1 for update", connection, transaction))
        {
            look.Parameters.Add(Sql.P(schedule.Key));
            await using var reader = await look.ExecuteReaderAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken)) (before, since) = (reader.GetFieldValue<string[]>(0), reader.GetFieldValue<Instant>(1));
        }

        // Whoever waited for the lock looks at the clock after it. One whose clock is behind that of the last to announce would announce backwards.
        var now = Clock.GetCurrentInstant();
        if (now < since) return;
        var laidOn = await overrides.LoadAsync(connection, now, now + Duration.FromDays(14), cancellationToken);
        string[] people = [.. ScheduleCalculator.OnCallAt(schedule, laidOn, now).Select(p => p.Person).Order(StringComparer.Ordinal)];
        if (before is not null && before.SequenceEqual(people)) return;
        await using (var write = new NpgsqlCommand("""
            insert into duty_watches (schedule, people, since) values ($1, $2, $3)
            on conflict (schedule) do update set people = excluded.people, since = excluded.since where duty_watches.people = $4
            """, connection, transaction))
        {
            write.Parameters.Add(Sql.P(schedule.Key));
            write.Parameters.Add(Sql.P(people));
            write.Parameters.Add(Sql.P(now));
            write.Parameters.Add(Sql.P(before ?? []));
            if (await write.ExecuteNonQueryAsync(cancellationToken) == 0) return;
        }

        // The first look has nothing to compare with.
        if (before is not null) await SayAsync(connection, schedule, receivers, Words(roster, schedule, before, people, laidOn, now), now, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        if (before is not null) deliveries.Raise();
    }

    private async Task SayAsync(NpgsqlConnection connection, Schedule schedule, ImmutableArray<string> receivers, string title, Instant now, CancellationToken cancellationToken)
    {
        var run = await ids.TakeAsync(connection, 1, cancellationToken);
        var notice = Notice.Say(run.Next(), $"on-call/{schedule.Key}", title, Severity.Info, receivers, now);
        await using (var batch = new NpgsqlBatch(connection))
        {
            NoticeRows.Write(batch, [notice]);
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var scope = scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<IPublisher>().Publish(new IncidentsChanged([], connection, now) { Notices = [new NoticeChange(notice, Occasion.Opened, null)] }, cancellationToken);
    }

    private static string Words(Roster roster, Schedule schedule, string[] before, string[] people, IReadOnlyList<Override> laidOn, Instant now)
    {
        string Names(IEnumerable<string> keys) => string.Join(" and ", keys.Select(k => roster.People.TryGetValue(k, out var person) ? person.Name : k));
        var off = before.Except(people, StringComparer.Ordinal).ToArray();
        if (people.Length == 0) return $"{schedule.Name}: nobody is on call any more (it was {Names(before)})";
        var until = ScheduleCalculator.NextHandOver(schedule, [.. laidOn], now) is { } next
            ? $" until {next.At.InZone(schedule.Zone).ToString("ddd d MMM HH:mm", System.Globalization.CultureInfo.InvariantCulture)} ({schedule.Zone.Id})"
            : "";
        return off.Length == 0 ? $"{schedule.Name}: {Names(people)} on call{until}" : $"{schedule.Name}: {Names(people)} on call{until}, {Names(off)} off";
    }
}
