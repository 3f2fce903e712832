using System.Globalization;
using System.Security.Cryptography;
using Incidents.Domain.Notifications;
using Incidents.Server.Configuration;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>What a link in a mail lets its holder do: this verb on this incident, in this recipient's name, and nothing else.</summary>
internal sealed record MailLink(long Incident, string Verb, string Recipient, Instant ExpiresAt)
{
    public const string Acknowledge = "acknowledge";
    public const string Resolve = "resolve";
}

/// <summary>
/// Signed links in mails. Whoever has one may use it without signing in, for a week: the mail is the credential, as it is for a password reset.
/// Opening one shows a page with a button and changes nothing, because mail scanners open every link.
/// </summary>
internal sealed class MailLinks(IDataProtectionProvider protection, IOptions<EngineOptions> engine, TimeProvider clock)
{
    public const string Path = "/mail";

    private static readonly Duration GoodFor = Duration.FromDays(7);

    private readonly IDataProtector _protector = protection.CreateProtector("Incidents.MailLink.v1");

    /// <summary>Null for what is no incident, and while people's address of this server is not set.</summary>
    public string? For(Notification notification, string recipient, string verb)
    {
        if (engine.Value.PublicUrl is not { } url || notification.IncidentNumber is not { } number) return null;
        var until = (clock.GetCurrentInstant() + GoodFor).ToUnixTimeSeconds();
        var token = _protector.Protect(string.Create(CultureInfo.InvariantCulture, $"{number}|{verb}|{until}|{recipient}"));

        // In the query, which traces and logs leave out; a path they keep.
        return QueryHelpers.AddQueryString(new Uri(url, Path).ToString(), "t", token);
    }

    /// <summary>What a token allows; null when it is not ours. Whether it is too old is for the caller to ask.</summary>
    public MailLink? Read(string? token)
    {
        if (string.IsNullOrEmpty(token) || token.Length > 4000) return null;
        try
        {
            return _protector.Unprotect(token).Split('|', 4) is [var number, var verb, var until, var recipient]
                ? new MailLink(long.Parse(number, CultureInfo.InvariantCulture), verb, recipient, Instant.FromUnixTimeSeconds(long.Parse(until, CultureInfo.InvariantCulture)))
                : null;
        }
        catch (CryptographicException)
        {
            // Forged, cut off by a mail program, or sealed with a key that is gone.
            return null;
        }
    }

    public bool IsGood(MailLink link) => clock.GetCurrentInstant() < link.ExpiresAt;
}
