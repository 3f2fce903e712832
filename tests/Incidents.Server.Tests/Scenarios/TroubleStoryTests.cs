using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Incidents.Server.Alerts;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using Npgsql;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>Outages, races and odd orders: what fires is never taken for over, and never counted twice.</summary>
internal sealed class TroubleStoryTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync();

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [Test]
    public async Task What_was_closed_as_stale_and_is_reported_again_a_moment_later_pages_again()
    {
        _engine.Alertmanager.Alerts = null;
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(302));
        Assert.That(await State(1), Is.EqualTo("resolved"));

        await _engine.Passes(Seconds(5));
        await _engine.Receives(Firing("DiskFull").As("critical"));
        Assert.That(await State(1), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task A_report_that_waited_in_the_inbox_while_its_alert_was_closed_as_stale_opens_it_again()
    {
        _engine.Alertmanager.Alerts = null;
        await _engine.Receives(Firing("DiskFull").As("critical"));
        await _engine.Passes(Minutes(299));
        _engine.Clock.Advance(TimeSpan.FromSeconds(50));
        await _engine.StoresBytes(Encoding.UTF8.GetBytes(_engine.Body(null, Firing("DiskFull").As("critical"))));
        await SettlesWithoutIngest(Seconds(20));
        Assert.That(await State(1), Is.EqualTo("resolved"));

        await _engine.RunsDueWork();
        Assert.That(await State(1), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task After_an_outage_of_ours_nothing_is_stale_until_senders_had_time_to_come_again()
    {
        _engine.Alertmanager.Alerts = null;
        await _engine.Receives(Firing("DiskFull"));
        _engine.Clock.Advance(TimeSpan.FromHours(6));
        await _engine.RunsDueWork();
        await _engine.Passes(Minutes(9));
        Assert.That(await State(1), Is.EqualTo("triggered"));
        await _engine.Passes(Minutes(3));
        Assert.That(await State(1), Is.EqualTo("resolved"), "nobody came");
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task A_payload_without_an_alert_never_undoes_what_another_batch_does_to_it(CancellationToken cancellationToken)
    {
        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"), Firing("DiskFull").With("instance", "b"));

        // Another worker is about to end b; it has not committed yet.
        await using var connection = await _engine.Sql.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var end = new NpgsqlCommand("update alerts set status = 'resolved', ends_at = now(), settle_at = null where labels->>'instance' = 'b'", connection, transaction)) await end.ExecuteNonQueryAsync(cancellationToken);
        await using (var count = new NpgsqlCommand("update incidents set firing_alerts = 1", connection, transaction)) await count.ExecuteNonQueryAsync(cancellationToken);

        await _engine.ReceivesGroup("g", Firing("DiskFull").With("instance", "a"));
        await transaction.CommitAsync(cancellationToken);
        Assert.That(await _engine.Query<string>("select status || ' ' || coalesce(missing_since::text, 'here') from alerts where labels->>'instance' = 'b'"), Is.EqualTo("resolved here"));
    }

    [Test]
    public async Task With_no_window_for_reopening_a_resolve_by_hand_is_still_verified_on_the_same_incident()
    {
        await using var engine = await StartAsync(Engine.Routing + "\nincidents: {reopen_within: 0s}\n");
        await engine.Receives(Firing("DiskFull").With("instance", "a"));
        await engine.Does(1, "resolve");
        await engine.Passes(Minutes(2));
        await engine.Receives(Firing("DiskFull").With("instance", "b"));
        Assert.That((await engine.TheIncident())["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        await engine.Passes(Minutes(10));
        Assert.That((await engine.TheIncident())["reopened"]!.GetValue<int>(), Is.EqualTo(1));
        await engine.ExpectsAllAccountedFor();
    }

    [Test]
    public async Task The_older_of_two_incidents_of_a_group_cannot_be_reopened_while_the_newer_is_open()
    {
        await _engine.Receives(Firing("DiskFull"));
        await _engine.Receives(Resolved("DiskFull"));
        await _engine.Query<int>("with moved as (update incidents set resolved_at = resolved_at - interval '1 hour' returning 1) select count(*)::int from moved");
        await _engine.Receives(Firing("DiskFull").Since("2026-03-02T09:30:00Z"));
        Assert.That(await State(2), Is.EqualTo("triggered"));

        var (status, answer) = await _engine.Post("incidents/1/reopen");
        Assert.That((status, answer["code"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Conflict, "impossible_transition")), answer.ToJsonString());
    }

    [Test]
    public async Task A_text_with_a_nul_is_refused_and_says_so()
    {
        await _engine.Receives(Firing("DiskFull"));
        var (status, answer) = await _engine.Post("incidents/1/notes", new { text = "a\0b" });
        Assert.That(status, Is.EqualTo(HttpStatusCode.BadRequest), answer.ToJsonString());
        using var listed = await _engine.Http.GetAsync(new Uri("/api/v1/incidents?q=%00", UriKind.Relative));
        Assert.That(listed.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task A_webhook_that_was_set_aside_is_told_to_people_until_it_was_replayed_or_is_old()
    {
        await _engine.ReceivesBody("not json");
        await _engine.Audits();
        var incident = await _engine.TheIncident();
        Assert.That((incident["title"]!.GetValue<string>(), incident["severity"]!.GetValue<string>()), Is.EqualTo(("A webhook could not be read", "warning")));
        await _engine.Passes(Minutes(1));
        await _engine.Audits();
        Assert.That((await _engine.Timeline(1)).Split("The newest is from"), Has.Length.EqualTo(2), "the same is said once");

        await _engine.Does(1, "resolve", new { resolution = "looked at: a test of somebody's" });
        await _engine.Passes(Minutes(20));
        await _engine.Audits();
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(1), "somebody has seen it");
        await _engine.ReceivesBody("not json either");
        await _engine.Audits();
        Assert.That(await _engine.Incidents(), Has.Count.EqualTo(2), "this one nobody has seen");

        await _engine.Passes(Duration.FromHours(25));
        await _engine.Audits();
        Assert.That(await State(2), Is.Not.EqualTo("triggered"));
    }

    [Test]
    public async Task A_schema_of_another_version_leaves_webhooks_waiting_and_sets_none_aside()
    {
        await _engine.StoresBytes(Encoding.UTF8.GetBytes(_engine.Body(null, Firing("DiskFull"))));
        await Change("alter table alerts rename column kind to sort");
        var ingest = _engine.Services.GetRequiredService<IngestInbox>();
        for (var attempt = 0; attempt < 4; attempt++) Assert.That(async () => await ingest.RunOnceAsync(CancellationToken.None), Throws.InstanceOf<PostgresException>());
        Assert.That(await _engine.Query<string>("select state from inbox"), Is.EqualTo("pending"));

        await Change("alter table alerts rename column sort to kind");
        await _engine.RunsDueWork();
        Assert.That(await State(1), Is.EqualTo("triggered"));

        async Task Change(string sql)
        {
            await using var command = _engine.Sql.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }

    [Test]
    public async Task Two_senders_with_keys_of_their_own_never_end_each_others_alerts()
    {
        var east = await SenderAsync("east");
        var west = await SenderAsync("west");
        await east(Firing("DiskFull"));
        await west(Firing("DiskFull"));
        await east(Resolved("DiskFull"));
        Assert.That(await State(1), Is.EqualTo("triggered"));
        await west(Resolved("DiskFull"));
        Assert.That(await State(1), Is.EqualTo("resolved"));
    }

    [Test]
    public async Task An_alertmanager_that_may_not_be_the_senders_own_is_not_believed_about_what_it_does_not_have()
    {
        _engine.Alertmanager.KnowsAllOfItsSources = false;
        var east = await SenderAsync("east");
        await east(Firing("DiskFull"));
        await _engine.ReceivesGroup("g", Firing("DbSlow").With("instance", "a"), Firing("DbSlow").With("instance", "b"));
        await _engine.ReceivesGroup("g", Firing("DbSlow").With("instance", "a"));
        await _engine.Passes(Minutes(10));
        Assert.That((await _engine.Incidents())[1]["firing_alerts"]!.GetValue<int>(), Is.EqualTo(2));

        await east(Resolved("DiskFull"));
        await _engine.Passes(Minutes(5));
        Assert.That((await _engine.Incidents())[1]["firing_alerts"]!.GetValue<int>(), Is.EqualTo(2), "the other source has nothing firing now, and may yet be the one that is asked");
    }

    private async Task<string> State(long number) => (await _engine.Get($"incidents/{number}"))["state"]!.GetValue<string>();

    private async Task SettlesWithoutIngest(Duration time)
    {
        for (var left = time; left > Duration.Zero; left -= Seconds(1))
        {
            _engine.Clock.Advance(TimeSpan.FromSeconds(1));
            while (await _engine.Services.GetRequiredService<Incidents.Server.Response.SettleAlerts>().DoPortionAsync(CancellationToken.None)) { }
        }
    }

    private async Task<Func<TestAlert, Task>> SenderAsync(string name)
    {
        var (_, key) = await _engine.Post("api-keys", new { name, scopes = new[] { "ingest" } });
        var token = key["key"]!.GetValue<string>();
        return async alert =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/alertmanager");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Content = new StringContent(_engine.Body(null, alert), Encoding.UTF8, "application/json");
            using var answer = await _engine.Http.SendAsync(request);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
            await _engine.RunsDueWork();
        };
    }
}
