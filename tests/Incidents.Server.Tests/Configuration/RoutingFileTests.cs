using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using NodaTime;

namespace Incidents.Server.Tests.Configuration;

public sealed class RoutingFileTests
{
    private const string Good = """
        version: 1
        receivers:
          - name: chat
            slack:
              channel: "#alerts"
          - name: mail
            email: {to: [a@example.com]}
        route:
          group_by: [alertname]
          receivers: {critical: [chat, mail], warning: [chat], info: [mail]}
        """;

    private readonly TestDirectory _directory = new();

    [OneTimeTearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_good_file_becomes_a_configuration()
    {
        var reading = _directory.Load(Good + "\nincidents: {stale_after: 6h, fail_over_after: 10s}\n");

        Assert.That(reading.Problems, Is.Empty);
        var configuration = reading.Configuration!;
        Assert.That(configuration.Version, Does.Match("^[0-9a-f]{12}$"));
        Assert.That(configuration.Receivers["chat"].Channel, Is.EqualTo("slack"));
        Assert.That(configuration.Receivers["chat"].Settings, Is.EqualTo(new TestChannels.Chat { Channel = "#alerts" }));
        Assert.That(configuration.Incidents, Is.EqualTo(new IncidentRules { StaleAfter = Duration.FromHours(6), FailOverAfter = Duration.FromSeconds(10) }));
        Assert.That(configuration.Routing.Match(Labels.Of(("severity", "page")), Instant.MinValue).Receivers, Is.EqualTo(new[] { "chat", "mail" }));
    }

    [Test]
    public void The_shipped_configuration_has_no_problem_and_follows_the_alert_flow()
    {
        var reading = TestChannels.Loader().Load(Path.Combine(AppContext.BaseDirectory, "config"));

        Assert.That(reading.Problems.Select(ProblemText.Format), Is.Empty);
        var routing = reading.Configuration!.Routing;
        var critical = routing.Match(Labels.Of(("severity", "critical"), ("alertname", "X")), Instant.MinValue);
        var warning = routing.Match(Labels.Of(("severity", "warning"), ("alert_category", "database")), Instant.MinValue);
        var info = routing.Match(Labels.Of(("severity", "info")), Instant.MinValue);
        Assert.That(critical.Receivers, Is.EqualTo(new[] { "pagerduty-critical", "slack-critical", "email-on-call" }));
        Assert.That(warning.Receivers, Is.EqualTo(new[] { "slack-alerts", "email-dev-team" }));
        Assert.That(warning.GroupKey, Does.StartWith("database{"));
        Assert.That(info.Receivers, Is.EqualTo(new[] { "slack-monitoring", "loki" }));
        Assert.That(info.OpensIncident, Is.False);
    }

    /// <summary>Each case: what replaces what in the good file, and the place, code and words expected.</summary>
    [TestCase("version: 1", "version: 2", "1:10", "IR015", "version")]
    [TestCase("version: 1\n", "", "1:1", "IR012", "'version' is missing")]
    [TestCase("route:", "rout:", "8:1", "IR010", "Did you mean 'route'?")]
    [TestCase("[chat, mail]", "[chta, mail]", "10:26", "IR103", "receiver 'chta' is not defined. Did you mean 'chat' (line 3)?")]
    [TestCase("name: mail", "name: chat", "6:11", "IR101", "line 3")]
    [TestCase("name: mail", "name: ma il", "6:11", "IR013", "is not a name")]
    [TestCase("channel: \"#alerts\"", "chanel: \"#alerts\"", "5:7", "IR010", "Did you mean 'channel'?")]
    [TestCase("channel: \"#alerts\"", "channel: [x]", "5:16", "IR011", "not a list")]
    [TestCase("channel: \"#alerts\"", "channel:", "5:7", "IR012", "has no value")]
    [TestCase("channel: \"#alerts\"", "channel: ${env:X}", "5:16", "IR021", "not a secret")]
    [TestCase("email: {to: [a@example.com]}", "email: {}", "7:12", "IR012", "'to' is missing")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: []}", "7:17", "IR012", "empty")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: a@example.com}", "7:17", "IR011", "[a@example.com]")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: [a@example.com, nobody]}", "7:33", "IR022", "'nobody' is not a mail address")]
    [TestCase("email: {to: [a@example.com]}", "mail: {to: [a@example.com]}", "7:5", "IR010", "Did you mean 'email'?")]
    [TestCase("    email: {to: [a@example.com]}", "    fallback: chat", "6:11", "IR102", "has no channel")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: [a@example.com]}\n    slack: {channel: x}", "8:5", "IR102", "more than one channel")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: [a@example.com]}\n    fallback: mail", "8:15", "IR105", "back to itself")]
    [TestCase("email: {to: [a@example.com]}", "email: {to: [a@example.com]}\n    fallback: nope", "8:15", "IR103", "'nope'")]
    [TestCase("email: {to: [a@example.com]}", "pagerduty: {routing_key: R0123456789ABCDEF}", "7:30", "IR020", "a secret is written into the file")]
    [TestCase("email: {to: [a@example.com]}", "pagerduty: {routing_key: '${evn:X}'}", "7:30", "IR021", "not a reference")]
    [TestCase("email: {to: [a@example.com]}", "webhook: {url: 'ftp://x', retries: many}", "7:20", "IR013", "http")]
    [TestCase("email: {to: [a@example.com]}", "webhook: {url: 'http://x', retries: many}", "7:41", "IR011", "whole number")]
    [TestCase("email: {to: [a@example.com]}", "webhook: {url: 'http://x', is_verbose: yes}", "7:44", "IR011", "neither true nor false")]
    [TestCase("email: {to: [a@example.com]}", "webhook: {url: 'http://x', patience: 1.5h}", "7:42", "IR014", "unknown unit '.'")]
    [TestCase("email: {to: [a@example.com]}", "webhook: {retries: 1}", "7:14", "IR012", "'url' is missing")]
    [TestCase(", info: [mail]", "", "9:3", "IR202", "severity info")]
    [TestCase("info: [mail]", "info: []", "10:62", "IR202", "leads to nobody")]
    [TestCase("group_by: [alertname]", "group_by: ['...', alertname]", "9:14", "IR209", "stands alone")]
    [TestCase("group_by: [alertname]", "group_by: alertname", "9:13", "IR011", "[alertname]")]
    [TestCase("group_by: [alertname]", "matchers: ['a=b']", "9:3", "IR201", "cannot have matchers")]
    [TestCase("group_by: [alertname]", "continue: true", "9:13", "IR201", "cannot have continue")]
    [TestCase("group_by: [alertname]", "group_wait: 30s", "9:3", "IR010", "Alertmanager's work")]
    [TestCase("group_by: [alertname]", "group_by: [alertname]\n  group_by: [job]", "10:3", "IR005", "the first is on line 9")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: ['team=~\"a(b\"']}]", "9:33", "IR207", "not closed")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: [\"team=~\\\"a(b\\\"\"]}]", "9:34", "IR207", "not closed")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: ['team']}]", "9:28", "IR206", "expected one of")]
    [TestCase("group_by: [alertname]", "routes: [{name: x}, {name: x, matchers: ['a=b']}]", "9:30", "IR203", "share incidents")]
    [TestCase("group_by: [alertname]", "routes: [{name: x}, {name: y, matchers: ['a=b']}]", "9:33", "IR204", "takes them all")]
    [TestCase("group_by: [alertname]", "routes: [{name: x, matchers: ['a=b', 'c=d']}, {name: y, matchers: ['{c=d,a=b}']}]", "9:59", "IR205", "same matchers")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: ['a=b'], mute_time_intervals: [nights]}]", "9:54", "IR301", "'nights' is not defined")]
    [TestCase("version: 1", "version: 1\nincidents: {fail_over_after: 30s}", "2:13", "IR501", "within 30s")]
    [TestCase("version: 1", "version: 1\nincidents: {stale_after: 4h}", "2:13", "IR502", "stale")]
    [TestCase("version: 1", "version: 1\nincidents: {settle_every: 0}", "2:13", "IR503", "shorter than a second")]
    [TestCase("version: 1", "version: 1\nseverity: {default: critcal}", "2:21", "IR013", "did you mean 'critical'?")]
    [TestCase("version: 1", "version: 1\nseverity: {words: {critical: [p7], info: [P-7]}}", "2:43", "IR401", "already means critical")]
    [TestCase("version: 1", "version: 1\ntime_intervals: [{name: n, time_intervals: [{location: Europe/Berln}]}]", "2:56", "IR302", "did you mean 'Europe/Berlin'?")]
    [TestCase("version: 1", "version: 1\ntime_intervals: [{name: n, time_intervals: [{weekdays: [mon]}]}]", "2:57", "IR303", "not a weekday")]
    [TestCase("version: 1", "version: 1\ntime_intervals: [{name: n, time_intervals: [{times: [{start_time: '22:00', end_time: '06:00'}]}]}]", "2:54", "IR303", "not before")]
    [TestCase("version: 1", "version: 1\nx: *nowhere", "2:4", "IR006", "'*nowhere'")]
    [TestCase("  group_by", "\tgroup_by", "9:1", "IR003", "tab")]
    [TestCase("[chat, mail]", "[chat, mail", "", "IR002", "not valid YAML")]
    [TestCase("version: 1", "---\nversion: 1\n---\nversion: 1\n...", "", "IR007", "more than one")]
    public void A_mistake_is_told_at_its_place_with_a_stable_code(string before, string after, string place, string code, string words)
    {
        var yaml = Good.ReplaceLineEndings("\n");
        Assert.That(yaml, Does.Contain(before));

        var reading = _directory.Load(yaml.Replace(before, after, StringComparison.Ordinal));

        Assert.That(reading.Configuration, Is.Null);
        var problem = reading.Problems.FirstOrDefault(p => p.Code == code);
        Assert.That(problem, Is.Not.Null, string.Concat(reading.Problems.Select(ProblemText.Format)));
        Assert.That($"{problem!.Message} {problem.Fix}", Does.Contain(words));
        if (place.Length > 0) Assert.That($"{problem.Line}:{problem.Column}", Is.EqualTo(place), ProblemText.Format(problem));
        Assert.That(problem.File, Is.EqualTo("config/routing.yaml"));
    }

    [TestCase("email: {to: [a@example.com]}", "email: {to: [a@example.com]}\n  - {name: spare, slack: {channel: x}}", "IR104", "8:12")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: ['foo=']}]", "IR208", "9:24")]
    [TestCase("group_by: [alertname]", "routes: [{matchers: ['a=b'], continue: true}, {matchers: ['a=b']}]", "IR205", "9:50")]
    [TestCase("version: 1", "version: 1\ntime_intervals: [{name: n, time_intervals: [{weekdays: [monday]}]}]", "IR305", "2:25")]
    public void What_is_valid_but_hardly_meant_is_a_warning_that_stops_nothing(string before, string after, string code, string place)
    {
        var reading = _directory.Load(Good.ReplaceLineEndings("\n").Replace(before, after, StringComparison.Ordinal));

        Assert.That(reading.Configuration, Is.Not.Null, string.Concat(reading.Problems.Select(ProblemText.Format)));
        var warning = reading.Configuration!.Warnings.Single();
        Assert.That((warning.Code, $"{warning.Line}:{warning.Column}", warning.IsWarning), Is.EqualTo((code, place, true)));
    }

    [Test]
    public void All_problems_are_told_at_once_in_the_order_of_the_file()
    {
        var reading = _directory.Load("""
            version: 1
            incidents: {fail_over_after: 1m, reopen_after: 5m}
            receivers:
              - name: chat
                slack: {chanel: x}
            route:
              receivers: [chat, nope]
              routes:
                - matchers: ['a=~"["', 'b']
                  mute_time_intervals: [night]
            """);

        Assert.That(reading.Problems.Select(p => $"{p.Line} {p.Code}"), Is.EqualTo(new[] { "2 IR501", "2 IR010", "5 IR012", "5 IR010", "7 IR103", "9 IR207", "9 IR206", "10 IR301" }));
    }

    [TestCase("")]
    [TestCase("# only a comment\n")]
    [TestCase("---\n")]
    [TestCase("~")]
    public void An_empty_file_is_told_as_such(string yaml)
    {
        Assert.That(_directory.Load(yaml).Problems.Single().Code, Is.EqualTo("IR004"));
    }

    [Test]
    public void A_missing_file_is_told_with_the_setting_that_moves_it()
    {
        var problem = TestChannels.Loader().Load("/nowhere/config").Problems.Single();

        Assert.That(problem.Code, Is.EqualTo("IR001"));
        Assert.That(problem.Fix, Does.Contain("Incidents__ConfigDirectory"));
    }

    [Test]
    public void Anchors_aliases_and_merges_are_read()
    {
        var reading = _directory.Load("""
            version: 1
            receivers:
              - name: chat
                slack: &settings {channel: "#alerts"}
              - name: other
                slack: {<<: *settings}
            route:
              receivers: &all [chat, other]
              routes:
                - matchers: ['a=b']
                  receivers: *all
            """);

        Assert.That(reading.Problems.Select(ProblemText.Format), Is.Empty);
        Assert.That(reading.Configuration!.Receivers["other"].Settings, Is.EqualTo(new TestChannels.Chat { Channel = "#alerts" }));
    }

    [Test]
    public void A_file_that_stands_for_billions_of_values_is_refused_quickly()
    {
        var lines = Enumerable.Range(1, 30).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]");

        var reading = _directory.Load("a0: &a0 [x]\n" + string.Join('\n', lines));

        Assert.That(reading.Problems.Any(p => p.Message.Contains("200,000", StringComparison.Ordinal)), Is.True);
    }

    [Test]
    public void Secrets_come_from_the_environment_or_a_file_and_absent_ones_are_no_error()
    {
        Environment.SetEnvironmentVariable("INCIDENTS_TEST_SECRET", "from-env");
        _directory.Write("from-file\n", "hook.secret");

        var reading = _directory.Load("""
            version: 1
            receivers:
              - {name: a, pagerduty: {routing_key: "${env:INCIDENTS_TEST_SECRET}"}}
              - {name: b, webhook: {url: "http://localhost", secret: "${file:hook.secret}"}}
              - {name: c, pagerduty: {routing_key: "${env:INCIDENTS_TEST_ABSENT}"}}
              - {name: d, webhook: {url: "http://localhost", secret: "${file:absent}"}}
            route:
              receivers: [a, b, c, d]
            """);

        Assert.That(reading.Problems.Select(ProblemText.Format), Is.Empty);
        var receivers = reading.Configuration!.Receivers;
        Assert.That(((TestChannels.Pager)receivers["a"].Settings).RoutingKey, Is.EqualTo("from-env"));
        Assert.That(((TestChannels.Hook)receivers["b"].Settings).Secret, Is.EqualTo("from-file"));
        Assert.That(((TestChannels.Pager)receivers["c"].Settings).RoutingKey, Is.Empty, "switched off, not another's");
        Assert.That(((TestChannels.Hook)receivers["d"].Settings).Secret, Is.Empty);
    }

    [TestCase("routing_key: R0123456789ABCDEF")]
    [TestCase("routing_kex: R0123456789ABCDEF")]
    [TestCase("routing_key: 'R0123456789ABCDEF'")]
    [TestCase("routing_kex: R0123456789ABCDEF, severty: 5")]
    [TestCase("severity: 5, routing_key: R0123456789ABCDEF")]
    [TestCase("routing_key: '${evn:R0123456789ABCDEF}'")]
    [TestCase("routing_key: \"R01\\\n        R0123456789ABCDEF\"")]
    public void A_secret_in_the_file_is_never_shown(string settings)
    {
        var reading = _directory.Load($"version: 1\nreceivers:\n  - name: a\n    pagerduty: {{{settings}}}\nroute: {{receivers: [a]}}\n");

        Assert.That(reading.Problems, Is.Not.Empty);
        Assert.That(reading.Problems.Select(p => p.Code), Has.Some.AnyOf("IR010", "IR020", "IR021"));
        Assert.That(ProblemText.Format(reading.Problems), Does.Not.Contain("R0123456789ABCDEF"));
    }

    [Test]
    public void A_problem_is_shown_with_its_line_and_the_spot_underlined()
    {
        var reading = _directory.Load(Good.Replace("[chat, mail]", "[chta, mail]", StringComparison.Ordinal));

        Assert.That(ProblemText.Format(reading.Problems), Is.EqualTo("""
            config/routing.yaml:10:26: error IR103: receiver 'chta' is not defined. Did you mean 'chat' (line 3)?
               10 |   receivers: {critical: [chta, mail], warning: [chat], info: [mail]}
                  |                          ^^^^
            1 error. Each code is explained in docs/configuration-errors.md.

            """.ReplaceLineEndings("\n")));
    }

    [Test]
    public void A_receiver_with_wrong_settings_is_still_known_to_routes()
    {
        var reading = _directory.Load(Good.Replace("channel: \"#alerts\"", "chanel: x", StringComparison.Ordinal));

        Assert.That(reading.Problems.Select(p => p.Code), Does.Not.Contain("IR103"));
    }
}
