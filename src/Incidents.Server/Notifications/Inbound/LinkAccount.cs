using System.ComponentModel;
using FluentValidation;
using Incidents.Domain.Alerts;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>From now on what this account does elsewhere is done here in this person's name. Linking again replaces the name.</summary>
/// <param name="Provider"><c>slack</c> or <c>pagerduty</c>.</param>
/// <param name="ExternalId">The account's id there: <c>U0123ABCD</c>.</param>
/// <param name="Name">As timelines show the person.</param>
/// <param name="KeyId">The key that the link ends with; null when the person was signed in with none.</param>
/// <param name="Offer">What the person was offered, spent by this; null when an administrator links.</param>
/// <param name="UserId">Whose roles count there; null with neither key nor user: an administrator said that the account may respond everywhere.</param>
internal sealed record LinkAccount(string Provider, string ExternalId, string Name, Guid? KeyId, LinkOffer? Offer = null, Guid? UserId = null) : ICommand<LinkAccountAnswer>;

internal enum LinkAccountAnswer
{
    Linked,

    /// <summary>The offer was used before.</summary>
    Used,

    NoSuchUser,
}

internal sealed class LinkAccountValidator : AbstractValidator<LinkAccount>
{
    public LinkAccountValidator()
    {
        RuleFor(c => c.Provider).Must(p => p is KnownPeople.Slack or KnownPeople.PagerDuty).WithMessage("provider is slack or pagerduty.");
        RuleFor(c => c.ExternalId).Matches("^[A-Za-z0-9]{1,64}$").WithMessage("external_id is the account's id there, such as U0123ABCD.");
        RuleFor(c => c.Name).NotEmpty().MaximumLength(100);
    }
}

internal sealed class LinkAccountHandler(IncidentsDbContext db, IActor actor, IAuditLog audit, TimeProvider clock) : ICommandHandler<LinkAccount, LinkAccountAnswer>
{
    public async ValueTask<LinkAccountAnswer> Handle(LinkAccount command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (command.UserId is { } user && !await db.Set<User>().AnyAsync(u => u.Id == user, cancellationToken)) return LinkAccountAnswer.NoSuchUser;
        if (command.Offer is { } offer
            && await db.Database.ExecuteSqlAsync($"insert into spent_tokens (key, expires_at) values ({offer.Nonce}, {Instant.FromUnixTimeSeconds(offer.ExpiresAt)}) on conflict do nothing", cancellationToken) == 0)
            return LinkAccountAnswer.Used;

        var (name, now) = (AlertText.OneLine(command.Name, 100), clock.GetCurrentInstant());
        await db.Database.ExecuteSqlAsync($"""
            insert into account_links (provider, external_id, name, key_id, user_id, created_at, created_by) values ({command.Provider}, {command.ExternalId}, {name}, {command.KeyId}, {command.UserId}, {now}, {actor.Name})
            on conflict (provider, external_id) do update set name = excluded.name, key_id = excluded.key_id, user_id = excluded.user_id, created_at = excluded.created_at, created_by = excluded.created_by
            """, cancellationToken);
        audit.Add("account.linked", $"{command.Provider}/{command.ExternalId}", new { Name = name, User = command.UserId });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return LinkAccountAnswer.Linked;
    }
}

/// <summary>What this account does elsewhere is done here no more. Unlinking again changes nothing.</summary>
internal sealed record UnlinkAccount(string Provider, string ExternalId) : ICommand<bool>;

internal sealed class UnlinkAccountHandler(IncidentsDbContext db, IAuditLog audit) : ICommandHandler<UnlinkAccount, bool>
{
    public async ValueTask<bool> Handle(UnlinkAccount command, CancellationToken cancellationToken)
    {
        var row = await db.Set<AccountLinkRow>().SingleOrDefaultAsync(r => r.Provider == command.Provider && r.ExternalId == command.ExternalId, cancellationToken);
        if (row is null) return false;
        db.Remove(row);
        audit.Add("account.unlinked", $"{command.Provider}/{command.ExternalId}", new { row.Name });
        await db.SaveChangesAsync(cancellationToken);
        return true;
    }
}

/// <summary>Every linked account.</summary>
internal sealed record ListAccountLinks : IQuery<IReadOnlyList<AccountLinkShown>>;

/// <param name="User">Id of the user whose roles count; null for a link that stands on a key, or by itself.</param>
internal sealed record AccountLinkShown(string Provider, string ExternalId, string Name, Instant CreatedAt, string CreatedBy, Guid? User);

internal sealed class ListAccountLinksHandler(IncidentsDbContext db) : IQueryHandler<ListAccountLinks, IReadOnlyList<AccountLinkShown>>
{
    public async ValueTask<IReadOnlyList<AccountLinkShown>> Handle(ListAccountLinks query, CancellationToken cancellationToken) =>
        await db.Set<AccountLinkRow>().AsNoTracking().OrderBy(r => r.Provider).ThenBy(r => r.Name)
            .Select(r => new AccountLinkShown(r.Provider, r.ExternalId, r.Name, r.CreatedAt, r.CreatedBy, r.UserId)).ToListAsync(cancellationToken);
}

internal static class AccountLinkEndpoints
{
    public static void MapAccountLinks(this WebApplication app)
    {
        var links = app.MapGroup("/api/v1/account-links").RequireAuthorization(Scopes.Admin).WithTags("Accounts elsewhere");
        links.MapGet("", async (ISender sender, CancellationToken cancellationToken) => Page.Whole(await sender.Send(new ListAccountLinks(), cancellationToken)))
            .WithName("ListAccountLinks").WithSummary("Accounts at Slack and PagerDuty, and whose they are");
        links.MapPut("{provider}/{external_id}", async (
                [Description("slack or pagerduty")] string provider, [Description("The account's id there.")] string external_id, AccountLinkBody body, ISender sender, CancellationToken cancellationToken) =>
            {
                return await sender.Send(new LinkAccount(provider, external_id, body.Name, null, UserId: body.User), cancellationToken) == LinkAccountAnswer.NoSuchUser
                    ? ApiProblem.NotFound("user_not_found", $"There is no user {body.User}.")
                    : Results.NoContent();
            })
            .WithName("LinkAccount").WithSummary("Say whose account it is").WithDescription("What it does there is done here in that person's name, with the roles of the user who is named; without one it may respond everywhere. Safe to repeat.").Produces(StatusCodes.Status204NoContent)
            .WithProblem(404, "user_not_found", "There is no user with this id.");
        links.MapDelete("{provider}/{external_id}", async (string provider, string external_id, ISender sender, CancellationToken cancellationToken) =>
            {
                await sender.Send(new UnlinkAccount(provider, external_id), cancellationToken);
                return Results.NoContent();
            })
            .WithName("UnlinkAccount").WithSummary("End a link; safe to repeat").Produces(StatusCodes.Status204NoContent);
    }

    /// <param name="Name">As timelines show the person, at most 100 characters.</param>
    /// <param name="User">Id of the user whose roles count; nobody's when left out, and then the account may respond everywhere.</param>
    internal sealed record AccountLinkBody(string Name, Guid? User = null);
}
