using System.Diagnostics.Metrics;
using Incidents.Server.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Incidents.Server.Tests.Configuration;

public sealed class ActiveConfigurationTests
{
    private TestDirectory _directory = null!;
    private ServiceProvider _services = null!;
    private ActiveConfiguration _active = null!;

    private static string Routing(string channel) =>
        $"version: 1\nreceivers:\n  - name: chat\n    slack: {{channel: \"{channel}\"}}\nroute:\n  receivers: [chat]\n";

    [SetUp]
    public void Begin()
    {
        _directory = new TestDirectory();
        _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        _active = new ActiveConfiguration(TestChannels.Loader(), new ConfigurationDirectory(_directory.Path), _services.GetRequiredService<IMeterFactory>(), NullLogger<ActiveConfiguration>.Instance);
    }

    [TearDown]
    public void End()
    {
        _active.Dispose();
        _services.Dispose();
        _directory.Dispose();
    }

    private string Channel => ((TestChannels.Chat)_active.Current.Receivers["chat"].Settings).Channel;

    [Test]
    public void A_bad_file_at_start_leaves_nothing_in_force()
    {
        _directory.Write("version: 1\n");

        Assert.That(_active.Start().Configuration, Is.Null);
        Assert.That(() => _active.Current, Throws.InvalidOperationException);
    }

    [Test]
    public async Task A_bad_file_never_replaces_a_good_one()
    {
        _directory.Write(Routing("#one"));
        _active.Start();
        _directory.Write(Routing("#two").Replace("[chat]", "[caht]", StringComparison.Ordinal));

        var problems = await _active.ReloadAsync(CancellationToken.None);

        Assert.That(problems.Select(p => p.Code), Does.Contain("IR103"));
        Assert.That(_active.Problems, Is.EqualTo(problems));
        Assert.That(Channel, Is.EqualTo("#one"));
        Assert.That(Gauges(), Is.EqualTo(new Dictionary<string, int> { ["incidents_config_last_reload_successful"] = 0, ["incidents_config_problems"] = 1 }));

        _directory.Write(Routing("#two"));
        Assert.That(await _active.ReloadAsync(CancellationToken.None), Is.Empty);
        Assert.That(Channel, Is.EqualTo("#two"));
        Assert.That(Gauges(), Is.EqualTo(new Dictionary<string, int> { ["incidents_config_last_reload_successful"] = 1, ["incidents_config_problems"] = 0 }));
    }

    [Test]
    public async Task A_file_that_vanishes_changes_nothing_in_force()
    {
        _directory.Write(Routing("#one"));
        _active.Start();
        File.Delete(Path.Combine(_directory.Path, "routing.yaml"));

        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.True);
        Assert.That(_active.Problems.Single().Code, Is.EqualTo("IR001"));
        Assert.That(Channel, Is.EqualTo("#one"));
    }

    [Test]
    public async Task Only_changed_content_is_read_again_and_a_bad_file_only_once()
    {
        _directory.Write(Routing("#one"));
        _active.Start();
        var first = _active.Current;

        _directory.Write(Routing("#one"));
        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.False);
        Assert.That(_active.Current, Is.SameAs(first));

        _directory.Write("bad");
        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.True);
        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.False);

        _directory.Write(Routing("#one"));
        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.True);
        Assert.That(_active.Problems, Is.Empty);
    }

    [Test]
    public async Task A_rotated_secret_file_is_read_again()
    {
        _directory.Write("old", "key");
        _directory.Write("version: 1\nreceivers: [{name: pager, pagerduty: {routing_key: '${file:key}'}}]\nroute: {receivers: [pager]}\n");
        _active.Start();
        _directory.Write("new", "key");

        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.True);
        Assert.That(((TestChannels.Pager)_active.Current.Receivers["pager"].Settings).RoutingKey, Is.EqualTo("new"));
    }

    [Test]
    public async Task A_Kubernetes_link_swap_is_seen()
    {
        string Mount(string name, string channel)
        {
            var path = Directory.CreateDirectory(Path.Combine(_directory.Path, name)).FullName;
            File.WriteAllText(Path.Combine(path, "routing.yaml"), Routing(channel));
            return path;
        }

        var data = Path.Combine(_directory.Path, "..data");
        Directory.CreateSymbolicLink(data, Mount("v1", "#one"));
        File.CreateSymbolicLink(Path.Combine(_directory.Path, "routing.yaml"), Path.Combine("..data", "routing.yaml"));
        _active.Start();
        Directory.Delete(data);
        Directory.CreateSymbolicLink(data, Mount("v2", "#two"));

        Assert.That(await _active.ReloadIfChangedAsync(CancellationToken.None), Is.True);
        Assert.That(Channel, Is.EqualTo("#two"));
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task The_watcher_takes_a_changed_file_by_itself(CancellationToken cancellationToken)
    {
        _directory.Write(Routing("#one"));
        _active.Start();
        var clock = new FakeTimeProvider();
        using var watcher = new ConfigurationWatcher(_active, clock, NullLogger<ConfigurationWatcher>.Instance);
        await watcher.StartAsync(cancellationToken);
        _directory.Write(Routing("#two"));

        // Real files, fake time: each turn moves the clock and lets the watcher run.
        while (Channel != "#two")
        {
            cancellationToken.ThrowIfCancellationRequested();
            clock.Advance(TimeSpan.FromSeconds(5));
            await Task.Yield();
        }

        await watcher.StopAsync(cancellationToken);
        Assert.That(Channel, Is.EqualTo("#two"));
    }

    [Test]
    public void The_configuration_is_shown_without_secrets()
    {
        Environment.SetEnvironmentVariable("INCIDENTS_TEST_SHOWN", "hunter2");
        _directory.Write("""
            version: 1
            receivers:
              - {name: a, pagerduty: {routing_key: "${env:INCIDENTS_TEST_SHOWN}"}}
              - {name: b, webhook: {url: "https://user:hunter2@example.com/hunter2?k=hunter2", patience: 90s}}
            route: {receivers: [a, b]}
            """);
        _active.Start();

        var shown = ShowConfiguration.Describe(_active).ToJsonString();

        Assert.That(shown, Does.Not.Contain("hunter2"));
        Assert.That(shown, Does.Contain("\"routing_key\":\"set\""));
        Assert.That(shown, Does.Contain("\"patience\":\"1m30s\""));
        Assert.That(shown, Does.Contain("\"secret\":\"not set\""));
    }

    private Dictionary<string, int> Gauges()
    {
        var values = new Dictionary<string, int>();
        using var listener = new MeterListener();
        var meter = _services.GetRequiredService<IMeterFactory>().Create("Incidents");
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (ReferenceEquals(instrument.Meter, meter)) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }
}
