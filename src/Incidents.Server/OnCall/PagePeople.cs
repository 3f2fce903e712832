using System.Collections.Immutable;
using System.Globalization;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>One person to be told of one incident over one channel, now.</summary>
/// <param name="Incident">Locked.</param>
/// <param name="Person">Whom.</param>
/// <param name="Channel">How.</param>
/// <param name="Bundle">The message with other incidents that tells of it; null when it rings by itself.</param>
internal sealed record Ring(Incident Incident, string Person, string Channel, long? Bundle);

/// <summary>
/// From a step that fired, or the next way of reaching somebody, to receivers that are paged. A person's first pages ring each; in a storm the others wait in one message, because a phone that
/// rings without end reaches nobody (see <see cref="PageBundling"/>). Nothing is sent here: later stages do, in the same transaction.
/// </summary>
internal sealed class PagePeople(OnCallOverrides overrides, IdBlocks ids)
{
    /// <summary>Whom each step finds now. Everybody is looked up once, however many incidents ask.</summary>
    public async Task<Func<PolicyStep, ResolvedStep>> ResolverAsync(NpgsqlConnection connection, EngineConfiguration configuration, IEnumerable<Escalation> escalations, Instant now, CancellationToken cancellationToken)
    {
        var severities = new Dictionary<PolicyStep, string>(ReferenceEqualityComparer.Instance);
        var known = new Dictionary<PolicyStep, ResolvedStep>(ReferenceEqualityComparer.Instance);
        foreach (var policy in escalations.Select(e => e.Policy).Distinct(ReferenceEqualityComparer.Instance).Cast<EscalationSnapshot>())
        {
            foreach (var step in policy.Steps) severities[step] = policy.Severity;
        }

        var replaced = await overrides.LoadAsync(connection, now, now, cancellationToken);
        return step => known.TryGetValue(step, out var found)
            ? found
            : known[step] = WithoutPlaybooks(StepResolver.Resolve(step, severities[step], configuration.OnCall, replaced, configuration.Reach, now));
    }

    /// <summary>Pages everybody these steps found, and hands the changes of the incidents on. What was paged before goes on or stops first (<paramref name="moves"/>).</summary>
    public async Task CallAsync(IngestBatch batch, IReadOnlyList<StepCall> calls, IReadOnlyCollection<(long Incident, PagesMove Move)> moves, CancellationToken cancellationToken)
    {
        var pages = (from call in calls from step in call.Fired from person in step.Found.People select (call.Incident, Page: PersonPage.Start(call.Incident.Number, step, person, batch.Now))).ToList();
        var bundles = await BundleAsync(batch, [.. pages.Select(p => p.Page.Person)], [], cancellationToken);
        await PageRows.MoveAsync(batch.Connection, batch.Writes, moves, batch.Now, cancellationToken);
        var (rows, rings) = (new List<StoredPage>(pages.Count), new List<Ring>(pages.Count));
        foreach (var (incident, page) in pages)
        {
            var bundle = bundles.Place(incident, page.Person);
            var (after, begins) = bundles.Begun(page.Advance(batch.Now), bundle);
            rows.Add(new StoredPage(after, bundle));
            if (begins is not null) rings.Add(new Ring(incident, page.Person, begins, bundle));
        }

        PageRows.Insert(batch.Writes, rows);
        Tell(batch, calls, rings, bundles);
    }

    /// <summary>These people are told over these channels; <paramref name="bundles"/> has the messages that tell of several.</summary>
    public static void Tell(IngestBatch batch, IEnumerable<StepCall> calls, IEnumerable<Ring> rings, Bundles bundles)
    {
        var alone = rings.Where(r => r.Bundle is null).ToLookup(r => r.Incident, r => PersonReceiver.NameOf(r.Person, r.Channel));
        foreach (var (incident, occasion, fired, know) in calls)
        {
            ImmutableArray<string> named = [.. fired.SelectMany(f => f.Found.Receivers).Except(know, StringComparer.Ordinal), .. alone[incident].Distinct(StringComparer.Ordinal)];
            incident.Tell(named, batch.Now);
            batch.IncidentChanges.Add(new IncidentChange(incident, occasion, incident.TraceParent) { Pages = named });
        }

        foreach (var bundle in rings.Where(r => r.Bundle is not null).GroupBy(r => r.Bundle!.Value))
            bundles.Changed(bundle.Key).Tell(bundle.Select(r => PersonReceiver.NameOf(r.Person, r.Channel)).Distinct(StringComparer.Ordinal), 0);

        NoticeRows.Write(batch.Writes, bundles.AllChanged);
        batch.NoticeChanges.AddRange(bundles.Changes);
    }

    /// <summary>For each of these people how many pages rang by themselves lately, and the message in which others wait; and these messages. All of them are locked, after the incidents and before the pages.</summary>
    public async Task<Bundles> BundleAsync(IngestBatch batch, IReadOnlyCollection<string> people, IReadOnlyCollection<long> notices, CancellationToken cancellationToken)
    {
        var bundles = new Bundles(batch.Now);
        var wanted = notices.ToHashSet();
        if (people.Count + wanted.Count == 0) return bundles;
        await using (var command = new NpgsqlCommand("select person, count(*) filter (where bundled_in is null), max(bundled_in) from pages where person = any($1) and started_at > $2 group by person", batch.Connection))
        {
            command.Parameters.Add(Sql.P(people.Distinct(StringComparer.Ordinal).ToArray()));
            command.Parameters.Add(Sql.P(batch.Now - PageBundling.Within));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                bundles.Rang(reader.GetString(0), (int)reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2));
                if (!reader.IsDBNull(2)) wanted.Add(reader.GetInt64(2));
            }
        }

        await bundles.LoadAsync(batch.Connection, [.. wanted], cancellationToken);
        bundles.Ids = await ids.TakeAsync(batch.Connection, bundles.WouldNeed(people), cancellationToken);
        return bundles;
    }

    private static ResolvedStep WithoutPlaybooks(ResolvedStep found) => found.Playbooks.IsEmpty ? found : found with
    {
        Playbooks = [],
        Misses = [.. found.Misses, .. found.Playbooks.Select(p => new Miss(MissKind.Removed, new EscalationTarget(TargetKind.Playbook, p), $"playbook \"{p}\" cannot be started by this version"))],
    };
}

/// <summary>The messages that tell people of several incidents, as far as one transaction deals with them.</summary>
internal sealed class Bundles(Instant now)
{
    private readonly Dictionary<string, (int Alone, long? Newest)> _people = new(StringComparer.Ordinal);
    private readonly Dictionary<long, Notice> _notices = [];
    private readonly Dictionary<string, Notice> _fresh = new(StringComparer.Ordinal);
    private readonly HashSet<long> _changed = [];
    private readonly Dictionary<long, string> _occasions = [];
    private readonly Dictionary<long, HashSet<string>> _failed = [];

    public IdRun? Ids { get; set; }

    public IEnumerable<Notice> AllChanged => _changed.Order().Select(id => _notices[id]);

    public IEnumerable<NoticeChange> Changes => AllChanged.Select(n => new NoticeChange(n, _occasions.GetValueOrDefault(n.Id, Occasion.Updated), null));

    public void Rang(string person, int alone, long? newest) => _people[person] = (alone, newest);

    /// <summary>At most so many messages are begun.</summary>
    public int WouldNeed(IReadOnlyCollection<string> people) => people.CountBy(p => p, StringComparer.Ordinal).Count(p => PageBundling.IsBundled(_people.GetValueOrDefault(p.Key).Alone + p.Value - 1));

    /// <summary>Reads and locks them, after the incidents.</summary>
    public async Task LoadAsync(NpgsqlConnection connection, long[] notices, CancellationToken cancellationToken)
    {
        if (notices.Length == 0) return;
        await using var batch = new NpgsqlBatch(connection);
        batch.Add($"select {NoticeRows.Columns} from notices where id = any($1) order by id for no key update", Sql.P(notices));
        batch.Add("select p.bundled_in, array_agg(distinct f.channel) from pages p cross join unnest(p.failed) f(channel) where p.bundled_in = any($1) group by p.bundled_in", Sql.P(notices));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var notice = NoticeRows.Read(reader);
            _notices[notice.Id] = notice;
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) _failed[reader.GetInt64(0)] = [.. reader.GetFieldValue<string[]>(1)];
    }

    /// <summary>The message in which the person's page of this incident waits, which the incident says; null when it rings.</summary>
    public long? Place(Incident incident, string person)
    {
        if (NoticeFor(person) is not { } bundle) return null;
        bundle.Tell([], 1);
        var others = bundle.TotalAlerts - 1;
        incident.Record(EntryKind.PageBundled, string.Create(CultureInfo.InvariantCulture,
            $"{person} is told of it in one message{(others == 0 ? "" : $" with {others} other{(others == 1 ? "" : "s")}")}: {PageBundling.MostAlone} pages went to {person} within {PageBundling.Within.TotalMinutes:0} minutes."), Actor.Engine, now);
        return bundle.Id;
    }

    /// <summary>A channel that did not take the message will not take it for one incident more: what comes next in that page is due at once.</summary>
    public PageMove Begun(PageMove move, long? bundle) =>
        move.Begins is { } channel && bundle is { } id && _failed.TryGetValue(id, out var failed) && failed.Contains(channel) ? move with { After = move.After.Fail(channel, now) } : move;

    private Notice? NoticeFor(string person)
    {
        var (alone, newest) = _people.GetValueOrDefault(person);
        if (!PageBundling.IsBundled(alone))
        {
            _people[person] = (alone + 1, newest);
            return null;
        }

        // One that began a while ago may have been read and forgotten: a new one rings again.
        if (newest is { } id && _notices.TryGetValue(id, out var open) && open.ClosedAt is null && now - open.OpenedAt < PageBundling.Within) return Changed(id);

        var fresh = Ids!.Next();
        var key = string.Create(CultureInfo.InvariantCulture, $"@{person}/waiting/{fresh}");
        var notice = Notice.ForPerson(fresh, OpenIncidents.GroupIdOf(key), key, "More incidents wait for you", Domain.Routing.Severity.Critical, now);
        _notices[fresh] = notice;
        _people[person] = (alone, fresh);
        _occasions[fresh] = Occasion.Opened;
        return Changed(fresh);
    }

    /// <summary>Those that are locked.</summary>
    public IEnumerable<long> All => _notices.Keys;

    public Notice? Find(long id) => _notices.GetValueOrDefault(id);

    public Notice Changed(long id, string? occasion = null)
    {
        _changed.Add(id);
        if (occasion is not null) _occasions[id] = occasion;
        return _notices[id];
    }
}
