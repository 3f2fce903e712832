using System.Diagnostics.Metrics;
using System.Security.Cryptography;

namespace Incidents.Server.Configuration;

/// <summary>Where the configuration is.</summary>
/// <param name="Path">Full path.</param>
internal sealed record ConfigurationDirectory(string Path);

/// <inheritdoc cref="IActiveConfiguration"/>
internal sealed partial class ActiveConfiguration : IActiveConfiguration, IDisposable
{
    private readonly EngineConfigurationLoader _loader;
    private readonly ConfigurationDirectory _directory;
    private readonly ILogger<ActiveConfiguration> _log;
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private volatile EngineConfiguration? _current;
    private volatile IReadOnlyList<ConfigurationProblem> _problems = [];
    private string? _fingerprint;
    private IReadOnlyList<string> _files = [];

    public ActiveConfiguration(EngineConfigurationLoader loader, ConfigurationDirectory directory, IMeterFactory meters, ILogger<ActiveConfiguration> log)
    {
        (_loader, _directory, _log) = (loader, directory, log);
        var meter = meters.Create("Incidents");
        meter.CreateObservableGauge("incidents_config_last_reload_successful", () => _problems.Count == 0 ? 1 : 0, description: "1 while the newest configuration files are in force, 0 while an older reading is.");
        meter.CreateObservableGauge("incidents_config_problems", () => _problems.Count, description: "Problems that keep the newest configuration files from being in force.");
    }

    public EngineConfiguration Current => _current ?? throw new InvalidOperationException("The configuration was not loaded. Call LoadConfiguration before the server starts.");

    public IReadOnlyList<ConfigurationProblem> Problems => _problems;

    public string Directory => _directory.Path;

    /// <summary>The reading at start; on problems nothing is in force and the server must not start.</summary>
    public ConfigurationReading Start()
    {
        _oneAtATime.Wait();
        try
        {
            return Read();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public async Task<IReadOnlyList<ConfigurationProblem>> ReloadAsync(CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            Read();
            return _problems;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Reads the files again if their content is not that of the last reading, good or bad. True when they were read.</summary>
    public async Task<bool> ReloadIfChangedAsync(CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            if (Fingerprint(_files) == _fingerprint) return false;
            Read();
            return true;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose() => _oneAtATime.Dispose();

    private ConfigurationReading Read()
    {
        // Taken before the files are read: one that changes meanwhile makes the next check read it again.
        var before = Fingerprint(_files);
        var reading = _loader.Load(_directory.Path);
        _fingerprint = reading.Files.SequenceEqual(_files) ? before : Fingerprint(reading.Files);
        _files = reading.Files;

        if (reading.Configuration is { } configuration)
        {
            _current = configuration;
            _problems = [];
            LogLoaded(configuration.Version, _directory.Path, configuration.Receivers.Count, configuration.Warnings.Count);
            return reading;
        }

        _problems = [.. reading.Problems.Where(p => !p.IsWarning)];
        foreach (var problem in _problems) LogProblem(problem.File, problem.Line, problem.Column, problem.Code, problem.Message);
        if (_current is { } kept) LogKept(kept.Version, _problems.Count);
        return reading;
    }

    private static string Fingerprint(IReadOnlyList<string> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files)
        {
            byte[] content;
            try
            {
                content = File.ReadAllBytes(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone or not readable is a state of its own; the reading that follows says what is wrong.
                content = [0xFF];
            }

            hash.AppendData(BitConverter.GetBytes(content.LongLength));
            hash.AppendData(content);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Configuration {Version} loaded from {Directory}: {Receivers} receivers, {Warnings} warnings")]
    private partial void LogLoaded(string version, string directory, int receivers, int warnings);

    [LoggerMessage(Level = LogLevel.Error, Message = "Configuration refused: {File}:{Line}:{Column} {Code} {Problem}")]
    private partial void LogProblem(string file, int line, int column, string code, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Configuration {Version} kept in force: the newer files have {Problems} problems")]
    private partial void LogKept(string version, int problems);
}
