using CsCheck;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.Response;

/// <summary>Whatever people and alerts do to an incident, in whatever order, it stays sound and every change is told.</summary>
public sealed class IncidentVerbTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 2, 9, 0);
    private static readonly Duration Window = Duration.FromMinutes(15);
    private static readonly Actor Dana = new("user", "dana");

    private static RoutingDecision Decision(string severity) => new() { Severity = severity, Receivers = [$"{severity}-people"], GroupKey = "g", OpensIncident = true, Path = [] };

    private static FiringAlert Alert(string severity) => new("DiskFull", Decision(severity), Start, false);

    private static readonly Action<Incident, Instant>[] Verbs =
    [
        (i, now) => i.Acknowledge(Dana, now),
        (i, now) => i.Unacknowledge(Dana, now),
        (i, now) => i.Resolve(Dana, "done", Duration.FromMinutes(10), now),
        (i, now) => i.Reopen(Dana, null, now),
        (i, now) => i.Snooze(Dana, now + Duration.FromMinutes(5), now),
        (i, now) => i.EndSnooze(now),
        (i, now) => i.Assign(Dana, "lee", now),
        (i, now) => i.Escalate(Dana, null, Decision(Severity.Critical), now),
        (i, now) => i.AddNote(Dana, "hm", now),
        (i, now) => i.ChangeSeverity(Dana, Decision(Severity.Warning), now),
        (i, now) => i.VerifyResolve(now),
        (i, now) => i.Close(now, Window),
        (i, now) => { if (i.IsOpen) i.Join([Alert(Severity.Critical)], now); },
        (i, now) => { if (i.MayReopen(now, Window)) i.ReopenByAlerts([Alert(Severity.Warning)], now); },
        (i, now) => { if (i.FiringAlerts > 0) i.Leave(["DiskFull"], "resolved", Actor.Alertmanager, now); },
    ];

    private static readonly Gen<(int Verb, int Seconds)[]> Lives = Gen.Select(Gen.Int[0, Verbs.Length - 1], Gen.Int[0, 900]).Array[0, 40];

    [Test]
    public void It_stays_sound() => Lives.Sample(life =>
    {
        var incident = Incident.Open(1, Guid.Empty, "DiskFull", Alert(Severity.Warning), Start);
        incident.TakeEntries();
        var now = Start;
        foreach (var (verb, seconds) in life)
        {
            now += Duration.FromSeconds(seconds);
            var before = (incident.Revision, incident.State, incident.Severity, Receivers: incident.Receivers.ToHashSet());
            Verbs[verb](incident, now);
            var entries = incident.TakeEntries();
            if (incident.Revision - before.Revision != entries.Count) return false;                       // a change is told, and what is told is a change
            if ((incident.State, incident.Severity) != (before.State, before.Severity) && entries.Count == 0) return false;
            if (before.State == IncidentState.Closed && incident.State != IncidentState.Closed) return false; // closed is final
            if (!before.Receivers.IsSubsetOf(incident.Receivers)) return false;                             // who heard of it hears of its end
            if (incident.IsOpen != incident.ResolvedAt is null) return false;
            if ((incident.State == IncidentState.Acknowledged) && incident.AcknowledgedBy is null) return false;
            if (incident.State == IncidentState.Triggered && incident.SnoozedUntil is not null) return false;
            if (incident.VerifyResolveAt is not null && (incident.State != IncidentState.Resolved || incident.FiringAlerts == 0)) return false;
            if (incident.FiringAlerts < 0) return false;
        }

        return true;
    }, iter: 20_000);

    [Test]
    public void A_resolve_by_hand_with_firing_alerts_is_always_verified() => Lives.Sample(life =>
    {
        var incident = Incident.Open(1, Guid.Empty, "DiskFull", Alert(Severity.Warning), Start);
        var now = Start;
        foreach (var (verb, seconds) in life)
        {
            now += Duration.FromSeconds(seconds);
            Verbs[verb](incident, now);
        }

        if (incident.State != IncidentState.Resolved || incident.FiringAlerts == 0) return true;
        return incident.VerifyResolveAt is { } at && incident.VerifyResolve(at) == Occasion.Reopened && incident.IsOpen;
    }, iter: 20_000);
}
