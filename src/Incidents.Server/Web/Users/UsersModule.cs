using Incidents.Server.Storage;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;

namespace Incidents.Server.Web;

/// <summary>People who sign in by name: ASP.NET Core Identity on our tables.</summary>
internal static class UsersModule
{
    public static void AddUsers(this IServiceCollection services)
    {
        services.AddIdentityCore<User>(options =>
            {
                // Length is what counts; rules about kinds of characters make people choose worse ones.
                options.Password.RequiredLength = 12;
                options.Password.RequiredUniqueChars = 5;
                options.Password.RequireDigit = options.Password.RequireLowercase = options.Password.RequireUppercase = options.Password.RequireNonAlphanumeric = false;
                options.User.RequireUniqueEmail = true;

                // The name is the email, and an email may have nearly any character.
                options.User.AllowedUserNameCharacters = "";
                options.Lockout.MaxFailedAccessAttempts = 5;
                options.Lockout.DefaultLockoutTimeSpan = TimeSpan.FromMinutes(15);
            })
            .AddSignInManager()
            .AddDefaultTokenProviders()
            .AddUserStore<UserOnlyStore<User, IncidentsDbContext, Guid>>();
        services.Configure<DataProtectionTokenProviderOptions>(o => o.TokenLifespan = Invitations.Lifetime);
        services.AddSingleton<Sessions>();
        services.AddScoped<IAccess, RequestAccess>();
        services.AddScoped<Invitations>();
    }
}

/// <summary>Links by which a user chooses a password: signed, for one user, good for a week and until a password is set.</summary>
internal sealed class Invitations(UserManager<User> users)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    /// <summary>Path and query.</summary>
    public async Task<string> LinkAsync(User user) =>
        $"/invitation?user={user.Id}&token={Uri.EscapeDataString(await users.GeneratePasswordResetTokenAsync(user))}";

    /// <summary>Whether the link of this user is still good.</summary>
    public Task<bool> IsGoodAsync(User user, string token) => users.VerifyUserTokenAsync(user, users.Options.Tokens.PasswordResetTokenProvider, UserManager<User>.ResetPasswordTokenPurpose, token);
}
