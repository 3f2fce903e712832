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
/// same days again and again; it is found anew when the text, the configuration or the days differ.
/// </summary>
internal sealed class ImportedCalendars
{
    private const int MostRemembered = 64;
    private readonly ConcurrentDictionary<(string Schedule, string Text, string Version, Instant From, Instant Until), ImmutableArray<Override>> _shifts = new();
    private readonly ConcurrentDictionary<string, CalendarImport?> _parsed = new(StringComparer.Ordinal);

    /// <summary>What calendars say between two moments, both included.</summary>
    public async Task<IReadOnlyList<Override>> LoadAsync(NpgsqlConnection connection, EngineConfiguration configuration, Instant from, Instant to, CancellationToken cancellationToken)
    {
        var begins = Instant.FromUnixTimeTicks(Floor(from)) - Duration.FromDays(1);
        var ends = Instant.FromUnixTimeTicks(Floor(to)) + Duration.FromDays(to - from > Duration.FromDays(2) ? 2 : 9);
        var found = new List<Override>();
        var addresses = new List<CalendarSource>();
        foreach (var source in configuration.Calendars.Values)
        {
            if (source.Text is not null) Take(source.Schedule, HashOf(source.Text), source.Text);
            else addresses.Add(source);
        }

        if (addresses.Count == 0) return found;
        var stored = new List<(string Schedule, string Content)>();
        await using (var command = new NpgsqlCommand("select schedule, source, content from calendar_feeds where schedule = any($1) and content is not null", connection))
        {
            command.Parameters.Add(Sql.P(addresses.Select(a => a.Schedule).ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                // What an address said that is no longer the one written counts no more.
                if (addresses.Any(a => a.Schedule == reader.GetString(0) && HashOf(a.Url!) == reader.GetString(1))) stored.Add((reader.GetString(0), reader.GetString(2)));
            }
        }

        // Texts are large and rarely new.
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        if (stored.Where(s => !_parsed.ContainsKey(s.Content)).Select(s => s.Schedule).ToArray() is { Length: > 0 } unread)
        {
            await using var command = new NpgsqlCommand("select content, body from calendar_feeds where schedule = any($1) and content is not null", connection);
            command.Parameters.Add(Sql.P(unread));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken)) texts[reader.GetString(0)] = reader.GetString(1);
        }

        foreach (var (schedule, content) in stored) Take(schedule, content, texts.GetValueOrDefault(content));
        return found;

        void Take(string key, string hash, string? text)
        {
            if (!configuration.OnCall.Schedules.TryGetValue(key, out var schedule)) return;
            var question = (key, hash, configuration.Version, begins, ends);
            if (!_shifts.TryGetValue(question, out var shifts))
            {
                if (!_parsed.TryGetValue(hash, out var calendar))
                {
                    // Somebody stored another text between the two questions; the next reading has it.
                    if (text is null) return;
                    if (_parsed.Count >= MostRemembered) _parsed.Clear();
                    _parsed[hash] = calendar = CalendarImport.Parse(text, out _);
                }

                if (_shifts.Count >= MostRemembered) _shifts.Clear();
                _shifts[question] = shifts = calendar?.Shifts(schedule, configuration.OnCall, begins, ends, out _) ?? [];
            }

            found.AddRange(shifts.Where(s => s.From <= to && s.Until > from));
        }
    }

    /// <summary>Names a text, or an address that must not be shown.</summary>
    public static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static long Floor(Instant at) => at.ToUnixTimeTicks() / NodaConstants.TicksPerDay * NodaConstants.TicksPerDay;
}
