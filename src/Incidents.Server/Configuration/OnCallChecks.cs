using Incidents.Domain.OnCall;
using Incidents.Server.Configuration.Yaml;

namespace Incidents.Server.Configuration;

/// <summary>What is well-formed in <c>oncall.yaml</c> but wrong: keys that mean nothing or two things, contacts without an address, policies that nobody uses or that are not there.</summary>
/// <param name="file">Of <c>oncall.yaml</c>; empty when there is no file.</param>
/// <param name="reading">Takes what is wrong in it; null when there is no file.</param>
/// <param name="routing">Of <c>routing.yaml</c>; null when it is unusable, and then nothing is said about what it names.</param>
/// <param name="routingReading">Takes what is wrong there.</param>
internal sealed class OnCallChecks(OnCallEntry file, YamlReading? reading, RoutingEntry? routing, YamlReading routingReading)
{
    private readonly Dictionary<string, YamlNode> _people = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _teams = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _hours = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _schedules = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _policies = new(StringComparer.Ordinal);

    public void Run()
    {
        Define("person", file.People.Select(p => p.Key), _people);
        Define("team", file.Teams.Select(t => t.Key), _teams);
        Define("support hours", file.SupportHours.Select(h => h.Name), _hours);
        Define("schedule", file.Schedules.Select(s => s.Key), _schedules);
        Define("policy", file.Policies.Select(p => p.Key), _policies);
        if (reading is not null)
        {
            foreach (var person in file.People) CheckContacts(person, reading);
            foreach (var member in file.Teams.SelectMany(t => t.Members)) CheckPerson(member, reading);
            foreach (var schedule in file.Schedules) CheckSchedule(schedule, reading);
            foreach (var policy in file.Policies) CheckPolicy(policy, reading);
        }

        if (routing?.Route is { } root) CheckRoutes(root);
    }

    private void Define(string what, IEnumerable<Located<string>> keys, Dictionary<string, YamlNode> known)
    {
        foreach (var key in keys)
        {
            if (known.TryAdd(key.Value, key.Node)) continue;
            reading!.Report(key.Node, Code.DefinedTwice, $"{what} '{key.Value}' is defined twice; the first is on line {known[key.Value].Line}.", "Give it another key.");
        }
    }

    private static void CheckContacts(PersonEntry person, YamlReading reading)
    {
        foreach (var channel in person.Contacts.Where(c => !person.Addresses.Contains(c.Value)))
        {
            var field = channel.Value switch { "pagerduty" => "pagerduty_routing_key", "webhook" => "webhook_url", "slack" => "slack_id", _ => "email" };
            reading.Report(channel.Node, Code.ContactWithoutAddress, $"{person.Key.Value} has no address for {channel.Value}.", $"Write {field} above, or remove the contact.");
        }

        if (person.Addresses.Count == 0 && person.Contacts.Count == 0) reading.Warn(person.Key.Node, Code.ContactWithoutAddress, $"{person.Key.Value} cannot be reached: there is no address.", "Write email, slack_id, pagerduty_routing_key or webhook_url.");
    }

    private void CheckSchedule(ScheduleEntry schedule, YamlReading reading)
    {
        foreach (var receiver in schedule.Notify) CheckReceiver(receiver, reading);
        if (schedule.Team is { } team) CheckTeam(team, "leave it out", reading);
        var layers = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        foreach (var layer in schedule.Layers)
        {
            if (!layers.TryAdd(layer.Name.Value, layer.Name.Node))
                reading.Report(layer.Name.Node, Code.DefinedTwice, $"layer '{layer.Name.Value}' is defined twice; the first is on line {layers[layer.Name.Value].Line}.", "Give it another name.");
            foreach (var person in layer.People) CheckPerson(person, reading);
            if (layer.Layer is { From: { } from, Until: { } until } && until <= from) reading.Report(layer.UntilKey!, Code.BadTurn, "the layer ends before it begins.", "Write an until that is later than from.");
        }
    }

    /// <summary>Without teams in oncall.yaml it is only a word that memberships use, too.</summary>
    private void CheckTeam(Located<string> team, string otherwise, YamlReading where)
    {
        if (_teams.Count == 0 || _teams.ContainsKey(team.Value)) return;
        where.Report(team.Node, Code.UndefinedTeam, $"team '{team.Value}' is not defined.", Suggestion.Nearest(team.Value, _teams.Keys) is { } near ? $"Did you mean '{near}'?" : $"Define it in oncall.yaml under 'teams', or {otherwise}.");
    }

    private void CheckPerson(Located<string> person, YamlReading reading) =>
        CheckDefined(person, "person", _people, Code.UndefinedPerson, "Define the person under 'people'.", reading);

    private void CheckPolicy(PolicyEntry policy, YamlReading reading)
    {
        var names = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        foreach (var variant in policy.Variants)
        {
            if (variant.Name is { } name && !names.TryAdd(name.Value, name.Node))
                reading.Report(name.Node, Code.DefinedTwice, $"variant '{name.Value}' is defined twice; the first is on line {names[name.Value].Line}.", "Give it another name.");
            foreach (var hours in new[] { variant.Within, variant.Outside })
            {
                if (hours is not null) CheckDefined(hours, "support hours", _hours, Code.UndefinedTarget, "Define them under 'support_hours'.", reading);
            }

            foreach (var target in variant.Steps.SelectMany(s => s.Targets)) CheckTarget(target, reading);
        }
    }

    private void CheckTarget(TargetEntry target, YamlReading reading)
    {
        switch (target.Kind)
        {
            case TargetKind.Person:
                CheckPerson(target.Name, reading);
                break;
            case TargetKind.Team:
                CheckDefined(target.Name, "team", _teams, Code.UndefinedTarget, "Define it under 'teams'.", reading);
                break;
            case TargetKind.Schedule:
                CheckDefined(target.Name, "schedule", _schedules, Code.UndefinedTarget, "Define it under 'schedules'.", reading);
                break;
            case TargetKind.Receiver:
                CheckReceiver(target.Name, reading);
                break;
        }
    }

    private void CheckReceiver(Located<string> name, YamlReading reading)
    {
        if (routing is null || routing.Receivers.Any(r => r.Name.Value == name.Value)) return;
        var nearest = Suggestion.Nearest(name.Value, routing.Receivers.Select(r => r.Name.Value));
        reading.Report(name.Node, Code.UndefinedTarget, $"receiver '{name.Value}' is not defined in routing.yaml.", nearest is null ? "Define it there under 'receivers'." : $"Did you mean '{nearest}'?");
    }

    private static void CheckDefined(Located<string> name, string what, Dictionary<string, YamlNode> known, string code, string otherwise, YamlReading reading)
    {
        if (known.ContainsKey(name.Value)) return;
        reading.Report(name.Node, code, $"{what} '{name.Value}' {(what.EndsWith('s') ? "are" : "is")} not defined.", Suggestion.Nearest(name.Value, known.Keys) is { } nearest ? $"Did you mean '{nearest}' (line {known[nearest].Line})?" : otherwise);
    }

    private void CheckRoutes(RouteEntry root)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        Check(root);

        // A file without any use of policies is one that does not escalate yet; that is no mistake in each of them.
        if (used.Count == 0) return;
        foreach (var (key, node) in _policies)
        {
            if (!used.Contains(key)) reading!.Warn(node, Code.UnusedPolicy, $"policy '{key}' is named by no route.", "Name it in routing.yaml as escalation_policy, or remove it.");
        }

        void Check(RouteEntry route)
        {
            foreach (var policy in route.EscalationPolicy?.Given ?? [])
            {
                if (policy.Value == "none") continue;
                used.Add(policy.Value);
                if (_policies.ContainsKey(policy.Value)) continue;
                var nearest = Suggestion.Nearest(policy.Value, _policies.Keys);
                routingReading.Report(policy.Node, Code.UndefinedPolicy, $"escalation policy '{policy.Value}' is not defined.", nearest is null ? "Define it in oncall.yaml under 'escalation_policies', or write 'none'." : $"Did you mean '{nearest}'?");
            }

            if (route.Team is { Value: not "none" } team) CheckTeam(team, "write 'none'", routingReading);

            foreach (var child in route.Routes) Check(child);
        }
    }
}
