using Incidents.Domain.Notifications;
using Incidents.Server.Alerts;
using Incidents.Server.Notifications;
using Incidents.StandIns;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using Npgsql;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Notifications;

/// <summary>What a send came to is not lost to a race, to a short outage or to a bad neighbour: a result that is not written down is a second message (P4).</summary>
internal sealed class RecordAttemptsTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    [CancelAfter(30_000)]
    public async Task A_failed_attempt_and_a_change_of_its_incident_do_not_wait_for_each_other(CancellationToken cancellationToken)
    {
        var delivery = await ClaimOneAsync(cancellationToken);

        // A command holds the incident, and is about to queue its change.
        await using var connection = await _engine.Sql.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Run(connection, "select from incidents where number = 1 for update");
        var recording = Fails(delivery);
        await WaitsAsync(cancellationToken);
        await Run(connection, Successor(delivery));
        await transaction.CommitAsync(cancellationToken);

        Assert.That(async () => await recording, Throws.Nothing);
        Assert.That(await States(), Is.EqualTo("superseded, queued"), "the newer delivery takes over");
        Assert.That(await _engine.Query<int>("select attempts from deliveries where state = 'queued'"), Is.EqualTo(1));
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task A_page_that_falls_over_and_a_change_of_its_incident_do_not_wait_for_each_other(CancellationToken cancellationToken)
    {
        _engine.StandIns.Faults.Add("slack", new Fault { Status = 500, Times = 1000 });
        await _engine.Receives(Firing("DiskFull"));
        _engine.Clock.Advance(TimeSpan.FromSeconds(21));

        await using var connection = await _engine.Sql.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Run(connection, "select from incidents where number = 1 for update");
        var failOver = Task.Run(() => _engine.Services.GetRequiredService<FailOverDue>().DoPortionAsync(CancellationToken.None), cancellationToken);
        await WaitsAsync(cancellationToken);
        await Run(connection, "update deliveries set occasion = 'reopened' where receiver = 'alerts'");
        await transaction.CommitAsync(cancellationToken);

        Assert.That(async () => await failOver, Throws.Nothing);
        Assert.That(await _engine.Query<string>("select occasion from deliveries where receiver = 'pager'"), Is.EqualTo("reopened"), "what changed meanwhile was seen");
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task A_lost_send_that_is_taken_back_and_a_change_of_its_incident_do_not_meet(CancellationToken cancellationToken)
    {
        var delivery = await ClaimOneAsync(cancellationToken);
        await using var connection = await _engine.Sql.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Run(connection, "select from incidents where number = 1 for update");
        await Run(connection, Successor(delivery));
        var takingBack = Task.Run(() => _engine.Services.GetRequiredService<DeliveryWork>().TakeBackLostAsync(_engine.Now + Duration.FromMinutes(1), [], CancellationToken.None), cancellationToken);
        await WaitsAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        Assert.That(await takingBack, Is.EqualTo(1));
        Assert.That(await States(), Is.EqualTo("superseded, queued"));
    }

    [TestCase("40P01")]
    [TestCase("40001")]
    [TestCase("23505")]
    [TestCase("57P01")]
    public async Task A_trouble_that_passes_costs_no_result(string sqlState)
    {
        await Break($"nextval('troubles') <= 2", sqlState);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await _engine.Query<long>("select last_value from troubles"), Is.GreaterThanOrEqualTo(3));
        Assert.That(await States(), Is.EqualTo("delivered, delivered"));
        await _engine.Passes(Minutes(1));
        Assert.That(_engine.StandIns.Slack.Messages.Count(m => m.ThreadTs is null), Is.EqualTo(1));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task One_result_that_cannot_be_written_costs_no_other()
    {
        await Break("new.delivery_id = (select id from deliveries where receiver = 'pager')", "22000");
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await _engine.Query<string>("select string_agg(receiver || ' ' || state, ', ' order by receiver) from deliveries"), Is.EqualTo("critical delivered, pager sending"));
    }

    [Test]
    public async Task A_result_is_written_once_even_when_it_is_not_known_whether_it_was()
    {
        var delivery = await ClaimOneAsync(CancellationToken.None);
        await Fails(delivery);
        await Fails(delivery);
        Assert.That(await _engine.Query<long>("select count(*) from delivery_attempts"), Is.EqualTo(1));
        Assert.That((await _engine.Timeline(1)).Split("delivery_failed"), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task A_result_that_comes_after_the_next_attempt_began_changes_nothing()
    {
        var delivery = await ClaimOneAsync(CancellationToken.None);
        _engine.Clock.Advance(TimeSpan.FromMinutes(1));
        var work = _engine.Services.GetRequiredService<DeliveryWork>();
        await work.TakeBackLostAsync(_engine.Now, [], CancellationToken.None);
        Assert.That(await work.ClaimAsync(new Dictionary<string, int>(), 10, Seconds(15), _engine.Now, CancellationToken.None), Has.Count.EqualTo(1));

        await Ends(delivery, new DeliveryResult.Delivered(new ThreadMemory(Reference: "of the first attempt"), "ok"));
        Assert.That(await States(), Is.EqualTo("sending"));
        Assert.That(await _engine.Query<long>("select count(*) from notification_threads where reference is not null"), Is.Zero);
    }

    [Test]
    public async Task A_result_that_comes_after_its_delivery_was_taken_back_spares_the_second_message()
    {
        var delivery = await ClaimOneAsync(CancellationToken.None);
        _engine.Clock.Advance(TimeSpan.FromMinutes(1));
        await _engine.Services.GetRequiredService<DeliveryWork>().TakeBackLostAsync(_engine.Now, [], CancellationToken.None);
        await Ends(delivery, new DeliveryResult.Delivered(new ThreadMemory(), "ok"));
        Assert.That(await States(), Is.EqualTo("delivered"));
    }

    [Test]
    public async Task The_far_sides_words_cannot_make_a_result_unwritable()
    {
        var delivery = await ClaimOneAsync(CancellationToken.None);
        await Ends(delivery, new DeliveryResult.Rejected("no\0 such\r\nchannel \ud83d"));
        Assert.That(await _engine.Query<string>("select detail from deliveries"), Is.EqualTo("no such channel \ufffd"));
    }

    private async Task<ClaimedDelivery> ClaimOneAsync(CancellationToken cancellationToken)
    {
        await _engine.StoresBytes(System.Text.Encoding.UTF8.GetBytes(_engine.Body(null, Firing("DiskFull"))));
        await _engine.Services.GetRequiredService<IngestInbox>().RunOnceAsync(cancellationToken);
        return (await _engine.Services.GetRequiredService<DeliveryWork>().ClaimAsync(new Dictionary<string, int>(), 10, Seconds(15), _engine.Now, cancellationToken)).Single();
    }

    private Task Fails(ClaimedDelivery delivery) => Ends(delivery, new DeliveryResult.RetryLater("Slack answered 500"), isRepeat: true);

    private Task Ends(ClaimedDelivery delivery, DeliveryResult result, bool isRepeat = false) =>
        Task.Run(() => _engine.Services.GetRequiredService<RecordAttempts>().RunAsync(
            [new FinishedAttempt(delivery, new ThreadMemory(), result, RetrySchedule.Next(delivery.Attempt, delivery.FirstAttemptAt, _engine.Now, result, 0), _engine.Now, _engine.Now)], isRepeat, CancellationToken.None));

    private static string Successor(ClaimedDelivery delivery) => $"""
        insert into deliveries (id, thread_id, incident_number, receiver, occasion, occasion_weight, state, created_at, due_at, attempts)
        values (900001, {delivery.ThreadId}, 1, '{delivery.Receiver}', 'updated', 7, 'queued', now(), now(), 0)
        on conflict (thread_id) where state = 'queued' do update set occasion = 'updated'
        """;

    private Task<string> States() => _engine.Query<string>("select string_agg(state, ', ' order by id) from deliveries");

    /// <summary>Until somebody waits for a lock that another holds.</summary>
    private async Task WaitsAsync(CancellationToken cancellationToken)
    {
        while (await _engine.Query<long>("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancellationToken);
    }

    /// <summary>Makes writing an attempt fail while the condition holds.</summary>
    private async Task Break(string condition, string sqlState)
    {
        await using var command = _engine.Sql.CreateCommand($"""
            create sequence troubles;
            create function trouble() returns trigger language plpgsql as $$ begin if {condition} then raise exception 'trouble' using errcode = '{sqlState}'; end if; return new; end $$;
            create trigger trouble before insert on delivery_attempts for each row execute function trouble();
            """);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task Run(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
