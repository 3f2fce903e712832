using System.Globalization;
using Incidents.Domain.Routing;
using Incidents.Server.Alerts.Sources;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>Silences of every team, and such maintenance windows that do not recur: Alertmanager knows no others.</summary>
internal sealed class MirrorPolicy(IOptionsMonitor<AlertmanagerOptions> options) : IMirrorPolicy
{
    public bool IsOn => options.CurrentValue is { MirrorSilences: true, Url: not null };

    /// <summary>Also while mirroring is off: then whatever of ours is left there must end.</summary>
    public bool CanAsk => options.CurrentValue.Url is not null;

    public bool Covers(SilenceRow silence) => IsOn && silence is { Windows: null, Team: null };

    public string? WhyNever(SilenceRow silence) => IsOn && silence is { Windows: null, Team: { } team }
        ? $"Alertmanager knows no teams and would hide the alerts of others, too: this one hides those of team {team}, here only."
        : null;
}

/// <summary>
/// Tells Alertmanager of silences, and reads back those it has and what each hides there. What is to be told is a due time on the silence's row: claimed before Alertmanager is asked, recorded after,
/// so that a crash between the two repeats it; the mark in the comment finds what was made before the crash.
/// </summary>
internal sealed partial class MirrorSilences(
    NpgsqlDataSource database, IAlertmanagerSilences alertmanager, MirrorPolicy policy, IActiveConfiguration configuration, MuteSignal mutes, MirrorSignal signal, WorkerHealth health, TimeProvider clock, ILogger<MirrorSilences> log)
    : Worker("mirror-silences", signal, TimeSpan.FromSeconds(5), health, clock, log)
{
    private const int MostPerRun = 50;
    private static readonly Duration Lease = Duration.FromMinutes(2);
    private static readonly Duration ReadEvery = Duration.FromSeconds(10);

    /// <summary>Of what another replica reads, on which mirroring is still on.</summary>
    private static readonly Duration OldAfter = Duration.FromMinutes(1);
    private Instant _nextReading = Instant.MinValue;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        if (!policy.CanAsk) return false;
        var now = Clock.GetCurrentInstant();
        if (!policy.IsOn && now >= _nextReading)
        {
            await WithdrawAsync(now, cancellationToken);
            _nextReading = now + ReadEvery;
        }

        // One by one: the lease is longer than the calls that one silence needs.
        var told = 0;
        while (told < MostPerRun && await ClaimAsync(now, cancellationToken) is [var silence])
        {
            await TellAsync(silence, now, cancellationToken);
            told++;
        }

        if (policy.IsOn && (told > 0 || now >= _nextReading))
        {
            await ReadBackAsync(now, cancellationToken);
            _nextReading = now + ReadEvery;
        }

        return told == MostPerRun;
    }

    /// <summary>Mirroring was switched off: what was made there ends there, or it would hide new alerts of which nobody here knows. What is listed as made there is old.</summary>
    private async Task WithdrawAsync(Instant now, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("update silences set mirror_state = 'pending', mirror_due_at = $1 where upstream_id is not null and mirror_state in ('mirrored', 'refused') and mirror_due_at is null", Sql.P(now));
        batch.Add("delete from upstream_silences where read_at < $1", Sql.P(now - OldAfter));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Begins the comment that people read there, so that no long reason hides it. With the time of its making: another engine's silence of the same number is another.</summary>
    private static string MarkOf(SilenceRow row) => string.Create(CultureInfo.InvariantCulture, $"[incidents {row.Kind}/{row.Id} {row.CreatedAt.ToUnixTimeMilliseconds():x}]");

    private async Task<List<SilenceRow>> ClaimAsync(Instant now, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            update silences s set mirror_due_at = $2 where id in (select id from silences where mirror_due_at <= $1 order by mirror_due_at limit $3 for update skip locked)
            returning id, kind, matchers, owner, reason, starts_at, ends_at, ended_at, revision, upstream_id, mirror_attempts, created_at, windows, team
            """);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(now + Lease));
        command.Parameters.Add(Sql.P(1));
        var rows = new List<SilenceRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new SilenceRow
            {
                Id = reader.GetInt64(0),
                Kind = reader.GetString(1),
                Matchers = reader.GetFieldValue<string[]>(2),
                Owner = reader.GetString(3),
                Reason = reader.GetString(4),
                StartsAt = reader.GetFieldValue<Instant>(5),
                EndsAt = reader.IsDBNull(6) ? null : reader.GetFieldValue<Instant>(6),
                EndedAt = reader.IsDBNull(7) ? null : reader.GetFieldValue<Instant>(7),
                Revision = reader.GetInt64(8),
                UpstreamId = reader.IsDBNull(9) ? null : reader.GetString(9),
                MirrorAttempts = reader.GetInt32(10),
                CreatedAt = reader.GetFieldValue<Instant>(11),
                Windows = reader.IsDBNull(12) ? null : reader.GetString(12),
                Team = reader.IsDBNull(13) ? null : reader.GetString(13),
            });
        }

        return rows;
    }

    private async Task TellAsync(SilenceRow row, Instant now, CancellationToken cancellationToken)
    {
        var silence = row.ToRule();

        // Alertmanager knows no windows: what has become one that recurs must not hold there the whole time.
        var isOver = row.StateAt(now) == "ended" || !policy.Covers(row);
        var (known, why) = await alertmanager.ListAsync(cancellationToken);
        if (known is null)
        {
            await RecordAsync(row, new UpstreamAnswer(null, why), isOver, now, cancellationToken);
            return;
        }

        // A crash, or an answer that came too late, may have left more than one there.
        var ours = known.Where(k => !k.IsExpired && (k.Id == row.UpstreamId || k.Comment.StartsWith(MarkOf(row), StringComparison.Ordinal))).Select(k => k.Id).ToList();
        var id = row.UpstreamId is { } told && ours.Contains(told) ? told : ours.FirstOrDefault();
        var answer = isOver ? new UpstreamAnswer(id, null) : await alertmanager.SetAsync(id, silence, $"{MarkOf(row)} {silence.Reason}", cancellationToken);

        // One that it will never take as it is now must not go on there as it was before: that may hide more.
        var isRefused = answer is { Problem: not null, MayRetry: false };
        foreach (var other in ours.Where(o => isRefused || (answer.Problem is null && (isOver || o != answer.Id))))
        {
            if ((await alertmanager.ExpireAsync(other, cancellationToken)).Problem is { } problem) answer = answer with { Problem = problem, MayRetry = true };
        }

        await RecordAsync(row, answer, isOver, now, cancellationToken);
    }

    private async Task RecordAsync(SilenceRow row, UpstreamAnswer answer, bool isOver, Instant now, CancellationToken cancellationToken)
    {
        var attempts = answer.Problem is null ? 0 : row.MirrorAttempts + 1;
        var (state, dueAt) = answer.Problem is null ? (isOver ? MirrorState.Ended : MirrorState.Mirrored, (Instant?)null)
            : answer.MayRetry ? (MirrorState.Pending, now + Duration.FromSeconds(Math.Min(300, 5 * Math.Pow(2, Math.Min(attempts, 6)))))
            : (MirrorState.Refused, null);

        // Changed meanwhile: only the id is news, and the change stays due.
        await using var command = database.CreateCommand("""
            update silences set upstream_id = coalesce($2, upstream_id), mirror_state = case when revision = $3 then $4 else mirror_state end, mirror_due_at = case when revision = $3 then $5 else mirror_due_at end,
              mirror_attempts = case when revision = $3 then $6 else mirror_attempts end, mirror_detail = $7 where id = $1
            """);
        command.Parameters.Add(Sql.P(row.Id));
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)answer.Id ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(Sql.P(row.Revision));
        command.Parameters.Add(Sql.P(state));
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)dueAt ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz });
        command.Parameters.Add(Sql.P(attempts));
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)answer.Problem ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await command.ExecuteNonQueryAsync(cancellationToken);
        if (answer.Problem is null) LogTold(row.Id, state, answer.Id ?? "");
        else LogNotTold(row.Id, answer.Problem);
    }

    private async Task ReadBackAsync(Instant now, CancellationToken cancellationToken)
    {
        var (silences, _) = await alertmanager.ListAsync(cancellationToken);
        var hidden = silences is null ? null : await alertmanager.HiddenAsync(cancellationToken);
        if (silences is null || hidden is null) return;

        var kept = silences.Where(s => !s.IsExpired).ToList();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var writes = new NpgsqlBatch(connection);
        writes.Add("select pg_advisory_xact_lock($1)", Sql.P(LockKey));
        writes.Add("delete from upstream_silences");
        writes.Add("""
            insert into upstream_silences (id, matchers, owner, comment, starts_at, ends_at, hidden, read_at)
            select id, string_to_array(matchers, E'\x1f'), owner, comment, starts_at, ends_at, string_to_array(hidden, E'\x1f'), $8
            from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[]) r(id, matchers, owner, comment, starts_at, ends_at, hidden)
            """,
            Sql.Column(kept, k => k.Id), Sql.Column(kept, k => Sql.Pack(k.Matchers)), Sql.Column(kept, k => k.Owner), Sql.Column(kept, k => k.Comment), Sql.Column(kept, k => k.StartsAt), Sql.Column(kept, k => k.EndsAt),
            Sql.Column(kept, k => Sql.Pack(hidden[k.Id])), Sql.P(now));

        // Somebody ended it there, before its time: it is over here, too, and what still fires pages. One that is simply not there any more (a new Alertmanager) is told again.
        writes.Add("""
            with ended as (
              update silences set ended_at = $2, ended_by = 'Alertmanager', revision = revision + 1, mirror_state = 'ended'
              where upstream_id = any ($1) and mirror_state = 'mirrored' and mirror_due_at is null and ended_at is null and ends_at > $2
              returning id, kind, matchers, reason)
            insert into audit_entries (at, actor, actor_kind, action, subject, detail)
            select $2, 'Alertmanager', 'system', kind || '.ended', kind || '/' || id, jsonb_build_object('matchers', matchers, 'reason', reason, 'ended_by', 'Alertmanager') from ended
            """, Sql.P(silences.Where(s => s.IsExpired).Select(s => s.Id).ToArray()), Sql.P(now));
        writes.Add("""
            update silences set mirror_state = 'pending', mirror_due_at = $2, upstream_id = null
            where mirror_state = 'mirrored' and mirror_due_at is null and ended_at is null and ends_at > $2 and not upstream_id = any ($1)
            """, Sql.P(silences.Select(s => s.Id).ToArray()), Sql.P(now));

        // A group that is silenced whole sends no payload, so nothing would say that one of its alerts is over before the silence is: Alertmanager is asked for them every settle_every, as for those that payloads leave out.
        writes.Add("""
            update alerts set settle_at = $1 where id in (
              select a.id from alerts a
              where a.status = 'firing' and a.kind = $3 and a.settle_at > $2 and (a.muted_rule = any($4) or a.incident_number in (select number from incidents where quiet_rule = any($4)))
              order by a.id for no key update skip locked)
            """, Sql.P(now), Sql.P(now + configuration.Current.Incidents.SettleEvery), Sql.P(AlertmanagerSource.Key), Sql.P(await MirroredAsync(connection, now, cancellationToken)));
        await writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        mutes.Raise();
    }

    /// <summary>Rules of the silences that hold here and in Alertmanager.</summary>
    private static async Task<string[]> MirroredAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select coalesce(array_agg(kind || '/' || id), '{}') from silences where mirror_state = 'mirrored' and ended_at is null and starts_at <= $1 and ends_at > $1", connection);
        command.Parameters.Add(Sql.P(now));
        return (string[])(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private const long LockKey = 0x1AC1_0E47_A15E;

    [LoggerMessage(Level = LogLevel.Information, Message = "Silence {SilenceId} is {State} in Alertmanager as {UpstreamId}")]
    private partial void LogTold(long silenceId, string state, string upstreamId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silence {SilenceId} was not taken by Alertmanager: {Reason}")]
    private partial void LogNotTold(long silenceId, string reason);
}
