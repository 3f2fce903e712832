using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FluentValidation;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using Incidents.Server.Notifications;
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

        var problems = ProblemText.InOrder(reading.Problems().Concat(onCallReading?.Problems() ?? [])).ToArray();
        IReadOnlyList<string> files = [path, onCallPath, .. reading.SecretFiles.Concat(onCallReading?.SecretFiles ?? []).Distinct(StringComparer.Ordinal)];
        if (entry is null || onCall is null || problems.Any(p => !p.IsWarning)) return new ConfigurationReading(null, problems, files);

        var (tree, receivers, inhibitions) = RoutingBuilder.Build(entry);
        return new ConfigurationReading(
            new EngineConfiguration
            {
                Version = VersionOf(text, onCallText),
                LoadedAt = clock.GetUtcNow().ToInstant(),
                Routing = tree,
                Receivers = receivers,
                Inhibitions = inhibitions,
                Incidents = entry.Incidents,
                Watchdogs = entry.Watchdogs ?? [Watchdog.Usual],
                Heartbeats = [.. entry.Heartbeats.Select(h => h.Value)],
                OnCall = OnCallBuilder.Build(onCall),
                Reach = ReachOf(receivers.Values),
                Warnings = problems,
            },
            problems,
            files);
    }

    private static string VersionOf(string routing, string? onCall)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(routing));
        if (onCall is not null) hash.AppendData(Encoding.UTF8.GetBytes("\0" + onCall));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
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
