using System.Collections.Immutable;
using System.Globalization;
using Ical.Net;
using Ical.Net.CalendarComponents;
using Ical.Net.DataTypes;
using Ical.Net.Evaluation;
using Incidents.Domain.OnCall;
using NodaTime;
using Calendar = Ical.Net.Calendar;
using Duration = NodaTime.Duration;

namespace Incidents.Server.OnCall;

/// <summary>
/// A calendar (RFC 5545) that says who is on call: each event is a shift of the people it names. Recurrence, exceptions and zones are read by Ical.Net; what is ours is whom an event means
/// and that a hostile calendar costs no more than a large one.
/// </summary>
internal sealed class CalendarImport
{
    public const int MostCharacters = 4 * 1024 * 1024;

    private const int MostEvents = 10_000;
    private const int MostShifts = 20_000;
    private static readonly Duration Checked = Duration.FromDays(400);
    private static readonly Duration LongestShift = Duration.FromDays(40);
    private static readonly EvaluationOptions Bounds = new() { MaxUnmatchedIncrementsLimit = 10_000 };
    private static readonly string[] Separators = [",", ";", "+", "&", "/", " and "];

    private readonly IReadOnlyList<Calendar> _calendars;

    private CalendarImport(IReadOnlyList<Calendar> calendars) => _calendars = calendars;

    /// <summary>Null when it is no calendar that can be used; then <paramref name="problem"/> says why, in words that follow "the calendar ".</summary>
    public static CalendarImport? Parse(string text, out string? problem)
    {
        problem = null;
        if (text.Length > MostCharacters) problem = "is larger than 4 MiB";
        else if (!text.TrimStart('\ufeff', ' ', '\r', '\n').StartsWith("BEGIN:VCALENDAR", StringComparison.OrdinalIgnoreCase)) problem = "does not begin with BEGIN:VCALENDAR";
        if (problem is not null) return null;
        try
        {
            var calendars = Calendar.Load<Calendar>(text).ToArray();
            var events = calendars.SelectMany(c => c.Events).ToArray();
            if (calendars.Length == 0 || !text.Contains("END:VCALENDAR", StringComparison.OrdinalIgnoreCase)) problem = "is cut off";
            else if (events.Length > MostEvents) problem = $"has more than {MostEvents} events";
            else if (events.FirstOrDefault(e => e.Start is null) is { } without) problem = $"has an event without a beginning: {Short(without.Summary)}";
            else if (events.FirstOrDefault(e => e.RecurrenceRule is { Frequency: FrequencyType.Secondly or FrequencyType.Minutely }) is { } quick) problem = $"has an event that recurs by the minute: {Short(quick.Summary)}";
            else if (events.Select(e => e.Start!.TzId).Distinct().FirstOrDefault(zone => !IsKnown(zone)) is { } unknown) problem = $"uses the time zone {Short(unknown)}, which is not one of the tz database";
            return problem is null ? new CalendarImport(calendars) : null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Whatever a stranger's text does to the parser, it is the text that is at fault.
            problem = $"cannot be read: {Short(error.Message)}";
            return null;
        }
    }

    /// <summary>Why it cannot be expanded over the next 400 days, in words that follow "the calendar "; null when it can. A text that reads well may hold rules that never come true.</summary>
    public string? WhyNotExpanded(Instant now)
    {
        try
        {
            foreach (var occurrence in Occurrences(DateTimeZone.Utc, now, now + Checked)) _ = occurrence.Period.EffectiveEndTime is { } last ? At(last, DateTimeZone.Utc) : default;
            return null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // As in Parse: whatever it does to the library, the text is at fault.
            return $"cannot be expanded: {Short(error.Message)}";
        }
    }

    /// <summary>
    /// Who is on call by it between two moments, as overrides that lie under all others: ordered, disjoint; people whose events overlap are on call together.
    /// Times without a zone, and whole days, are read in the schedule's.
    /// </summary>
    public CalendarShifts Shifts(Schedule schedule, Roster roster, Instant from, Instant until)
    {
        try
        {
            return Expand(schedule, roster, from, until);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // What was good when it was fetched need not be for other days. One calendar must not keep the steps of every policy from firing.
            return new CalendarShifts([], [], $"cannot be expanded: {Short(error.Message)}");
        }
    }

    private CalendarShifts Expand(Schedule schedule, Roster roster, Instant from, Instant until)
    {
        var people = new Naming(roster);
        var spans = new List<(Instant From, Instant Until, ImmutableArray<string> People)>();
        var nobody = new List<string>();
        foreach (var occurrence in Occurrences(schedule.Zone, from, until))
        {
            if (occurrence.Source is not CalendarEvent { Status: not "CANCELLED" } shift) continue;
            var begins = At(occurrence.Period.StartTime, schedule.Zone);
            var ends = occurrence.Period.EffectiveEndTime is { } last ? At(last, schedule.Zone) : begins;
            if (ends <= from || begins >= until || ends <= begins) continue;
            var named = people.Of(shift);
            if (named.IsEmpty) nobody.Add(Short(shift.Summary));
            else spans.Add((begins, ends, named));
        }

        return new CalendarShifts(Unite(schedule.Key, spans, from, until), [.. nobody.Distinct(StringComparer.Ordinal)], null);
    }

    private IEnumerable<Occurrence> Occurrences(DateTimeZone zone, Instant from, Instant until)
    {
        var start = new CalDateTime((from - LongestShift).ToDateTimeUtc(), true);
        var end = until + Duration.FromDays(2);
        return _calendars.SelectMany(c => c.GetOccurrences<CalendarEvent>(start, Bounds).TakeWhile(o => At(o.Period.StartTime, zone) < end)).Take(MostShifts);
    }

    private static ImmutableArray<Override> Unite(string schedule, List<(Instant From, Instant Until, ImmutableArray<string> People)> spans, Instant from, Instant until)
    {
        var cuts = spans.SelectMany(s => new[] { s.From, s.Until }).Where(c => c > from && c < until).Append(from).Append(until).Distinct().Order().ToArray();
        spans.Sort((a, b) => a.From.CompareTo(b.From));
        var shifts = ImmutableArray.CreateBuilder<Override>();
        var open = new List<(Instant From, Instant Until, ImmutableArray<string> People)>();
        var next = 0;
        for (var i = 0; i + 1 < cuts.Length; i++)
        {
            while (next < spans.Count && spans[next].From <= cuts[i]) open.Add(spans[next++]);
            open.RemoveAll(s => s.Until <= cuts[i]);
            if (open.Count == 0) continue;
            ImmutableArray<string> people = [.. open.SelectMany(s => s.People).Distinct(StringComparer.Ordinal)];
            if (shifts.Count > 0 && shifts[^1] is var before && before.Until == cuts[i] && before.People.SequenceEqual(people)) shifts[^1] = before with { Until = cuts[i + 1] };
            else
            {
                shifts.Add(new Override
                {
                    Id = string.Create(CultureInfo.InvariantCulture, $"calendar-{cuts[i].ToUnixTimeSeconds()}"),
                    Schedule = schedule,
                    From = cuts[i],
                    Until = cuts[i + 1],
                    People = people,
                    CreatedAt = Instant.MinValue,
                    IsImported = true,
                });
            }
        }

        return shifts.DrainToImmutable();
    }

    private static bool IsKnown(string? zone)
    {
        if (string.IsNullOrEmpty(zone)) return true;
        try
        {
            _ = new CalDateTime(2026, 1, 1, 0, 0, 0, zone).AsUtc;
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Without a zone it is a time on the schedule's duty clock (docs/decisions/0201).</summary>
    private static Instant At(CalDateTime time, DateTimeZone zone) => time.HasTime && !time.IsFloating
        ? Instant.FromDateTimeUtc(DateTime.SpecifyKind(time.AsUtc, DateTimeKind.Utc))
        : DutyClock.At(LocalDateTime.FromDateTime(time.Value), zone);

    private static string Short(string? text)
    {
        var line = string.Concat((text ?? "").Where(c => !char.IsControl(c)));
        return line.Length <= 80 ? $"'{line}'" : $"'{line[..80]}…'";
    }

    /// <summary>Whom an event means: its attendees by mail address, else those its summary names by key, name or address.</summary>
    private sealed class Naming
    {
        private readonly Dictionary<string, string> _byWord = new(StringComparer.OrdinalIgnoreCase);
        private readonly Dictionary<string, ImmutableArray<string>> _known = new(StringComparer.Ordinal);
        private readonly (string Name, string Key)[] _names;

        public Naming(Roster roster)
        {
            foreach (var person in roster.People.Values)
            {
                foreach (var word in new[] { person.Key, person.Name, person.Email })
                {
                    if (!string.IsNullOrWhiteSpace(word)) _byWord.TryAdd(word.Trim(), person.Key);
                }
            }

            _names = [.. roster.People.Values.SelectMany(p => new[] { (p.Name, p.Key), (p.Email ?? "", p.Key) }).Where(n => n.Item1.Length > 2)];
        }

        public ImmutableArray<string> Of(CalendarEvent shift)
        {
            ImmutableArray<string> attendees = [.. shift.Attendees.Select(a => a.Value is { Scheme: "mailto" } address ? _byWord.GetValueOrDefault(Uri.UnescapeDataString(address.AbsoluteUri["mailto:".Length..])) : null).OfType<string>().Distinct()];
            if (!attendees.IsEmpty) return attendees;
            var summary = shift.Summary ?? "";
            if (!_known.TryGetValue(summary, out var named)) _known[summary] = named = InSummary(summary);
            return named;
        }

        private ImmutableArray<string> InSummary(string summary)
        {
            var parts = summary.Split(Separators, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var whole = parts.Select(p => _byWord.GetValueOrDefault(p)).ToArray();
            if (whole.Length > 0 && whole.All(p => p is not null)) return [.. whole.OfType<string>().Distinct()];

            // "On call: Ana Sousa" and "Ana Sousa on call: Primary" are what other schedulers write.
            return [.. _names.Where(n => HasWord(summary, n.Name)).Select(n => n.Key).Distinct()];
        }

        private static bool HasWord(string text, string word)
        {
            for (var at = text.IndexOf(word, StringComparison.OrdinalIgnoreCase); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.OrdinalIgnoreCase))
            {
                var after = at + word.Length;
                if ((at == 0 || !char.IsLetterOrDigit(text[at - 1])) && (after == text.Length || !char.IsLetterOrDigit(text[after]))) return true;
            }

            return false;
        }
    }
}

/// <summary>What a calendar says of a schedule over some time.</summary>
/// <param name="Shifts">Overrides under all others.</param>
/// <param name="Unknown">Summaries of events that name nobody, each once.</param>
/// <param name="Problem">Why there are none, in words that follow "the calendar "; null when it could be read.</param>
internal sealed record CalendarShifts(ImmutableArray<Override> Shifts, ImmutableArray<string> Unknown, string? Problem);
