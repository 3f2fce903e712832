using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration.Yaml;
using Incidents.Server.Notifications.Channels;
using Incidents.Server.OnCall;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Server.Configuration;

/// <summary>What <c>oncall.yaml</c> says, each part that something else refers to with its place in the file.</summary>
internal sealed record OnCallEntry
{
    public IReadOnlyList<PersonEntry> People { get; init; } = [];

    public IReadOnlyList<TeamEntry> Teams { get; init; } = [];

    public IReadOnlyList<SupportHoursEntry> SupportHours { get; init; } = [];

    public IReadOnlyList<ScheduleEntry> Schedules { get; init; } = [];

    public IReadOnlyList<PolicyEntry> Policies { get; init; } = [];
}

/// <param name="Key">Unique.</param>
/// <param name="Person">Whole.</param>
/// <param name="Contacts">The channels named, in order.</param>
internal sealed record PersonEntry(Located<string> Key, Person Person, IReadOnlyList<Located<string>> Contacts)
{
    /// <summary>Channels for which an address is written, whether or not this machine has the secret.</summary>
    public required IReadOnlySet<string> Addresses { get; init; }
}

internal sealed record TeamEntry(Located<string> Key, string Name, IReadOnlyList<Located<string>> Members);

internal sealed record SupportHoursEntry(Located<string> Name, SupportHours Hours);

/// <param name="Key">Unique.</param>
/// <param name="Schedule">With its layers.</param>
/// <param name="Layers">Name of each layer, and everybody it names.</param>
/// <param name="Notify">Receivers of hand-over notices.</param>
/// <param name="Calendar">Null: it is read from none.</param>
internal sealed record ScheduleEntry(Located<string> Key, Schedule Schedule, IReadOnlyList<LayerEntry> Layers, IReadOnlyList<Located<string>> Notify, CalendarSource? Calendar)
{
    /// <summary>Null: everybody's.</summary>
    public Located<string>? Team { get; init; }
}

internal sealed record LayerEntry(Located<string> Name, Layer Layer, IReadOnlyList<Located<string>> People, YamlNode? UntilKey);

internal sealed record PolicyEntry(Located<string> Key, string Name, IReadOnlyList<VariantEntry> Variants);

internal sealed record VariantEntry
{
    public Located<string>? Name { get; init; }

    /// <summary>Empty: all.</summary>
    public ImmutableArray<string> Severities { get; init; } = [];

    public Located<string>? Within { get; init; }

    public Located<string>? Outside { get; init; }

    public required IReadOnlyList<StepEntry> Steps { get; init; }

    public required int Repeat { get; init; }

    public required Duration? AckTimeout { get; init; }

    public required Duration? ReachWithin { get; init; }
}

internal sealed record StepEntry(IReadOnlyList<TargetEntry> Targets, Duration EscalateAfter);

/// <param name="Kind">One of <see cref="TargetKind"/>.</param>
/// <param name="Name">What is targeted.</param>
internal sealed record TargetEntry(string Kind, Located<string> Name);

/// <summary>The description of <c>oncall.yaml</c>: how it is read and what its JSON schema says.</summary>
internal sealed class OnCallFile
{
    /// <summary>Channels on which a person can have an address.</summary>
    public static readonly string[] ContactChannels = ["pagerduty", "webhook", "slack", "email"];

    private static readonly Shape<string> Key = CommonShapes.Name("a key");

    private static readonly Shape<LocalDate> Date = Shapes.Parsed("a date", Code.BadValue, (string text, out LocalDate value, out string? error) =>
    {
        var parsed = LocalDatePattern.Iso.Parse(text);
        (value, error) = (parsed.Success ? parsed.Value : default, parsed.Success ? null : "is not a date; write it as 2026-01-31");
        return parsed.Success;
    }, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", ["2026-01-05"]);

    private static readonly Shape<LocalDateTime> DateAndTime = Shapes.Parsed("a date and time", Code.BadValue, (string text, out LocalDateTime value, out string? error) =>
    {
        var parsed = LocalDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd'T'HH:mm").Parse(text.Replace(' ', 'T'));
        (value, error) = (parsed.Success ? parsed.Value : default, parsed.Success ? null : "is not a date and time; write it as 2026-01-31T09:00");
        return parsed.Success;
    }, "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}$", ["2026-01-05T09:00"]);

    private static readonly Shape<LocalTime> TimeOfDay = Shapes.Parsed("a time of day", Code.BadRange, (string text, out LocalTime value, out string? error) =>
    {
        value = LocalTime.Midnight;
        if (!TimeWindowSyntax.TryParseTime(text, out var minutes, out error)) return false;
        if (minutes < 1440) value = LocalTime.FromMinutesSinceMidnight(minutes);
        return true;
    }, "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", ["09:00"], "Put it in quotes.");

    private static readonly Shape<TurnLength> Turn = Shapes.Parsed("the length of a turn", Code.BadTurn, (string text, [MaybeNullWhen(false)] out TurnLength value, out string? error) =>
    {
        value = null;
        error = null;
        if (text == "daily") value = TurnLength.Daily;
        else if (text == "weekly") value = TurnLength.Weekly;
        else if (!PromDuration.TryParse(text, out var length, out _)) error = "is not the length of a turn";
        else if (length < Duration.FromMinutes(1) || length > Duration.FromDays(366)) error = "is not from 1m to 366d";
        else value = text.All(c => char.IsAsciiDigit(c) || c is 'd' or 'w') ? new TurnLength.Days(length.Days) : new TurnLength.Elapsed(length);
        return value is not null;
    }, examples: ["weekly", "daily", "14d", "12h"], fix: "Write daily, weekly, a number of days as 14d (hand-over stays at its time of day), or hours as 12h (every turn is equally long).");

    private readonly ObjectShape<OnCallEntry> _shape = Whole();

    /// <summary>Null when nothing more can be said about the file.</summary>
    public OnCallEntry? Read(YamlReading reading) =>
        reading.Parse() is { } root && _shape.TryRead(root, reading, out var entry) ? entry : null;

    /// <summary>JSON schema, draft 07.</summary>
    public JsonObject Schema() => SchemaWriter.Document(_shape, "Incidents: oncall.yaml");

    private static ObjectShape<OnCallEntry> Whole()
    {
        var version = new Field<string>("version", CommonShapes.Version, "Version of this file's format: 1.") { IsRequired = true, Example = 1 };
        var people = new Field<IReadOnlyList<PersonEntry>>("people", Shapes.List(APerson(), mayBeEmpty: true), "Everybody who can be on call, and how each is reached.");
        var teams = new Field<IReadOnlyList<TeamEntry>>("teams", Shapes.List(ATeam(), mayBeEmpty: true), "People who are told together.");
        var hours = new Field<IReadOnlyList<SupportHoursEntry>>("support_hours", Shapes.List(Hours(), mayBeEmpty: true), "Named hours inside and outside of which policies may page differently.");
        var schedules = new Field<IReadOnlyList<ScheduleEntry>>("schedules", Shapes.List(ASchedule(), mayBeEmpty: true), "Who is on call when.");
        var policies = new Field<IReadOnlyList<PolicyEntry>>("escalation_policies", Shapes.List(Policy(), mayBeEmpty: true), "Who is told of an incident, and who next when nobody takes it. Routes name them.");
        return new ObjectShape<OnCallEntry>("People, schedules and escalation policies.", [version, people, teams, hours, schedules, policies], values => new OnCallEntry
        {
            People = values.Get(people) ?? [],
            Teams = values.Get(teams) ?? [],
            SupportHours = values.Get(hours) ?? [],
            Schedules = values.Get(schedules) ?? [],
            Policies = values.Get(policies) ?? [],
        });
    }

    private static ObjectShape<PersonEntry> APerson()
    {
        var key = new Field<Located<string>>("key", Key.Located(), "Unique key; schedules, teams and policies name it.") { IsRequired = true, Example = "ana" };
        var name = new Field<string>("name", Shapes.Text, "As messages show it. Default: the key.") { Example = "Ana Sousa" };
        var email = new Field<string>("email", Email(), "Mail address.") { Example = "ana@example.com" };
        var slack = new Field<string>("slack_id", SlackId(), "Slack member id, from the person's profile (Copy member ID); not the display name.") { Example = "U024BE7LH" };
        var pagerDutyId = new Field<string>("pagerduty_id", CommonShapes.Name("a PagerDuty user"), "PagerDuty user id, by which acknowledgements made there are recognised. It is no address.") { Example = "PXPGF42" };
        var pagerDutyKey = new Field<string>("pagerduty_routing_key", Secret.Shape, "Integration key (Events API v2) of a PagerDuty service that pages this person alone, by reference.") { Example = "${env:ANA_PAGERDUTY_KEY}" };
        var webhookUrl = new Field<string>("webhook_url", new SecretUrlShape(), "A gateway to the person's phone that takes a page as JSON; a URL, or a reference to it.") { Example = "${env:ANA_PHONE_URL}" };
        var webhookSecret = new Field<string>("webhook_secret", Secret.Shape, "Signs what is sent to webhook_url, by reference.") { Example = "${env:ANA_PHONE_SECRET}" };
        var zone = new Field<DateTimeZone>("time_zone", CommonShapes.Zone, "Where the person lives: quiet hours and times in messages are read there.") { Default = "UTC" };
        var channel = new Field<Located<string>>("channel", Shapes.OneOf(ContactChannels).Located(), "The channel; the person has an address for it above.") { IsRequired = true };
        var wait = new Field<Duration>("wait", Shapes.Length, "How long after the contact before it this one begins, unless the page was acknowledged.") { Default = "0s", Example = "2m" };
        var contact = new ObjectShape<(Located<string> Channel, Duration Wait)>("One way to reach the person.", [channel, wait], values => (values.Get(channel)!, values.Get(wait)));
        var contacts = new Field<IReadOnlyList<(Located<string> Channel, Duration Wait)>>("contacts", Shapes.List(contact), "How the person is reached, in order; each is tried until the page is acknowledged. Default: every address above, at once.");
        var quiet = new Field<IReadOnlyList<WeeklyWindow>>("quiet_hours", Shapes.List(Window(), mayBeEmpty: true), "Hours in which pages do not disturb the person, but for quiet_except.");
        var except = new Field<IReadOnlyList<string>>("quiet_except", Shapes.List(Shapes.OneOf([.. Severity.All]), mayBeEmpty: true), "Severities that disturb quiet hours.") { Default = new JsonArray(Severity.Critical) };

        return new ObjectShape<PersonEntry>("Somebody who can be on call.", [key, name, email, slack, pagerDutyId, pagerDutyKey, webhookUrl, webhookSecret, zone, contacts, quiet, except], values =>
        {
            var written = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (field, on) in new (Field Field, string Channel)[] { (pagerDutyKey, "pagerduty"), (webhookUrl, "webhook"), (slack, "slack"), (email, "email") })
            {
                if (values.Has(field)) written.Add(on);
            }

            var given = values.Get(contacts);
            return new PersonEntry(values.Get(key)!, new Person
            {
                Key = values.Get(key)!.Value,
                Name = values.Get(name) ?? values.Get(key)!.Value,
                Email = values.Get(email),
                SlackId = values.Get(slack),
                PagerDutyId = values.Get(pagerDutyId),
                PagerDutyRoutingKey = values.Get(pagerDutyKey),
                WebhookUrl = values.Get(webhookUrl),
                WebhookSecret = values.Get(webhookSecret),
                Zone = values.Get(zone) ?? DateTimeZone.Utc,
                Contacts = given is null ? [.. ContactChannels.Where(written.Contains).Select(c => new ContactStep(c, Duration.Zero))] : [.. given.Select(c => new ContactStep(c.Channel.Value, c.Wait))],
                QuietHours = [.. values.Get(quiet) ?? []],
                QuietExcept = values.Get(except) is { } severities ? [.. severities] : [Severity.Critical],
            }, [.. given?.Select(c => c.Channel) ?? []])
            { Addresses = written };
        }, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["pagerduty_key"] = "Write pagerduty_routing_key.",
            ["timezone"] = "Write time_zone.",
            ["slack"] = "Write slack_id.",
            ["phone"] = "Phones are reached through PagerDuty (pagerduty_routing_key) or a gateway (webhook_url).",
        });
    }

    private static ObjectShape<TeamEntry> ATeam()
    {
        var key = new Field<Located<string>>("key", Key.Located(), "Unique key; policies name it.") { IsRequired = true, Example = "platform" };
        var name = new Field<string>("name", Shapes.Text, "As messages show it. Default: the key.");
        var members = new Field<IReadOnlyList<Located<string>>>("members", Shapes.List(Shapes.Text.Located(), mayBeEmpty: true), "Keys of people.") { IsRequired = true, Example = new JsonArray("ana", "bo") };
        return new ObjectShape<TeamEntry>("People who are told together.", [key, name, members], values => new TeamEntry(values.Get(key)!, values.Get(name) ?? values.Get(key)!.Value, values.Get(members)!));
    }

    private static ObjectShape<SupportHoursEntry> Hours()
    {
        var name = new Field<Located<string>>("name", CommonShapes.Name("support hours").Located(), "Unique name; variants of policies refer to it.") { IsRequired = true, Example = "office" };
        var zone = new Field<DateTimeZone>("time_zone", CommonShapes.Zone, "The zone whose clock is meant.") { IsRequired = true, Example = "Europe/Berlin" };
        var windows = new Field<IReadOnlyList<WeeklyWindow>>("windows", Shapes.List(Window()), "The hours of a week.") { IsRequired = true };
        var holidays = new Field<IReadOnlyList<LocalDate>>("holidays", Shapes.List(Date, mayBeEmpty: true), "Days on which no window begins.") { Example = new JsonArray("2026-12-25") };
        return new ObjectShape<SupportHoursEntry>("Hours in which people are at work.", [name, zone, windows, holidays], values => new SupportHoursEntry(values.Get(name)!, new SupportHours
        {
            Name = values.Get(name)!.Value,
            Zone = values.Get(zone)!,
            Windows = [.. values.Get(windows)!],
            Holidays = [.. values.Get(holidays) ?? []],
        }));
    }

    private static ObjectShape<WeeklyWindow> Window()
    {
        var range = Shapes.Parsed("a weekday", Code.BadRange, (string text, out NumberRange value, out string? error) => TimeWindowSyntax.TryParseWeekdays(text, out value, out error), examples: ["monday:friday"]);
        var weekdays = new Field<IReadOnlyList<NumberRange>>("weekdays", Shapes.List(range), "Days on which it begins. Default: every day.") { Example = new JsonArray("monday:friday") };
        var from = new Field<LocalTime>("from", TimeOfDay, "From this minute on, HH:MM.") { IsRequired = true, Example = "09:00" };
        var until = new Field<LocalTime>("until", TimeOfDay, "Until this minute, which is no longer in it. Not later than from: it ends on the next day.") { IsRequired = true, Example = "17:00" };
        return new ObjectShape<WeeklyWindow>("The same hours on some days of every week.", [weekdays, from, until], values => new WeeklyWindow
        {
            Weekdays = [.. (values.Get(weekdays) ?? []).SelectMany(r => Enumerable.Range(r.First, r.Last - r.First + 1)).Distinct().Select(day => day == 0 ? IsoDayOfWeek.Sunday : (IsoDayOfWeek)day)],
            From = values.Get(from),
            Until = values.Get(until),
        });
    }

    private static ObjectShape<ScheduleEntry> ASchedule()
    {
        var key = new Field<Located<string>>("key", Key.Located(), "Unique key; policies, overrides and addresses name it.") { IsRequired = true, Example = "primary" };
        var name = new Field<string>("name", Shapes.Text, "As messages show it. Default: the key.");
        var zone = new Field<DateTimeZone>("time_zone", CommonShapes.Zone, "Where local times of layers are read that name no zone of their own.") { IsRequired = true, Example = "Europe/Berlin" };
        var layers = new Field<IReadOnlyList<LayerEntry>>("layers", Shapes.List(ALayer(), mayBeEmpty: true), "Rotations upon each other, the last on top: each hides those before it wherever it has somebody.");
        var notify = new Field<IReadOnlyList<Located<string>>>("notify", Shapes.List(Shapes.Text.Located(), mayBeEmpty: true), "Receivers of routing.yaml that are told of each hand-over.") { Example = new JsonArray("slack-alerts") };
        var calendar = new Field<CalendarSource>("ical", Calendar(), "A calendar (RFC 5545) whose events are the shifts; layers show through where it names nobody.");
        var team = new Field<Located<string>>("team", Key.Located(), "The team whose responders make overrides and swaps of it. Default: everybody's.") { Example = "platform" };
        return new ObjectShape<ScheduleEntry>("Who is on call when.", [key, name, zone, team, layers, calendar, notify], values => new ScheduleEntry(values.Get(key)!, new Schedule
        {
            Key = values.Get(key)!.Value,
            Name = values.Get(name) ?? values.Get(key)!.Value,
            Zone = values.Get(zone)!,
            Layers = [.. (values.Get(layers) ?? []).Select(l => l.Layer)],
            Team = values.Get(team)?.Value,
        }, values.Get(layers) ?? [], values.Get(notify) ?? [], values.Get(calendar) is { } source ? source with { Schedule = values.Get(key)!.Value } : null) { Team = values.Get(team) });
    }

    private static CheckedShape<CalendarSource> Calendar()
    {
        var url = new Field<string>("url", new SecretUrlShape(), "Where to fetch it; an address, or a reference to it when it is a secret one.") { Example = "${env:PRIMARY_ICAL}" };
        var file = new Field<string>("file", new CalendarFileShape(), "A file, by its path from this directory.") { Example = "primary.ics" };
        var refresh = new Field<Duration>("refresh", Shapes.Length, "How often the address is asked, 1m at least.") { Default = "15m" };
        return new CheckedShape<CalendarSource>(
            new ObjectShape<CalendarSource>("Where a calendar comes from: url or file.", [url, file, refresh], values => new CalendarSource("", values.Get(url), values.Get(file), values.Get(refresh, Duration.FromMinutes(15)))),
            (source, node, reading) =>
            {
                var written = ((YamlMap)node).Entries.Select(e => e.Key.Text).ToArray();
                if (written.Count(k => k is "url" or "file") != 1) reading.Report(node, Code.BadCalendar, "a calendar has either a url or a file.", "Write one of them.");
                if (source.Refresh < Duration.FromMinutes(1)) reading.Report(node, Code.BadCalendar, "the calendar would be asked more often than once a minute.", "Write refresh: 1m or more.");
                return true;
            });
    }

    private static ObjectShape<LayerEntry> ALayer()
    {
        var name = new Field<Located<string>>("name", CommonShapes.Name("a layer").Located(), "Unique in its schedule; \"why was I paged\" shows it.") { IsRequired = true, Example = "base" };
        var turns = new Field<IReadOnlyList<IReadOnlyList<Located<string>>>>("turns", Shapes.List(new OneOrMoreShape(), mayBeEmpty: true), "Keys of people in order of duty, beginning anew at the end; a list within it is several who are on call together.")
        {
            IsRequired = true,
            Example = new JsonArray("ana", "bo"),
        };
        var length = new Field<TurnLength>("turn", Turn, "How long a turn lasts: daily, weekly, days as 14d, or hours as 12h.") { IsRequired = true, Example = "weekly" };
        var starts = new Field<LocalDate>("starts_on", Date, "The day on which the first turn begins; its weekday is that of a weekly hand-over. Nobody has it before.") { IsRequired = true, Example = "2026-01-05" };
        var handOver = new Field<LocalTime>("hand_over_at", TimeOfDay, "Time of day at which turns change.") { Default = "00:00", Example = "09:00" };
        var zone = new Field<DateTimeZone>("time_zone", CommonShapes.Zone, "Where this layer's times are read. Default: the schedule's zone.");
        var restrictions = new Field<IReadOnlyList<WeeklyWindow>>("restrictions", Shapes.List(Window(), mayBeEmpty: true), "Hours in which the layer counts. Default: always. Turns go on being counted outside.");
        var from = new Field<LocalDateTime>("from", DateAndTime, "The layer counts from then on, although its rotation may have started long before.");
        var until = new Field<LocalDateTime>("until", DateAndTime, "The layer no longer counts from then on.");
        return new ObjectShape<LayerEntry>("One rotation of a schedule.", [name, turns, length, starts, handOver, zone, restrictions, from, until], values => new LayerEntry(values.Get(name)!, new Layer
        {
            Name = values.Get(name)!.Value,
            Rotation = new Rotation { StartsOn = values.Get(starts), HandOverAt = values.Get(handOver), Length = values.Get(length)! },
            Turns = [.. values.Get(turns)!.Select(t => new Turn([.. t.Select(p => p.Value)]))],
            Restrictions = [.. values.Get(restrictions) ?? []],
            From = values.Has(from) ? values.Get(from) : null,
            Until = values.Has(until) ? values.Get(until) : null,
            Zone = values.Get(zone),
        }, [.. values.Get(turns)!.SelectMany(t => t)], values.Has(until) ? values.Key(until) : null), new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["rotation"] = "Write turn: weekly (or daily, 14d, 12h).",
            ["users"] = "Write turns: [ana, bo].",
            ["people"] = "Write turns: [ana, bo].",
        });
    }

    private static CheckedShape<PolicyEntry> Policy()
    {
        var key = new Field<Located<string>>("key", Key.Located(), "Unique key; routes name it as escalation_policy.") { IsRequired = true, Example = "critical" };
        var name = new Field<string>("name", Shapes.Text, "As messages show it. Default: the key.");
        var fields = new VariantFields();
        var variant = new ObjectShape<VariantEntry>("The steps for some severities, inside or outside support hours.", [fields.Name, fields.Severities, fields.Within, fields.Outside, .. fields.Course], fields.ReadVariant);
        var variants = new Field<IReadOnlyList<VariantEntry>>("variants", Shapes.List(variant), "Tried in order; the first that fits the severity and the hour is taken. The last should fit everything.");
        var shape = new ObjectShape<PolicyEntry>("Who is told of an incident, and who next when nobody takes it. It has either steps or variants.", [key, name, .. fields.Course, variants],
            values => new PolicyEntry(values.Get(key)!, values.Get(name) ?? values.Get(key)!.Value, values.Get(variants) ?? (values.Has(fields.Steps) ? [fields.ReadCourse(values)] : [])));
        return new CheckedShape<PolicyEntry>(shape, (policy, node, reading) =>
        {
            var written = ((YamlMap)node).Entries.Select(e => e.Key).ToArray();
            var both = written.FirstOrDefault(k => k.Text == "variants") is { } v && written.FirstOrDefault(k => fields.Course.Any(f => f.Name == k.Text)) is not null ? v : null;
            if (both is not null) reading.Report(both, Code.NotOneCourse, $"policy '{policy.Key.Value}' has variants and steps of its own.", "Move its steps, repeat, ack_timeout and reach_within into a variant.");
            else if (!written.Any(k => k.Text is "variants" or "steps")) reading.Report(policy.Key.Node, Code.NotOneCourse, $"policy '{policy.Key.Value}' has no steps.", "Give it steps, or variants with steps.");
            return true;
        });
    }

    private static Shape<string> Email() => Shapes.Parsed("a mail address", Code.BadValue, (string text, [MaybeNullWhen(false)] out string value, out string? error) =>
    {
        (value, error) = (text, EmailChannel.IsAddress(text) ? null : "is not a mail address");
        return error is null;
    }, examples: ["ana@example.com"]);

    private static Shape<string> SlackId() => Shapes.Parsed("a Slack member id", Code.BadValue, (string text, [MaybeNullWhen(false)] out string value, out string? error) =>
    {
        (value, error) = (text, text.Length is >= 6 and <= 40 && text[0] is 'U' or 'W' && text.All(c => char.IsAsciiDigit(c) || char.IsAsciiLetterUpper(c)) ? null : "is not a Slack member id");
        return error is null;
    }, "^[UW][A-Z0-9]{5,39}$", ["U024BE7LH"], "Copy it from the person's Slack profile (… , Copy member ID); names change, ids do not.");

    /// <summary>The fields that say how an escalation goes, for a policy with one course or for each of its variants.</summary>
    private sealed class VariantFields
    {
        public Field<Located<string>> Name { get; } = new("name", CommonShapes.Name("a variant").Located(), "As timelines show it. Default: its number.");

        public Field<IReadOnlyList<string>> Severities { get; } = new("severities", Shapes.List(Shapes.OneOf([.. Severity.All])), "Only for these. Default: all.");

        public Field<Located<string>> Within { get; } = new("within", Shapes.Text.Located(), "Only for incidents that begin inside these support hours.") { Example = "office" };

        public Field<Located<string>> Outside { get; } = new("outside", Shapes.Text.Located(), "Only for incidents that begin outside these support hours.") { Example = "office" };

        public Field<IReadOnlyList<StepEntry>> Steps { get; } = new("steps", Shapes.List(Step()), "Told one after the other until somebody acknowledges.");

        private readonly Field<int> _repeat = new("repeat", Shapes.Whole(0, 100), "How many more times all steps are gone through after the first.") { Default = 0 };
        private readonly Field<Duration> _ackTimeout = new("ack_timeout", Shapes.Length, "Who acknowledged has this long to resolve before escalation goes on. Default: no limit.") { Example = "1h" };
        private readonly Field<Duration> _reachWithin = new("reach_within", Shapes.Length, "A person must be reached within this time; coverage is checked against it.") { Default = "15m" };

        public Field[] Course => [Steps, _repeat, _ackTimeout, _reachWithin];

        public VariantEntry ReadVariant(FieldValues values) => ReadCourse(values) with
        {
            Name = values.Get(Name),
            Severities = [.. values.Get(Severities) ?? []],
            Within = values.Get(Within),
            Outside = values.Get(Outside),
        };

        /// <summary>For every severity and hour.</summary>
        public VariantEntry ReadCourse(FieldValues values) => new()
        {
            Steps = values.Get(Steps) ?? [],
            Repeat = values.Get(_repeat),
            AckTimeout = values.Has(_ackTimeout) ? values.Get(_ackTimeout) : null,
            ReachWithin = values.Has(_reachWithin) ? values.Get(_reachWithin) : null,
        };

        private static CheckedShape<StepEntry> Step()
        {
            var kinds = TargetKind.All.Select(kind => new Field<Located<string>>(kind, Shapes.Text.Located(), kind switch
            {
                TargetKind.Person => "Key of a person.",
                TargetKind.Schedule => "Key of a schedule: whoever is on call when the step fires.",
                TargetKind.Team => "Key of a team: all its members.",
                TargetKind.Receiver => "Name of a receiver of routing.yaml, such as a Slack channel.",
                _ => "Name of a playbook to start.",
            })).ToArray();
            var target = new CheckedShape<TargetEntry>(
                new ObjectShape<TargetEntry>("Whom or what the step addresses: one of person, schedule, team, receiver, playbook.", kinds,
                    values => kinds.FirstOrDefault(k => values.Get(k) is not null) is { } kind ? new TargetEntry(kind.Name, values.Get(kind)!) : new TargetEntry("", new Located<string>("", values.Node))),
                (entry, node, reading) =>
                {
                    var written = ((YamlMap)node).Entries;
                    if (entry.Kind.Length > 0 && written.Count == 1) return true;
                    if (written.Count != 1) reading.Report(node, Code.NotOneTarget, written.Count == 0 ? "the target is empty." : "the target is more than one thing.", "Write one each: [{schedule: primary}, {person: ana}].");
                    return false;
                });
            var targets = new Field<IReadOnlyList<TargetEntry>>("targets", Shapes.List(target), "Told at once, all of them.") { IsRequired = true, Example = new JsonArray(new JsonObject { ["schedule"] = "primary" }) };
            var after = new Field<Duration>("escalate_after", Shapes.Length, "How long they have before the next step, or the end of the policy.") { IsRequired = true, Example = "5m" };
            return new CheckedShape<StepEntry>(new ObjectShape<StepEntry>("One step.", [targets, after], values => new StepEntry(values.Get(targets)!, values.Get(after))), (step, node, reading) =>
            {
                if (step.EscalateAfter >= Duration.FromSeconds(10)) return true;
                reading.Report(((YamlMap)node).Entries.First(e => e.Key.Text == "escalate_after").Value, Code.BadTurn, "nobody can acknowledge that fast.", "Write at least 10s, as 5m.");
                return false;
            });
        }
    }

    /// <summary>A key, or a list of keys.</summary>
    private sealed class OneOrMoreShape : Shape<IReadOnlyList<Located<string>>>
    {
        private static readonly Shape<Located<string>> One = Shapes.Text.Located();
        private static readonly Shape<IReadOnlyList<Located<string>>> Several = Shapes.List(One, mayBeEmpty: true);

        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out IReadOnlyList<Located<string>> value)
        {
            if (node is YamlList) return Several.TryRead(node, reading, out value);
            value = One.TryRead(node, reading, out var one) ? [one] : null;
            return value is not null;
        }

        public override JsonObject Schema(SchemaWriter writer) => new() { ["anyOf"] = new JsonArray(One.Schema(writer), Several.Schema(writer)) };
    }

    /// <summary>The path of a calendar file; reads to its content.</summary>
    private sealed class CalendarFileShape : Shape<string>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out string value)
        {
            if (!Shapes.Text.TryRead(node, reading, out value)) return false;
            var path = Path.GetFullPath(value, reading.Directory);
            reading.ReferredFiles.Add(path);
            try
            {
                value = File.ReadAllText(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                reading.Report(node, Code.BadCalendar, $"the calendar {path} cannot be read: {e.Message}", "Correct the path, or let the engine's user read it.");
                return false;
            }

            if (CalendarImport.Parse(value, out var problem) is not null) return true;
            reading.Report(node, Code.BadCalendar, $"the calendar {problem}.", "Export it again as iCalendar (.ics).");
            return false;
        }

        public override JsonObject Schema(SchemaWriter writer) => Shapes.Text.Schema(writer);
    }

    /// <summary>A URL, or a reference to one. Empty when the variable or file is absent.</summary>
    private sealed class SecretUrlShape : Shape<string>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out string value)
        {
            if (node is not YamlScalar { Text: var text } || !text.StartsWith("${", StringComparison.Ordinal))
            {
                value = Shapes.Url.TryRead(node, reading, out var url) ? url.AbsoluteUri : null;
                return value is not null;
            }

            if (!Secret.Shape.TryRead(node, reading, out value)) return false;
            if (value.Length == 0 || (Uri.TryCreate(value, UriKind.Absolute, out var read) && OutboundHttp.IsHttp(read))) return true;
            reading.Report(node, Code.BadValue, "what it refers to is not an absolute http or https URL.", "Correct the variable or file.");
            return false;
        }

        public override JsonObject Schema(SchemaWriter writer) => new() { ["anyOf"] = new JsonArray(Shapes.Url.Schema(writer), Secret.Shape.Schema(writer)) };
    }
}
