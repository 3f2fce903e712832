using System.Security.Cryptography;
using System.Text.Json;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>The account that a link is about.</summary>
internal sealed record LinkOffer(string Provider, string ExternalId, string AccountName, string Nonce, long ExpiresAt);

/// <summary>Offers to link an account elsewhere with a person here: signed, told only to the holder of that account, good for half an hour and for one use.</summary>
internal sealed class AccountLinkTokens(IDataProtectionProvider protection, IOptions<EngineOptions> engine, NpgsqlDataSource database, TimeProvider clock)
{
    public const string Path = "/link-account";
    public const int GoodForMinutes = 30;

    private readonly IDataProtector _protector = protection.CreateProtector("Incidents.AccountLink.v1");

    /// <summary>Where the holder of the account goes; null when people's address of this server is not set.</summary>
    public string? AddressFor(string provider, string externalId, string accountName)
    {
        if (engine.Value.PublicUrl is not { } url) return null;
        var offer = new LinkOffer(provider, externalId, accountName, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)), (clock.GetCurrentInstant() + Duration.FromMinutes(GoodForMinutes)).ToUnixTimeSeconds());
        return QueryHelpers.AddQueryString(new Uri(url, Path).ToString(), "t", _protector.Protect(JsonSerializer.Serialize(offer)));
    }

    /// <summary>The offer; null when it is not ours or too old.</summary>
    public LinkOffer? Read(string? token)
    {
        if (string.IsNullOrEmpty(token) || token.Length > 4000) return null;
        try
        {
            var offer = JsonSerializer.Deserialize<LinkOffer>(_protector.Unprotect(token));
            return offer is not null && clock.GetCurrentInstant() < Instant.FromUnixTimeSeconds(offer.ExpiresAt) ? offer : null;
        }
        catch (CryptographicException)
        {
            // Forged, cut off, or sealed with a key that is gone: the page says that the link is no longer good.
            return null;
        }
    }

    public async Task<bool> IsSpentAsync(LinkOffer offer, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select exists (select 1 from spent_tokens where key = $1)");
        command.Parameters.Add(Sql.P(offer.Nonce));
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
