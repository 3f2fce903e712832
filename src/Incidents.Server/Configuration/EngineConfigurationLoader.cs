using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FluentValidation;
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

    private readonly RoutingFile _routing = new(channels, type =>
    {
        // Validators hold rules and nothing to dispose, so one outlives its scope without harm.
        using var scope = scopes.CreateScope();
        return scope.ServiceProvider.GetService(typeof(IValidator<>).MakeGenericType(type)) as IValidator;
    });

    /// <summary>JSON schema (draft 07) of <c>routing.yaml</c> with the channels of this build.</summary>
    public JsonObject RoutingSchema() => _routing.Schema();

    /// <param name="directory">Full path.</param>
    public ConfigurationReading Load(string directory)
    {
        var path = Path.Combine(directory, RoutingFileName);
        var name = $"{Path.GetFileName(Path.TrimEndingDirectorySeparator(directory))}/{RoutingFileName}";
        if (!TryReadText(path, name, out var text, out var problem)) return new ConfigurationReading(null, [problem], [path]);

        var reading = new YamlReading(name, text, directory);
        var entry = _routing.Read(reading);
        if (entry is not null) new RoutingChecks(entry, reading).Run();

        var problems = ProblemText.InOrder(reading.Problems()).ToArray();
        IReadOnlyList<string> files = [path, .. reading.SecretFiles.Distinct(StringComparer.Ordinal)];
        if (entry is null || reading.HasErrors) return new ConfigurationReading(null, problems, files);

        var (tree, receivers, inhibitions) = RoutingBuilder.Build(entry);
        return new ConfigurationReading(
            new EngineConfiguration
            {
                Version = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12],
                LoadedAt = clock.GetUtcNow().ToInstant(),
                Routing = tree,
                Receivers = receivers,
                Inhibitions = inhibitions,
                Incidents = entry.Incidents,
                Warnings = problems,
            },
            problems,
            files);
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
