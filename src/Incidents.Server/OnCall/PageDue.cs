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
    WorkPool database, PagePeople people, IActiveConfiguration configuration, LaterStages stages, EscalationSignal escalations, PageSignal signal, WorkerHealth health, TimeProvider clock, ILogger<PageDue> log)
    : Worker("pages", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 250;

    /// <summary>A test that nobody ended is over after this, so that it does not stay open at PagerDuty.</summary>
    private static readonly Duration LongestTest = Duration.FromMinutes(10);

    private static readonly string Claim = $"""
        select {IncidentRows.ColumnsOf("i")}, p.person, p.status, p.bundled_in from pages p join incidents i on i.number = p.incident_number
        where p.due_at <= $1 order by p.due_at limit $2 for no key update of i skip locked
        """;

    private Instant _lookAtTestsAt;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var batch = new IngestBatch(connection, configuration.Current, now);
        var (incidents, due, bundles) = await ClaimAsync(batch, cancellationToken);
        var tests = await EndedTestsAsync(connection, now, cancellationToken);
        if (due.Count + tests.Count == 0) return false;

        var (rings, after) = (new List<Ring>(), new List<StoredPage>(due.Count));
        foreach (var (page, bundle) in due)
        {
            var incident = incidents[page.Incident];
            var (moved, at) = (IncidentEscalation.Advance(incident, page, now), bundle);
            if (page.Status == PageStatus.Held && moved.After.Status == PageStatus.Running && bundle is { } id && bundles.Find(id) is not { ClosedAt: null })
            {
                moved = page.GoOn(now).BeginAnew(now).Advance(now);
                at = bundles.Place(incident, page.Person);
            }

            moved = bundles.Begun(moved, at);
            after.Add(new StoredPage(moved.After, at));
            if (moved.Begins is { } begins)
            {
                var before = moved.After.Tried.SkipLast(1).LastOrDefault();
                incident.Record(before is not null && page.Failed.Contains(before) ? EntryKind.ContactFailed : EntryKind.ContactTried, before is null ? $"Trying {page.Person} over {begins}."
                    : page.Failed.Contains(before) ? $"{page.Person} was not reached over {before}; trying {begins}." : $"{page.Person} has not acknowledged; trying {begins}.", Actor.Engine, now);
                rings.Add(new Ring(incident, page.Person, begins, at));
            }
            else if (moved.After.Status == PageStatus.InVain && page.Status != PageStatus.InVain)
            {
                incident.Record(EntryKind.ContactFailed, $"{page.Person} was not reached: {string.Join(", ", page.Tried)} did not take it.", Actor.Engine, now);
            }
        }

        await GoOnAsync(batch, incidents, [.. due.Zip(after).Where(d => d.Second.Page.Status == PageStatus.InVain && d.First.Page.Status != PageStatus.InVain).Select(d => d.Second.Page)], cancellationToken);
        PageRows.Update(batch.Writes, after);
        await SettleAsync(batch, bundles, [.. due.Zip(after)], cancellationToken);
        foreach (var test in tests) batch.NoticeChanges.Add(new NoticeChange(test, test.Settle(0, now), null));
        NoticeRows.Write(batch.Writes, tests);

        var changed = incidents.Values.Where(i => rings.Exists(r => r.Incident == i && r.Bundle is null)).Select(i => new StepCall(i, Occasion.Updated, [], []));
        PagePeople.Tell(batch, changed, rings, bundles);
        IncidentRows.Write(batch.Writes, incidents.Values);
        await stages.RunAsync(batch, cancellationToken);
        await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        stages.Wake(batch);
        return due.Count > 0;
    }

    /// <summary>
    /// What is due, with everything it touches locked in the order that all take: incidents, without waiting, then messages, then pages. What changed until the locks were ours is read again.
    /// </summary>
    private async Task<(SortedDictionary<long, Incident> Incidents, List<StoredPage> Due, Bundles Bundles)> ClaimAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var incidents = new SortedDictionary<long, Incident>();
        var found = new List<(string Person, string Status, long Bundle)>();
        await using (var command = new NpgsqlCommand(Claim, batch.Connection))
        {
            command.Parameters.Add(Sql.P(batch.Now));
            command.Parameters.Add(Sql.P(MostPerRun));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                // Several people are paged for one incident.
                if (!incidents.ContainsKey(reader.GetInt64(0))) incidents.Add(reader.GetInt64(0), IncidentRows.Read(reader));
                if (!reader.IsDBNull(IncidentRows.ColumnCount + 2)) found.Add((reader.GetString(IncidentRows.ColumnCount), reader.GetString(IncidentRows.ColumnCount + 1), reader.GetInt64(IncidentRows.ColumnCount + 2)));
            }
        }

        if (incidents.Count == 0) return (incidents, [], new Bundles(batch.Now));

        // The message in which a held page waited may be over; then it may need another.
        var bundles = await people.BundleAsync(batch, [.. found.Where(f => f.Status == PageStatus.Held).Select(f => f.Person)], [.. found.Select(f => f.Bundle).Distinct()], cancellationToken);
        var due = await PageRows.LockAsync(batch.Connection, "p.incident_number = any($1) and p.due_at <= $2 and (p.bundled_in is null or p.bundled_in = any($3))", cancellationToken,
            Sql.P(incidents.Keys.ToArray()), Sql.P(batch.Now), Sql.P(bundles.All.ToArray()));
        return (incidents, due, bundles);
    }

    /// <summary>Nobody of a step can be reached: its time is not waited for.</summary>
    private async Task GoOnAsync(IngestBatch batch, SortedDictionary<long, Incident> incidents, IReadOnlyList<PersonPage> inVain, CancellationToken cancellationToken)
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
            var incident = incidents[step.Key.Incident];
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

    /// <summary>Messages of which some incidents wait no more, or wait again, say how many still do.</summary>
    private static async Task SettleAsync(IngestBatch batch, Bundles bundles, IReadOnlyList<(StoredPage Before, StoredPage After)> changed, CancellationToken cancellationToken)
    {
        // What was stopped or held before was counted out then, but the message does not say so yet.
        long[] touched = [.. changed.Where(c => c.Before.BundledIn is not null && (c.Before.Page.Status != PageStatus.Running || c.After.Page.Status != PageStatus.Running)).Select(c => c.Before.BundledIn!.Value).Distinct()];
        if (touched.Length == 0) return;

        // What this very transaction changes is not in the database yet.
        var change = changed.SelectMany(c => new[] { (Bundle: c.Before.BundledIn, By: c.Before.Page.Status == PageStatus.Running ? -1 : 0), (Bundle: c.After.BundledIn, By: c.After.Page.Status == PageStatus.Running ? 1 : 0) })
            .Where(c => c.Bundle is not null).GroupBy(c => c.Bundle!.Value).ToDictionary(g => g.Key, g => g.Sum(c => c.By));
        await using var command = new NpgsqlCommand("select n.id, (select count(*) from pages p where p.bundled_in = n.id and p.status = 'running') from unnest($1::bigint[]) n(id)", batch.Connection);
        command.Parameters.Add(Sql.P(touched));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (bundles.Find(reader.GetInt64(0)) is not { ClosedAt: null } notice) continue;
            bundles.Changed(notice.Id, notice.Settle((int)reader.GetInt64(1) + change[notice.Id], batch.Now));
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
