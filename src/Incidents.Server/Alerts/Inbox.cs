using System.ComponentModel;
using System.Globalization;
using Incidents.Domain.Alerts;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;

namespace Incidents.Server.Alerts;

/// <summary>A received webhook as the API shows it.</summary>
/// <param name="Id"><c>rcp_42</c>, as the webhook was answered.</param>
/// <param name="ReceivedAt">When.</param>
/// <param name="Source">Integration whose key was used.</param>
/// <param name="Kind">What reads it.</param>
/// <param name="State"><c>pending</c>, <c>ingested</c>, <c>partial</c> (some alerts could not be read) or <c>quarantined</c>.</param>
/// <param name="Reason">Why it, or parts of it, could not be read.</param>
/// <param name="Bytes">Size of the body.</param>
/// <param name="Alerts">Alerts in it.</param>
/// <param name="Outcomes">What became of them; they add up to <paramref name="Alerts"/>.</param>
/// <param name="Body">The body as text, only when one webhook is asked for.</param>
internal sealed record WebhookShown(string Id, Instant ReceivedAt, string Source, string Kind, string State, string? Reason, int Bytes, int Alerts, IReadOnlyDictionary<string, int> Outcomes, string? Body = null)
{
    public static WebhookShown Of(InboxRow row) => new(
        string.Create(CultureInfo.InvariantCulture, $"rcp_{row.Id}"), row.ReceivedAt, row.Source, row.Kind, row.State, row.Reason, row.Bytes, row.Alerts,
        new Dictionary<string, int>
        {
            [AlertOutcome.Opened] = row.Opened,
            [AlertOutcome.Attached] = row.Attached,
            [AlertOutcome.Suppressed] = row.Suppressed,
            [AlertOutcome.Informed] = row.Informed,
            [AlertOutcome.Duplicate] = row.Duplicate,
            [AlertOutcome.Resolved] = row.Resolved,
            [AlertOutcome.Quarantined] = row.Quarantined,
        });
}

/// <summary>Received webhooks, the newest first.</summary>
internal sealed record ListInbox(IReadOnlyList<string> States, long? BeforeId, int Limit) : IQuery<IReadOnlyList<InboxRow>>;

internal sealed class ListInboxHandler(IncidentsDbContext db) : IQueryHandler<ListInbox, IReadOnlyList<InboxRow>>
{
    public async ValueTask<IReadOnlyList<InboxRow>> Handle(ListInbox query, CancellationToken cancellationToken)
    {
        var rows = db.Inbox.AsNoTracking();
        if (query.States.Count > 0) rows = rows.Where(r => query.States.Contains(r.State));
        if (query.BeforeId is { } before) rows = rows.Where(r => r.Id < before);
        return await rows.OrderByDescending(r => r.Id).Take(query.Limit).ToListAsync(cancellationToken);
    }
}

/// <summary>One webhook with its body, or null.</summary>
internal sealed record GetWebhook(long Id) : IQuery<WebhookShown?>;

internal sealed class GetWebhookHandler(IncidentsDbContext db) : IQueryHandler<GetWebhook, WebhookShown?>
{
    public async ValueTask<WebhookShown?> Handle(GetWebhook query, CancellationToken cancellationToken)
    {
        if (await db.Inbox.AsNoTracking().SingleOrDefaultAsync(r => r.Id == query.Id, cancellationToken) is not { } row) return null;
        var body = await db.Set<InboxBody>().AsNoTracking().Where(b => b.Id == query.Id).Select(b => b.Body).SingleOrDefaultAsync(cancellationToken);
        return WebhookShown.Of(row) with { Body = body is null ? null : System.Text.Encoding.UTF8.GetString(body) };
    }
}

/// <summary>Reads a quarantined webhook again, after the engine or its configuration learned to. Its readable parts are known and change nothing.</summary>
internal sealed record ReplayWebhook(long Id) : ICommand<ReplayResult>;

internal enum ReplayResult
{
    Queued,
    NotFound,
    NotQuarantined,
}

internal sealed class ReplayWebhookHandler(IncidentsDbContext db, IAuditLog audit, InboxSignal signal) : ICommandHandler<ReplayWebhook, ReplayResult>
{
    public async ValueTask<ReplayResult> Handle(ReplayWebhook command, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var queued = await db.Database.ExecuteSqlAsync(
            $"update inbox set state = 'pending', attempts = 0, reason = null, done_at = null, alerts = 0, opened = 0, attached = 0, suppressed = 0, informed = 0, duplicate = 0, resolved = 0, quarantined = 0 where id = {command.Id} and state in ('quarantined', 'partial')", cancellationToken);
        if (queued == 0) return await db.Inbox.AnyAsync(r => r.Id == command.Id, cancellationToken) ? ReplayResult.NotQuarantined : ReplayResult.NotFound;
        audit.Add("inbox.replay", $"rcp_{command.Id}");
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        signal.Raise();
        return ReplayResult.Queued;
    }
}

internal static class InboxEndpoints
{
    private const string List = "inbox";
    private static readonly string[] States = [InboxRow.Pending, InboxRow.Ingested, InboxRow.Partial, InboxRow.IsQuarantined];

    public static void MapInbox(this WebApplication app)
    {
        var inbox = app.MapGroup("/api/v1/inbox").WithTags("Inbox");
        inbox.MapGet("", ListAsync).RequireAuthorization(Scopes.Read).WithName("ListInbox").WithSummary("Received webhooks, the newest first").WithDescription("state=quarantined also lists those of which only parts could not be read.")
            .Produces<Page<WebhookShown>>().WithProblem(400, "invalid_cursor", "The cursor is damaged or of another list.");
        inbox.MapGet("{id}", GetAsync).RequireAuthorization(Scopes.Read).WithName("GetWebhook").WithSummary("One received webhook with its body").Produces<WebhookShown>().WithProblem(404, "webhook_not_found", "There is no webhook with this receipt.");
        inbox.MapPost("{id}/replay", ReplayAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithName("ReplayWebhook").WithSummary("Read a quarantined webhook again")
            .Produces(StatusCodes.Status202Accepted).WithProblem(404, "webhook_not_found", "There is no webhook with this receipt.").WithProblem(409, "not_quarantined", "It is not in quarantine, so there is nothing to read again.");
    }

    private static async Task<IResult> ListAsync([AsParameters] PageQuery page, [Description("pending, ingested, partial, quarantined; several separated by commas.")] string? state, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        if (!page.TryRead<Position>(List, out var limit, out var after, out var problem)) return problem;
        if (!Words.TryRead("state", state, States, out var states, out problem)) return problem;
        if (states.Contains(InboxRow.IsQuarantined, StringComparer.Ordinal)) states = [.. states.Union([InboxRow.Partial], StringComparer.Ordinal)];
        var rows = await sender.Send(new ListInbox(states, after?.Id, limit + 1), cancellationToken);
        return TypedResults.Ok(Page.Of(http, rows, limit, List, r => new Position(r.Id), WebhookShown.Of));
    }

    private static async Task<IResult> GetAsync(string id, ISender sender, CancellationToken cancellationToken) =>
        TryReadId(id, out var number) && await sender.Send(new GetWebhook(number), cancellationToken) is { } webhook ? TypedResults.Ok(webhook) : NotFound(id);

    private static async Task<IResult> ReplayAsync(string id, ISender sender, CancellationToken cancellationToken)
    {
        if (!TryReadId(id, out var number)) return NotFound(id);
        return await sender.Send(new ReplayWebhook(number), cancellationToken) switch
        {
            ReplayResult.Queued => Results.Accepted($"/api/v1/inbox/{id}"),
            ReplayResult.NotFound => NotFound(id),
            _ => ApiProblem.Conflict("not_quarantined", "It is not in quarantine, so there is nothing to read again."),
        };
    }

    private static bool TryReadId(string text, out long id) => long.TryParse(text.StartsWith("rcp_", StringComparison.Ordinal) ? text.AsSpan(4) : text, NumberStyles.None, CultureInfo.InvariantCulture, out id);

    private static ApiProblem NotFound(string id) => ApiProblem.NotFound("webhook_not_found", $"There is no webhook {AlertText.OneLine(id, 40)}.");

    private sealed record Position(long Id);
}
