using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FluentValidation;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using Incidents.Server.Notifications;
using Incidents.Server.OnCall;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Configuration;

/// <summary>What one reading of the configuration directory gave: a configuration, or the problems that forbid it.</summary>
/// <param name="Configuration">Null when any problem is an error.</param>
/// <param name="Problems">Errors and warnings, in the order of the files.</param>
/// <param name="Files">Full paths of everything that was read or looked for, secret files included.</param>
internal sealed record ConfigurationReading(EngineConfiguration? Configuration, IReadOnlyList<ConfigurationProblem> Problems, IReadOnlyList<string> Files);

/// <summary>Reads the configuration directory. It keeps nothing: each call is a new reading of the files.</summary>
internal sealed class EngineConfigurationLoader(IEnumerable<ChannelRegistration> channels, IServiceScopeFactory scopes, TimeProvider clock)
{
    public const string RoutingFileName = "routing.yaml";

    public const string OnCallFileName = "oncall.yaml";

    private readonly Dictionary<string, ChannelRegistration> _channels = channels.ToDictionary(c => c.Key, StringComparer.Ordinal);

    private readonly RoutingFile _routing = new(channels, type =>
    {
        // Validators hold rules and nothing to dispose, so one outlives its scope without harm.
        using var scope = scopes.CreateScope();
        return scope.ServiceProvider.GetService(typeof(IValidator<>).MakeGenericType(type)) as IValidator;
    });

    private readonly OnCallFile _onCall = new();

    /// <summary>JSON schema (draft 07) of <c>routing.yaml</c> with the channels of this build.</summary>
    public JsonObject RoutingSchema() => _routing.Schema();

    /// <summary>JSON schema (draft 07) of <c>oncall.yaml</c>.</summary>
    public JsonObject OnCallSchema() => _onCall.Schema();

    /// <param name="directory">Full path.</param>
    public ConfigurationReading Load(string directory)
    {
        var folder = Path.GetFileName(Path.TrimEndingDirectorySeparator(directory));
        var path = Path.Combine(directory, RoutingFileName);
        var onCallPath = Path.Combine(directory, OnCallFileName);
        if (!TryReadText(path, $"{folder}/{RoutingFileName}", out var text, out var problem)) return new ConfigurationReading(null, [problem], [path, onCallPath]);

        // People and schedules may be left out; a file that is there and cannot be read is a mistake.
        string? onCallText = null;
        if (File.Exists(onCallPath) && !TryReadText(onCallPath, $"{folder}/{OnCallFileName}", out onCallText, out problem)) return new ConfigurationReading(null, [problem], [path, onCallPath]);

        var reading = new YamlReading($"{folder}/{RoutingFileName}", text, directory);
        var entry = _routing.Read(reading);
        if (entry is not null) new RoutingChecks(entry, reading).Run();

        var onCallReading = onCallText is null ? null : new YamlReading($"{folder}/{OnCallFileName}", onCallText, directory);
        var onCall = onCallReading is null ? new OnCallEntry() : _onCall.Read(onCallReading);
        if (onCall is not null) new OnCallChecks(onCall, onCallReading, entry, reading).Run();
        foreach (var schedule in onCall?.Schedules.Where(s => s.Calendar?.Text is not null) ?? [])
        {
            if (CalendarImport.Parse(schedule.Calendar!.Text!, out _)?.WhyNotExpanded(clock.GetUtcNow().ToInstant()) is { } why)
                onCallReading!.Report(schedule.Key.Node, Code.BadCalendar, $"the calendar {why}.", "Correct the rule of recurrence, and export it again as iCalendar (.ics).");
        }

        var reach = Reach.Nothing;
        if (entry is not null && onCall is not null && onCallReading is not null && !reading.HasErrors && !onCallReading.HasErrors) reach = CheckCoverage(entry, onCall, onCallReading);

        var problems = ProblemText.InOrder(reading.Problems().Concat(onCallReading?.Problems() ?? [])).ToArray();
        IReadOnlyList<string> files = [path, onCallPath, .. reading.ReferredFiles.Concat(onCallReading?.ReferredFiles ?? []).Distinct(StringComparer.Ordinal)];
        if (entry is null || onCall is null || problems.Any(p => !p.IsWarning)) return new ConfigurationReading(null, problems, files);

        var (tree, receivers, inhibitions) = RoutingBuilder.Build(entry);
        return new ConfigurationReading(
            new EngineConfiguration
            {
                Version = VersionOf([text, .. onCallText is null ? [] : new[] { onCallText }, .. onCall.Schedules.Select(s => s.Calendar?.Text).OfType<string>()]),
                LoadedAt = clock.GetUtcNow().ToInstant(),
                Routing = tree,
                Receivers = receivers,
                Inhibitions = inhibitions,
                Incidents = entry.Incidents,
                Watchdogs = entry.Watchdogs ?? [Watchdog.Usual],
                Heartbeats = [.. entry.Heartbeats.Select(h => h.Value)],
                OnCall = OnCallBuilder.Build(onCall),
                Calendars = onCall.Schedules.Select(s => s.Calendar).OfType<CalendarSource>().ToFrozenDictionary(c => c.Schedule, StringComparer.Ordinal),
                HandOverReceivers = onCall.Schedules.Where(s => s.Notify.Count > 0).ToFrozenDictionary(s => s.Key.Value, s => s.Notify.Select(n => n.Value).Distinct(StringComparer.Ordinal).ToImmutableArray(), StringComparer.Ordinal),
                Reach = onCallReading is null ? ReachOf(receivers.Values) : reach,
                Warnings = problems,
            },
            problems,
            files);
    }

    private static string VersionOf(string[] texts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var i = 0; i < texts.Length; i++) hash.AppendData(Encoding.UTF8.GetBytes(i == 0 ? texts[i] : "\0" + texts[i]));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
    }

    /// <summary>
    /// Warns of the first time in the next 90 days at which an incident would reach nobody, once for each policy and severity, and for each route that has none and must page. What is in the database (overrides, calendars from an address) is not
    /// known here: a policy that depends on such a calendar is left to the check that runs on the server, which knows both.
    /// </summary>
    private Reach CheckCoverage(RoutingEntry entry, OnCallEntry onCall, YamlReading reading)
    {
        var (tree, receivers, _) = RoutingBuilder.Build(entry);
        var (roster, reach) = (OnCallBuilder.Build(onCall), ReachOf(receivers.Values));
        var fetched = onCall.Schedules.Where(s => s.Calendar is { Text: null }).Select(s => s.Key.Value).ToHashSet(StringComparer.Ordinal);
        var questions = CoverageQuestions.Of(tree.Describe(), reach).Where(q => q.Policy is null || !roster.Policies[q.Policy].Variants.SelectMany(v => v.Steps).SelectMany(s => s.Targets).Any(t => t.Kind == TargetKind.Schedule && fetched.Contains(t.Key))).ToArray();
        if (questions.Length == 0) return reach;

        var now = clock.GetUtcNow().ToInstant();
        var imported = onCall.Schedules.Where(s => s.Calendar?.Text is not null)
            .SelectMany(s => CalendarImport.Parse(s.Calendar!.Text!, out _)!.Shifts(s.Schedule, roster, now, now + Coverage.Horizon + Duration.FromDays(1)).Shifts).ToArray();
        foreach (var holes in Coverage.Holes(roster, imported, questions, reach, now, now + Coverage.Horizon).GroupBy(h => (h.Policy, h.Severity, Route: h.Policy is null ? h.Route : "")))
        {
            var first = holes.MinBy(h => h.From)!;
            reading.Warn((onCall.Policies.FirstOrDefault(p => p.Key.Value == first.Policy) ?? onCall.Policies[0]).Key.Node, Code.CoverageHole, $"a {first.Severity} incident of route '{first.Route}' that begins at {CoverageQuestions.Minute(first.From)} would reach nobody in time: {first.Detail}",
                first.Policy is null ? "Name a policy for critical on that route, or a receiver that pages." : "Close the gap, or make an override; overrides are counted by GET /api/v1/on-call/coverage.");
        }

        return reach;
    }

    private Reach ReachOf(IEnumerable<Receiver> receivers)
    {
        using var scope = scopes.CreateScope();
        bool IsSetUp(ChannelRegistration channel, object? settings) => channel.IsSetUp?.Invoke(scope.ServiceProvider, settings) ?? true;
        var usable = receivers.Where(r => IsSetUp(_channels[r.Channel], r.Settings)).ToArray();
        return new Reach
        {
            Channels = _channels.Values.Where(c => OnCallFile.ContactChannels.Contains(c.Key) && IsSetUp(c, null)).Select(c => c.Key).ToHashSet(StringComparer.Ordinal),
            Receivers = usable.Select(r => r.Name).ToHashSet(StringComparer.Ordinal),
            PagingReceivers = usable.Where(r => _channels[r.Channel].Pages).Select(r => r.Name).ToHashSet(StringComparer.Ordinal),
        };
    }

    private static bool TryReadText(string path, string name, [NotNullWhen(true)] out string? text, [NotNullWhen(false)] out ConfigurationProblem? problem)
    {
        text = null;
        problem = null;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path));
            if (text.StartsWith('\ufeff')) text = text[1..];
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            problem = new ConfigurationProblem(name, 1, 1, Code.Unreadable, $"{path} does not exist.", "Create it (config/routing.yaml of the distribution is a start), or set Incidents__ConfigDirectory.");
        }
        catch (DecoderFallbackException)
        {
            problem = new ConfigurationProblem(name, 1, 1, Code.Unreadable, $"{path} is not UTF-8 text.", "Save it as UTF-8.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = new ConfigurationProblem(name, 1, 1, Code.Unreadable, $"{path} cannot be read: {e.Message}", "Let the engine's user read it.");
        }

        return false;
    }
}
