namespace Incidents.Server.Alerts.Sources;

/// <summary>
/// Grafana's alerting webhook (grafana/alerting, receivers/webhook/v1): Alertmanager's shape with version "1", <c>state</c> beside <c>status</c>,
/// and links and values of its own, which are not needed to page. Labels, status, times and fingerprints mean the same.
/// </summary>
internal sealed class GrafanaSource : AlertmanagerSource
{
    public override string Kind => "grafana";
}
