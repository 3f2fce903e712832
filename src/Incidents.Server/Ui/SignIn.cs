using System.Collections.Concurrent;
using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using Incidents.Server.Storage;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Mediator;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;
using SignInResult = Microsoft.AspNetCore.Identity.SignInResult;

namespace Incidents.Server.Ui;

/// <summary>
/// A person signs in by email and password, with a passkey, through the organisation's provider (OIDC), or with an API key and the name that others know them by.
/// The session lives in a cookie; every request asks whether it, or the key it began with, is still good.
/// </summary>
internal static class SignIn
{
    public const string Scheme = "Browser";

    public static void AddSignIn(this IServiceCollection services)
    {
        services.AddDataProtection().SetApplicationName("incidents");
        services.AddOptions<KeyManagementOptions>().Configure<NpgsqlDataSource>((options, database) => options.XmlRepository = new SessionKeys(database));
        services.Configure<BrowserSignIn>(o => o.Scheme = Scheme);
        services.AddSingleton<SignInFailures>();
        services.AddAuthentication().AddCookie(Scheme, options =>
        {
            options.Cookie.Name = "incidents_session";
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Lax;
            options.LoginPath = "/sign-in";
            options.AccessDeniedPath = "/not-allowed";
            options.ReturnUrlParameter = "to";
            options.ExpireTimeSpan = TimeSpan.FromDays(14);
            options.SlidingExpiration = true;
            options.Events.OnValidatePrincipal = ValidateAsync;
            options.Events.OnRedirectToLogin = context => SendAwayAsync(context, 401, "Signed out", "Your session has ended, and this was not done.", "Sign in");
            options.Events.OnRedirectToAccessDenied = context => SendAwayAsync(context, 403, "Not allowed", "You may not do this.", "What you may do");
        });
    }

    public static void MapSignIn(this WebApplication app)
    {
        app.MapGet("/sign-in", (HttpContext http, string? to) => Page(http, to, null, null)).AllowAnonymous().ExcludeFromDescription();
        app.MapPost("/sign-in", SignInAsync).AllowAnonymous().RequireFormToken().ExcludeFromDescription();
        app.MapPost("/sign-out", async (HttpContext http) =>
        {
            // The session ends, not only its cookie.
            if (Sessions.UserIdOf(http.User) is { } user && Sessions.IdOf(http.User) is { } session) await http.RequestServices.GetRequiredService<ISender>().Send(new EndSessions(user, Only: session), http.RequestAborted);
            await http.SignOutAsync(Scheme);
            return SeeOther("/sign-in");
        }).AllowAnonymous().RequireFormToken().ExcludeFromDescription();
        app.MapGet("/api/v1/session", (HttpContext http) => TypedResults.Ok(new SessionShown(http.User.FindFirstValue(ApiClaims.Name) ?? "unknown")))
            .RequireAuthorization(Scopes.Read).WithTags("Live").WithName("GetSession").WithSummary("Who this session or key acts as; 401 once it has ended");
        app.MapGet("/not-allowed", (HttpContext http) => Pages.Message(http, 403, "Not allowed", "You may not see this. Ask an administrator for a role, or sign in with a key of scope read or respond.")).ExcludeFromDescription();
        // A page that answered a POST has its address, and so has what leads back to that page.
        foreach (var path in (string[])["/sign-out", "/theme"]) app.MapGet(path, () => SeeOther("/")).AllowAnonymous().ExcludeFromDescription();
        app.MapPost("/theme", async (HttpContext http) =>
        {
            var form = await http.Request.ReadFormAsync();
            var theme = form["theme"].ToString() is "light" or "dark" ? form["theme"].ToString() : "auto";
            http.Response.Cookies.Append("theme", theme, new CookieOptions { MaxAge = TimeSpan.FromDays(365), HttpOnly = true, SameSite = SameSiteMode.Lax, Secure = http.Request.IsHttps });
            return SeeOther(Local(form["to"]));
        }).AllowAnonymous().RequireFormToken().ExcludeFromDescription();
    }

    /// <summary>The key that this session or request stands on; null for none.</summary>
    public static Guid? KeyOf(ClaimsPrincipal user) =>
        Guid.TryParse(user.FindFirstValue(ApiClaims.SessionKey) ?? user.FindFirstValue(ApiClaims.KeyId), out var id) ? id : null;

    public static IResult SeeOther(string path) => new SeeOtherResult(path);

    /// <summary>A path on this server; anything else becomes the first page.</summary>
    public static string Local(string? path) => path is ['/', ..] and not ['/', '/' or '\\', ..] && !path.Any(char.IsControl) ? path : "/";

    private static async Task<IResult> SignInAsync(HttpContext http, ApiKeyCache keys, SignInFailures failures, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var (name, to) = (form["name"].ToString().Trim(), Local(form["to"]));
        var address = http.Connection.RemoteIpAddress ?? IPAddress.None;
        if (!failures.TryTake(address)) return Page(http, to, name, "Too many attempts from your address. Wait a minute.", 429);
        if (form.ContainsKey("email")) return await ByPasswordAsync(http, form["email"].ToString().Trim(), form["password"].ToString(), to, failures, address, cancellationToken);
        if (name.Length > 100) return Page(http, to, null, "A name has at most 100 characters.", 400);

        var check = await keys.CheckAsync(form["key"].ToString().Trim(), cancellationToken);
        if (check.IsUnchecked) return Page(http, to, name, "The key could not be checked, because the database does not answer. Try again.", 503);
        if (check.Result.Principal is not { } holder) return Page(http, to, name, "This key is unknown, expired or revoked.", 401);
        failures.GiveBack(address);
        if (!Scopes.Covers(holder, Scopes.Read)) return Page(http, to, name, "This key may only send alerts. Sign in with a key of scope read or respond.", 403);

        // Everybody who has the key could be anybody; whoever has an account of their own comes in by it.
        var db = http.RequestServices.GetRequiredService<IncidentsDbContext>();
        if (name.Length > 0 && await db.Set<User>().FromSql($"select * from users where lower(display_name) = lower({name})").AnyAsync(cancellationToken))
            return Page(http, to, null, $"{name} has an account here: sign in by email, or give another name.", 409);

        var claims = holder.Claims.Where(c => c.Type is ApiClaims.Scope or ApiClaims.Team).ToList();
        claims.Add(new Claim(ApiClaims.Name, name.Length > 0 ? AlertTextOf(name) : holder.FindFirstValue(ApiClaims.Name) ?? "unknown"));
        claims.Add(new Claim(ApiClaims.SessionKey, holder.FindFirstValue(ApiClaims.KeyId)!));
        await http.SignInAsync(Scheme, new ClaimsPrincipal(new ClaimsIdentity(claims, Scheme)), new AuthenticationProperties { IsPersistent = true });
        return SeeOther(to);
    }

    private static async Task<IResult> ByPasswordAsync(HttpContext http, string email, string password, string to, SignInFailures failures, IPAddress address, CancellationToken cancellationToken)
    {
        var manager = http.RequestServices.GetRequiredService<SignInManager<User>>();
        var users = manager.UserManager;
        var user = email.Length is > 0 and <= 256 && password.Length <= 1000 ? await users.FindByEmailAsync(email) : null;
        SignInResult result;
        using (var turn = await failures.TakeTurnAsync(cancellationToken))
        {
            if (turn is null)
            {
                http.Response.Headers.RetryAfter = "2";
                return Page(http, to, null, "Many people sign in just now. Try again in a moment.", 429, email);
            }

            result = user?.PasswordHash is null ? SignInResult.Failed : await CheckAsync(manager, http, user, password);

            // Somebody who tries addresses must not learn by the time it takes which ones there are.
            if (user?.PasswordHash is null) users.PasswordHasher.HashPassword(new User { DisplayName = "", CreatedAt = default }, password.Length <= 1000 ? password : "");
        }

        if (!result.Succeeded || user!.DisabledAt is not null) return Page(http, to, null, "Email and password do not belong together, or there were too many attempts: after five, wait 15 minutes.", 401, email);
        failures.GiveBack(address);
        await EnterAsync(http, user, "password", cancellationToken);
        return SeeOther(to);
    }

    /// <summary>
    /// Strangers who guess lock the account for strangers. A browser in which its owner signed in before is not locked out with them, so that nobody keeps somebody who is on call from entering by typing five wrong passwords.
    /// </summary>
    private static async Task<SignInResult> CheckAsync(SignInManager<User> manager, HttpContext http, User user, string password)
    {
        if (!KnownBrowser.Is(http, user) || !await manager.UserManager.IsLockedOutAsync(user)) return await manager.CheckPasswordSignInAsync(user, password, lockoutOnFailure: true);
        if (!await manager.UserManager.CheckPasswordAsync(user, password))
        {
            KnownBrowser.Forget(http);
            return SignInResult.Failed;
        }

        await manager.UserManager.SetLockoutEndDateAsync(user, null);
        await manager.UserManager.ResetAccessFailedCountAsync(user);
        return SignInResult.Success;
    }

    /// <summary>Begins a session for somebody who has shown who they are.</summary>
    public static async Task EnterAsync(HttpContext http, User user, string method, CancellationToken cancellationToken)
    {
        var principal = await http.RequestServices.GetRequiredService<Sessions>().BeginAsync(user, method, http, cancellationToken);
        KnownBrowser.Remember(http, user);
        await http.SignInAsync(Scheme, new ClaimsPrincipal(new ClaimsIdentity(principal.Claims.Where(c => c.Type is Sessions.SessionClaim or ClaimTypes.NameIdentifier or ApiClaims.Name), Scheme)), new AuthenticationProperties { IsPersistent = true });
    }

    private static string AlertTextOf(string name) => Domain.Alerts.AlertText.OneLine(name, 100);

    private static IResult Page(HttpContext http, string? to, string? name, string? problem, int status = 200, string? email = null) =>
        Pages.Show<SignInPage>(http, status, new()
        {
            ["Frame"] = Pages.Frame(http, "Sign in"), ["To"] = Local(to), ["Name"] = name, ["Problem"] = problem, ["Email"] = email,
            ["Provider"] = http.RequestServices.GetRequiredService<IOptions<OidcOptions>>().Value is { Authority: not null } oidc ? oidc.Name : null,
        });

    /// <summary>To the page that is meant for it; but not before a text that was sent along could be copied, for a redirect drops it.</summary>
    private static async Task SendAwayAsync(RedirectContext<CookieAuthenticationOptions> context, int status, string title, string why, string link)
    {
        var typed = HttpMethods.IsPost(context.Request.Method) ? await TypedText.OfAsync(context.Request) : [];
        if (typed.Count == 0) context.Response.Redirect(context.RedirectUri);
        else await Pages.Message(context.HttpContext, status, title, $"{why} What you typed is below: copy it before you go on.", typed, new PageLink(context.RedirectUri, link)).ExecuteAsync(context.HttpContext);
    }

    private static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        // A page elsewhere on the same site may send a POST with our cookie; the pages have form tokens, the API has this.
        var request = context.Request;
        if (request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase) && !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method)
            && request.Headers["Sec-Fetch-Site"] != "same-origin")
        {
            context.RejectPrincipal();
            return;
        }

        if (Sessions.IdOf(context.Principal!) is { } session)
        {
            if (await context.HttpContext.RequestServices.GetRequiredService<Sessions>().CheckAsync(session, context.HttpContext.RequestAborted) is { } user)
            {
                context.ReplacePrincipal(user);
                return;
            }

            context.RejectPrincipal();
            await context.HttpContext.SignOutAsync(Scheme);
            return;
        }

        var keys = context.HttpContext.RequestServices.GetRequiredService<ApiKeyCache>();
        var check = KeyOf(context.Principal!) is { } id ? await keys.CheckAsync(id, context.HttpContext.RequestAborted) : KeyCheck.Refused;
        if (check.Result.Succeeded) return;

        context.RejectPrincipal();
        if (!check.IsUnchecked) await context.HttpContext.SignOutAsync(Scheme);
    }
}

/// <param name="Name">As timelines show it.</param>
internal sealed record SessionShown(string Name);

/// <summary>303: look there with GET.</summary>
internal sealed class SeeOtherResult(string path) : IResult
{
    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
        httpContext.Response.Headers.Location = path;
        return Task.CompletedTask;
    }
}

/// <summary>Browsers in which a user signed in before, by a sealed cookie that outlives sessions.</summary>
internal static class KnownBrowser
{
    private const string Cookie = "incidents_known";
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(180);

    /// <summary>For this user's password only: changing it makes every browser a stranger.</summary>
    public static bool Is(HttpContext http, User user)
    {
        try
        {
            return http.Request.Cookies[Cookie] is { Length: > 0 and < 1000 } text && Protector(http).Unprotect(text) == Of(user);
        }
        catch (CryptographicException)
        {
            // Forged, of another installation, or too old.
            return false;
        }
    }

    public static void Remember(HttpContext http, User user) => http.Response.Cookies.Append(Cookie, Protector(http).Protect(Of(user), Lifetime), Options(http, Lifetime));

    public static void Forget(HttpContext http) => http.Response.Cookies.Delete(Cookie, Options(http, null));

    private static string Of(User user) => $"{user.Id}|{user.SecurityStamp}";

    private static ITimeLimitedDataProtector Protector(HttpContext http) => http.RequestServices.GetRequiredService<IDataProtectionProvider>().CreateProtector("Incidents.KnownBrowser.v1").ToTimeLimitedDataProtector();

    private static CookieOptions Options(HttpContext http, TimeSpan? lifetime) => new() { MaxAge = lifetime, HttpOnly = true, SameSite = SameSiteMode.Lax, Secure = http.Request.IsHttps, Path = "/" };
}

/// <summary>
/// Refuses an address for the rest of the minute after ten wrong keys or passwords in it; for IPv6 the network of 64 bits, which one customer has. Each attempt counts before it is looked at, and is given back when it was right,
/// so many at once are no way around. And however many addresses try: hashing a password is made slow on purpose, so two at once are all that it takes of the processors that webhooks need.
/// </summary>
internal sealed class SignInFailures(TimeProvider clock) : IDisposable
{
    private const int Most = 10;
    private const int MostAddresses = 10_000;
    private const int MostHashesAtOnce = 2;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);
    private readonly ConcurrentDictionary<(IPAddress Address, long Minute), int> _counts = new();
    private readonly SemaphoreSlim _hashes = new(MostHashesAtOnce);

    /// <summary>False when this minute's attempts are used up.</summary>
    public bool TryTake(IPAddress address)
    {
        var key = (NetworkOf(address), Minute);
        if (_counts.Count >= MostAddresses)
        {
            foreach (var old in _counts.Keys.Where(k => k.Minute < key.Minute)) _counts.TryRemove(old, out _);

            // So many at once are no people; accounts lock, and the turns below hold.
            if (_counts.Count >= MostAddresses && !_counts.ContainsKey(key)) return true;
        }

        return _counts.AddOrUpdate(key, 1, static (_, count) => count + 1) <= Most;
    }

    /// <summary>The attempt was right.</summary>
    public void GiveBack(IPAddress address)
    {
        var key = (NetworkOf(address), Minute);
        while (_counts.TryGetValue(key, out var count) && count > 0 && !_counts.TryUpdate(key, count - 1, count)) { }
    }

    /// <summary>For hashing a password. Null when none is free within two seconds, by the machine's own clock.</summary>
    public async Task<IDisposable?> TakeTurnAsync(CancellationToken cancellationToken) => await _hashes.WaitAsync(LongestWait, cancellationToken) ? new Turn(_hashes) : null;

    public void Dispose() => _hashes.Dispose();

    internal static IPAddress NetworkOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != System.Net.Sockets.AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }

    private long Minute => clock.GetUtcNow().ToUnixTimeSeconds() / 60;

    private sealed class Turn(SemaphoreSlim hashes) : IDisposable
    {
        public void Dispose() => hashes.Release();
    }
}
