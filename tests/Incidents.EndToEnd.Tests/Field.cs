using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Incidents.EndToEnd.Tests;

/// <summary>A real Prometheus and a real Alertmanager that posts to the engine.</summary>
internal sealed class Field : IAsyncDisposable
{
    private static readonly Dictionary<string, string> Severities = new() { ["CheckoutDown"] = "critical", ["DiskFillsUp"] = "warning", ["SlowReports"] = "info" };

    private readonly string _directory = Directory.CreateTempSubdirectory("incidents-field-").FullName;
    private readonly int _prometheusPort = ChildProcess.FreePort();
    private readonly int _alertmanagerPort;
    private readonly HttpClient _http = new();
    private readonly WebApplication _metrics;
    private volatile string[] _broken = [];
    private ChildProcess? _prometheus;
    private ChildProcess? _alertmanager;

    /// <param name="engine">Where Alertmanager posts to.</param>
    /// <param name="alertmanagerPort">For an engine that must know it before.</param>
    public Field(EngineProcess engine, int? alertmanagerPort = null)
    {
        _alertmanagerPort = alertmanagerPort ?? ChildProcess.FreePort();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _metrics = builder.Build();
        _metrics.MapGet("/metrics", () => string.Concat(Severities.Keys.Select(name => $"broken{{alert=\"{name}\"}} {(_broken.Contains(name) ? 1 : 0)}\n")));
        File.WriteAllText(Path.Combine(_directory, "key"), EngineProcess.Key);
        File.WriteAllText(Path.Combine(_directory, "alertmanager.yml"), $"""
            route: {"{"}receiver: incidents, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 4h{"}"}
            receivers:
              - name: incidents
                webhook_configs:
                  - url: {engine.Url}/api/v1/webhooks/alertmanager
                    send_resolved: true
                    http_config:
                      authorization: {"{"}credentials_file: key{"}"}
            """);
    }

    /// <summary>What Prometheus scrapes next: these alerts fire, the others end.</summary>
    public void Break(params string[] alerts) => _broken = alerts;

    public async Task StartAsync()
    {
        await _metrics.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(_directory, "prometheus.yml"), string.Create(CultureInfo.InvariantCulture, $"""
            global: {"{"}scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s{"}"}
            rule_files: [rules.yml]
            alerting:
              alertmanagers: [{"{"}static_configs: [{"{"}targets: ["127.0.0.1:{_alertmanagerPort}"]{"}"}]{"}"}]
            scrape_configs: [{"{"}job_name: field, static_configs: [{"{"}targets: ["{new Uri(_metrics.Urls.First()).Authority}"]{"}"}]{"}"}]
            """));
        var rules = Severities.Select(s => $"      - alert: {s.Key}\n        expr: broken{{alert=\"{s.Key}\"}} == 1\n        labels: {{severity: {s.Value}, service: shop}}\n        annotations: {{summary: {s.Key} happened}}\n");
        await File.WriteAllTextAsync(Path.Combine(_directory, "rules.yml"), "groups:\n  - name: field\n    rules:\n" + string.Concat(rules));
        _alertmanager = ChildProcess.Start(ChildProcess.Find("prometheus-alertmanager", "alertmanager"),
            ["--config.file=alertmanager.yml", "--storage.path=alertmanager", $"--web.listen-address=127.0.0.1:{_alertmanagerPort}", "--cluster.listen-address="], _directory);
        await IsReadyAsync(_alertmanagerPort, _alertmanager);
        _prometheus = ChildProcess.Start(ChildProcess.Find("prometheus"),
            ["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus", "--web.enable-lifecycle", $"--web.listen-address=127.0.0.1:{_prometheusPort}"], _directory);
        await IsReadyAsync(_prometheusPort, _prometheus);
    }

    public async ValueTask DisposeAsync()
    {
        if (_prometheus is not null) await _prometheus.DisposeAsync();
        if (_alertmanager is not null) await _alertmanager.DisposeAsync();
        _http.Dispose();
        await _metrics.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private async Task IsReadyAsync(int port, ChildProcess process) => await Eventually.IsAsync(
        async () =>
        {
            if (process.HasExited) Assert.Fail(process.Printed);
            using var answer = await _http.GetAsync($"http://127.0.0.1:{port}/-/ready");
            return answer.IsSuccessStatusCode;
        },
        Is.True, "it is ready");
}
