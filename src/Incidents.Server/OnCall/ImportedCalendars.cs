using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using NodaTime;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Shifts of schedules that are read from a calendar. Files are in the configuration, what came from an address is in the database. The expansion is remembered, because escalation asks for the
/// same days again and again; it is found anew when the text, the configuration or the days differ. A calendar that cannot be expanded leaves its schedule to the layers and stops nothing else.
/// </summary>
internal sealed partial class ImportedCalendars(ILogger<ImportedCalendars> log)
{
    private const int MostRemembered = 64;
    private readonly ConcurrentDictionary<(string Schedule, string Text, string Version, Instant From, Instant Until), CalendarShifts> _shifts = new();
    private readonly ConcurrentDictionary<string, CalendarImport?> _parsed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _unusable = new(StringComparer.Ordinal);

    /// <summary>Schedules whose present calendar could not be expanded for days that were asked for; there the layers count.</summary>
    public IEnumerable<string> Unusable => _unusable.Keys.Order(StringComparer.Ordinal);

    /// <summary>What calendars say between two moments, both included.</summary>
    public async Task<IReadOnlyList<Override>> LoadAsync(NpgsqlConnection connection, EngineConfiguration configuration, Instant from, Instant to, CancellationToken cancellationToken)
    {
        var begins = Instant.FromUnixTimeTicks(Floor(from)) - Duration.FromDays(1);
        var ends = Instant.FromUnixTimeTicks(Floor(to)) + Duration.FromDays(to - from > Duration.FromDays(2) ? 2 : 9);
        var found = new List<Override>();
        foreach (var source in configuration.Calendars.Values.Where(c => c.Text is not null)) Take(source.Schedule, HashOf(source.Text!), null, source.Text);
        if (configuration.Calendars.Values.Where(c => c.Text is null).ToArray() is not { Length: > 0 } addresses) return found;

        // Texts are large and rarely new. Which one it is and what it says come from one statement, so that no look falls between two copies.
        var known = _parsed.ToArray().ToDictionary(StringComparer.Ordinal);
        await using var command = new NpgsqlCommand("""
            select f.schedule, f.content, case when f.content = any($3) then null else f.body end
            from calendar_feeds f join unnest($1::text[], $2::text[]) a(schedule, source) on f.schedule = a.schedule and f.source = a.source where f.content is not null
            """, connection);
        command.Parameters.Add(Sql.P(addresses.Select(a => a.Schedule).ToArray()));
        command.Parameters.Add(Sql.P(addresses.Select(a => HashOf(a.Url!)).ToArray()));
        command.Parameters.Add(Sql.P(known.Keys.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) Take(reader.GetString(0), reader.GetString(1), known.GetValueOrDefault(reader.GetString(1)), reader.IsDBNull(2) ? null : reader.GetString(2));
        return found;

        void Take(string key, string hash, CalendarImport? calendar, string? text)
        {
            if (!configuration.OnCall.Schedules.TryGetValue(key, out var schedule)) return;
            var question = (key, hash, configuration.Version, begins, ends);
            if (!_shifts.TryGetValue(question, out var shifts))
            {
                if (_shifts.Count >= MostRemembered) _shifts.Clear();
                calendar ??= text is null ? null : Parse(hash, text);
                _shifts[question] = shifts = calendar?.Shifts(schedule, configuration.OnCall, begins, ends) ?? new CalendarShifts([], [], "cannot be read");
                if (shifts.Problem is not null) LogUnusable(key, shifts.Problem);
            }

            if (shifts.Problem is not null) _unusable[key] = hash;
            else if (_unusable.TryGetValue(key, out var unusable) && unusable != hash) _unusable.TryRemove(key, out _);
            found.AddRange(shifts.Shifts.Where(s => s.From <= to && s.Until > from));
        }
    }

    private CalendarImport? Parse(string hash, string text)
    {
        if (_parsed.TryGetValue(hash, out var calendar)) return calendar;
        if (_parsed.Count >= MostRemembered) _parsed.Clear();
        return _parsed[hash] = CalendarImport.Parse(text, out _);
    }

    /// <summary>Names a text, or an address that must not be shown.</summary>
    public static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static long Floor(Instant at) => at.ToUnixTimeTicks() / NodaConstants.TicksPerDay * NodaConstants.TicksPerDay;

    [LoggerMessage(Level = LogLevel.Error, Message = "The calendar of schedule {Schedule} {Problem}; its layers count instead")]
    private partial void LogUnusable(string schedule, string problem);
}
