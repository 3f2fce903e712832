namespace Incidents.Server.Configuration;

/// <summary>The <c>Incidents</c> section.</summary>
internal sealed class EngineOptions
{
    /// <summary>Where people reach this server: <c>https://incidents.example.org</c>. Links in messages are made of it; without it messages have none.</summary>
    public Uri? PublicUrl { get; set; }
}
