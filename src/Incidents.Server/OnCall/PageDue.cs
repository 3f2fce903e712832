using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Goes on with pages: the next way of reaching somebody when its time has come or the one before failed, the next step of the policy when nobody of a step can be reached, and the messages that
/// tell of several incidents when some of them are over.
/// </summary>
internal sealed class PageDue(
    WorkPool database, IActiveConfiguration configuration, LaterStages stages, EscalationSignal escalations, PageSignal signal, WorkerHealth health, TimeProvider clock, ILogger<PageDue> log)
    : Worker("pages", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 250;

    /// <summary>A test that nobody ended is over after this, so that it does not stay open at PagerDuty.</summary>
    private static readonly Duration LongestTest = Duration.FromMinutes(10);

    private static readonly string Claim = $"""
        select {IncidentRows.ColumnsOf("i")}, {PageRows.Columns} from pages p join incidents i on i.number = p.incident_number
        where p.due_at <= $1 order by p.due_at limit $2 for no key update of p, i skip locked
        """;

    private Instant _lookAtTestsAt;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await ClaimAsync(connection, now, cancellationToken);
        var tests = await EndedTestsAsync(connection, now, cancellationToken);
        if (due.Count + tests.Count == 0) return false;

        var batch = new IngestBatch(connection, configuration.Current, now);
        var bundles = new Bundles(now);
        await bundles.LoadAsync(connection, [.. due.Select(d => d.Bundle).OfType<long>().Distinct()], cancellationToken);
        var (rings, after) = (new List<Ring>(), new List<PersonPage>(due.Count));
        foreach (var (incident, page, bundle) in due)
        {
            var (moved, begins) = incident is { State: IncidentState.Triggered, IsQuiet: false } ? page.Advance(now) : new PageMove(page with { Status = PageStatus.Stopped }, null);
            after.Add(moved with { DueAt = moved.Status == PageStatus.Running ? moved.DueAt : null });
            if (begins is not null)
            {
                var before = page.Tried.LastOrDefault();
                var failed = before is not null && page.Failed.Contains(before);
                if (before is not null) incident.Record(failed ? EntryKind.ContactFailed : EntryKind.ContactTried, failed ? $"{page.Person} was not reached over {before}; trying {begins}." : $"{page.Person} has not acknowledged; trying {begins}.", Actor.Engine, now);
                rings.Add(new Ring(incident, page.Person, begins, bundle));
            }
            else if (moved.Status == PageStatus.InVain)
            {
                incident.Record(EntryKind.ContactFailed, $"{page.Person} was not reached: {string.Join(", ", page.Tried)} did not take it.", Actor.Engine, now);
            }
        }

        await GoOnAsync(batch, due.Select(d => d.Incident), [.. after.Where(p => p.Status == PageStatus.InVain)], cancellationToken);
        PageRows.Update(batch.Writes, after);
        await SettleAsync(batch, bundles, [.. due.Zip(after).Where(d => d.First.Bundle is not null && d.Second.Status != PageStatus.Running).Select(d => (d.First.Bundle!.Value, d.First.Page.Status == PageStatus.Running))], cancellationToken);
        foreach (var test in tests) batch.NoticeChanges.Add(new NoticeChange(test, test.Settle(0, now), null));
        NoticeRows.Write(batch.Writes, tests);

        var changed = due.Select(d => d.Incident).Distinct().Where(i => rings.Exists(r => r.Incident == i && r.Bundle is null)).Select(i => new StepCall(i, Occasion.Updated, [], []));
        PagePeople.Tell(batch, changed, rings, bundles);
        IncidentRows.Write(batch.Writes, due.Select(d => d.Incident).Distinct());
        await stages.RunAsync(batch, cancellationToken);
        await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
        return due.Count > 0;
    }

    private static async Task<List<(Incident Incident, PersonPage Page, long? Bundle)>> ClaimAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        var (due, incidents) = (new List<(Incident, PersonPage, long?)>(), new Dictionary<long, Incident>());
        await using var command = new NpgsqlCommand(Claim, connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(MostPerRun));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            // Several people are paged for one incident.
            var incident = IncidentRows.Read(reader);
            if (!incidents.TryAdd(incident.Number, incident)) incident = incidents[incident.Number];
            var (page, bundle) = PageRows.Read(reader, IncidentRows.ColumnCount);
            due.Add((incident, page, bundle));
        }

        return due;
    }

    /// <summary>Nobody of a step can be reached: its time is not waited for.</summary>
    private async Task GoOnAsync(IngestBatch batch, IEnumerable<Incident> incidents, IReadOnlyList<PersonPage> inVain, CancellationToken cancellationToken)
    {
        if (inVain.Count == 0) return;
        long[] numbers = [.. inVain.Select(p => p.Incident).Distinct()];
        var known = await EscalationRows.LoadAsync(batch.Connection, numbers, cancellationToken);
        var pages = new List<PersonPage>();
        await using (var command = new NpgsqlCommand($"select {PageRows.Columns} from pages p where p.incident_number = any($1)", batch.Connection))
        {
            command.Parameters.Add(Sql.P(numbers));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) pages.Add(PageRows.Read(reader).Page);
        }

        var after = new List<(long, Escalation)>();
        foreach (var step in inVain.GroupBy(p => (p.Incident, p.Run, p.Round, p.Step)))
        {
            var incident = incidents.First(i => i.Number == step.Key.Incident);
            var people = pages.Where(p => (p.Incident, p.Run, p.Round, p.Step) == step.Key).ToList();
            var isReached = people.Exists(p => p.Status != PageStatus.InVain && !step.Any(s => s.Person == p.Person));
            if (isReached || !known.TryGetValue(step.Key.Incident, out var escalation)) continue;

            // A receiver that the step names, too, was told, and has a fall-back of its own.
            if (step.Key.Step < escalation.Policy.Steps.Length && escalation.Policy.Steps[step.Key.Step].Targets.Any(t => t.Kind == TargetKind.Receiver && batch.Configuration.Reach.Receivers.Contains(t.Key))) continue;
            var move = escalation.StepFailed(step.Key.Run, step.Key.Round, step.Key.Step, $"{string.Join(", ", people.Select(p => p.Person))} could not be told", batch.Now);
            if (move.After == escalation) continue;

            after.Add((step.Key.Incident, known[step.Key.Incident] = move.After));
            foreach (var said in move.Events) incident.Record(said.Kind, said.Text, Actor.Engine, batch.Now);
        }

        EscalationRows.Update(batch.Writes, after);
        if (after.Count > 0) batch.Wake.Add(escalations);
    }

    /// <summary>Messages of which some incidents are over say how many still wait.</summary>
    private static async Task SettleAsync(IngestBatch batch, Bundles bundles, IReadOnlyList<(long Bundle, bool WasRunning)> ended, CancellationToken cancellationToken)
    {
        if (ended.Count == 0) return;
        var ending = ended.Where(e => e.WasRunning).CountBy(e => e.Bundle).ToDictionary();
        await using var command = new NpgsqlCommand("select n.id, (select count(*) from pages p where p.bundled_in = n.id and p.status = 'running') from unnest($1::bigint[]) n(id)", batch.Connection);
        command.Parameters.Add(Sql.P(ended.Select(e => e.Bundle).Distinct().ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            // What ends in this very transaction is counted as running yet.
            if (bundles.Find(reader.GetInt64(0)) is not { ClosedAt: null } notice) continue;
            bundles.Changed(notice.Id, notice.Settle((int)reader.GetInt64(1) - ending.GetValueOrDefault(notice.Id), batch.Now));
        }
    }

    private async Task<List<Notice>> EndedTestsAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        if (now < _lookAtTestsAt) return [];
        _lookAtTestsAt = now + Duration.FromSeconds(20);
        var tests = new List<Notice>();
        await using var command = new NpgsqlCommand($"select {NoticeRows.Columns} from notices where closed_at is null and group_key like '@%' and group_key like '%/test/%' and opened_at <= $1 order by id limit 100 for no key update skip locked", connection);
        command.Parameters.Add(Sql.P(now - LongestTest));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) tests.Add(NoticeRows.Read(reader));
        return tests;
    }
}
