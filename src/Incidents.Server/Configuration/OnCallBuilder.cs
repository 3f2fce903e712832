using System.Globalization;
using Incidents.Domain.OnCall;

namespace Incidents.Server.Configuration;

/// <summary>Makes the domain's values of an <c>oncall.yaml</c> without problems.</summary>
internal static class OnCallBuilder
{
    public static Roster Build(OnCallEntry file)
    {
        var hours = file.SupportHours.ToDictionary(h => h.Name.Value, h => h.Hours, StringComparer.Ordinal);
        return new Roster(
            file.People.Select(p => p.Person),
            file.Teams.Select(t => new Team { Key = t.Key.Value, Name = t.Name, Members = [.. t.Members.Select(m => m.Value)] }),
            file.Schedules.Select(s => s.Schedule),
            file.Policies.Select(p => new EscalationPolicy { Key = p.Key.Value, Name = p.Name, Variants = [.. p.Variants.Select((v, i) => Variant(v, i, p.Variants.Count))] }));

        PolicyVariant Variant(VariantEntry entry, int index, int count)
        {
            var variant = new PolicyVariant
            {
                Name = entry.Name?.Value ?? (count == 1 ? "default" : (index + 1).ToString(CultureInfo.InvariantCulture)),
                Severities = entry.Severities,
                Within = entry.Within is { } within ? hours[within.Value] : null,
                Outside = entry.Outside is { } outside ? hours[outside.Value] : null,
                Steps = [.. entry.Steps.Select(s => new PolicyStep { Targets = [.. s.Targets.Select(t => new EscalationTarget(t.Kind, t.Name.Value))], EscalateAfter = s.EscalateAfter })],
                Repeat = entry.Repeat,
                AckTimeout = entry.AckTimeout,
            };
            return entry.ReachWithin is { } target ? variant with { ReachWithin = target } : variant;
        }
    }
}
