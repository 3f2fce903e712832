using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.PostMortems;
using Incidents.Server.Response;
using Incidents.Server.Tests.Web;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Tests.PostMortems;

internal sealed class PostMortemTests
{
    private PostMortemHost _host = null!;
    private HttpClient _client = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _host = await PostMortemHost.StartAsync();
        _client = _host.Web.Client();
    }

    [TearDown]
    public async Task StopAsync()
    {
        _client.Dispose();
        await _host.DisposeAsync();
    }

    [Test]
    public async Task Resolving_an_incident_drafts_its_post_mortem_even_if_the_process_dies_in_between()
    {
        await _host.OpenAsync(1);
        await _host.SendAsync(new ResolveIncident(1, "disk cleared"));

        // Nothing but the database is left of the process that resolved; another one finds the work there.
        Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortems where status = 'pending' and draft_due_at is not null"), Is.EqualTo(1));
        Assert.That(await _host.DraftAsync(), Is.EqualTo(1));
        Assert.That(await _host.DraftAsync(), Is.Zero);

        var shown = await (await _client.GetAsync("/api/v1/incidents/1/post-mortem")).ReadAsync();
        Assert.That(shown["status"]!.GetValue<string>(), Is.EqualTo("draft"));
        Assert.That(shown["required"]!.GetValue<bool>(), Is.True);
        Assert.That(shown["header"]!["resolved"], Is.Not.Null);
        Assert.That(shown["timeline"]!.AsArray().Select(m => m!["kind"]!.GetValue<string>()), Has.Member("resolved"));
        var ids = shown["timeline"]!.AsArray().Select(m => m!["entry_id"]!.GetValue<long>()).ToHashSet();
        Assert.That(Section(shown, "recovery")["drafted"]!.AsArray().SelectMany(s => s!["entry_ids"]!.AsArray()).Select(i => i!.GetValue<long>()), Is.Not.Empty.And.SubsetOf(ids));
    }

    [Test]
    public async Task A_resolve_by_alerts_leaves_the_row_in_the_transaction_of_the_batch()
    {
        await _host.OpenAsync(1);
        await _host.OpenAsync(2, Severity.Info);
        await using (var connection = await _host.Database.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await AddResolvedAsync(connection);
            await transaction.RollbackAsync();
            Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortems"), Is.Zero);
            await AddResolvedAsync(connection);
            await AddResolvedAsync(connection);
        }

        Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortems where incident_number = 1 and status = 'pending'"), Is.EqualTo(1));
        Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortems"), Is.EqualTo(1), "informational incidents get none");
    }

    [Test]
    public async Task One_that_cannot_be_drafted_does_not_hold_up_the_others()
    {
        await _host.OpenAsync(2);
        await using (var command = _host.Database.CreateCommand("""
            insert into post_mortems (incident_number, status, title, severity, timeline, sections, version, created_at, updated_at, revision, seen_reopened, draft_due_at)
            values (999, 'pending', 'gone', 'critical', '[]', '[]', 0, now(), now(), 0, 0, now() - interval '1 hour')
            """)) await command.ExecuteNonQueryAsync();
        await _host.SendAsync(new ResolveIncident(2));
        Assert.That(async () => await _host.DraftAsync(), Throws.InvalidOperationException);
        Assert.That(await _host.DraftAsync(), Is.EqualTo(1));
        Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortems where incident_number = 999 and draft_due_at > now()"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_person_may_ask_for_one_of_any_incident_that_is_over_and_asking_twice_gives_the_same()
    {
        await _host.OpenAsync(1, Severity.Info);
        var early = await _client.PostAsync("/api/v1/incidents/1/post-mortem", null);
        Assert.That(early.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await early.ProblemCodeAsync(), Is.EqualTo("incident_not_over"));

        await _host.SendAsync(new ResolveIncident(1));
        var first = await _client.PostAsync("/api/v1/incidents/1/post-mortem", null);
        var second = await _client.PostAsync("/api/v1/incidents/1/post-mortem", null);
        Assert.That(first.StatusCode, Is.EqualTo(HttpStatusCode.Created));
        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await second.ReadAsync())["id"]!.GetValue<long>(), Is.EqualTo((await first.ReadAsync())["id"]!.GetValue<long>()));
        Assert.That(await (await _client.PostAsync("/api/v1/incidents/77/post-mortem", null)).ProblemCodeAsync(), Is.EqualTo("incident_not_found"));
    }

    [Test]
    public async Task Two_writers_never_overwrite_each_other_unseen()
    {
        var (id, etag) = await ResolvedAsync();
        var blind = await _client.PatchAsync($"/api/v1/post-mortems/{id}", WebHost.Json(new { sections = new { impact = "blind" } }));
        Assert.That((int)blind.StatusCode, Is.EqualTo(428));

        var ana = await PatchAsync(id, etag, "impact", "12 users");
        var ben = await PatchAsync(id, etag, "impact", "nobody");
        Assert.That(ana.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(ben.StatusCode, Is.EqualTo(HttpStatusCode.PreconditionFailed));
        Assert.That(ben.Headers.ETag, Is.EqualTo(ana.Headers.ETag));
        var shown = await (await _client.GetAsync($"/api/v1/post-mortems/{id}")).ReadAsync();
        Assert.That(Section(shown, "impact")["text"]!.GetValue<string>(), Is.EqualTo("12 users"));
        Assert.That(await _host.ScalarAsync<string>("select text from post_mortem_revisions where section = 'impact'"), Is.EqualTo("12 users"));

        var unknown = await PatchAsync(id, ana.Headers.ETag!.Tag, "blame", "x");
        Assert.That(unknown.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task What_was_published_is_read_back_to_the_letter_whatever_follows()
    {
        var (id, etag) = await ResolvedAsync();
        await PatchAsync(id, etag, "impact", "12 users & <b>one</b> dog");
        var before = await TextAsync($"/api/v1/post-mortems/{id}", "text/markdown");
        var published = await _client.PostAsync($"/api/v1/post-mortems/{id}/publish", null);
        Assert.That((await published.ReadAsync())["post_mortem"]!["status"]!.GetValue<string>(), Is.EqualTo("published"));
        Assert.That((await (await _client.PostAsync($"/api/v1/post-mortems/{id}/publish", null)).ReadAsync())["changed"]!.GetValue<bool>(), Is.False);

        await PatchAsync(id, published.Headers.ETag!.Tag, "impact", "13 users");
        Assert.That(await TextAsync($"/api/v1/post-mortems/{id}/versions/1", "text/markdown"), Is.EqualTo(before));
        Assert.That(await TextAsync($"/api/v1/post-mortems/{id}", "text/markdown"), Does.Contain("13 users"));
        var versions = await (await _client.GetAsync($"/api/v1/post-mortems/{id}/versions")).ReadAsync();
        Assert.That(versions["items"]!.AsArray(), Has.Count.EqualTo(1));
        Assert.That(await (await _client.GetAsync($"/api/v1/post-mortems/{id}/versions/2")).ProblemCodeAsync(), Is.EqualTo("version_not_found"));
    }

    [Test]
    public async Task Html_of_hostile_text_is_harmless()
    {
        var (id, etag) = await ResolvedAsync("<img src=x onerror=alert(1)>");
        await PatchAsync(id, etag, "impact", "<script>alert(1)</script> [a](javascript:alert(1)) ![p](https://evil.example/p.png) [b](https://good.example/)");
        var html = await TextAsync($"/api/v1/post-mortems/{id}", "text/html");
        Assert.That(html, Does.Not.Contain("<script").And.Not.Contain("<img").And.Not.Contain("href=\"javascript"));
        Assert.That(html, Does.Contain("href=\"https://good.example/\""));
        Assert.That(html, Does.Contain("<h2>Impact</h2>"));
    }

    [Test]
    public async Task Reopening_brings_a_published_one_back_to_draft()
    {
        var (id, _) = await ResolvedAsync();
        await _client.PostAsync($"/api/v1/post-mortems/{id}/publish", null);
        await _host.SendAsync(new ReopenIncident(1, "it is back"));
        await _host.DraftAsync();
        var shown = await (await _client.GetAsync($"/api/v1/post-mortems/{id}")).ReadAsync();
        Assert.That(shown["status"]!.GetValue<string>(), Is.EqualTo("draft"));
        Assert.That(shown["notice"]!.GetValue<string>(), Does.Contain("version 1"));
        Assert.That((await _client.PostAsync($"/api/v1/post-mortems/{id}/publish", null)).StatusCode, Is.EqualTo(HttpStatusCode.Conflict));

        await _host.SendAsync(new ResolveIncident(1));
        await _host.DraftAsync();
        var again = await (await _client.PostAsync($"/api/v1/post-mortems/{id}/publish", null)).ReadAsync();
        Assert.That(again["post_mortem"]!["version"]!.GetValue<int>(), Is.EqualTo(2));
    }

    [Test]
    public async Task Skipping_needs_a_reason_that_can_be_read_later()
    {
        var (id, _) = await ResolvedAsync();
        Assert.That((await _client.PostAsync($"/api/v1/post-mortems/{id}/skip", WebHost.Json(new { reason = "" }))).StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        await _client.PostAsync($"/api/v1/post-mortems/{id}/skip", WebHost.Json(new { reason = "a drill" }));
        var skipped = await (await _client.GetAsync("/api/v1/post-mortems?status=skipped&required=true")).ReadAsync();
        Assert.That(skipped["items"]!.AsArray().Single()!["id"]!.GetValue<long>(), Is.EqualTo(id));
        Assert.That((await (await _client.GetAsync("/api/v1/post-mortems?status=draft")).ReadAsync())["items"]!.AsArray(), Is.Empty);
        Assert.That((await (await _client.GetAsync($"/api/v1/post-mortems/{id}")).ReadAsync())["skipped_reason"]!.GetValue<string>(), Is.EqualTo("a drill"));
    }

    [Test]
    public async Task The_page_saves_every_section_that_was_touched_and_a_conflict_shows_both_texts()
    {
        await ResolvedAsync();
        var page = await _client.GetStringAsync("/i/1/post-mortem");
        var saved = await SaveAsync(page, ("text.impact", "12 users"), ("text.got_lucky", "night"), ("at", "impact"));
        Assert.That(saved.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther), await saved.Content.ReadAsStringAsync());
        Assert.That(saved.Headers.Location!.ToString(), Is.EqualTo("/i/1/post-mortem#impact"));
        Assert.That(await _host.ScalarAsync<long>("select count(*) from post_mortem_revisions"), Is.EqualTo(2), "what was not touched was not written");

        // From the same old page: the conflict holds up no other section, and what was typed is kept.
        var conflict = await SaveAsync(page, ("text.impact", "typed </textarea><b>late"), ("text.went_well", "the runbook"));
        var text = await conflict.Content.ReadAsStringAsync();
        Assert.That(conflict.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(text, Does.Contain("12 users").And.Contain("typed &lt;/textarea&gt;").And.Contain("role=\"alert\""));
        Assert.That(await TextOfAsync("impact"), Is.EqualTo("12 users"));
        Assert.That(await TextOfAsync("went_well"), Is.EqualTo("the runbook"));

        // With both texts before the eyes, the writer decides.
        Assert.That((await SaveAsync(text, ("text.impact", "12 users, late"))).StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        Assert.That(await TextOfAsync("impact"), Is.EqualTo("12 users, late"));

        var forged = await _client.PostAsync("/i/1/post-mortem/publish", new FormUrlEncodedContent([KeyValuePair.Create("etag", "1")]));
        Assert.That(forged.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task A_section_that_was_not_touched_undoes_nobodys_change()
    {
        await ResolvedAsync();
        var page = await _client.GetStringAsync("/i/1/post-mortem");
        await SaveAsync(page, ("text.impact", "12 users"));
        Assert.That((await SaveAsync(page, ("text.impact", ""), ("text.got_lucky", "night"))).StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        Assert.That(await TextOfAsync("impact"), Is.EqualTo("12 users"));
    }

    [Test]
    public async Task A_text_that_is_refused_is_still_held_against_what_its_writer_had_read()
    {
        await ResolvedAsync();
        var page = await _client.GetStringAsync("/i/1/post-mortem");
        await SaveAsync(page, ("text.impact", "from Ana"));
        var refused = await SaveAsync(page, ("text.impact", new string('x', 100_001)));
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));

        var shorter = await SaveAsync(await refused.Content.ReadAsStringAsync(), ("text.impact", "from Ben"));
        Assert.That(shorter.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await shorter.Content.ReadAsStringAsync(), Does.Contain("from Ana").And.Contain("from Ben"));
        Assert.That(await TextOfAsync("impact"), Is.EqualTo("from Ana"));
    }

    [Test]
    public async Task Publishing_saves_what_was_typed_first_and_stops_at_what_its_publisher_had_not_read()
    {
        await ResolvedAsync();
        var page = await _client.GetStringAsync("/i/1/post-mortem");
        await SaveAsync(page, ("text.impact", "from Ana"));
        var unread = await SubmitAsync("publish", page, ("text.got_lucky", "night"));
        Assert.That(unread.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await TextOfAsync("got_lucky"), Is.EqualTo("night"));

        var published = await SubmitAsync("publish", await unread.Content.ReadAsStringAsync(), ("text.went_well", "the runbook"));
        Assert.That(published.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther), await published.Content.ReadAsStringAsync());
        Assert.That(await _host.ScalarAsync<string>("select markdown from post_mortem_versions"), Does.Contain("the runbook"));
    }

    [Test]
    public async Task Every_endpoint_says_what_it_answers()
    {
        var openApi = await (await _client.GetAsync("/openapi/v1.json")).ReadAsync();
        Assert.That(ApiContract.Violations(_host.Web.Services.GetRequiredService<EndpointDataSource>(), openApi), Is.Empty);
    }

    private static JsonNode Section(JsonObject shown, string key) => shown["sections"]!.AsArray().Single(s => s!["key"]!.GetValue<string>() == key)!;

    private static async Task AddResolvedAsync(NpgsqlConnection connection)
    {
        var now = TimeProvider.System.GetCurrentInstant();
        var changes = new List<IncidentChange>();
        foreach (var (number, severity) in new[] { (1L, Severity.Critical), (2L, Severity.Info) })
        {
            var decision = new RoutingDecision { OpensIncident = true, Severity = severity, GroupKey = "g", Receivers = [], Path = [] };
            var incident = Incident.Open(number, Guid.NewGuid(), "t", new FiringAlert("a", decision, now, false), now);
            changes.Add(new IncidentChange(incident, incident.Leave(["a"], "resolved", Actor.Alertmanager, now + Duration.FromMinutes(1)), null));
        }

        await using var writes = new NpgsqlBatch(connection);
        DraftPostMortems.Add(writes, changes, now);
        await writes.ExecuteNonQueryAsync();
    }

    private async Task<(long Id, string ETag)> ResolvedAsync(string title = "DiskFull (db-7)")
    {
        await _host.OpenAsync(1, title: title);
        await _host.SendAsync(new ResolveIncident(1, "disk cleared"));
        await _host.DraftAsync();
        var answer = await _client.GetAsync("/api/v1/incidents/1/post-mortem");
        return ((await answer.ReadAsync())["id"]!.GetValue<long>(), answer.Headers.ETag!.Tag);
    }

    private async Task<HttpResponseMessage> PatchAsync(long id, string etag, string section, string text)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"/api/v1/post-mortems/{id}") { Content = WebHost.Json(new { sections = new Dictionary<string, string> { [section] = text } }) };
        request.Headers.IfMatch.Add(new EntityTagHeaderValue(etag));
        return await _client.SendAsync(request);
    }

    private async Task<string> TextAsync(string path, string type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
        var answer = await _client.SendAsync(request);
        Assert.That(answer.Content.Headers.ContentType!.MediaType, Is.EqualTo(type));
        return await answer.Content.ReadAsStringAsync();
    }

    private Task<HttpResponseMessage> SaveAsync(string page, params (string Name, string Value)[] fields) => SubmitAsync("sections", page, fields);

    /// <summary>Sends the form of a page as a browser does: hidden fields as they are, and of the texts those that the test names.</summary>
    private async Task<HttpResponseMessage> SubmitAsync(string verb, string page, params (string Name, string Value)[] fields)
    {
        var form = new MultipartFormDataContent();
        foreach (Match hidden in Regex.Matches(page, "type=\"hidden\" name=\"(?<name>(__Req|etag|read)[^\"]*)\" value=\"(?<value>[^\"]+)\""))
            if (hidden.Groups["name"].Value is var name && form.All(f => f.Headers.ContentDisposition!.Name != name)) form.Add(new StringContent(WebUtility.HtmlDecode(hidden.Groups["value"].Value)), name);
        foreach (var (name, value) in fields) form.Add(new StringContent(value), name);
        return await _client.PostAsync($"/i/1/post-mortem/{verb}", form);
    }

    private Task<string> TextOfAsync(string section) => _host.ScalarAsync<string>($"select s ->> 'text' from post_mortems, jsonb_array_elements(sections) s where s ->> 'key' = '{section}'");
}
