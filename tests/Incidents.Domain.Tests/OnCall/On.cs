using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using NodaTime;
using NodaTime.Text;

namespace Incidents.Domain.Tests.OnCall;

/// <summary>Words for examples: <c>On.Weekly("2026-03-02", "09:00", "ana", "bo")</c>.</summary>
internal static class On
{
    public static readonly DateTimeZone Berlin = Zone("Europe/Berlin");

    public static DateTimeZone Zone(string id) => DateTimeZoneProviders.Tzdb[id];

    public static Instant Utc(string text) => InstantPattern.ExtendedIso.Parse(text).Value;

    public static LocalTime Time(string text) => LocalTimePattern.CreateWithInvariantCulture("HH:mm").Parse(text).Value;

    public static LocalDate Date(string text) => LocalDatePattern.Iso.Parse(text).Value;

    public static Schedule Schedule(params ImmutableArray<Layer> layers) => Schedule(Berlin, layers);

    public static Schedule Schedule(DateTimeZone zone, params ImmutableArray<Layer> layers) => new() { Key = "primary", Name = "Primary", Zone = zone, Layers = layers };

    public static Layer Daily(string startsOn, string handOver, params string[] people) => Layer("base", startsOn, handOver, TurnLength.Daily, people);

    public static Layer Weekly(string startsOn, string handOver, params string[] people) => Layer("base", startsOn, handOver, TurnLength.Weekly, people);

    public static Layer Layer(string name, string startsOn, string handOver, TurnLength length, params string[] people) => new()
    {
        Name = name,
        Rotation = new Rotation { StartsOn = Date(startsOn), HandOverAt = Time(handOver), Length = length },
        Turns = [.. people.Select(p => new Turn([.. p.Split('+')]))],
    };

    public static WeeklyWindow Window(string from, string until, params ImmutableArray<IsoDayOfWeek> days) => new() { From = Time(from), Until = Time(until), Weekdays = days };

    public static Override Over(string id, string from, string until, string people, string? replaces = null, int made = 0) => new()
    {
        Id = id,
        Schedule = "primary",
        From = Utc(from),
        Until = Utc(until),
        People = [.. people.Split('+', StringSplitOptions.RemoveEmptyEntries)],
        Replaces = replaces,
        CreatedAt = Instant.FromUnixTimeSeconds(made),
    };

    public static Interval Between(string from, string until) => new(Utc(from), Utc(until));

    public static string Who(Schedule schedule, string at, params Override[] overrides) => string.Join("+", ScheduleCalculator.OnCallAt(schedule, overrides, Utc(at)).Select(p => p.Person));

    /// <summary>The final schedule, a line a shift: <c>03-02T08:00 ana</c>.</summary>
    public static string[] Lines(Schedule schedule, Interval interval, params Override[] overrides) =>
        [.. ScheduleCalculator.Shifts(schedule, overrides, interval).Select(s => $"{s.From.ToString("MM-dd'T'HH:mm", null)} {(s.IsGap ? "-" : string.Join("+", s.People.Select(p => p.Person)))}")];
}
