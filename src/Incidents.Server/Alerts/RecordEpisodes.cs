using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Alerts;

/// <summary>
/// First stage: merges the reports of a batch into episodes. Reports of one fingerprint are taken one after another, whichever worker or replica has them,
/// because each batch holds the locks of its fingerprints until it commits.
/// </summary>
internal sealed class RecordEpisodes(IdBlocks ids) : IIngestStage
{
    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var items = batch.Items.OrderBy(i => i.ReceivedAt).ThenBy(i => i.Id).ToList();
        if (items.All(i => i.Read.Observations.Count == 0 && i.Read.CompleteGroup is null)) return;

        var known = await LookUpAsync(batch, items, cancellationToken);
        var newIds = await ids.TakeAsync(batch.Connection, items.Sum(i => i.Read.Observations.Count), cancellationToken);
        foreach (var item in items)
        {
            foreach (var report in item.Read.Observations) Merge(batch, known, item, report, newIds);
            MarkMissing(batch, known, item);
        }
    }

    /// <summary>Takes the locks and reads every open episode of the batch's fingerprints and groups, and the ended ones it speaks of.</summary>
    private static async Task<Known> LookUpAsync(IngestBatch batch, List<InboxItem> items, CancellationToken cancellationToken)
    {
        var sources = new List<string>();
        var fingerprints = new List<string>();
        var starts = new List<Instant>();
        var keys = new HashSet<(string, string, Instant)>();
        var locks = new SortedSet<long>();
        foreach (var item in items)
        {
            foreach (var report in item.Read.Observations)
            {
                if (!keys.Add((item.Source, report.Fingerprint, report.StartsAt))) continue;
                sources.Add(item.Source);
                fingerprints.Add(report.Fingerprint);
                starts.Add(report.StartsAt);
                locks.Add(EpisodeRows.LockKey(item.Source, report.Fingerprint));
            }
        }

        await using var lookUp = new NpgsqlBatch(batch.Connection);
        EpisodeRows.Lock(lookUp, locks);
        // For each report in turn, so that nothing but the index of fingerprints can serve it.
        lookUp.Add($"""
            select {EpisodeRows.Columns} from unnest($1::text[], $2::text[], $3::timestamptz[]) k(source, fingerprint, starts_at) cross join lateral (
              select * from alerts o where o.fingerprint = k.fingerprint and o.source = k.source and (o.status = 'firing' or o.starts_at = k.starts_at)
              union all (select * from alerts o where o.fingerprint = k.fingerprint and o.source = k.source order by o.starts_at desc limit 1)) a
            """, Sql.P(sources.ToArray()), Sql.P(fingerprints.ToArray()), Sql.P(starts.ToArray()));
        var groups = items.Where(i => i.Read.CompleteGroup is not null).Select(i => i.Read.CompleteGroup!.Value).Distinct().ToArray();
        lookUp.Add($"select {EpisodeRows.Columns} from alerts a where a.upstream_group = any($1) and a.status = 'firing' and a.missing_since is null", Sql.P(groups));

        var known = new Known();
        var held = sources.Zip(fingerprints).ToHashSet();
        await using var reader = await lookUp.ExecuteReaderAsync(cancellationToken);
        await AdvisoryLocks.SkipAsync(reader, locks.Count, cancellationToken);
        do
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                var state = EpisodeRows.Read(reader);
                state.IsLocked = held.Contains((state.Source, state.Fingerprint));
                known.Add(state);
            }
        }
        while (await reader.NextResultAsync(cancellationToken));
        return known;
    }

    private static void Merge(IngestBatch batch, Known known, InboxItem item, Observation report, IdRun newIds)
    {
        var states = known.Of(item.Source, report.Fingerprint);
        var step = EpisodeRules.Decide([.. states.Select(s => s.Episode)], report, item.ReceivedAt, batch.Configuration.Incidents.EchoWithin);
        EpisodeState Known(Episode episode) => states.First(s => s.Episode.Id == episode.Id);

        switch (step)
        {
            case EpisodeStep.Begins:
                // Its outcome is counted by the stage that finds it.
                Fires(Add(null), item);
                break;
            case EpisodeStep.FiresAgain(var episode):
                var again = Known(episode);
                again.Episode = episode with { IsFiring = true, IsDuplicate = false, ObservedAt = item.ReceivedAt, LastSeenAt = item.ReceivedAt, IsMissing = false };
                again.DuplicateOf = null;
                Touch(again);
                (again.EndsAt, again.ResolvedAt, again.ResolvedReason) = (null, null, null);
                Fires(again, item);
                break;
            case EpisodeStep.BeginsAsDuplicate(var of):
                var original = Known(of);
                Touch(original);
                original.Episode = original.Episode with { ObservedAt = Instant.Max(original.Episode.ObservedAt, item.ReceivedAt), LastSeenAt = Instant.Max(original.Episode.LastSeenAt, item.ReceivedAt), IsMissing = false };
                Add(original).Outcome = AlertOutcome.Duplicate;
                item.Count(AlertOutcome.Duplicate);
                break;
            case EpisodeStep.Repeats(var episode, var touch):
                if (touch)
                {
                    var repeated = Known(episode);
                    repeated.Episode = repeated.Episode with { LastSeenAt = Instant.Max(repeated.Episode.LastSeenAt, item.ReceivedAt), IsMissing = false };
                    Touch(repeated);
                }

                item.Count(AlertOutcome.Duplicate);
                break;
            case EpisodeStep.Echo or EpisodeStep.EndedAlready:
                item.Count(AlertOutcome.Duplicate);
                break;
            case EpisodeStep.Ends(var episodes):
                foreach (var episode in episodes)
                {
                    var ended = Known(episode);
                    ended.Episode = ended.Episode with { IsFiring = false, ObservedAt = item.ReceivedAt, LastSeenAt = item.ReceivedAt, IsMissing = false };
                    Touch(ended);
                    (ended.EndsAt, ended.ResolvedAt, ended.ResolvedReason, ended.SettleAt) = (report.EndsAt ?? item.ReceivedAt, item.ReceivedAt, "resolved", null);
                    batch.Ended.Add(new EndedAlert(ended, "resolved", Actor.Alertmanager, item.TraceParent));
                    ended.EndMute();
                }

                if (EpisodeRules.Successor(states.Select(s => s.Episode)) is { } successor)
                {
                    // This report is counted as a resolve; the duplicate goes on its way by itself.
                    var left = Known(successor);
                    left.Episode = successor with { IsDuplicate = false };
                    if (!left.IsChanged) batch.Episodes.Add(left);
                    left.IsChanged = true;
                    Fires(left, null);
                }

                item.Count(AlertOutcome.Resolved);
                break;
            case EpisodeStep.EndsUnknown:
                var unknown = Add(null);
                unknown.Episode = unknown.Episode with { IsFiring = false };
                (unknown.Outcome, unknown.OutcomeReason) = (AlertOutcome.Resolved, "resolved before it was seen firing");
                (unknown.EndsAt, unknown.ResolvedAt, unknown.ResolvedReason, unknown.SettleAt) = (report.EndsAt ?? item.ReceivedAt, item.ReceivedAt, "resolved", null);
                item.Count(AlertOutcome.Resolved);
                break;
        }

        void Fires(EpisodeState state, InboxItem? by)
        {
            batch.Fired.Add(new FiredAlert(state, report.Labels, report.Annotations, by));
            state.FiresInBatch = true;
        }

        EpisodeState Add(EpisodeState? duplicateOf)
        {
            var state = new EpisodeState
            {
                Episode = new Episode { Id = newIds.Next(), StartsAt = report.StartsAt, IsFiring = true, ObservedAt = item.ReceivedAt, LastSeenAt = item.ReceivedAt, IsDuplicate = duplicateOf is not null },
                Source = item.Source,
                Kind = item.Kind,
                Fingerprint = report.Fingerprint,
                IsLocked = true,
                IsNew = true,
                Name = AlertText.Name(report.Labels),
                DuplicateOf = duplicateOf,
            };
            Touch(state);
            known.Add(state);
            return state;
        }

        void Touch(EpisodeState state)
        {
            (state.Report, state.Item, state.MissingSince) = (report, item, null);
            state.UpstreamGroup = item.Read.Group ?? state.UpstreamGroup;
            state.SettleAt = item.ReceivedAt + batch.Configuration.Incidents.StaleAfter;
            if (!state.IsChanged) batch.Episodes.Add(state);
            state.IsChanged = true;
        }
    }

    /// <summary>
    /// An open alert that its group's payload no longer holds is unknown, not resolved: Alertmanager leaves out what is silenced, inhibited or muted (P7).
    /// It is marked, and settled soon by asking.
    /// </summary>
    private static void MarkMissing(IngestBatch batch, Known known, InboxItem item)
    {
        if (item.Read.CompleteGroup is not { } group) return;
        var present = item.Read.Observations.Select(o => o.Fingerprint).ToHashSet(StringComparer.Ordinal);
        foreach (var state in known.OfGroup(group))
        {
            if (!state.Episode.IsFiring || state.Episode.IsMissing || present.Contains(state.Fingerprint) || state.Source != item.Source || state.Episode.LastSeenAt > item.ReceivedAt) continue;

            state.Episode = state.Episode with { IsMissing = true };
            state.MissingSince = item.ReceivedAt;
            state.SettleAt = item.ReceivedAt + batch.Configuration.Incidents.SettleEvery;
            if (state.IsLocked)
            {
                if (!state.IsChanged) batch.Episodes.Add(state);
                state.IsChanged = true;
            }
            else
            {
                // Another batch may be changing this alert right now: only the mark is written, and only if it still fires then.
                batch.Missing.Add(state);
            }
        }
    }

    private sealed class Known
    {
        private readonly Dictionary<(string Source, string Fingerprint), List<EpisodeState>> _byFingerprint = [];
        private readonly Dictionary<long, EpisodeState> _byId = [];

        public void Add(EpisodeState state)
        {
            // An episode is found as the newest, as an open one and with its group.
            if (_byId.TryAdd(state.Episode.Id, state)) Of(state.Source, state.Fingerprint).Add(state);
        }

        public List<EpisodeState> Of(string source, string fingerprint)
        {
            if (!_byFingerprint.TryGetValue((source, fingerprint), out var states)) _byFingerprint[(source, fingerprint)] = states = [];
            return states;
        }

        public IEnumerable<EpisodeState> OfGroup(long group) => _byId.Values.Where(s => s.UpstreamGroup == group);
    }
}
