using FluentValidation;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using NodaTime;

namespace Incidents.Server.Tests.Configuration;

/// <summary>Settings records of the shapes that channels use.</summary>
internal static class TestChannels
{
    public sealed record Pager
    {
        /// <summary>The integration key.</summary>
        [Secret]
        public string? RoutingKey { get; init; }

        public IReadOnlyDictionary<string, string>? Severity { get; init; }
    }

    public sealed record Chat
    {
        /// <summary>Where to write.</summary>
        public required string Channel { get; init; }
    }

    public sealed record Mail
    {
        public required IReadOnlyList<string> To { get; init; }
    }

    public sealed record Logs
    {
        public required IReadOnlyDictionary<string, string> Labels { get; init; }

        public string? Tenant { get; init; }
    }

    public sealed record Hook(Uri Url, [property: Secret] string? Secret = null)
    {
        public int Retries { get; init; } = 3;

        public bool IsVerbose { get; init; }

        public Duration? Patience { get; init; }
    }

    public sealed class MailValidator : AbstractValidator<Mail>
    {
        public MailValidator() => RuleForEach(m => m.To).Must(a => a.Contains('@', StringComparison.Ordinal)).WithMessage("'{PropertyValue}' is not a mail address");
    }

    public static readonly ChannelRegistration[] All =
    [
        new("pagerduty", typeof(Pager), "PagerDuty."),
        new("slack", typeof(Chat), "Slack."),
        new("email", typeof(Mail), "Mail."),
        new("loki", typeof(Logs), "Loki."),
        new("webhook", typeof(Hook), "Any web hook."),
    ];

    public static EngineConfigurationLoader Loader(TimeProvider? clock = null)
    {
        var services = new ServiceCollection().AddScoped<IValidator<Mail>, MailValidator>().BuildServiceProvider(validateScopes: true);
        return new EngineConfigurationLoader(All, services.GetRequiredService<IServiceScopeFactory>(), clock ?? new FakeTimeProvider());
    }
}

/// <summary>A configuration directory of its own for one test.</summary>
internal sealed class TestDirectory : IDisposable
{
    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("incidents-config-");

    public TestDirectory() => Directory.CreateDirectory(Path);

    public string Path => System.IO.Path.Combine(_parent.FullName, "config");

    public void Write(string yaml, string file = "routing.yaml") => File.WriteAllText(System.IO.Path.Combine(Path, file), yaml);

    public ConfigurationReading Load(string yaml)
    {
        Write(yaml);
        return TestChannels.Loader().Load(Path);
    }

    public void Dispose() => _parent.Delete(recursive: true);
}
