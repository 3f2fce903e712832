using System.Security.Claims;
using System.Text.Json;
using Incidents.Domain.Access;
using Incidents.Domain.Alerts;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;

namespace Incidents.Server.Ui;

/// <summary>The <c>Oidc</c> section: signing in through the organisation's provider.</summary>
internal sealed class OidcOptions
{
    /// <summary>Issuer: <c>https://login.example.com/realms/main</c>. Not set: nobody signs in this way.</summary>
    public Uri? Authority { get; set; }

    public string? ClientId { get; set; }

    /// <summary>A secret.</summary>
    public string? ClientSecret { get; set; }

    /// <summary>What the link on the sign-in page calls the provider. Default: single sign-on.</summary>
    public string Name { get; set; } = "single sign-on";

    /// <summary>The claim whose values <see cref="Roles"/> maps. Default: groups.</summary>
    public string RolesClaim { get; set; } = "groups";

    /// <summary>What a value of the claim makes somebody. With any, memberships are the provider's and replaced at every sign-in; without, an administrator gives them here.</summary>
    public IList<OidcRole> Roles { get; } = [];
}

/// <summary>One mapping: <c>Oidc__Roles__0__Value=sre</c>, <c>Oidc__Roles__0__Role=admin</c>, <c>Oidc__Roles__0__Team</c> for one team only.</summary>
internal sealed class OidcRole
{
    public string Value { get; set; } = "";

    public string Role { get; set; } = "";

    public string? Team { get; set; }
}

/// <summary>Sign-in through OpenID Connect (authorization code with PKCE). The framework checks the provider's tokens; here is whose they are.</summary>
internal static partial class Oidc
{
    public const string Scheme = "Oidc";

    public static void AddOidc(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<OidcOptions>().BindConfiguration("Oidc")
            .Validate(o => o.Authority is null || !string.IsNullOrEmpty(o.ClientId), "Oidc__ClientId is missing: the provider gives it when this engine is registered there, with the address /signin-oidc to come back to.")
            .Validate(o => o.Roles.All(r => Role.All.Contains(r.Role) && r.Value.Length > 0), "Each of Oidc__Roles has a Value and a Role: viewer, responder, lead or admin.")
            .ValidateOnStart();
        if (builder.Configuration.GetSection("Oidc").Get<OidcOptions>() is not { Authority: { } authority } settings) return;
        builder.Services.AddAuthentication().AddOpenIdConnect(Scheme, options =>
        {
            options.Authority = authority.AbsoluteUri;
            options.ClientId = settings.ClientId;
            options.ClientSecret = settings.ClientSecret;
            options.SignInScheme = SignIn.Scheme;
            options.ResponseType = "code";
            options.ResponseMode = "query";
            options.UsePkce = true;
            options.MapInboundClaims = false;
            options.RequireHttpsMetadata = !authority.IsLoopback;
            options.Scope.Clear();
            foreach (var scope in (string[])["openid", "profile", "email"]) options.Scope.Add(scope);
            options.GetClaimsFromUserInfoEndpoint = true;
            options.ClaimActions.MapAll();
            options.CorrelationCookie.SameSite = options.NonceCookie.SameSite = SameSiteMode.Lax;
            options.CorrelationCookie.SecurePolicy = options.NonceCookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            options.Events.OnTicketReceived = EnterAsync;
            options.Events.OnRemoteFailure = async context =>
            {
                LogFailed(context.HttpContext.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Incidents.Server.Ui.Oidc"), context.Failure);
                context.HandleResponse();
                await Pages.Message(context.HttpContext, 401, "Not signed in", "The provider did not sign you in, or it took too long. Try again.", next: new PageLink("/sign-in", "Sign in")).ExecuteAsync(context.HttpContext);
            };
        });
    }

    public static void MapOidc(this WebApplication app)
    {
        if (app.Configuration["Oidc:Authority"] is not { Length: > 0 }) return;
        app.MapGet("/sign-in/oidc", (string? to) => Results.Challenge(new AuthenticationProperties { RedirectUri = SignIn.Local(to) }, [Scheme])).AllowAnonymous().ExcludeFromDescription();
    }

    private static async Task EnterAsync(TicketReceivedContext context)
    {
        var http = context.HttpContext;
        var token = context.Principal!;
        context.HandleResponse();
        var user = await FindAsync(http, token, http.RequestAborted);
        if (user is null || user.DisabledAt is not null)
        {
            await Pages.Message(http, 403, "Not allowed", user is null ? "The provider tells no email address of yours that it has verified." : "You were shut out. Ask an administrator.").ExecuteAsync(http);
            return;
        }

        await SignIn.EnterAsync(http, user, "oidc", http.RequestAborted);
        http.Response.Redirect(SignIn.Local(context.ReturnUri));
    }

    /// <summary>By the provider's own name for them, else by a verified email; whoever is new here is made. Null: there is nothing to know them by.</summary>
    private static async Task<User?> FindAsync(HttpContext http, ClaimsPrincipal token, CancellationToken cancellationToken)
    {
        var settings = http.RequestServices.GetRequiredService<Microsoft.Extensions.Options.IOptions<OidcOptions>>().Value;
        var users = http.RequestServices.GetRequiredService<UserManager<User>>();
        var db = http.RequestServices.GetRequiredService<IncidentsDbContext>();
        var audit = http.RequestServices.GetRequiredService<IAuditLog>();
        var subject = token.FindFirstValue("sub") ?? "";
        var email = string.Equals(token.FindFirstValue("email_verified"), "true", StringComparison.OrdinalIgnoreCase) ? token.FindFirstValue("email") : null;
        var provider = settings.Authority!.AbsoluteUri;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var user = await users.FindByLoginAsync(provider, subject);
        if (user is null)
        {
            // An address the provider has not verified may be anybody's, and must not open somebody's account here.
            if (subject.Length == 0 || string.IsNullOrEmpty(email)) return null;
            user = await users.FindByEmailAsync(email);
            if (user is null)
            {
                var clock = http.RequestServices.GetRequiredService<TimeProvider>();
                var name = token.FindFirstValue("name") is { Length: > 0 } given ? given : email;
                user = new User { Id = Guid.CreateVersion7(clock.GetUtcNow()), UserName = email, Email = email, EmailConfirmed = true, DisplayName = AlertText.OneLine(name, 100), CreatedAt = clock.GetCurrentInstant() };
                audit.Add("user.created", $"user/{user.Id}", new { user.DisplayName, user.Email, by = "oidc" });
                if (await users.CreateAsync(user) is { Succeeded: false } not) throw new InvalidOperationException($"The user {user.Id} of the provider could not be made: {string.Join(", ", not.Errors.Select(e => e.Code))}.");
            }

            await users.AddLoginAsync(user, new UserLoginInfo(provider, subject, settings.Name));
        }

        if (settings.Roles.Count > 0)
        {
            var values = token.FindAll(settings.RolesClaim).SelectMany(c => ValuesIn(c.Value)).ToHashSet(StringComparer.Ordinal);
            var wanted = settings.Roles.Where(r => values.Contains(r.Value)).GroupBy(r => r.Team ?? "", StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.MaxBy(r => Role.Rank(r.Role))!.Role, StringComparer.Ordinal);
            var present = await db.Set<Membership>().AsTracking().Where(m => m.UserId == user.Id).ToListAsync(cancellationToken);
            if (!present.ToDictionary(m => m.Team, m => m.Role).OrderBy(p => p.Key, StringComparer.Ordinal).SequenceEqual(wanted.OrderBy(p => p.Key, StringComparer.Ordinal)))
            {
                db.RemoveRange(present.Where(m => !wanted.ContainsKey(m.Team)));
                foreach (var (team, role) in wanted)
                {
                    if (present.Find(m => m.Team == team) is { } membership) membership.Role = role;
                    else db.Add(new Membership { UserId = user.Id, Team = team, Role = role });
                }

                audit.Add("user.memberships_changed", $"user/{user.Id}", new { by = "oidc", given = wanted });
                await db.SaveChangesAsync(cancellationToken);
            }
        }

        await transaction.CommitAsync(cancellationToken);
        http.RequestServices.GetRequiredService<Sessions>().Forget();
        return user;
    }

    /// <summary>A list in an id token becomes a claim for each value; one that only the user-info endpoint tells becomes a single claim with its JSON.</summary>
    private static IEnumerable<string> ValuesIn(string claim)
    {
        if (claim is not ['[', ..]) return [claim];
        try
        {
            return JsonSerializer.Deserialize<JsonElement[]>(claim)!.Where(e => e.ValueKind == JsonValueKind.String).Select(e => e.GetString()!);
        }
        catch (JsonException)
        {
            // A group may be called so.
            return [claim];
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A sign-in through OpenID Connect failed")]
    private static partial void LogFailed(ILogger log, Exception? exception);
}
