using Incidents.Server.Configuration;

namespace Incidents.Server.Web;

/// <summary>The newest files are in force. When they are not, the last good ones keep paging: degraded, not failed.</summary>
internal sealed class ConfigurationReadiness(IActiveConfiguration configuration) : IReadinessCheck
{
    public string Name => "configuration";

    public ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken) => new(configuration.Problems switch
    {
        [] => ReadinessResult.Ok($"version {configuration.Current.Version}"),
        [var only] => ReadinessResult.Degraded($"{only.File}:{only.Line} {only.Code}: the files are not in force, version {configuration.Current.Version} stays"),
        [var first, ..] and var all => ReadinessResult.Degraded($"{all.Count} problems, the first at {first.File}:{first.Line} ({first.Code}): the files are not in force, version {configuration.Current.Version} stays"),
    });
}
