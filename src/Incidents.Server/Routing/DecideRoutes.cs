using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts;
using Incidents.Server.Storage;
using NodaTime;

namespace Incidents.Server.Routing;

/// <summary>
/// Second stage: asks the routing tree where each firing alert goes, and what hides it. What a rule mutes ends here, with the rule's name and the moment to look again; the rest goes on.
/// </summary>
internal sealed class DecideRoutes(Muter muter) : IIngestStage
{
    public async ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        if (batch.Fired.Count == 0 && batch.Ended.Count == 0) return;
        var records = new MutingRecords(batch);
        foreach (var ended in batch.Ended.Where(e => e.MutedRule is not null)) End(batch, ended, records);

        foreach (var fired in batch.Fired) fired.State.Decision = batch.Configuration.Routing.Match(fired.Labels, batch.Now);
        var mutings = await FindAsync(batch, cancellationToken);
        for (var i = 0; i < mutings.Length; i++)
        {
            if (mutings[i] is { } muting) Mute(batch, batch.Fired[i], muting, records);
            else if (batch.Fired[i].State.MutedRule is not null) Release(batch, batch.Fired[i], records);
        }

        records.Write();
    }

    private async ValueTask<Muting?[]> FindAsync(IngestBatch batch, CancellationToken cancellationToken)
    {
        var candidates = batch.Fired.ConvertAll(f => new MuteCandidate(f.State.Episode.Id, f.Labels, f.State.Decision, f.State.MutedSince, f.State.Decision!.Team));
        if (batch.Configuration.Inhibitions.IsEmpty) return await muter.FindAsync(batch.Connection, batch.Configuration, candidates, batch.Now, cancellationToken);

        // Alerts of one batch see each other whichever came first, so a cause that arrives a moment after its consequence still hides it.
        var ended = batch.Ended.Where(e => !e.State.Episode.IsFiring).Select(e => e.State.Episode.Id).ToHashSet();
        var sources = batch.Fired.Where(f => f.State.Episode.IsFiring).SelectMany(f => Muter.SourcesOf(batch.Configuration.Inhibitions, f.State.Episode.Id, f.State.Name, f.Labels)).Distinct().ToList();
        if (ended.Count > 0) batch.Writes.Add("delete from inhibition_sources where alert_id = any($1)", Sql.P(ended.ToArray()));
        Muter.Write(batch.Writes, sources);
        batch.ChangesMutes |= ended.Count > 0 || sources.Count > 0;
        return await muter.FindAsync(batch.Connection, batch.Configuration, candidates, batch.Now, cancellationToken, sources, ended);
    }

    private static void Mute(IngestBatch batch, FiredAlert fired, Muting muting, MutingRecords records)
    {
        var (state, item) = (fired.State, fired.Item);
        var wouldPage = state.Decision!.OpensIncident;
        if (state.Decision.MutedBy is null)
            state.Decision = state.Decision with { MutedBy = muting.Reason, MutedRule = muting.Rule, Receivers = [], Path = state.Decision.Path.Add($"hidden by {muting.Reason}") };

        // It belongs to nothing while it is muted: what it belonged to before has counted it out.
        (state.Outcome, state.OutcomeReason, state.IncidentNumber, state.NoticeId) = (AlertOutcome.Suppressed, muting.Reason, null, null);
        item?.Count(AlertOutcome.Suppressed);
        if (!state.Episode.IsFiring)
        {
            // Fired and ended within one batch.
            records.Passed(state.Episode.Id, muting.Rule, wouldPage);
            if (Muting.KindOf(muting.Rule) == Muting.Pause) state.OutcomeReason = ClearedBy(Duration.Zero, muting.Reason);
            return;
        }

        if (state.MutedRule != muting.Rule) records.Begin(state.Episode.Id, muting.Rule, wouldPage, state.MutedRule is not null);
        (state.MutedRule, state.MutedSince, state.MutedUntil) = (muting.Rule, state.MutedSince ?? batch.Now, muting.Until);
    }

    private static void Release(IngestBatch batch, FiredAlert fired, MutingRecords records)
    {
        fired.HiddenBy = fired.State.OutcomeReason;
        records.Close(fired.State.Episode.Id, "released");
        fired.State.EndMute();
        batch.ChangesMutes = true;
    }

    private static void End(IngestBatch batch, EndedAlert ended, MutingRecords records)
    {
        records.Close(ended.State.Episode.Id, "resolved");
        if (Muting.KindOf(ended.MutedRule!) == Muting.Pause && ended.State.Outcome == AlertOutcome.Suppressed) ended.State.OutcomeReason = ClearedBy(batch.Now - (ended.MutedSince ?? batch.Now), ended.State.OutcomeReason);
    }

    private static string ClearedBy(Duration after, string? reason) => $"cleared by itself within {PromDuration.Format(Duration.FromSeconds(Math.Max(1, Math.Ceiling(after.TotalSeconds))))}, during {reason}";

    /// <summary>Collects what becomes rows of <c>mutings</c>; nothing in most batches.</summary>
    private sealed class MutingRecords(IngestBatch batch)
    {
        private readonly Dictionary<long, (string Rule, bool WouldPage, bool IsOver)> _begun = [];
        private readonly Dictionary<long, string> _closed = [];

        public void Begin(long alert, string rule, bool wouldPage, bool replacesOther)
        {
            _begun[alert] = (rule, wouldPage, false);
            if (replacesOther) _closed[alert] = "other_rule";
        }

        public void Passed(long alert, string rule, bool wouldPage) => _begun[alert] = (rule, wouldPage, true);

        public void Close(long alert, string how) => _closed[alert] = how;

        public void Write()
        {
            if (_closed.Count > 0)
            {
                var closed = _closed.ToList();
                batch.Writes.Add("update mutings m set ended_at = $3, how = c.how from unnest($1::bigint[], $2::text[]) c(id, how) where m.alert_id = c.id and m.ended_at is null", Sql.Column(closed, c => c.Key), Sql.Column(closed, c => c.Value), Sql.P(batch.Now));
            }

            if (_begun.Count == 0) return;
            var begun = _begun.ToList();
            batch.Writes.Add("""
                insert into mutings (rule, alert_id, would_page, began_at, ended_at, how)
                select r.rule, r.id, r.would_page, $4, case when r.is_over then $4 end, case when r.is_over then 'resolved' end from unnest($1::text[], $2::bigint[], $3::bool[], $5::bool[]) r(rule, id, would_page, is_over)
                """, Sql.Column(begun, b => b.Value.Rule), Sql.Column(begun, b => b.Key), Sql.Column(begun, b => b.Value.WouldPage), Sql.P(batch.Now), Sql.Column(begun, b => b.Value.IsOver));
        }
    }
}
