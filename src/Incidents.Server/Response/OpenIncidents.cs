using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// Third stage: firing alerts open an incident, join the open one of their group or reopen the last; ended alerts leave theirs, and the last one resolves it.
/// Alerts that only inform do the same with notices. The rules are the Domain's; here rows are locked, loaded and written.
/// </summary>
internal sealed class OpenIncidents(IdBlocks ids) : IIngestStage
{
    private const long LockSpace = 1L << 61;
    private const int MostLocks = 400;

    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var fired = batch.Fired.Where(f => f.State.Decision is { MutedBy: null }).ToList();
        if (fired.Count == 0 && batch.Ended.Count == 0) return;

        var groups = fired.GroupBy(f => f.State.Decision!.GroupKey, StringComparer.Ordinal)
            .Select(g => new AlertGroup(g.Key, GroupIdOf(g.Key), [.. g.Where(f => f.State.Decision!.OpensIncident)], [.. g.Where(f => !f.State.Decision!.OpensIncident)]))
            .ToList();

        // Alerts that fired and ended within this batch have their incident's number only after the first half.
        var subjects = await LoadAsync(batch, groups, [.. batch.Ended.Select(e => e.IncidentNumber).OfType<long>()], [.. batch.Ended.Select(e => e.NoticeId).OfType<long>()], cancellationToken);
        await FireAsync(batch, groups, subjects, cancellationToken);
        End(batch, subjects);

        IncidentRows.Write(batch.Writes, subjects.Incidents.Values);
        NoticeRows.Write(batch.Writes, subjects.Notices.Values);
    }

    private static async Task<Subjects> LoadAsync(IngestBatch batch, List<AlertGroup> groups, long[] incidents, long[] notices, CancellationToken cancellationToken)
    {
        var subjects = new Subjects();
        var groupIds = groups.Select(g => g.Id).ToArray();
        var locks = new SortedSet<long>(groupIds.Select(LockKey));
        await using var lookUp = new NpgsqlBatch(batch.Connection);
        AdvisoryLocks.Add(lookUp, LockSpace, locks, MostLocks);

        // A group that never had an incident certainly gets one: its number comes along, which saves asking for it afterwards.
        lookUp.Add("select nextval('incident_numbers') from unnest($1::uuid[]) g(id) where not exists (select from incidents i where i.group_id = g.id)", Sql.P(groups.Where(g => g.Paging.Count > 0).Select(g => g.Id).ToArray()));
        lookUp.Add($"""
            select {IncidentRows.Columns} from incidents where number in (
              select l.number from unnest($1::uuid[]) g(id) cross join lateral (select number from incidents where group_id = g.id order by number desc limit 1) l
              union select unnest($2::bigint[]))
            order by number for update
            """, Sql.P(groupIds), Sql.P(incidents));
        lookUp.Add($"select {NoticeRows.Columns} from notices where id in (select n.id from notices n where n.group_id = any($1) and n.closed_at is null union select unnest($2::bigint[])) order by id for update", Sql.P(groupIds), Sql.P(notices));
        var storm = batch.Configuration.Incidents.Storm;
        if (storm is not null) Storms.Ask(lookUp, storm, batch.Now);
        await using (var reader = await lookUp.ExecuteReaderAsync(cancellationToken))
        {
            await AdvisoryLocks.SkipAsync(reader, locks.Count, cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) subjects.FreshNumbers.Enqueue(reader.GetInt64(0));
            await reader.NextResultAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) subjects.Add(IncidentRows.Read(reader));
            await reader.NextResultAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) subjects.Add(NoticeRows.Read(reader));
            if (storm is not null && await reader.NextResultAsync(cancellationToken)) subjects.Storm = await Storms.ReadAsync(reader, storm, cancellationToken);
        }

        // The last incident of a group may have been merged into another, which then speaks for the group.
        while (subjects.MissingMergeTargets() is { Length: > 0 } targets)
        {
            await using var command = new NpgsqlCommand($"select {IncidentRows.Columns} from incidents where number = any($1) order by number for update", batch.Connection);
            command.Parameters.Add(Sql.P(targets));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) subjects.Add(IncidentRows.Read(reader));
        }

        return subjects;
    }

    private async Task FireAsync(IngestBatch batch, List<AlertGroup> groups, Subjects subjects, CancellationToken cancellationToken)
    {
        var fresh = groups.Where(g => g.Paging.Count > 0 && subjects.ForGroup(g.Id, batch.Now, batch.Configuration.Incidents.ReopenWithin) is null).ToList();
        var numbers = subjects.FreshNumbers;
        foreach (var number in await TakeNumbersAsync(batch.Connection, fresh.Count - numbers.Count, cancellationToken)) numbers.Enqueue(number);
        var noticeIds = await ids.TakeAsync(batch.Connection, groups.Count(g => g.Informing.Count > 0), cancellationToken);
        foreach (var group in groups)
        {
            if (group.Paging.Count > 0)
            {
                var existing = subjects.ForGroup(group.Id, batch.Now, batch.Configuration.Incidents.ReopenWithin);
                var incident = existing ?? subjects.Add(Open(batch, group, numbers.Dequeue()));
                if (existing is null && subjects.Storm is { } storm) await storm.OpensAsync(incident, batch, cancellationToken);
                Fire(batch, group.Paging, incident, isFresh: existing is null);
            }

            if (group.Informing.Count > 0) Inform(batch, group, subjects, noticeIds);
        }
    }

    private static Incident Open(IngestBatch batch, AlertGroup group, long number)
    {
        // The worst alert of the batch names the incident and its receivers first.
        var first = group.Paging.MaxBy(f => Domain.Routing.Severity.Rank(f.State.Decision!.Severity))!;
        return Incident.Open(number, group.Id, AlertText.Title(first.Labels, first.Annotations), ToFiring(first, null), batch.Now, first.Item?.TraceParent);
    }

    private static void Fire(IngestBatch batch, List<FiredAlert> alerts, Incident incident, bool isFresh)
    {
        var occasion = Occasion.Opened;
        var flapping = batch.Configuration.Incidents.Flapping;
        if (isFresh)
        {
            var first = alerts.MaxBy(f => Domain.Routing.Severity.Rank(f.State.Decision!.Severity))!;
            var others = alerts.Where(a => a != first).ToList();
            if (others.Count > 0) incident.Join([.. others.Select(a => ToFiring(a, incident.Number))], batch.Now, flapping);
            foreach (var alert in alerts) Assign(alert, incident.Number, alert == first ? AlertOutcome.Opened : AlertOutcome.Attached);
        }
        else
        {
            List<FiringAlert> firing = [.. alerts.Select(a => ToFiring(a, incident.Number))];
            var outcome = incident.IsOpen ? AlertOutcome.Attached : AlertOutcome.Opened;
            occasion = incident.IsOpen ? incident.Join(firing, batch.Now, flapping) : incident.ReopenByAlerts(firing, batch.Now, flapping);
            foreach (var alert in alerts) Assign(alert, incident.Number, outcome);
        }

        batch.IncidentChanges.Add(new IncidentChange(incident, occasion, alerts[0].Item?.TraceParent));
    }

    private static void Inform(IngestBatch batch, AlertGroup group, Subjects subjects, IdRun noticeIds)
    {
        var notice = subjects.OpenNotice(group.Id);
        var occasion = Occasion.Opened;
        var firing = group.Informing.ConvertAll(a => ToFiring(a, notice?.Id));
        if (notice is null)
        {
            var first = group.Informing[0];
            notice = subjects.Add(Notice.Open(noticeIds.Next(), group.Id, AlertText.Title(first.Labels, first.Annotations), firing[0], batch.Now));
            if (firing.Count > 1) notice.Join(firing[1..]);
        }
        else
        {
            occasion = notice.Join(firing);
        }

        foreach (var alert in group.Informing)
        {
            (alert.State.NoticeId, alert.State.IncidentNumber) = (notice.Id, null);
            (alert.State.Outcome, alert.State.OutcomeReason) = (AlertOutcome.Informed, null);
            alert.Item?.Count(AlertOutcome.Informed);
        }

        batch.NoticeChanges.Add(new NoticeChange(notice, occasion, group.Informing[0].Item?.TraceParent));
    }

    private static void End(IngestBatch batch, Subjects subjects)
    {
        // Duplicates were never counted on their incident.
        var ended = batch.Ended.Where(e => e.WasCounted).ToList();
        foreach (var group in ended.Where(e => e.IncidentNumber is not null).GroupBy(e => (Number: subjects.Speaking(e.IncidentNumber!.Value), e.How, e.By)))
        {
            var incident = subjects.Incidents[group.Key.Number];
            var occasion = incident.Leave([.. group.Select(e => e.State.Name)], group.Key.How, group.Key.By, batch.Now, batch.Configuration.Incidents.Flapping);
            batch.IncidentChanges.Add(new IncidentChange(incident, occasion, group.First().TraceParent));
        }

        foreach (var group in ended.Where(e => e.NoticeId is not null).GroupBy(e => e.NoticeId!.Value))
        {
            var notice = subjects.Notices[group.Key];
            batch.NoticeChanges.Add(new NoticeChange(notice, notice.Leave(group.Count(), batch.Now), group.First().TraceParent));
        }
    }

    private static void Assign(FiredAlert alert, long incident, string outcome)
    {
        (alert.State.IncidentNumber, alert.State.NoticeId) = (incident, null);
        (alert.State.Outcome, alert.State.OutcomeReason) = (outcome, null);
        alert.Item?.Count(outcome);
    }

    private static FiringAlert ToFiring(FiredAlert alert, long? subject) =>
        new(alert.State.Name, alert.State.Decision!, alert.State.Episode.StartsAt, IsKnown: subject is not null && (alert.State.IncidentNumber == subject || alert.State.NoticeId == subject), alert.HiddenBy);

    public static async Task<long[]> TakeNumbersAsync(NpgsqlConnection connection, int count, CancellationToken cancellationToken)
    {
        if (count == 0) return [];
        await using var command = new NpgsqlCommand("select array_agg(nextval('incident_numbers')) from generate_series(1, $1)", connection);
        command.Parameters.Add(Sql.P(count));
        return (long[])(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>What an index can hold of a group key of any length.</summary>
    public static Guid GroupIdOf(string groupKey) => new(SHA256.HashData(Encoding.UTF8.GetBytes(groupKey)).AsSpan(0, 16), bigEndian: true);

    private static long LockKey(Guid groupId) => groupId.GetHashCode() & 0xFFFF;

    private sealed record AlertGroup(string Key, Guid Id, List<FiredAlert> Paging, List<FiredAlert> Informing);

    private sealed class Subjects
    {
        private readonly Dictionary<Guid, Incident> _lastOfGroup = [];
        private readonly Dictionary<Guid, Notice> _openOfGroup = [];

        public SortedDictionary<long, Incident> Incidents { get; } = [];

        /// <summary>Null when storms are not watched for.</summary>
        public StormCount? Storm { get; set; }

        public SortedDictionary<long, Notice> Notices { get; } = [];

        public Queue<long> FreshNumbers { get; } = [];

        public Incident Add(Incident incident)
        {
            if (!Incidents.TryAdd(incident.Number, incident)) return Incidents[incident.Number];
            if (!_lastOfGroup.TryGetValue(incident.GroupId, out var last) || last.Number < incident.Number) _lastOfGroup[incident.GroupId] = incident;
            return incident;
        }

        public Notice Add(Notice notice)
        {
            Notices[notice.Id] = notice;
            if (notice.ClosedAt is null) _openOfGroup[notice.GroupId] = notice;
            return notice;
        }

        public Notice? OpenNotice(Guid group) => _openOfGroup.GetValueOrDefault(group);

        public long[] MissingMergeTargets() => [.. Incidents.Values.Where(i => i.MergedInto is { } target && !Incidents.ContainsKey(target)).Select(i => i.MergedInto!.Value).Distinct()];

        /// <summary>The incident that speaks for this one now: a merge may have come between reading an alert and locking its incident.</summary>
        public long Speaking(long number)
        {
            while (Incidents[number].MergedInto is { } target) number = target;
            return number;
        }

        /// <summary>The incident that an alert of the group firing now belongs to, or null when it needs a new one.</summary>
        public Incident? ForGroup(Guid group, Instant now, Duration reopenWithin)
        {
            if (!_lastOfGroup.TryGetValue(group, out var last)) return null;
            while (last.MergedInto is { } target) last = Incidents[target];
            return last.IsOpen || last.MayReopen(now, reopenWithin) ? last : null;
        }
    }
}
