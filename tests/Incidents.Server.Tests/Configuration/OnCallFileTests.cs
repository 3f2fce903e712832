using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using NJsonSchema;
using NodaTime;
using YamlDotNet.Serialization;

namespace Incidents.Server.Tests.Configuration;

public sealed class OnCallFileTests
{
    private const string Routing = """
        version: 1
        receivers:
          - {name: chat, slack: {channel: x}}
          - {name: pager, pagerduty: {}}
        route:
          receivers: [chat, pager]
          escalation_policy: {critical: main}
        """;

    private const string Good = """
        version: 1
        people:
          - key: ana
            email: ana@example.com
            slack_id: U024BE7LH
            pagerduty_routing_key: ${env:INCIDENTS_TEST_ABSENT}
            time_zone: Europe/Berlin
            contacts: [{channel: pagerduty}, {channel: slack, wait: 2m}]
            quiet_hours: [{weekdays: ["saturday", "sunday"], from: "22:00", until: "07:00"}]
          - key: bo
            email: bo@example.com
        teams:
          - {key: platform, members: [ana, bo]}
        support_hours:
          - name: office
            time_zone: Europe/Berlin
            windows: [{weekdays: ["monday:friday"], from: "09:00", until: "17:00"}]
            holidays: [2026-12-25]
        schedules:
          - key: primary
            time_zone: Europe/Berlin
            layers:
              - {name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [ana, [bo, ana]]}
              - {name: night, turn: 12h, starts_on: 2026-01-05, turns: [bo], restrictions: [{from: "22:00", until: "24:00"}], until: "2026-06-01 00:00"}
        escalation_policies:
          - key: main
            variants:
              - {within: office, severities: [warning], steps: [{targets: [{receiver: chat}], escalate_after: 5m}]}
              - {steps: [{targets: [{schedule: primary}, {team: platform}], escalate_after: 5m}, {targets: [{person: bo}, {playbook: x}], escalate_after: 10m}], repeat: 1, ack_timeout: 1h, reach_within: 20m}
        """;

    private readonly TestDirectory _directory = new();

    [OneTimeTearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_good_file_becomes_a_roster()
    {
        var reading = Load(Good);

        Assert.That(reading.Problems.Select(ProblemText.Format), Is.Empty);
        var roster = reading.Configuration!.OnCall;
        var ana = roster.People["ana"];
        Assert.That((ana.Name, ana.Email, ana.Zone.Id, ana.AddressOn("pagerduty"), ana.AddressOn("slack")), Is.EqualTo(("ana", "ana@example.com", "Europe/Berlin", "", "U024BE7LH")));
        Assert.That(ana.Contacts, Is.EqualTo(new[] { new ContactStep("pagerduty", Duration.Zero), new ContactStep("slack", Duration.FromMinutes(2)) }));
        Assert.That(ana.QuietHours.Single().Weekdays, Is.EqualTo(new[] { IsoDayOfWeek.Saturday, IsoDayOfWeek.Sunday }));
        Assert.That(roster.People["bo"].Contacts, Is.EqualTo(new[] { new ContactStep("email", Duration.Zero) }), "left out: every address");
        Assert.That(roster.Teams["platform"].Members, Is.EqualTo(new[] { "ana", "bo" }));
        var layers = roster.Schedules["primary"].Layers;
        Assert.That(layers[0].Turns.Select(t => string.Join('+', t.People)), Is.EqualTo(new[] { "ana", "bo+ana" }));
        Assert.That((layers[0].Rotation.Length, layers[0].Rotation.HandOverAt), Is.EqualTo((TurnLength.Weekly, new LocalTime(9, 0))));
        Assert.That((layers[1].Rotation.Length, layers[1].Until, layers[1].Restrictions.Single().Until), Is.EqualTo(((TurnLength)new TurnLength.Elapsed(Duration.FromHours(12)), new LocalDateTime(2026, 6, 1, 0, 0), LocalTime.Midnight)));
        var variants = roster.Policies["main"].Variants;
        Assert.That((variants[0].Name, variants[0].Within!.Holidays.Single(), variants[0].ReachWithin), Is.EqualTo(("1", new LocalDate(2026, 12, 25), Duration.FromMinutes(15))));
        Assert.That((variants[1].Repeat, variants[1].AckTimeout, variants[1].ReachWithin), Is.EqualTo((1, Duration.FromHours(1), Duration.FromMinutes(20))));
        Assert.That(variants[1].Steps.SelectMany(s => s.Targets), Is.EqualTo(new EscalationTarget[] { new("schedule", "primary"), new("team", "platform"), new("person", "bo"), new("playbook", "x") }));
    }

    [Test]
    public void The_file_may_be_left_out_and_is_part_of_the_version()
    {
        var directory = new TestDirectory();
        var without = directory.Load(Routing.Replace("main", "none", StringComparison.Ordinal));
        directory.Write(Good, "oncall.yaml");
        var with = TestChannels.Loader().Load(directory.Path);
        directory.Dispose();

        Assert.That(without.Configuration!.OnCall.People, Is.Empty);
        Assert.That(with.Configuration!.Version, Is.Not.EqualTo(without.Configuration.Version));
        Assert.That(without.Files.Select(Path.GetFileName), Does.Contain("oncall.yaml"), "watched, so that it is taken up when it appears");
    }

    [Test]
    public void The_shipped_file_holds_by_the_schema_and_has_somebody_on_call()
    {
        var reading = TestChannels.Loader().Load(Path.Combine(AppContext.BaseDirectory, "config"));

        var roster = reading.Configuration!.OnCall;
        Assert.That(roster.Policies.Keys, Is.EquivalentTo(new[] { "critical", "default" }));
        Assert.That(ScheduleCalculator.OnCallAt(roster.Schedules["primary"], [], Instant.FromUtc(2026, 3, 2, 12, 0)).Single().Person, Is.EqualTo("chi"));
    }

    [Test]
    public async Task The_schema_takes_what_the_reader_takes_and_says_what_each_field_means()
    {
        var schema = TestChannels.Loader().OnCallSchema();
        var parsed = await JsonSchema.FromJsonAsync(schema.ToJsonString());
        var deserializer = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build();
        string Json(string yaml) => new SerializerBuilder().JsonCompatible().Build().Serialize(deserializer.Deserialize(new StringReader(yaml)));
        var shipped = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "config", "oncall.yaml"));

        Assert.That(parsed.Validate(Json(Good)).Select(e => e.ToString()), Is.Empty);
        Assert.That(parsed.Validate(Json(shipped)).Select(e => e.ToString()), Is.Empty);
        Assert.That(parsed.Validate(Json(Good.Replace("turns: [bo]", "truns: [bo]", StringComparison.Ordinal))), Is.Not.Empty);
        Assert.That(schema["properties"]!.AsObject().Where(p => string.IsNullOrEmpty(p.Value!["description"]?.GetValue<string>())).Select(p => p.Key), Is.Empty);
    }

    /// <summary>Each case: what replaces what in the good file, and the place, code and words expected.</summary>
    [TestCase("version: 1", "version: 2", "1:10", "IR015", "version")]
    [TestCase("people:", "poeple:", "2:1", "IR010", "Did you mean 'people'?")]
    [TestCase("- key: bo", "- key: ana", "10:10", "IR601", "line 3")]
    [TestCase("members: [ana, bo]", "members: [ana, boo]", "13:36", "IR602", "Did you mean 'bo' (line 10)?")]
    [TestCase("turns: [ana, [bo, ana]]", "turns: [ana, [bo, anna]]", "23:100", "IR602", "Did you mean 'ana'")]
    [TestCase("{receiver: chat}", "{receiver: chta}", "28:79", "IR603", "Did you mean 'chat'?")]
    [TestCase("{schedule: primary}", "{schedule: secondary}", "29:40", "IR603", "not defined")]
    [TestCase("within: office", "within: offise", "28:18", "IR603", "Did you mean 'office'")]
    [TestCase("key: main", "key: mian", "7:33", "IR604", "Did you mean 'mian'?")]
    [TestCase("email: bo@example.com", "contacts: [{channel: email}]", "11:26", "IR606", "no address for email")]
    [TestCase("{person: bo}", "{person: bo, team: platform}", "29:101", "IR607", "more than one")]
    [TestCase("turn: 12h", "turn: fortnightly", "24:29", "IR608", "14d")]
    [TestCase("until: \"2026-06-01 00:00\"", "from: 2026-06-02T00:00, until: 2026-06-01T00:00", "24:143", "IR608", "ends before it begins")]
    [TestCase("escalate_after: 10m", "escalate_after: 5s", "29:147", "IR608", "at least 10s")]
    [TestCase("  - key: main", "  - key: main\n    steps: [{targets: [{person: bo}], escalate_after: 1m}]", "28:5", "IR609", "steps of its own")]
    [TestCase("slack_id: U024BE7LH", "slack_id: ana", "5:15", "IR013", "member ID")]
    [TestCase("pagerduty_routing_key: ${env:INCIDENTS_TEST_ABSENT}", "pagerduty_routing_key: R0123456789ABCDEF", "6:28", "IR020", "a secret is written")]
    [TestCase("email: bo@example.com", "webhook_url: ftp://x", "11:18", "IR013", "http")]
    [TestCase("time_zone: Europe/Berlin\n    contacts", "time_zone: Europe/Berln\n    contacts", "7:16", "IR302", "did you mean 'Europe/Berlin'?")]
    [TestCase("from: \"22:00\", until: \"07:00\"", "from: \"22:00\"", "9:19", "IR012", "'until' is missing")]
    [TestCase("starts_on: 2026-01-05, hand_over_at", "starts_on: 2026-02-30, hand_over_at", "23:47", "IR013", "not a date")]
    public void A_mistake_is_told_at_its_place_with_a_stable_code(string before, string after, string place, string code, string words)
    {
        var yaml = Good.ReplaceLineEndings("\n");
        Assert.That(yaml, Does.Contain(before));

        var reading = Load(yaml.Replace(before, after, StringComparison.Ordinal));

        Assert.That(reading.Configuration, Is.Null);
        var problem = reading.Problems.FirstOrDefault(p => p.Code == code);
        Assert.That(problem, Is.Not.Null, string.Concat(reading.Problems.Select(ProblemText.Format)));
        Assert.That($"{problem!.Message} {problem.Fix}", Does.Contain(words));
        Assert.That($"{problem.Line}:{problem.Column}", Is.EqualTo(place), ProblemText.Format(problem));
        Assert.That(problem.File, Is.EqualTo(code == "IR604" ? "config/routing.yaml" : "config/oncall.yaml"));
    }

    [Test]
    public void A_policy_that_no_route_names_is_a_warning_when_others_are_named()
    {
        var reading = Load(Good + "\n  - {key: spare, steps: [{targets: [{person: bo}], escalate_after: 1m}]}\n");

        Assert.That(reading.Configuration!.Warnings.Single().Code, Is.EqualTo("IR605"));
    }

    [Test]
    public void A_policy_named_without_a_file_is_an_error()
    {
        using var directory = new TestDirectory();

        Assert.That(directory.Load(Routing).Problems.Single().Code, Is.EqualTo("IR604"));
    }

    private ConfigurationReading Load(string onCall)
    {
        _directory.Write(onCall.ReplaceLineEndings("\n"), "oncall.yaml");
        return _directory.Load(Routing);
    }
}
