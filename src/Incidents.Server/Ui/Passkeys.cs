using System.Buffers.Text;
using System.Globalization;
using System.Net;
using Incidents.Domain.Alerts;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Ui;

/// <summary>Passkeys: made on the account page, used on the sign-in page. The framework makes the challenges and checks what devices answer; browsers need JavaScript for them.</summary>
internal static class Passkeys
{
    private const int MostBytes = 32 * 1024;
    private const int MostOfOne = 20;

    public static void AddPasskeys(this IServiceCollection services) =>
        // Holds the challenge while the device answers.
        services.AddAuthentication().AddCookie(IdentityConstants.TwoFactorUserIdScheme, options =>
        {
            options.Cookie.Name = "incidents_passkey";
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Strict;
            options.ExpireTimeSpan = TimeSpan.FromMinutes(5);
        });

    public static void MapPasskeys(this WebApplication app)
    {
        app.MapPost("/sign-in/passkey/options", async (SignInManager<User> manager) => Json(await manager.MakePasskeyRequestOptionsAsync(null))).AllowAnonymous().RequireFormToken().ExcludeFromDescription();
        app.MapPost("/sign-in/passkey", EnterAsync).AllowAnonymous().RequireFormToken().ExcludeFromDescription();
        app.MapPost("/account/passkeys/options", async (HttpContext http, SignInManager<User> manager, UserManager<User> users, IncidentsDbContext db, TimeProvider clock) =>
        {
            if (await UserOf(http, users) is not { } user) return Results.NotFound();
            if (!await HasJustEnteredAsync(http, db, clock)) return Problem(EnterAgain, 403);
            return Json(await manager.MakePasskeyCreationOptionsAsync(new PasskeyUserEntity { Id = user.Id.ToString(), Name = user.Email!, DisplayName = user.DisplayName }));
        }).RequireAuthorization().RequireFormToken().ExcludeFromDescription();
        app.MapPost("/account/passkeys", AddAsync).RequireAuthorization().RequireFormToken().ExcludeFromDescription();
        app.MapPost("/account/passkeys/remove", RemoveAsync).RequireAuthorization().RequireFormToken().ExcludeFromDescription();
    }

    public static async Task<User?> UserOf(HttpContext http, UserManager<User> users) => Sessions.UserIdOf(http.User) is { } id ? await users.FindByIdAsync(id.ToString()) : null;

    public static string IdOf(UserPasskeyInfo passkey) => Base64Url.EncodeToString(passkey.CredentialId);

    private static async Task<IResult> EnterAsync(HttpContext http, SignInManager<User> manager, SignInFailures failures, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var address = http.Connection.RemoteIpAddress ?? IPAddress.None;
        if (!failures.TryTake(address)) return Problem("Too many attempts from your address. Wait a minute.", 429);
        var result = form["credential"].ToString() is { Length: > 0 and <= MostBytes } credential ? await manager.PerformPasskeyAssertionAsync(credential) : null;

        // Nobody guesses a passkey, so those who guess passwords do not lock it.
        if (result is not { Succeeded: true, User: { DisabledAt: null } user }) return Problem("This passkey is not known here.", 401);
        failures.GiveBack(address);
        await manager.UserManager.AddOrUpdatePasskeyAsync(user, result.Passkey);
        await SignIn.EnterAsync(http, user, "passkey", cancellationToken);
        return TypedResults.Ok(new { to = SignIn.Local(form["to"]) });
    }

    private static async Task<IResult> AddAsync(HttpContext http, SignInManager<User> manager, IAuditLog audit, IncidentsDbContext db, TimeProvider clock, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var users = manager.UserManager;
        if (await UserOf(http, users) is not { } user) return Results.NotFound();
        if (!await HasJustEnteredAsync(http, db, clock)) return Problem(EnterAgain, 403);
        if ((await users.GetPasskeysAsync(user)).Count >= MostOfOne) return Problem("You have 20 passkeys; remove one first.", 409);
        var result = form["credential"].ToString() is { Length: > 0 and <= MostBytes } credential ? await manager.PerformPasskeyAttestationAsync(credential) : null;

        // The challenge was made for one user; whoever signed in meanwhile is another.
        if (result is not { Succeeded: true } || result.UserEntity.Id != user.Id.ToString()) return Problem("The device's answer could not be verified. Try again.", 400);
        result.Passkey.Name = form["name"].ToString().Trim() is { Length: > 0 } name ? AlertText.OneLine(name, 100) : "Passkey of " + DateTimeOffset.UnixEpoch.AddSeconds(result.Passkey.CreatedAt.ToUnixTimeSeconds()).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        audit.Add("passkey.added", $"user/{user.Id}", new { result.Passkey.Name });
        if (!(await users.AddOrUpdatePasskeyAsync(user, result.Passkey)).Succeeded) return Problem("It could not be saved. Try again.", 409);
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Ok(new { to = "/account" });
    }

    private static async Task<IResult> RemoveAsync(HttpContext http, UserManager<User> users, IAuditLog audit, IncidentsDbContext db, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        if (await UserOf(http, users) is not { } user) return Results.NotFound();
        var id = form["passkey"].ToString();
        if ((await users.GetPasskeysAsync(user)).FirstOrDefault(p => IdOf(p) == id) is { } passkey)
        {
            audit.Add("passkey.removed", $"user/{user.Id}", new { passkey.Name });
            await users.RemovePasskeyAsync(user, passkey.CredentialId);
            await db.SaveChangesAsync(cancellationToken);
        }

        return SignIn.SeeOther("/account");
    }

    /// <summary>A passkey stays when a session ends, so whoever found a browser open must not make one: only within a quarter of an hour of showing who one is.</summary>
    private static async Task<bool> HasJustEnteredAsync(HttpContext http, IncidentsDbContext db, TimeProvider clock)
    {
        var since = clock.GetCurrentInstant() - Fresh;
        return Sessions.IdOf(http.User) is { } session && await db.Set<Session>().AnyAsync(s => s.Id == session && s.CreatedAt > since, http.RequestAborted);
    }

    private const string EnterAgain = "Sign out and in again first: a passkey is added within a quarter of an hour of signing in.";
    private static readonly Duration Fresh = Duration.FromMinutes(15);

    private static IResult Json(string options) => Results.Text(options, "application/json");

    private static IResult Problem(string detail, int status) => Results.Json(new { detail }, statusCode: status);
}
