using System.Globalization;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Mediator;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>Says of escalations who is told next and when.</summary>
internal sealed class EscalationOutlook(OnCallOverrides overrides, IActiveConfiguration configuration)
{
    private const int MostUpcoming = 10;

    /// <summary>Of several incidents, in the words of a message: "Bo at 03:20 UTC". Those of which nobody is told next are not in it.</summary>
    public async Task<IReadOnlyDictionary<long, string>> NextAsync(NpgsqlConnection connection, long[] incidents, Instant now, CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        if (current.OnCall.Policies.Count == 0 || incidents.Length == 0) return new Dictionary<long, string>();
        var running = (await EscalationRows.LoadAsync(connection, incidents, cancellationToken)).Where(e => e.Value.Upcoming().Any()).ToDictionary();
        if (running.Count == 0) return new Dictionary<long, string>();

        var until = running.Values.Max(e => Instant.Max(now, e.Upcoming().First().At));
        var replaced = await overrides.LoadAsync(connection, now, until, cancellationToken);
        return running.ToDictionary(e => e.Key, e =>
        {
            var next = Resolve(current, e.Value, replaced, now, 1)[0];
            return $"{next.Whom} at {next.At.ToString("HH:mm", CultureInfo.InvariantCulture)} UTC";
        });
    }

    public async Task<EscalationShown?> ShowAsync(NpgsqlConnection connection, long incident, Instant now, CancellationToken cancellationToken)
    {
        if (!(await EscalationRows.LoadAsync(connection, [incident], cancellationToken)).TryGetValue(incident, out var escalation)) return null;
        var until = escalation.Upcoming().Take(MostUpcoming).Select(u => u.At).Append(now).Max();
        var replaced = await overrides.LoadAsync(connection, now, until, cancellationToken);
        var isRunning = escalation.Status == EscalationStatus.Running;
        return new EscalationShown
        {
            Policy = escalation.Policy.Policy,
            Variant = escalation.Policy.Variant,
            State = escalation.Status,
            Reason = escalation.StoppedReason,
            FiredSteps = escalation.Step,
            Steps = escalation.Policy.Steps.Length,
            Round = escalation.Round + 1,
            Rounds = escalation.Policy.Repeat + 1,
            ResumesAt = escalation.Status == EscalationStatus.Acknowledged ? escalation.DueAt : null,
            EndsAt = isRunning && escalation.NextStep is null ? escalation.DueAt : null,
            Upcoming = Resolve(configuration.Current, escalation, replaced, now, MostUpcoming),
        };
    }

    private static List<UpcomingStep> Resolve(EngineConfiguration current, Escalation escalation, IReadOnlyCollection<Override> replaced, Instant now, int most) =>
        [.. escalation.Upcoming().Take(most).Select(u =>
        {
            var found = StepResolver.Resolve(u.Step, escalation.Policy.Severity, current.OnCall, replaced, current.Reach, Instant.Max(u.At, now));
            return new UpcomingStep(u.Number, u.Round + 1, u.At, [.. found.People.Select(p => current.OnCall.People[p.Person].Name)], [.. found.Receivers], [.. found.Misses.Select(m => m.Detail)]);
        })];
}

internal sealed class GetEscalationHandler(EscalationOutlook outlook, NpgsqlDataSource database, TimeProvider clock) : IQueryHandler<GetEscalation, EscalationShown?>
{
    public async ValueTask<EscalationShown?> Handle(GetEscalation query, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await outlook.ShowAsync(connection, query.Number, clock.GetCurrentInstant(), cancellationToken);
    }
}
