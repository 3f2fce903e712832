using System.Globalization;
using System.Security.Cryptography;
using Incidents.Server.Storage;
using Microsoft.AspNetCore.DataProtection;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>
/// Secret addresses of calendars, for programs that cannot send a key (docs/decisions/calendars-in-and-out.md). An address holds what it opens and a generation, protected by the keys that also protect
/// sessions; raising the generation ends all addresses given out before.
/// </summary>
internal sealed class CalendarLinks(NpgsqlDataSource database, IDataProtectionProvider protection)
{
    public const string OfSchedule = "schedule";
    public const string OfPerson = "person";

    private readonly IDataProtector _protector = protection.CreateProtector("on-call calendar");

    /// <summary>A token for the calendar of <paramref name="key"/>.</summary>
    public async Task<string> MakeAsync(string kind, string key, CancellationToken cancellationToken) =>
        _protector.Protect(Content(kind, key, await GenerationAsync(kind, key, cancellationToken)));

    public async Task<bool> IsGoodAsync(string kind, string key, string token, CancellationToken cancellationToken)
    {
        if (token.Length > 1000) return false;
        try
        {
            return _protector.Unprotect(token) == Content(kind, key, await GenerationAsync(kind, key, cancellationToken));
        }
        catch (CryptographicException)
        {
            // Forged, cut off, or of keys that are gone.
            return false;
        }
    }

    private async Task<int> GenerationAsync(string kind, string key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select generation from calendar_links where kind = $1 and key = $2");
        command.Parameters.Add(Sql.P(kind));
        command.Parameters.Add(Sql.P(key));
        return await command.ExecuteScalarAsync(cancellationToken) is int generation ? generation : 0;
    }

    private static string Content(string kind, string key, int generation) => string.Create(CultureInfo.InvariantCulture, $"{kind}\n{key}\n{generation}");
}
