using System.Collections.Immutable;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Incidents.Domain.Routing;
using NodaTime.Text;

namespace Incidents.Server.Configuration;

/// <summary>The configuration in force as JSON: everything inherited and defaulted is filled in, secrets only as "set" or "not set".</summary>
internal static class ShowConfiguration
{
    private static readonly JsonSerializerOptions Plain = new(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary><c>GET /api/v1/config</c>.</summary>
    public static IResult Handle(IActiveConfiguration configuration) => Results.Json(Describe(configuration), Plain);

    public static JsonObject Describe(IActiveConfiguration configuration)
    {
        var current = configuration.Current;
        return new JsonObject
        {
            ["version"] = current.Version,
            ["loaded_at"] = InstantPattern.ExtendedIso.Format(current.LoadedAt),
            ["problems"] = Problems(configuration.Problems),
            ["warnings"] = Problems(current.Warnings),
            ["effective"] = new JsonObject
            {
                ["severity"] = new JsonObject
                {
                    ["labels"] = List(current.Routing.Severities.LabelNames),
                    ["words"] = JsonSerializer.SerializeToNode(current.Routing.Severities.Words.OrderBy(w => w.Key, StringComparer.Ordinal).ToDictionary(), Plain),
                    ["default"] = current.Routing.Severities.DefaultSeverity,
                },
                ["incidents"] = new JsonObject
                {
                    ["reopen_within"] = PromDuration.Format(current.Incidents.ReopenWithin),
                    ["verify_resolve_after"] = PromDuration.Format(current.Incidents.VerifyResolveAfter),
                    ["stale_after"] = PromDuration.Format(current.Incidents.StaleAfter),
                    ["settle_every"] = PromDuration.Format(current.Incidents.SettleEvery),
                    ["echo_within"] = PromDuration.Format(current.Incidents.EchoWithin),
                    ["bundle_updates"] = PromDuration.Format(current.Incidents.BundleUpdates),
                    ["fail_over_after"] = PromDuration.Format(current.Incidents.FailOverAfter),
                    ["flapping"] = current.Incidents.Flapping is { } flapping
                        ? new JsonObject { ["transitions"] = flapping.Transitions, ["within"] = PromDuration.Format(flapping.Within), ["settle_after"] = PromDuration.Format(flapping.SettleAfter) }
                        : null,
                    ["storm"] = current.Incidents.Storm is { } storm
                        ? new JsonObject { ["incidents"] = storm.Incidents, ["within"] = PromDuration.Format(storm.Within), ["calm_after"] = PromDuration.Format(storm.CalmAfter) }
                        : null,
                },
                ["inhibitions"] = new JsonArray([.. current.Inhibitions.Select(r => new JsonObject
                {
                    ["rule"] = r.Rule,
                    ["source_matchers"] = List([.. r.SourceMatchers.Select(m => m.ToString())]),
                    ["target_matchers"] = List([.. r.TargetMatchers.Select(m => m.ToString())]),
                    ["equal"] = List(r.Equal),
                })]),
                ["receivers"] = new JsonArray([.. current.Receivers.Values.OrderBy(r => r.Name, StringComparer.Ordinal).Select(Describe)]),
                ["watchdogs"] = new JsonArray([.. current.Watchdogs.Select(w => new JsonObject
                {
                    ["matchers"] = List([.. w.Matchers.Select(m => m.ToString())]),
                    ["expect_every"] = w.ExpectEvery is { } every ? PromDuration.Format(every) : "learnt",
                    ["severity"] = w.Severity,
                })]),
                ["heartbeats"] = new JsonArray([.. current.Heartbeats.Select(h => new JsonObject
                {
                    ["name"] = h.Name,
                    ["expect_every"] = PromDuration.Format(h.ExpectEvery),
                    ["severity"] = h.Severity,
                    ["labels"] = JsonSerializer.SerializeToNode(h.Labels.ToDictionary(), Plain),
                })]),
                ["route"] = Describe(current.Routing.Describe()),
            },
        };
    }

    public static JsonArray Problems(IEnumerable<ConfigurationProblem> problems) => new([.. problems.Select(p => new JsonObject
    {
        ["file"] = p.File,
        ["line"] = p.Line,
        ["column"] = p.Column,
        ["code"] = p.Code,
        ["message"] = p.Message,
        ["fix"] = p.Fix,
        ["text"] = ProblemText.Format(p),
    })]);

    private static JsonObject Describe(Receiver receiver)
    {
        var settings = new JsonObject();
        foreach (var property in receiver.Settings.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is not null))
        {
            var value = property.GetValue(receiver.Settings);
            settings[JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name)] = property.GetCustomAttribute<SecretAttribute>() is not null
                ? string.IsNullOrEmpty((string?)value) ? "not set" : "set"
                : value switch
                {
                    // Web hooks often carry their secret in the path, user or query.
                    Uri url => $"{url.Scheme}://{url.Authority}/…",
                    NodaTime.Duration length => PromDuration.Format(length),
                    _ => JsonSerializer.SerializeToNode(value, Plain),
                };
        }

        var described = new JsonObject { ["name"] = receiver.Name, [receiver.Channel] = settings };
        if (receiver.Fallback is not null) described["fallback"] = receiver.Fallback;
        return described;
    }

    private static JsonObject Describe(RouteSummary route) => new()
    {
        ["id"] = route.Id,
        ["matchers"] = List(route.Matchers),
        ["continue"] = route.Continue,
        ["group_by"] = List(route.GroupBy),
        ["receivers"] = BySeverity(route.Receivers, r => List(r)),
        ["opens_incident"] = BySeverity(route.OpensIncident, o => JsonValue.Create(o)),
        ["escalation_policy"] = BySeverity(route.EscalationPolicy, p => p is null ? null : JsonValue.Create(p)),
        ["playbooks"] = BySeverity(route.Playbooks, p => List(p)),
        ["team"] = route.Team,
        ["notify_after"] = BySeverity(route.NotifyAfter, t => JsonValue.Create(PromDuration.Format(t))),
        ["mute_time_intervals"] = List(route.MuteTimeIntervals),
        ["active_time_intervals"] = List(route.ActiveTimeIntervals),
        ["routes"] = new JsonArray([.. route.Routes.Select(Describe)]),
    };

    private static JsonObject BySeverity<T>(BySeverity<T> values, Func<T, JsonNode?> write) => new()
    {
        [Severity.Critical] = write(values.Critical),
        [Severity.Warning] = write(values.Warning),
        [Severity.Info] = write(values.Info),
    };

    private static JsonArray List(ImmutableArray<string> items) => new([.. items.Select(i => JsonValue.Create(i))]);
}
