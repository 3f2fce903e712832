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
/// Fires the steps of escalation policies that are due. The row is all there is: whatever process runs this finds it, does all that is due, and writes the next time in the same transaction
/// as the pages, so that a step neither fires twice nor is lost.
/// </summary>
internal sealed partial class EscalateDue(
    WorkPool database, PagePeople people, IActiveConfiguration configuration, LaterStages stages, EscalationSignal signal, PageSignal pages, WorkerHealth health, TimeProvider clock, ILogger<EscalateDue> log)
    : Worker("escalations", signal, TimeSpan.FromSeconds(1), health, clock, log)
{
    private const int MostPerRun = 250;

    private static readonly string Claim = $"""
        select {IncidentRows.ColumnsOf("i")}, {EscalationRows.Columns}, i.storm_number is not null and exists (select from storms s where s.incident_number = i.storm_number and s.ended_at is null)
        from escalations e join incidents i on i.number = e.number
        where e.due_at <= $1 order by e.due_at limit $2 for no key update of e, i skip locked
        """;

    protected override async Task<bool> WorkAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetCurrentInstant();
        var current = configuration.Current;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await ClaimAsync(connection, now, cancellationToken);
        if (due.Count == 0) return false;

        var batch = new IngestBatch(connection, current, now);
        var resolve = await people.ResolverAsync(connection, current, due.Select(d => d.Escalation), now, cancellationToken);
        var (after, calls, moves) = (new List<(long, Escalation)>(due.Count), new List<StepCall>(), new List<(long, PagesMove)>());
        foreach (var (incident, escalation, storms) in due.OrderBy(d => d.Incident.Number))
        {
            var (move, occasion) = IncidentEscalation.Advance(incident, escalation, storms, resolve, now);
            after.Add((incident.Number, move.After));
            if (IncidentEscalation.PagesOf(escalation, move.After) is var pagesMove && pagesMove != PagesMove.Stay) moves.Add((incident.Number, pagesMove));
            foreach (var said in move.Events.Where(e => e.Kind is not (EscalationEventKind.Stopped or EscalationEventKind.Acknowledged)))
            {
                incident.Record(said.Kind, said.Text, Actor.Engine, now);
                if (said.IsLoud) LogLoud(incident.Number, said.Text);
            }

            if (occasion is null) continue;
            var knows = escalation.BeginsWithIncident ? incident.Receivers : [];
            calls.Add(new StepCall(incident, occasion, move.Fired, knows));
        }

        EscalationRows.Update(batch.Writes, after);
        await people.CallAsync(batch, calls, moves, cancellationToken);
        IncidentRows.Write(batch.Writes, due.Select(d => d.Incident));
        await stages.RunAsync(batch, cancellationToken);
        await batch.Writes.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        pages.Raise();
        stages.Wake(batch);
        OnCallMetrics.Fired(calls);
        return true;
    }

    private static async Task<List<(Incident Incident, Escalation Escalation, bool IsInStorm)>> ClaimAsync(NpgsqlConnection connection, Instant now, CancellationToken cancellationToken)
    {
        var due = new List<(Incident, Escalation, bool)>();
        await using var command = new NpgsqlCommand(Claim, connection);
        command.Parameters.Add(Sql.P(now));
        command.Parameters.Add(Sql.P(MostPerRun));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) due.Add((IncidentRows.Read(reader), EscalationRows.Read(reader, IncidentRows.ColumnCount), reader.GetBoolean(IncidentRows.ColumnCount + EscalationRows.ColumnCount)));
        return due;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Incident {IncidentNumber}: {Text}")]
    private partial void LogLoud(long incidentNumber, string text);
}

/// <summary>What an incident's escalation asks for now.</summary>
/// <param name="Incident">Locked.</param>
/// <param name="Occasion">What it is to whoever no step names.</param>
/// <param name="Fired">Steps that fired.</param>
/// <param name="Know">Receivers that are told in any case at this moment, and need not be paged as well.</param>
internal sealed record StepCall(Incident Incident, string Occasion, IReadOnlyList<FiredStep> Fired, IReadOnlyList<string> Know);
