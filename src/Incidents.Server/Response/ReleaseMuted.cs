using Incidents.Domain.Alerts;
using Incidents.Server.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>
/// What a rule muted and what still fires when the rule no longer mutes goes on its way then. Alertmanager will not send it again before its repeat interval,
/// so whoever mutes must also look again.
/// </summary>
internal sealed class ReleaseMuted(NpgsqlDataSource database, IActiveConfiguration configuration, LaterStages stages, WorkerHealth health, TimeProvider clock, ILogger<ReleaseMuted> log)
    : Worker("release-muted", null, TimeSpan.FromSeconds(10), health, clock, log)
{
    private const int MostPerPage = 500;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        // Most muted alerts stay muted, so the look itself takes no locks; ids page through them.
        var after = 0L;
        while (await ReleasePageAsync(after, cancellationToken) is { } last) after = last;
        return false;
    }

    private async Task<long?> ReleasePageAsync(long after, CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var current = configuration.Current;
        var page = new List<(long Id, string Source, string Fingerprint, Labels Labels)>();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using (var command = new NpgsqlCommand("select id, source, fingerprint, labels::text from alerts where status = 'firing' and outcome = 'suppressed' and id > $1 order by id limit $2", connection))
        {
            command.Parameters.Add(Sql.P(after));
            command.Parameters.Add(Sql.P(MostPerPage));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) page.Add((reader.GetInt64(0), reader.GetString(1), reader.GetString(2), AlertJson.Read(reader.GetString(3))));
        }

        var released = page.Where(p => current.Routing.Match(p.Labels, now).MutedBy is null).ToList();
        if (released.Count > 0)
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            var batch = new IngestBatch(connection, current, now);
            var locks = new SortedSet<long>(released.Select(r => EpisodeRows.LockKey(r.Source, r.Fingerprint)));
            await using var lookUp = new NpgsqlBatch(connection);
            EpisodeRows.Lock(lookUp, locks);
            lookUp.Add($"select {EpisodeRows.Columns}, a.labels::text, a.annotations::text from alerts a where a.id = any($1) and a.status = 'firing' and a.outcome = 'suppressed'", Sql.Column(released, r => r.Id));
            await using (var reader = await lookUp.ExecuteReaderAsync(cancellationToken))
            {
                await AdvisoryLocks.SkipAsync(reader, locks.Count, cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    var state = EpisodeRows.Read(reader);
                    state.IsChanged = true;
                    batch.Episodes.Add(state);
                    batch.Fired.Add(new FiredAlert(state, AlertJson.Read(reader.GetString(EpisodeRows.ColumnCount)), AlertJson.Read(reader.GetString(EpisodeRows.ColumnCount + 1)), null));
                }
            }

            await stages.RunAsync(batch, cancellationToken);
            EpisodeRows.Write(batch);
            if (batch.Writes.BatchCommands.Count > 0) await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            stages.Wake(batch);
        }

        return page.Count == MostPerPage ? page[^1].Id : null;
    }
}
