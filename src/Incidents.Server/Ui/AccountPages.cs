using System.Globalization;
using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Identity;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Ui;

/// <summary>One's own account; for administrators also users and keys. Plain forms: all but passkeys works without JavaScript.</summary>
internal static class AccountPages
{
    public static void MapAccount(this WebApplication app)
    {
        var own = app.MapGroup("/account").RequireAuthorization().ExcludeFromDescription();
        own.MapGet("", (HttpContext http, ISender sender, UserManager<User> users, CancellationToken stop) => ShowAsync(http, sender, users, 200, null, null, stop));
        own.MapPost("/password", ChangePasswordAsync).RequireFormToken();
        own.MapPost("/sessions/end", EndSessionsAsync).RequireFormToken();
        own.MapPost("/teams/{team}/members", SetMemberAsync).RequireFormToken();

        var admin = app.MapGroup("/account").RequireAuthorization(Scopes.Admin).ExcludeFromDescription();
        admin.MapPost("/users", CreateUserAsync).RequireFormToken();
        admin.MapPost("/users/{id:guid}/{verb:regex(^(invitation|disable|enable|membership|sign-out)$)}", ChangeUserAsync).RequireFormToken();
        admin.MapPost("/keys", CreateKeyAsync).RequireFormToken();
        admin.MapPost("/keys/{id:guid}/{verb:regex(^(rotate|revoke)$)}", ChangeKeyAsync).RequireFormToken();

        // Whoever reloads after a POST comes with GET.
        own.MapGet("/{*rest}", () => SignIn.SeeOther("/account"));

        var invitation = app.MapGroup("/invitation").AllowAnonymous().ExcludeFromDescription();
        invitation.MapGet("", async (HttpContext http, string? user, string? token, UserManager<User> users, Invitations invitations) => await InvitedAsync(user, token, users, invitations) is { } invited
            ? await InvitationAsync(http, invited, token!, null, 200)
            : Expired(http));
        invitation.MapPost("", AcceptAsync).RequireFormToken();
    }

    private static async Task<IResult> ShowAsync(HttpContext http, ISender sender, UserManager<User> users, int status, string? said, string? secret, CancellationToken cancellationToken)
    {
        var user = await Passkeys.UserOf(http, users);
        var isAdmin = Scopes.Covers(http.User, Scopes.Admin);
        var teams = new List<(string, IReadOnlyList<TeamMemberShown>)>();
        foreach (var team in http.User.Grants().Where(g => g.Team is not null && Role.Rank(g.Role) >= Role.Rank(Role.Lead)).Select(g => g.Team!).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            teams.Add((team, (await sender.Send(new ListTeamMembers(team), cancellationToken)).Members));
        return Pages.Show<AccountPage>(http, status, new()
        {
            ["Frame"] = Pages.Frame(http, "Account") with { Path = "/account" },
            ["Data"] = new AccountData
            {
                User = user is null ? null : await sender.Send(new GetUser(user.Id), cancellationToken),
                Current = Sessions.IdOf(http.User),
                Open = user is null ? [] : await sender.Send(new ListSessions(user.Id), cancellationToken),
                Keys = isAdmin ? (await sender.Send(new ListApiKeys(), cancellationToken)).Where(k => k.RevokedAt is null).ToList() : null,
                Teams = teams,
                Users = isAdmin ? await sender.Send(new ListUsers(), cancellationToken) : null,
                Passkeys = user is null ? [] : (await users.GetPasskeysAsync(user)).OrderBy(p => p.CreatedAt).ToList(),
            },
            ["Said"] = said,
            ["Secret"] = secret,
            ["Now"] = http.RequestServices.GetRequiredService<TimeProvider>().GetCurrentInstant(),
        });
    }

    private static async Task<IResult> ChangePasswordAsync(HttpContext http, ISender sender, UserManager<User> users, SignInFailures failures, IAuditLog audit, IncidentsDbContext db, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        if (await Passkeys.UserOf(http, users) is not { } user) return Results.NotFound();
        var address = http.Connection.RemoteIpAddress ?? System.Net.IPAddress.None;
        if (!failures.TryTake(address)) return await ShowAsync(http, sender, users, 429, "Too many attempts from your address. Wait a minute.", null, cancellationToken);
        audit.Add("user.password_changed", $"user/{user.Id}");
        var (present, chosen) = (form["current"].ToString(), form["password"].ToString());
        if (chosen.Length > 1000) return await ShowAsync(http, sender, users, 400, "A password has at most 1000 characters.", null, cancellationToken);
        using var turn = await failures.TakeTurnAsync(cancellationToken);
        if (turn is null) return await ShowAsync(http, sender, users, 429, "Many people sign in just now. Try again in a moment.", null, cancellationToken);
        var result = user.PasswordHash is null ? await users.AddPasswordAsync(user, chosen) : await users.ChangePasswordAsync(user, present, chosen);
        if (!result.Succeeded) return await ShowAsync(http, sender, users, 400, Why(result), null, cancellationToken);
        failures.GiveBack(address);
        KnownBrowser.Remember(http, user);
        await sender.Send(new EndSessions(user.Id, Except: Sessions.IdOf(http.User)), cancellationToken);
        var passkeys = (await users.GetPasskeysAsync(user)).Count == 0 ? "" : " Your passkeys still open your account: remove those below that you do not know.";
        return await ShowAsync(http, sender, users, 200, $"Your password is changed, and you are signed out everywhere else.{passkeys}", null, cancellationToken);
    }

    private static async Task<IResult> EndSessionsAsync(HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        if (Sessions.UserIdOf(http.User) is not { } user) return Results.NotFound();
        if (Guid.TryParse(form["session"], out var session)) await sender.Send(new EndSessions(user, Only: session), cancellationToken);
        else await sender.Send(new EndSessions(user, Except: Sessions.IdOf(http.User)), cancellationToken);
        return SignIn.SeeOther("/account");
    }

    private static async Task<IResult> CreateUserAsync(HttpContext http, ISender sender, UserManager<User> users, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        return await TryAsync(http, sender, users, async () => Link(http, await sender.Send(new CreateUser(form["name"].ToString(), form["email"].ToString().Trim(), [MembershipIn(form)]), cancellationToken)), cancellationToken);
    }

    private static async Task<IResult> ChangeUserAsync(Guid id, string verb, HttpContext http, ISender sender, UserManager<User> users, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        return await TryAsync(http, sender, users, async () =>
        {
            switch (verb)
            {
                case "invitation":
                    return Link(http, await sender.Send(new InviteUser(id), cancellationToken));
                case "membership":
                    return Link(http, await sender.Send(new SetTeamMember(Given(form["team"]), id, Given(form["role"])), cancellationToken));
                case "sign-out":
                    await sender.Send(new EndSessions(id), cancellationToken);
                    return ("Signed out everywhere.", null);
                default:
                    return Link(http, await sender.Send(new DisableUser(id, verb == "disable"), cancellationToken));
            }
        }, cancellationToken);
    }

    private static async Task<IResult> SetMemberAsync(string team, HttpContext http, ISender sender, UserManager<User> users, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        return await TryAsync(http, sender, users, async () => Guid.TryParse(form["user"], out var user)
            ? Link(http, await sender.Send(new SetTeamMember(team, user, Given(form["role"])), cancellationToken))
            : ("Choose somebody.", null), cancellationToken);
    }

    private static async Task<IResult> CreateKeyAsync(HttpContext http, ISender sender, UserManager<User> users, TimeProvider clock, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        Instant? expires = null;
        if (Given(form["days"]) is { } typed)
        {
            // A slip must not make a key that never expires.
            if (!int.TryParse(typed, NumberStyles.None, CultureInfo.InvariantCulture, out var days) || days is < 1 or > 36_500)
                return await ShowAsync(http, sender, users, 400, "Days until it expires are a number from 1 to 36500, or nothing for a key that never does. No key was made.", null, cancellationToken);
            expires = clock.GetCurrentInstant() + Duration.FromDays(days);
        }

        return await TryAsync(http, sender, users, async () =>
        {
            var created = await sender.Send(new CreateApiKey(form["name"].ToString().Trim(), [form["scope"].ToString()], null, expires, Given(form["team"])), cancellationToken);
            return ($"The key {created.Name}. Copy it now: it is not shown again. {created.Warning}".TrimEnd(), created.Key);
        }, cancellationToken);
    }

    private static Task<IResult> ChangeKeyAsync(Guid id, string verb, HttpContext http, ISender sender, UserManager<User> users, CancellationToken cancellationToken) => TryAsync(http, sender, users, async () =>
    {
        if (verb == "rotate")
            return await sender.Send(new RotateApiKey(id), cancellationToken) is { } rotated ? ($"The new key {rotated.Name}; the old one is valid for another day. Copy it now: it is not shown again.", rotated.Key) : ("There is no such key.", null);
        return await sender.Send(new RevokeApiKey(id), cancellationToken) switch
        {
            RevokeApiKeyResult.Revoked => ("Revoked.", null),
            RevokeApiKeyResult.LastAdmin => ("This is the last admin key that does not expire. Create another one first.", null),
            _ => ("There is no such key.", (string?)null),
        };
    }, cancellationToken);

    private static async Task<IResult> AcceptAsync(HttpContext http, UserManager<User> users, Invitations invitations, IncidentsDbContext db, IAuditLog audit, IActor actor, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var (token, password) = (form["token"].ToString(), form["password"].ToString());
        if (await InvitedAsync(form["user"], token, users, invitations) is not { } user) return Expired(http);
        if (password.Length > 1000) return await InvitationAsync(http, user, token, "A password has at most 1000 characters.", 400);
        actor.Is(user.DisplayName, ActorKind.User, $"user/{user.Id}");
        using var turn = await http.RequestServices.GetRequiredService<SignInFailures>().TakeTurnAsync(cancellationToken);
        if (turn is null) return await InvitationAsync(http, user, token, "Many people sign in just now. Try again in a moment.", 429);

        // All of it or nothing: a new password beside a thief's passkey would be worse than none.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        audit.Add("user.password_set", $"user/{user.Id}");
        var result = await users.ResetPasswordAsync(user, token, password);
        if (!result.Succeeded) return await InvitationAsync(http, user, token, Why(result), 400);

        // Whoever had guessed too often meanwhile is not the one who holds the link.
        await users.SetLockoutEndDateAsync(user, null);
        await users.ResetAccessFailedCountAsync(user);

        // A new password is often chosen because the account is in wrong hands, and a passkey outlives sessions.
        foreach (var passkey in await users.GetPasskeysAsync(user))
        {
            audit.Add("passkey.removed", $"user/{user.Id}", new { passkey.Name, by = "invitation" });
            await users.RemovePasskeyAsync(user, passkey.CredentialId);
        }

        await http.RequestServices.GetRequiredService<ISender>().Send(new EndSessions(user.Id), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        http.RequestServices.GetRequiredService<Sessions>().Forget();
        await SignIn.EnterAsync(http, user, "invitation", cancellationToken);
        return SignIn.SeeOther("/");
    }

    private static async Task<User?> InvitedAsync(string? id, string? token, UserManager<User> users, Invitations invitations) =>
        Guid.TryParse(id, out var guid) && token is { Length: > 0 and < 2000 } && await users.FindByIdAsync(guid.ToString()) is { DisabledAt: null } user && await invitations.IsGoodAsync(user, token) ? user : null;

    private static async Task<IResult> InvitationAsync(HttpContext http, User user, string token, string? problem, int status) => Pages.Show<InvitationPage>(http, status, new()
    {
        ["Frame"] = Pages.Frame(http, "Choose a password") with { Path = "/" }, ["Name"] = user.DisplayName, ["Email"] = user.Email, ["UserId"] = user.Id.ToString(), ["LinkToken"] = token, ["Problem"] = problem,
        ["Passkeys"] = (await http.RequestServices.GetRequiredService<UserManager<User>>().GetPasskeysAsync(user)).Count,
    });

    private static IResult Expired(HttpContext http) => Pages.Message(http, 410, "Link used or expired", "A link is good for a week and until a password was chosen with it. Ask an administrator for another.", next: new PageLink("/sign-in", "Sign in"));

    private static async Task<IResult> TryAsync(HttpContext http, ISender sender, UserManager<User> users, Func<Task<(string Said, string? Secret)>> act, CancellationToken cancellationToken)
    {
        try
        {
            var (said, secret) = await act();
            return await ShowAsync(http, sender, users, 200, said, secret, cancellationToken);
        }
        catch (ValidationException invalid)
        {
            return await ShowAsync(http, sender, users, 400, string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage)), null, cancellationToken);
        }
    }

    private static (string Said, string? Secret) Link(HttpContext http, UserAnswer answer) => answer switch
    {
        UserAnswer.Is(var user, { } path) => ($"Send {user.Name} this link: there they choose a password. It is good for a week.", new Uri(new Uri($"{http.Request.Scheme}://{http.Request.Host}"), path).AbsoluteUri),
        UserAnswer.Is(var user, _) => ($"{user.Name} is changed. {UnknownTeams.Among(user.Memberships.Select(m => m.Team), http.RequestServices.GetRequiredService<IActiveConfiguration>().Current)}".TrimEnd(), null),
        UserAnswer.Invalid(var why) => (why, null),
        UserAnswer.Exists => ("There is a user with this email.", null),
        UserAnswer.Forbidden(var why) => (why, null),
        _ => ("There is no such user.", null),
    };

    private static MembershipShown MembershipIn(IFormCollection form) => new(form["role"].ToString(), Given(form["team"]));

    private static string? Given(string? text) => text?.Trim() is { Length: > 0 } given ? given : null;

    private static string Why(IdentityResult result) => string.Join(" ", result.Errors.Select(e => e.Code == "PasswordMismatch" ? "The present password is another." : e.Description));
}

/// <summary>What the account page shows.</summary>
public sealed record AccountData
{
    /// <summary>Null: signed in with a key.</summary>
    internal UserShown? User { get; init; }

    internal Guid? Current { get; init; }

    internal IReadOnlyList<Session> Open { get; init; } = [];

    /// <summary>Null: who looks is no administrator.</summary>
    internal IReadOnlyList<ApiKeySummary>? Keys { get; init; }

    internal IReadOnlyList<UserShown>? Users { get; init; }

    /// <summary>Teams that who looks leads, with everybody and what they are there.</summary>
    internal IReadOnlyList<(string Team, IReadOnlyList<TeamMemberShown> Everybody)> Teams { get; init; } = [];

    internal IReadOnlyList<UserPasskeyInfo> Passkeys { get; init; } = [];
}
