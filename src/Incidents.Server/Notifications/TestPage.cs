using System.Globalization;
using Incidents.Domain.OnCall;
using Incidents.Domain.Response;
using Incidents.Server.Configuration;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>A test page over every contact of a person at once, so that they see which of them work and how long each takes.</summary>
internal sealed record SendTestPage(string Person) : ICommand<TestPageAnswer>;

/// <summary>How far a test page is.</summary>
internal sealed record GetTestPage(string Person, long Id) : IQuery<TestPageShown?>;

internal abstract record TestPageAnswer
{
    private TestPageAnswer() { }

    public sealed record Sent(long Id) : TestPageAnswer;

    public sealed record NoSuchPerson : TestPageAnswer;

    /// <summary>None of the person's contacts can work on this machine.</summary>
    public sealed record NoChannel : TestPageAnswer;

    /// <summary>The caller is not this person, nor manages a team of theirs.</summary>
    public sealed record Forbidden(string Why) : TestPageAnswer;

    /// <summary>One began less than a minute ago.</summary>
    public sealed record TooSoon(Duration Wait) : TestPageAnswer;
}

/// <param name="Id">For asking again.</param>
/// <param name="Person">Key of the person.</param>
/// <param name="RequestedAt">When it was asked for.</param>
/// <param name="Contacts">In the person's order.</param>
internal sealed record TestPageShown(long Id, string Person, Instant RequestedAt, IReadOnlyList<TestContactShown> Contacts);

/// <param name="Channel"><c>slack</c>, <c>email</c>, <c>pagerduty</c> or <c>webhook</c>.</param>
/// <param name="State"><c>not_set_up</c> (no address, or the channel has no settings here), <c>queued</c>, <c>sending</c>, <c>delivered</c> (the provider accepted it) or <c>rejected</c>.</param>
/// <param name="SentAt">When the first attempt began.</param>
/// <param name="AcceptedAt">When the provider accepted it.</param>
/// <param name="TookMs">From the request to its acceptance, in milliseconds.</param>
/// <param name="Detail">Last answer or error.</param>
internal sealed record TestContactShown(string Channel, string State, Instant? SentAt, Instant? AcceptedAt, long? TookMs, string? Detail);

internal sealed class SendTestPageHandler(IncidentsDbContext db, IdBlocks ids, QueueDeliveries queue, IActiveConfiguration configuration, IAccess access, IAuditLog audit, DeliverySignal deliveries, TimeProvider clock) : ICommandHandler<SendTestPage, TestPageAnswer>
{
    private static readonly Duration AtMostEvery = Duration.FromMinutes(1);

    public async ValueTask<TestPageAnswer> Handle(SendTestPage command, CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        if (!current.OnCall.People.TryGetValue(command.Person, out var person)) return new TestPageAnswer.NoSuchPerson();
        if (access.WhyNotReach(person.Key, current.OnCall.TeamsOf(person.Key)) is { } why) return new TestPageAnswer.Forbidden(why);
        var contacts = person.ContactsOn(current.Reach.Channels).Select(c => PersonReceiver.NameOf(person.Key, c.Channel)).Distinct(StringComparer.Ordinal).ToList();
        if (contacts.Count == 0) return new TestPageAnswer.NoChannel();

        var now = clock.GetCurrentInstant();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        if (await BeganAsync(connection, person.Key, now, cancellationToken) is { } began) return new TestPageAnswer.TooSoon(began + AtMostEvery - now);
        var id = (await ids.TakeAsync(connection, 1, cancellationToken)).Next();
        var key = TestPages.KeyOf(person.Key, id);
        var notice = Notice.ForPerson(id, OpenIncidents.GroupIdOf(key), key, $"Test page for {person.Name}", Domain.Routing.Severity.Info, now);
        notice.Tell(contacts, 0);
        await using var writes = new NpgsqlBatch(connection);
        NoticeRows.Write(writes, [notice]);
        await queue.AddAsync(writes, [], [new NoticeChange(notice, Occasion.Opened, null)], now, cancellationToken);
        await writes.ExecuteNonQueryAsync(cancellationToken);
        audit.Add(TestPages.Action, person.Key);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        deliveries.Raise();
        return new TestPageAnswer.Sent(id);
    }

    /// <summary>When the newest test page of a person began, if that is less than a minute ago. Of two who ask at once one waits for the other.</summary>
    private static async Task<Instant?> BeganAsync(NpgsqlConnection connection, string person, Instant now, CancellationToken cancellationToken)
    {
        await using (var one = new NpgsqlCommand("select pg_advisory_xact_lock(hashtextextended($1, 0))", connection))
        {
            one.Parameters.Add(Sql.P(TestPages.PrefixOf(person)));
            await one.ExecuteNonQueryAsync(cancellationToken);
        }

        // Every one of them has its entry in the audit log, which is found by its subject.
        await using var command = new NpgsqlCommand("select at from audit_entries where subject = $1 and action = $2 order by id desc limit 1", connection);
        command.Parameters.Add(Sql.P(person));
        command.Parameters.Add(Sql.P(TestPages.Action));
        return await command.ExecuteScalarAsync(cancellationToken) is Instant at && now - at < AtMostEvery ? at : null;
    }
}

internal sealed class GetTestPageHandler(IncidentsDbContext db, IActiveConfiguration configuration) : IQueryHandler<GetTestPage, TestPageShown?>
{
    public async ValueTask<TestPageShown?> Handle(GetTestPage query, CancellationToken cancellationToken)
    {
        var key = TestPages.KeyOf(query.Person, query.Id);
        if (await db.Set<Notice>().AsNoTracking().SingleOrDefaultAsync(n => n.Id == query.Id && n.GroupKey == key, cancellationToken) is not { } notice) return null;
        var deliveries = await db.Deliveries.AsNoTracking().Where(d => d.NoticeId == notice.Id && EF.Functions.Like(d.Receiver, "@%")).OrderBy(d => d.CreatedAt).ToListAsync(cancellationToken);
        var channels = notice.Receivers.Select(r => PersonReceiver.TryParse(r, out _, out var channel) ? channel : r)
            .Union(configuration.Current.OnCall.People.GetValueOrDefault(query.Person)?.Contacts.Select(c => c.Channel) ?? [], StringComparer.Ordinal);
        return new TestPageShown(notice.Id, query.Person, notice.OpenedAt, [.. channels.Select(channel =>
        {
            // The first is the test; what follows only ends it.
            if (deliveries.Find(d => d.Receiver == PersonReceiver.NameOf(query.Person, channel)) is not { } delivery) return new TestContactShown(channel, "not_set_up", null, null, null, null);
            Instant? accepted = delivery.State == DeliveryRow.Delivered ? delivery.DoneAt : null;
            return new TestContactShown(channel, delivery.State, delivery.FirstAttemptAt, accepted, accepted is { } at ? (long)(at - notice.OpenedAt).TotalMilliseconds : null, delivery.Detail);
        })]);
    }
}

internal static class TestPages
{
    public const string Action = "person.test-page";

    public static string PrefixOf(string person) => $"@{person}/test/";

    public static string KeyOf(string person, long id) => string.Create(CultureInfo.InvariantCulture, $"{PrefixOf(person)}{id}");

    public static void MapTestPages(this WebApplication app)
    {
        app.MapPost("/api/v1/people/{key}/test-page", SendAsync).RequireAuthorization(Scopes.Respond).WithIdempotency().WithTags("On call").WithName("SendTestPage").WithSummary("Send a person a test page over each of their contacts")
            .WithDescription("The answer's Location says when each was sent and accepted, and how long that took. Everybody tests their own contacts; those of others, whoever manages a team of theirs. One a minute for each person.").Produces<TestPageShown>(StatusCodes.Status202Accepted)
            .WithProblem(404, "person_not_found", "There is nobody with this key in oncall.yaml.").WithProblem(409, "no_channel", "None of the person's contacts can work: no address, or the channel has no settings here.")
            .WithProblem(403, "not_allowed", "The caller is not this person, nor a lead of a team of theirs.").WithProblem(429, "too_many_requests", "One began less than a minute ago; Retry-After says when the next may.");
        app.MapGet("/api/v1/people/{key}/test-page/{id:long}", GetAsync).RequireAuthorization(Scopes.Read).WithTags("On call").WithName("GetTestPage").WithSummary("How far a test page is, contact by contact").Produces<TestPageShown>()
            .WithProblem(404, "test_page_not_found", "There is no such test page of this person.");
    }

    private static async Task<IResult> SendAsync(string key, ISender sender, CancellationToken cancellationToken) => await sender.Send(new SendTestPage(key), cancellationToken) switch
    {
        TestPageAnswer.Sent(var id) => TypedResults.Accepted(string.Create(CultureInfo.InvariantCulture, $"/api/v1/people/{Uri.EscapeDataString(key)}/test-page/{id}"), await sender.Send(new GetTestPage(key, id), cancellationToken)),
        TestPageAnswer.NoChannel => ApiProblem.Conflict("no_channel", $"{key} has no contact that can work here: give the person an address in oncall.yaml, and the channel its settings."),
        TestPageAnswer.Forbidden(var why) => ApiProblem.Forbidden("not_allowed", why),
        TestPageAnswer.TooSoon(var wait) => ApiProblem.TooManyRequests($"A test page to {key} began less than a minute ago.", (int)Math.Ceiling(wait.TotalSeconds)),
        _ => ApiProblem.NotFound("person_not_found", $"There is nobody called {key} in oncall.yaml."),
    };

    private static async Task<IResult> GetAsync(string key, long id, ISender sender, CancellationToken cancellationToken) =>
        await sender.Send(new GetTestPage(key, id), cancellationToken) is { } shown ? TypedResults.Ok(shown) : ApiProblem.NotFound("test_page_not_found", $"There is no test page {id} of {key}.");
}
