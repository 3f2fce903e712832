using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Web;

/// <summary>What a user is to a team.</summary>
/// <param name="Role">viewer, responder, lead or admin.</param>
/// <param name="Team">Key of the team; all teams when left out.</param>
internal sealed record MembershipShown(string Role, string? Team = null);

/// <summary>What a command on users came to.</summary>
internal abstract record UserAnswer
{
    private UserAnswer() { }

    /// <param name="User">As it is now.</param>
    /// <param name="Invitation">Path and query of the link by which they choose a password; null when none was made.</param>
    public sealed record Is(UserShown User, string? Invitation = null) : UserAnswer;

    public sealed record NotFound : UserAnswer;

    public sealed record Exists : UserAnswer;

    public sealed record Forbidden(string Why) : UserAnswer;

    /// <summary>It cannot be so; for the person who asked.</summary>
    public sealed record Invalid(string Why) : UserAnswer;
}

/// <summary>A user as it may be shown.</summary>
internal sealed record UserShown(
    Guid Id, string Name, string Email, string? Person, IReadOnlyList<MembershipShown> Memberships, bool HasPassword, int Passkeys, Instant CreatedAt, Instant? LastSeenAt, Instant? DisabledAt, DateTimeOffset? LockedUntil);

/// <summary>An administrator makes a user. The answer has a link by which they choose their password.</summary>
/// <param name="Name">As timelines show it.</param>
/// <param name="Email">By which they sign in.</param>
/// <param name="Memberships">What they are to which team; nothing when left out, and then they cannot enter.</param>
/// <param name="Person">Key in oncall.yaml; the person with the same email there when left out.</param>
internal sealed record CreateUser(string Name, string Email, IReadOnlyList<MembershipShown>? Memberships = null, string? Person = null) : ICommand<UserAnswer>;

internal sealed class CreateUserValidator : AbstractValidator<CreateUser>
{
    public CreateUserValidator()
    {
        RuleFor(c => c.Name).NotEmpty().MaximumLength(100).Must(n => n is null || !n.Any(char.IsControl)).WithMessage("name has no control characters.");
        RuleFor(c => c.Email).NotEmpty().MaximumLength(256).EmailAddress().Must(e => e is null || !e.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))).WithMessage("email is an address.");
        RuleFor(c => c.Person).MaximumLength(100);
        RuleForEach(c => c.Memberships).NotNull().SetValidator(new MembershipValidator());
    }
}

internal sealed class MembershipValidator : AbstractValidator<MembershipShown>
{
    public MembershipValidator()
    {
        RuleFor(m => m.Role).Must(r => Role.All.Contains(r)).WithErrorCode("unknown_role").WithMessage("A role is one of viewer, responder, lead, admin.");
        RuleFor(m => m.Team).Matches(@"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\z").WithMessage("team is the key of a team.").When(m => m.Team is not null);
    }
}

/// <summary>An administrator says what a user is to which team, all of it; what is not named ends.</summary>
internal sealed record SetMemberships(Guid User, IReadOnlyList<MembershipShown> Memberships) : ICommand<UserAnswer>;

internal sealed class SetMembershipsValidator : AbstractValidator<SetMemberships>
{
    public SetMembershipsValidator()
    {
        RuleFor(c => c.Memberships).NotNull().WithMessage("memberships is a list; [] for none.");
        RuleForEach(c => c.Memberships).NotNull().SetValidator(new MembershipValidator());
    }
}

/// <summary>Whoever manages a team says what a user is in it; a null role ends the membership.</summary>
/// <param name="Team">Null: all teams at once.</param>
/// <param name="User">Who.</param>
/// <param name="Role">What they are from now on.</param>
internal sealed record SetTeamMember(string? Team, Guid User, string? Role) : ICommand<UserAnswer>;

internal sealed class SetTeamMemberValidator : AbstractValidator<SetTeamMember>
{
    public SetTeamMemberValidator()
    {
        RuleFor(c => c.Team).Matches(@"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\z").WithMessage("team is the key of a team.").When(c => c.Team is not null);
        RuleFor(c => c.Role).Must(r => Domain.Access.Role.All.Contains(r!)).WithErrorCode("unknown_role").WithMessage("A role is one of viewer, responder, lead, admin.").When(c => c.Role is not null);
    }
}

/// <summary>An administrator asks for a new link by which a user chooses a password; the present one stays until then.</summary>
internal sealed record InviteUser(Guid User) : ICommand<UserAnswer>;

/// <summary>An administrator shuts a user out, or lets them in again. Shut out, every session of theirs ends.</summary>
internal sealed record DisableUser(Guid User, bool Disabled) : ICommand<UserAnswer>;

/// <summary>Ends the sessions of a user: one, all, or all but one.</summary>
internal sealed record EndSessions(Guid User, Guid? Only = null, Guid? Except = null) : ICommand<int>;

/// <summary>Everybody, and what they are in a team: for whoever manages it.</summary>
internal sealed record ListTeamMembers(string Team) : IQuery<TeamMembersAnswer>;

/// <param name="WhyNot">Null when the caller manages the team.</param>
/// <param name="Members">Those of the team first.</param>
internal sealed record TeamMembersAnswer(string? WhyNot, IReadOnlyList<TeamMemberShown> Members);

/// <param name="User">Id of the user.</param>
/// <param name="Name">As timelines show them.</param>
/// <param name="Email">By which they sign in.</param>
/// <param name="Role">What they are in the team; null: nothing, by this team.</param>
internal sealed record TeamMemberShown(Guid User, string Name, string Email, string? Role);

internal sealed record ListUsers : IQuery<IReadOnlyList<UserShown>>;

internal sealed record GetUser(Guid User) : IQuery<UserShown?>;

internal sealed record ListSessions(Guid User) : IQuery<IReadOnlyList<Session>>;

internal sealed class UserCommands(IncidentsDbContext db, UserManager<User> users, Invitations invitations, Sessions sessions, IAccess access, IAuditLog audit, TimeProvider clock) :
    ICommandHandler<CreateUser, UserAnswer>, ICommandHandler<SetMemberships, UserAnswer>, ICommandHandler<SetTeamMember, UserAnswer>, ICommandHandler<InviteUser, UserAnswer>, ICommandHandler<DisableUser, UserAnswer>,
    ICommandHandler<EndSessions, int>, IQueryHandler<ListTeamMembers, TeamMembersAnswer>, IQueryHandler<ListUsers, IReadOnlyList<UserShown>>, IQueryHandler<GetUser, UserShown?>, IQueryHandler<ListSessions, IReadOnlyList<Session>>
{
    private const int MostListed = 1000;

    public async ValueTask<UserAnswer> Handle(CreateUser command, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Administer, null) is { } why) return new UserAnswer.Forbidden(why);
        if (await users.FindByEmailAsync(command.Email) is not null) return new UserAnswer.Exists();
        var user = new User { Id = Guid.CreateVersion7(clock.GetUtcNow()), UserName = command.Email, Email = command.Email, DisplayName = command.Name.Trim(), Person = command.Person, CreatedAt = clock.GetCurrentInstant() };
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        Replace([], command.Memberships ?? [], user.Id);
        audit.Add("user.created", $"user/{user.Id}", new { user.DisplayName, user.Email, user.Person, memberships = command.Memberships ?? [] });
        try
        {
            if (await users.CreateAsync(user) is { Succeeded: false } not)
                return not.Errors.All(e => e.Code is nameof(IdentityErrorDescriber.DuplicateEmail) or nameof(IdentityErrorDescriber.DuplicateUserName)) ? new UserAnswer.Exists() : new UserAnswer.Invalid(string.Join(" ", not.Errors.Select(e => e.Description)));
        }
        catch (DbUpdateException error) when (DatabaseTrouble.IsUniqueViolation(error))
        {
            // Somebody made the same at the same moment.
            return new UserAnswer.Exists();
        }

        await transaction.CommitAsync(cancellationToken);
        return new UserAnswer.Is((await ShowAsync(user.Id, cancellationToken))!, await invitations.LinkAsync(user));
    }

    public async ValueTask<UserAnswer> Handle(SetMemberships command, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Administer, null) is { } why) return new UserAnswer.Forbidden(why);
        return await ChangeAsync(command.User, _ => true, command.Memberships, cancellationToken);
    }

    public async ValueTask<UserAnswer> Handle(SetTeamMember command, CancellationToken cancellationToken)
    {
        // Nobody takes from another what they could not give: a lead does not remove an admin.
        if (access.WhyNotGive(new Grant(command.Role ?? Role.Viewer, command.Team)) is { } why) return new UserAnswer.Forbidden(why);
        return await ChangeAsync(command.User, m => m.Team == (command.Team ?? ""), command.Role is null ? [] : [new MembershipShown(command.Role, command.Team)], cancellationToken);
    }

    public async ValueTask<UserAnswer> Handle(InviteUser command, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Administer, null) is { } why) return new UserAnswer.Forbidden(why);
        if (await users.FindByIdAsync(command.User.ToString()) is not { } user) return new UserAnswer.NotFound();
        audit.Add("user.invited", $"user/{user.Id}");

        // A new stamp ends links that were made before.
        Insist(await users.UpdateSecurityStampAsync(user));
        await db.SaveChangesAsync(cancellationToken);
        return new UserAnswer.Is((await ShowAsync(user.Id, cancellationToken))!, await invitations.LinkAsync(user));
    }

    public async ValueTask<UserAnswer> Handle(DisableUser command, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Administer, null) is { } why) return new UserAnswer.Forbidden(why);
        if (await users.FindByIdAsync(command.User.ToString()) is not { } user) return new UserAnswer.NotFound();
        if (user.DisabledAt is not null != command.Disabled)
        {
            user.DisabledAt = command.Disabled ? clock.GetCurrentInstant() : null;
            audit.Add(command.Disabled ? "user.disabled" : "user.enabled", $"user/{user.Id}");

            // A new stamp ends links that are under way, too.
            Insist(await users.UpdateSecurityStampAsync(user));
            if (command.Disabled) await Handle(new EndSessions(user.Id), cancellationToken);
            sessions.Forget();
        }

        return new UserAnswer.Is((await ShowAsync(user.Id, cancellationToken))!);
    }

    public async ValueTask<int> Handle(EndSessions command, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var open = db.Set<Session>().Where(s => s.UserId == command.User && s.RevokedAt == null);
        if (command.Only is { } only) open = open.Where(s => s.Id == only);
        if (command.Except is { } except) open = open.Where(s => s.Id != except);
        var ending = await open.AsTracking().ToListAsync(cancellationToken);
        foreach (var session in ending) session.RevokedAt = now;
        if (ending.Count > 0) audit.Add("session.revoked", $"user/{command.User}", new { sessions = ending.Count });
        await db.SaveChangesAsync(cancellationToken);
        sessions.Forget();
        return ending.Count;
    }

    public async ValueTask<TeamMembersAnswer> Handle(ListTeamMembers query, CancellationToken cancellationToken)
    {
        if (access.WhyNot(Permission.Manage, query.Team) is { } why) return new TeamMembersAnswer(why, []);
        var rows = await db.Set<User>().AsNoTracking().Where(u => u.DisabledAt == null).Select(u => new { u.Id, u.DisplayName, u.Email, Role = db.Set<Membership>().Where(m => m.UserId == u.Id && m.Team == query.Team).Select(m => m.Role).SingleOrDefault() })
            .OrderBy(u => u.Role == null).ThenBy(u => u.DisplayName).ThenBy(u => u.Id).Take(MostListed).ToListAsync(cancellationToken);
        return new TeamMembersAnswer(null, rows.ConvertAll(r => new TeamMemberShown(r.Id, r.DisplayName, r.Email ?? "", r.Role)));
    }

    public async ValueTask<IReadOnlyList<UserShown>> Handle(ListUsers query, CancellationToken cancellationToken) =>
        await ShowAsync(db.Set<User>().OrderBy(u => u.DisplayName).ThenBy(u => u.Id).Take(MostListed), cancellationToken);

    public async ValueTask<UserShown?> Handle(GetUser query, CancellationToken cancellationToken) => await ShowAsync(query.User, cancellationToken);

    public async ValueTask<IReadOnlyList<Session>> Handle(ListSessions query, CancellationToken cancellationToken)
    {
        var since = clock.GetCurrentInstant() - Sessions.Lifetime;
        return await db.Set<Session>().AsNoTracking().Where(s => s.UserId == query.User && s.RevokedAt == null && s.LastSeenAt > since).OrderByDescending(s => s.LastSeenAt).ToListAsync(cancellationToken);
    }

    private async Task<UserAnswer> ChangeAsync(Guid id, Func<Membership, bool> which, IReadOnlyList<MembershipShown> given, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (await db.Set<User>().FromSql($"select * from users where id = {id} for update").AsNoTracking().SingleOrDefaultAsync(cancellationToken) is null) return new UserAnswer.NotFound();
        var present = await db.Set<Membership>().AsTracking().Where(m => m.UserId == id).ToListAsync(cancellationToken);
        var changing = present.FindAll(m => which(m));
        if (changing.Select(m => access.WhyNotGive(new Grant(m.Role, m.Team.Length == 0 ? null : m.Team))).OfType<string>().FirstOrDefault() is { } why) return new UserAnswer.Forbidden(why);
        audit.Add("user.memberships_changed", $"user/{id}", new { before = present.Select(m => new MembershipShown(m.Role, m.Team.Length == 0 ? null : m.Team)).ToList(), given });
        Replace(changing, given, id);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        sessions.Forget();
        return new UserAnswer.Is((await ShowAsync(id, cancellationToken))!);
    }

    /// <summary>Somebody else wrote the same user: the whole command is run again.</summary>
    private static void Insist(IdentityResult result)
    {
        if (!result.Succeeded) throw new DbUpdateConcurrencyException($"The user was not saved: {string.Join(", ", result.Errors.Select(e => e.Code))}.");
    }

    private void Replace(List<Membership> present, IReadOnlyList<MembershipShown> given, Guid user)
    {
        // Of two for one team the greater counts.
        var wanted = given.GroupBy(m => m.Team ?? "", StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.MaxBy(m => Role.Rank(m.Role))!.Role, StringComparer.Ordinal);
        foreach (var membership in present)
        {
            if (!wanted.Remove(membership.Team, out var role)) db.Remove(membership);
            else membership.Role = role;
        }

        foreach (var (team, role) in wanted) db.Add(new Membership { UserId = user, Team = team, Role = role });
    }

    private async Task<UserShown?> ShowAsync(Guid id, CancellationToken cancellationToken) => (await ShowAsync(db.Set<User>().Where(u => u.Id == id), cancellationToken)).SingleOrDefault();

    private async Task<List<UserShown>> ShowAsync(IQueryable<User> which, CancellationToken cancellationToken)
    {
        var rows = await which.AsNoTracking().Select(u => new
        {
            User = u,
            Memberships = db.Set<Membership>().Where(m => m.UserId == u.Id).OrderBy(m => m.Team).ToList(),
            Passkeys = db.Set<IdentityUserPasskey<Guid>>().Count(p => p.UserId == u.Id),
            LastSeen = db.Set<Session>().Where(s => s.UserId == u.Id).Max(s => (Instant?)s.LastSeenAt),
        }).ToListAsync(cancellationToken);
        return rows.ConvertAll(r => new UserShown(
            r.User.Id, r.User.DisplayName, r.User.Email ?? "", r.User.Person, [.. r.Memberships.Select(m => new MembershipShown(m.Role, m.Team.Length == 0 ? null : m.Team))],
            r.User.PasswordHash is not null, r.Passkeys, r.User.CreatedAt, r.LastSeen, r.User.DisabledAt, r.User.LockoutEnd > clock.GetUtcNow() ? r.User.LockoutEnd : null));
    }
}
