using System.Net;
using Microsoft.AspNetCore.Identity;
using NodaTime;

namespace Incidents.Server.Web;

/// <summary>Somebody who signs in by name. Passwords, lockout and passkeys are ASP.NET Core Identity's; the user name is the email.</summary>
internal sealed class User : IdentityUser<Guid>
{
    /// <summary>As timelines and the audit log show it.</summary>
    public required string DisplayName { get; set; }

    /// <summary>Key of the person in <c>oncall.yaml</c>. Null: the person with the same email there, if there is one.</summary>
    public string? Person { get; set; }

    public required Instant CreatedAt { get; init; }

    /// <summary>Null while the user may sign in.</summary>
    public Instant? DisabledAt { get; set; }
}

/// <summary>What a user is to a team.</summary>
internal sealed class Membership
{
    public Guid UserId { get; init; }

    /// <summary>Key of the team; empty: all teams.</summary>
    public required string Team { get; init; }

    /// <summary>One of <see cref="Domain.Access.Role"/>.</summary>
    public required string Role { get; set; }
}

/// <summary>One browser in which a user is signed in.</summary>
internal sealed class Session
{
    public required Guid Id { get; init; }

    public required Guid UserId { get; init; }

    /// <summary><c>password</c>, <c>passkey</c>, <c>invitation</c> or <c>oidc</c>.</summary>
    public required string Method { get; init; }

    public required Instant CreatedAt { get; init; }

    /// <summary>To about five minutes.</summary>
    public required Instant LastSeenAt { get; set; }

    public Instant? RevokedAt { get; set; }

    public IPAddress? RemoteAddress { get; init; }

    /// <summary>What the browser calls itself, cut at 200 characters.</summary>
    public string? Browser { get; init; }
}
