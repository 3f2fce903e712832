using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>
/// Shifts as an iCalendar feed (RFC 5545): lines of at most 75 octets, CRLF, times in UTC so that no calendar needs our zones. A person's unbroken time is one event, whatever the reasons in it.
/// </summary>
/// <remarks>An event keeps its UID as long as its schedule, person and beginning stay: calendars update it instead of showing it twice.</remarks>
public static class ShiftCalendar
{
    private static readonly Duration LookBack = Duration.FromDays(366);

    /// <summary>Everybody's shifts in a schedule that end after <paramref name="from"/>, and its gaps.</summary>
    public static string OfSchedule(Schedule schedule, IReadOnlyCollection<Override> overrides, Roster roster, Instant from, Instant until, Instant now) =>
        Write($"{schedule.Name} on call", Events(schedule, overrides, roster, from, until), now);

    /// <summary>One person's shifts in all schedules.</summary>
    public static string OfPerson(Person person, IEnumerable<Schedule> schedules, IReadOnlyCollection<Override> overrides, Roster roster, Instant from, Instant until, Instant now) =>
        Write($"{person.Name} on call", schedules.SelectMany(s => Events(s, overrides, roster, from, until)).Where(e => e.Person == person.Key).OrderBy(e => e.From), now);

    private sealed record Event(string Schedule, string? Person, Instant From, Instant Until, string Summary, string Description, bool BeganEarlier);

    private static IEnumerable<Event> Events(Schedule schedule, IReadOnlyCollection<Override> overrides, Roster roster, Instant from, Instant until)
    {
        // Looks back, so that a shift under way has its true beginning, and with it the UID it had yesterday.
        var start = from - LookBack;
        var shifts = ScheduleCalculator.Shifts(schedule, overrides, new Interval(start, until));
        var open = new Dictionary<string, (Instant From, List<string> Why)>(StringComparer.Ordinal);
        var events = new List<Event>();
        foreach (var shift in shifts)
        {
            foreach (var person in open.Keys.Where(key => shift.People.All(p => p.Person != key)).ToArray()) Close(person, shift.From);
            foreach (var duty in shift.People)
            {
                if (!open.TryGetValue(duty.Person, out var running)) open[duty.Person] = running = (shift.From, []);
                var why = duty.Reason.ToString()!;
                if (!running.Why.Contains(why)) running.Why.Add(why);
            }

            if (shift.IsGap && shift.Until > from) events.Add(new Event(schedule.Key, null, shift.From, shift.Until, $"Nobody on call: {schedule.Name}", "A gap in the schedule.", shift.From == start));
        }

        foreach (var person in open.Keys.ToArray()) Close(person, until);
        return events.OrderBy(e => e.From).ThenBy(e => e.Person, StringComparer.Ordinal);

        void Close(string person, Instant at)
        {
            if (!open.Remove(person, out var running) || at <= from) return;
            var name = roster.People.TryGetValue(person, out var known) ? known.Name : person;
            events.Add(new Event(schedule.Key, person, running.From, at, $"{name} on call: {schedule.Name}", $"By {string.Join(", ", running.Why)}.", running.From == start));
        }
    }

    private static string Write(string name, IEnumerable<Event> events, Instant now)
    {
        var text = new StringBuilder();
        Line("BEGIN:VCALENDAR");
        Line("VERSION:2.0");
        Line("PRODID:-//Incidents//On call//EN");
        Line("CALSCALE:GREGORIAN");
        Line("METHOD:PUBLISH");
        Line("X-WR-CALNAME:" + Escape(name));
        Line("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
        foreach (var shift in events)
        {
            Line("BEGIN:VEVENT");
            Line("UID:" + Uid(shift));
            Line("DTSTAMP:" + Utc(now));
            Line("DTSTART:" + Utc(shift.From));
            Line("DTEND:" + Utc(shift.Until));
            Line("SUMMARY:" + Escape(shift.Summary));
            Line("DESCRIPTION:" + Escape(shift.Description));
            Line("TRANSP:TRANSPARENT");
            Line("END:VEVENT");
        }

        Line("END:VCALENDAR");
        return text.ToString();

        void Line(string line) => Fold(text, line);
    }

    private static string Uid(Event shift)
    {
        // Who has been on call for longer than we look back has one event whose beginning moves with us.
        var from = shift.BeganEarlier ? "earlier" : Utc(shift.From);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{shift.Schedule}\n{shift.Person}\n{from}"));
        return Convert.ToHexStringLower(hash.AsSpan(0, 16)) + "@incidents";
    }

    private static string Utc(Instant at) => at.ToString("uuuuMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    /// <summary>As RFC 5545 §3.3.11 has it; other control characters are not allowed in it and are left out.</summary>
    private static string Escape(string value)
    {
        var text = new StringBuilder(value.Length);
        foreach (var c in value.ReplaceLineEndings("\n"))
        {
            if (c == '\n') text.Append("\\n");
            else if (c is '\\' or ';' or ',') text.Append('\\').Append(c);
            else if (!char.IsControl(c) || c == '\t') text.Append(c);
        }

        return text.ToString();
    }

    /// <summary>Lines longer than 75 octets go on in the next, after a space; no character is cut in two.</summary>
    private static void Fold(StringBuilder text, string line)
    {
        var octets = 0;
        foreach (var rune in line.EnumerateRunes())
        {
            if (octets + rune.Utf8SequenceLength > 75)
            {
                text.Append("\r\n ");
                octets = 1;
            }

            text.Append(rune.ToString());
            octets += rune.Utf8SequenceLength;
        }

        text.Append("\r\n");
    }
}
