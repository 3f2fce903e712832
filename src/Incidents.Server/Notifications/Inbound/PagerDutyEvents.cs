using System.Globalization;
using FluentValidation;
using Incidents.Domain.Notifications;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;
using Severity = Incidents.Domain.Routing.Severity;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>
/// Keeps both sides equal. What a person did in PagerDuty is done here by the same commands, unless something newer happened here; what our own events did there comes back as a webhook too, and changes nothing.
/// What PagerDuty is known to show is written into the pager's thread, so that nothing is sent back that came from there, and whatever still differs is sent.
/// The reasons are in docs/decisions/pagerduty-both-ways.md.
/// </summary>
internal sealed class PagerDutyEvents(ISender sender, IActor actor, IncidentWork work, KnownPeople people, PagerDutyApi api, NpgsqlDataSource database, IActiveConfiguration configuration, IdBlocks ids, TimeProvider clock) : IInboundHandler
{
    private const string Incident = "incident.";

    /// <summary>In this time PagerDuty has told of what it was sent.</summary>
    private static readonly Duration LongestTale = Duration.FromSeconds(15);

    public string Channel => "pagerduty";

    public string? Apology => null;

    /// <summary>Numbers of our incidents that the event is about, when only PagerDuty's API can say.</summary>
    public async ValueTask<object?> LookUpAsync(InboundAction action, CancellationToken cancellationToken)
    {
        var happened = PagerDutyEvent.Read(action.Payload);
        if (!action.Kind.StartsWith(Incident, StringComparison.Ordinal) || happened.IncidentId.Length == 0 || NumberOf(happened.IncidentKey) is not null || !api.HasToken) return null;
        await using (var known = database.CreateCommand("select exists (select 1 from pagerduty_incidents where id = $1)"))
        {
            known.Parameters.Add(Sql.P(happened.IncidentId));
            if ((bool)(await known.ExecuteScalarAsync(cancellationToken))!) return null;
        }

        var keys = await api.ListAlertKeysAsync(happened.IncidentId, cancellationToken);
        return keys.Select(NumberOf).OfType<long>().Distinct().ToList();
    }

    public async Task<InboundResult> ActAsync(InboundAction action, object? found, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (!action.Kind.StartsWith(Incident, StringComparison.Ordinal)) return new InboundResult("recorded");
        var happened = PagerDutyEvent.Read(action.Payload);
        var numbers = await NumbersAsync(happened, found as List<long>, connection, cancellationToken);
        if (numbers.Count == 0) return new InboundResult("belongs to no incident of ours");

        var name = await NameAsync(happened, cancellationToken);
        actor.Is(name, ActorKind.PagerDuty, happened.AgentId.Length > 0 ? $"pagerduty/{happened.AgentId}" : null);
        var outcomes = new List<string>();

        // Always from the smaller number up, so that no two wait for each other.
        foreach (var number in numbers.Order())
        {
            if (await work.LockAsync(number, cancellationToken) is not { } incident) continue;
            if (await ReadThreadAsync(number, connection, cancellationToken) is not { } thread)
            {
                outcomes.Add($"INC-{number} was never sent to PagerDuty");
                continue;
            }

            var at = action.OccurredAt ?? action.ReceivedAt;
            outcomes.Add(await ApplyAsync(new Happening(action.Kind[Incident.Length..], happened, at, name), incident, thread, connection, cancellationToken));
        }

        return outcomes.Count == 0 ? new InboundResult("belongs to no incident of ours", Actor: name) : new InboundResult(string.Join("; ", outcomes), numbers.Min(), name);
    }

    private async Task<string> ApplyAsync(Happening it, Incident incident, PagerThread thread, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var state = it.Type switch
        {
            "triggered" or "unacknowledged" or "reopened" => SubjectState.Triggered,
            "acknowledged" => SubjectState.Acknowledged,
            "resolved" => SubjectState.Resolved,
            _ => null,
        };
        if (state is null) return await TellAsync(it, incident, thread, connection, cancellationToken);
        if (it.Type == "resolved" && it.Event.Text == PagerDutyEvent.Merged)
        {
            // Its alert lives on in another incident there, and nothing is mended by it.
            await sender.Send(new AddNote(incident.Number, "Merged into another incident in PagerDuty; it goes on here."), cancellationToken);
            return "merged in PagerDuty";
        }

        if (!await RememberAsync(it, incident.Number, state, connection, cancellationToken)) return "something newer was heard of it before";

        var ours = PagerDutyMirror.Wanted(incident);
        ICommand<IncidentAnswer>? command = it.Type switch
        {
            "acknowledged" when it.Event.IsByPerson && thread.CalledForHereAt <= it.At => new AcknowledgeIncident(incident.Number),

            // A time-out there does not end a quiet time that somebody set here.
            "unacknowledged" when thread.AcknowledgedHereAt <= it.At && (it.Event.IsByPerson || incident.SnoozedUntil is null) => new UnacknowledgeIncident(incident.Number),
            "resolved" when it.Event.IsByPerson && thread.CalledForHereAt <= it.At => new ResolveIncident(incident.Number, it.Event.Text.Length > 0 ? it.Event.Text : null),
            "reopened" when thread.ResolvedHereAt <= it.At => new ReopenIncident(incident.Number),
            _ => null,
        };
        var said = "came from here";
        if (command is not null)
        {
            switch (await sender.Send(command, cancellationToken))
            {
                case IncidentAnswer.Is(var now, var changed, var detail):
                    ours = PagerDutyMirror.Wanted(now);
                    said = changed ? it.Type : detail ?? "so already";
                    break;
                case IncidentAnswer.Impossible(var detail):
                    said = detail;
                    break;
            }
        }
        else if (ours != state)
        {
            said = it.Event.IsByPerson || it.Type is "unacknowledged" or "reopened" ? "something newer happened here; PagerDuty is told" : "PagerDuty is told again how it is";
            if (it.Type == "resolved" && !it.Event.IsByPerson && thread.LastSendAt < it.At - Duration.FromMinutes(1))
                await sender.Send(new AddNote(incident.Number, $"PagerDuty closed it by itself ({it.Name}), but it is open here: PagerDuty is told again."), cancellationToken);
        }

        // Something was said after it happened, of which PagerDuty has still to tell. If both sides agree about what it tells now, what was said is kept, and sent again should it differ;
        // else what it tells now is believed, and what comes of that waits for the rest of the story.
        var isOld = thread.IsSending || thread.LastSendAt > it.At;
        var shown = isOld && ours == state ? thread.ShownState : state;
        if (shown is not null) await ShowAsync(incident.Number, thread, shown, connection, cancellationToken);
        if (ours != shown) await RepeatAsync(incident.Number, thread, isOld ? Duration.Max(LongestTale, configuration.Current.Incidents.BundleUpdates) : configuration.Current.Incidents.BundleUpdates, connection, cancellationToken);
        return said;
    }

    /// <summary>What changes no state: who is on it, what was said.</summary>
    private async Task<string> TellAsync(Happening it, Incident incident, PagerThread thread, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var e = it.Event;
        ICommand<IncidentAnswer>? command = it.Type switch
        {
            "reassigned" or "delegated" when e.Assignee.Length > 0 && incident.IsOpen => new AssignIncident(incident.Number, MessageText.Truncate(MessageText.SingleLine(e.Assignee), 200)),
            "priority_updated" when e.Priority.Length > 0 => SeverityMapping.Default.Find(e.Priority.Split(' ', 2)[0]) is { } severity && Severity.All.Contains(severity) && incident.State != IncidentState.Closed
                ? new ChangeSeverity(incident.Number, severity)
                : Note($"Priority in PagerDuty is now {e.Priority}."),
            "annotated" when !string.IsNullOrWhiteSpace(e.Text) => Note(e.Text),
            "status_update_published" when !string.IsNullOrWhiteSpace(e.Text) => Note($"Status update in PagerDuty: {e.Text}"),
            "escalated" => Note($"Escalated in PagerDuty{(e.Assignee.Length > 0 ? $" to {e.Assignee}" : "")}."),
            "responder.added" => Note($"PagerDuty asked {(e.Responder.Length > 0 ? e.Responder : "a responder")} for help."),
            "responder.replied" => Note($"{(e.Responder.Length > 0 ? e.Responder : "A responder")} answered PagerDuty{(e.ResponderState.Length > 0 ? $": {e.ResponderState}" : "")}."),
            _ => null,
        };
        if (command is null) return "recorded";

        var answer = await sender.Send(command, cancellationToken);

        // PagerDuty knows it already, so its thread is up to date with this revision, if it was with the one before.
        if (answer is IncidentAnswer.Is(var now, true, _) && thread.Ids.Count == 1)
        {
            await using var shown = new NpgsqlCommand("update notification_threads set shown_revision = $2 where id = $1 and shown_revision >= $3 and shown_state is not null", connection);
            shown.Parameters.Add(Sql.P(thread.Ids[0]));
            shown.Parameters.Add(Sql.P(now.Revision));
            shown.Parameters.Add(Sql.P(thread.RevisionBefore));
            await shown.ExecuteNonQueryAsync(cancellationToken);
        }

        return answer switch { IncidentAnswer.Is(_, true, _) => it.Type, IncidentAnswer.Is(_, _, var detail) => detail ?? "so already", IncidentAnswer.Impossible(var detail) => detail, _ => "recorded" };

        AddNote Note(string text) => new(incident.Number, MessageText.Truncate(text, 9000));
    }

    /// <summary>False when something later was heard of the incident before: webhooks may overtake each other.</summary>
    private static async Task<bool> RememberAsync(Happening it, long number, string state, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            insert into pagerduty_incidents (id, incident_number, service_id, state, state_at)
            select $1, $2, $3, $4, $5 where not exists (select 1 from pagerduty_incidents where incident_number = $2 and service_id = $3 and state_at > $5)
            on conflict (id, incident_number) do update set state = excluded.state, state_at = excluded.state_at
            """, connection);
        command.Parameters.Add(Sql.P(it.Event.IncidentId));
        command.Parameters.Add(Sql.P(number));
        command.Parameters.Add(Sql.P(it.Event.ServiceId));
        command.Parameters.Add(Sql.P(state));
        command.Parameters.Add(Sql.P(it.At));
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>The pager's thread shows what PagerDuty shows. With several pagers, people's own among them, it is not known whose webhook it is, and nothing is noted.</summary>
    private static async Task ShowAsync(long number, PagerThread thread, string state, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (thread.Ids.Count != 1) return;
        await using var command = new NpgsqlCommand("""
            update notification_threads t set shown_state = $2,
              shown_revision = case when shown_revision >= $4 and $2 = (select case i.state when 'closed' then 'resolved' else i.state end from incidents i where i.number = $3) then (select i.revision from incidents i where i.number = $3) else shown_revision end
            where id = $1
            """, connection);
        command.Parameters.Add(Sql.P(thread.Ids[0]));
        command.Parameters.Add(Sql.P(state));
        command.Parameters.Add(Sql.P(number));
        command.Parameters.Add(Sql.P(thread.RevisionBefore));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task RepeatAsync(long number, PagerThread thread, Duration after, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (thread.Ids.Count != 1) return;
        var now = clock.GetCurrentInstant();
        await using var writes = new NpgsqlBatch(connection);
        await DeliveryRows.QueueAsync(writes, [new WantedDelivery { Incident = number, Notice = null, Receiver = thread.Receiver, Occasion = Occasion.Updated, DueAt = now + after }], ids, now, cancellationToken);
        await writes.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<PagerThread?> ReadThreadAsync(long number, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var pagers = configuration.Current.Receivers.Values.Where(r => r.Channel == Channel).Select(r => r.Name).ToArray();
        await using var command = new NpgsqlCommand("""
            select array_agg(t.id), min(t.receiver), bool_or(d.sending), max(d.last),
              (select revision from incidents where number = $1),
              (select max(e.at) from timeline_entries e where e.incident_number = $1 and e.actor_kind <> 'pagerduty' and e.kind in ('acknowledged', 'snoozed')),
              (select max(e.at) from timeline_entries e where e.incident_number = $1 and e.actor_kind <> 'pagerduty' and e.kind = 'resolved'),
              (select max(e.at) from timeline_entries e where e.incident_number = $1 and e.actor_kind <> 'pagerduty' and e.kind in ('reopened', 'escalated', 'unacknowledged', 'snooze_ended', 'ack_timed_out', 'hidden_ended')),
              min(t.shown_state)
            from notification_threads t cross join lateral (
              select coalesce(bool_or(d.state = 'sending'), false) as sending, max(a.started_at) filter (where a.result <> 'nothing_to_send') as last from deliveries d left join delivery_attempts a on a.delivery_id = d.id
              where d.incident_number = $1 and d.thread_id = t.id) d
            where t.incident_number = $1 and (t.receiver = any($2) or t.receiver like $3)
            """, connection);
        command.Parameters.Add(Sql.P(number));
        command.Parameters.Add(Sql.P(pagers));
        command.Parameters.Add(Sql.P(PersonReceiver.NameOf("%", Channel)));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken) || reader.IsDBNull(0)) return null;
        return new PagerThread(reader.GetFieldValue<long[]>(0), reader.GetString(1), reader.GetInt64(4), reader.GetBoolean(2), Time(3), Time(5), Time(6), Time(7), reader.IsDBNull(8) ? null : reader.GetString(8));

        Instant Time(int i) => reader.IsDBNull(i) ? Instant.MinValue : reader.GetFieldValue<Instant>(i);
    }

    private static async Task<List<long>> NumbersAsync(PagerDutyEvent happened, List<long>? found, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (NumberOf(happened.IncidentKey) is { } number) return [number];
        if (happened.IncidentId.Length == 0) return [];
        var numbers = found ?? [];
        await using var command = new NpgsqlCommand("select incident_number from pagerduty_incidents where id = $1", connection);
        command.Parameters.Add(Sql.P(happened.IncidentId));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) numbers.Add(reader.GetInt64(0));
        return [.. numbers.Distinct()];
    }

    private async Task<string> NameAsync(PagerDutyEvent happened, CancellationToken cancellationToken)
    {
        var known = happened.AgentId.Length > 0 ? await people.FindAsync(KnownPeople.PagerDuty, happened.AgentId, cancellationToken) : null;
        if (known is not null) return known.Name;
        var said = MessageText.Truncate(MessageText.SingleLine(happened.AgentName), 100);
        return said.Length > 0 ? said : "PagerDuty";
    }

    private static long? NumberOf(string key) =>
        key.StartsWith("inc-", StringComparison.Ordinal) && long.TryParse(key.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private sealed record Happening(string Type, PagerDutyEvent Event, Instant At, string Name);

    /// <summary>What PagerDuty was told of the incident, and what happened here besides.</summary>
    /// <param name="Ids">Of the threads; more than one where several receivers are pagers.</param>
    /// <param name="Receiver">Of the first.</param>
    /// <param name="RevisionBefore">The incident's, before this event.</param>
    /// <param name="IsSending">A message is on its way.</param>
    /// <param name="LastSendAt">When the last message began that was sent.</param>
    /// <param name="AcknowledgedHereAt">When somebody here last took it.</param>
    /// <param name="ResolvedHereAt">When it last ended here.</param>
    /// <param name="CalledForHereAt">When it last needed somebody again here.</param>
    /// <param name="ShownState">What PagerDuty was last known to show; null before it was told anything.</param>
    private sealed record PagerThread(IReadOnlyList<long> Ids, string Receiver, long RevisionBefore, bool IsSending, Instant LastSendAt, Instant AcknowledgedHereAt, Instant ResolvedHereAt, Instant CalledForHereAt, string? ShownState);
}
