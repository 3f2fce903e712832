using System.Net;
using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NodaTime;

namespace Incidents.Server.Tests.Web;

internal sealed class ApiKeyTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 6, 1, 12, 0);
    private WebHost _host = null!;

    [OneTimeSetUp]
    public async Task Start() => _host = await WebHost.StartAsync(app =>
    {
        app.MapGet("/api/test/ingest", (HttpContext c) => c.User.AlertSource()).RequireAuthorization(Scopes.Ingest);
        app.MapGet("/api/test/read", () => "read").RequireAuthorization(Scopes.Read);
        app.MapGet("/api/test/respond", () => "respond").RequireAuthorization(Scopes.Respond);
        app.MapGet("/api/test/says-nothing", () => "closed");
    });

    [OneTimeTearDown]
    public async Task Stop() => await _host.DisposeAsync();

    [Test]
    public async Task Without_credentials_the_answer_names_both_ways_to_send_them()
    {
        using var client = _host.Client(null);
        var answer = await client.GetAsync("/api/test/ingest");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(answer.Headers.WwwAuthenticate.Select(h => h.Scheme), Is.EqualTo(new[] { "Bearer", "Basic" }));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("missing_credentials"));
    }

    [Test]
    public async Task An_endpoint_that_says_nothing_is_closed()
    {
        using var client = _host.Client(null);
        Assert.That((await client.GetAsync("/api/test/says-nothing")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task Alertmanager_may_send_the_key_as_a_basic_password_under_any_user_name()
    {
        var key = await _host.CreateKeyAsync("am", Scopes.Ingest);
        using var client = _host.Client(null);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("whoever:" + key)));

        Assert.That((await client.GetAsync("/api/test/ingest")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_browser_is_never_offered_a_password_to_keep_and_one_it_kept_opens_nothing()
    {
        var key = await _host.CreateKeyAsync("kept", Scopes.Respond);
        using var client = _host.Client(null);
        var offered = await client.GetAsync("/api/test/respond");
        Assert.That(offered.Headers.WwwAuthenticate.Select(h => h.Scheme), Is.EqualTo(new[] { "Bearer" }));

        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("whoever:" + key)));
        Assert.That((await client.GetAsync("/api/test/respond")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task A_missing_scope_is_named()
    {
        using var client = _host.Client(await _host.CreateKeyAsync("am", Scopes.Ingest));
        var answer = await client.GetAsync("/api/test/read");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        var problem = await answer.ReadAsync();
        Assert.That(problem["code"]!.GetValue<string>(), Is.EqualTo("missing_scope"));
        Assert.That(problem["detail"]!.GetValue<string>(), Does.Contain("\"read\""));
    }

    [TestCase(Scopes.Ingest, "ingest")]
    [TestCase(Scopes.Read, "read")]
    [TestCase(Scopes.Respond, "read respond")]
    [TestCase(Scopes.Admin, "ingest read respond")]
    public async Task A_scope_opens_what_it_covers_and_no_more(string scope, string opens)
    {
        using var client = _host.Client(await _host.CreateKeyAsync("one scope", scope));
        var open = new List<string>();
        foreach (var path in new[] { "ingest", "read", "respond" })
            if ((await client.GetAsync("/api/test/" + path)).IsSuccessStatusCode) open.Add(path);

        Assert.That(string.Join(' ', open), Is.EqualTo(opens));
    }

    [Test]
    public async Task Alerts_are_recorded_under_the_source_of_the_key()
    {
        using var admin = _host.Client();
        var created = await (await admin.PostAsync("/api/v1/api-keys", WebHost.Json(new { name = "am key", scopes = new[] { "ingest" }, source = "prod-eu" }))).ReadAsync();
        using var client = _host.Client(created["key"]!.GetValue<string>());

        Assert.That(await client.GetStringAsync("/api/test/ingest"), Does.Contain("prod-eu"));
    }

    [Test]
    public async Task A_right_prefix_with_a_wrong_secret_is_refused()
    {
        var key = await _host.CreateKeyAsync("k", Scopes.Read);
        var forged = key[..^1] + (key[^1] == 'a' ? 'b' : 'a');
        using var client = _host.Client(forged);
        var answer = await client.GetAsync("/api/test/read");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("invalid_credentials"));
    }

    [TestCase("Bearer ")]
    [TestCase("Bearer inc_nosuchkey_x")]
    [TestCase("Basic not-base64!")]
    [TestCase("Basic bm9jb2xvbg==")]
    [TestCase("Digest username=\"x\"")]
    public async Task Nonsense_credentials_are_refused(string header)
    {
        using var client = _host.Client(null);
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);
        Assert.That((await client.GetAsync("/api/test/read")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task A_key_is_shown_once_and_only_its_hash_is_stored()
    {
        using var admin = _host.Client();
        var answer = await admin.PostAsync("/api/v1/api-keys", WebHost.Json(new { name = "shown once", scopes = new[] { "read" } }));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Created));
        var key = (await answer.ReadAsync())["key"]!.GetValue<string>();
        Assert.That(key, Does.Match("^inc_[0-9a-z]{10}_[0-9a-z]{52}$"));

        var list = await admin.GetStringAsync("/api/v1/api-keys");
        Assert.That(list, Does.Contain("shown once").And.Not.Contain(key.Split('_')[2]));
        var row = await _host.WithDatabaseAsync(db => db.Database.SqlQuery<string>($"select row_to_json(k)::text as \"Value\" from api_keys k where name = 'shown once'").SingleAsync());
        Assert.That(row, Does.Not.Contain(key.Split('_')[2]));
    }

    [Test]
    public async Task A_revoked_key_is_refused_at_once_and_revoking_again_changes_nothing()
    {
        using var admin = _host.Client();
        var created = await (await admin.PostAsync("/api/v1/api-keys", WebHost.Json(new { name = "to revoke", scopes = new[] { "read" } }))).ReadAsync();
        using var client = _host.Client(created["key"]!.GetValue<string>());
        Assert.That((await client.GetAsync("/api/test/read")).StatusCode, Is.EqualTo(HttpStatusCode.OK));

        Assert.That((await admin.DeleteAsync($"/api/v1/api-keys/{created["id"]}")).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        Assert.That((await client.GetAsync("/api/test/read")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await admin.DeleteAsync($"/api/v1/api-keys/{created["id"]}")).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
    }

    [Test]
    public async Task The_last_admin_key_cannot_be_revoked()
    {
        await using var host = await WebHost.StartAsync();
        using var admin = host.Client();
        var only = (await (await admin.GetAsync("/api/v1/api-keys")).ReadAsync())["items"]![0]!["id"]!.GetValue<string>();
        var answer = await admin.DeleteAsync($"/api/v1/api-keys/{only}");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("last_admin_key"));
    }

    [Test]
    public async Task What_is_wrong_with_a_new_key_is_said_all_at_once_with_pointers()
    {
        using var admin = _host.Client();
        var answer = await admin.PostAsync("/api/v1/api-keys", WebHost.Json(new { name = "", scopes = new[] { "read", "root" }, expires_at = "2001-01-01T00:00:00Z" }));

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        var errors = (await answer.ReadAsync())["errors"]!.AsArray().Select(e => $"{e!["pointer"]} {e["code"]}");
        Assert.That(errors, Is.EquivalentTo(new[] { "/name required", "/scopes/1 unknown_scope", "/expires_at in_the_past" }));
    }

    [Test]
    public async Task Use_of_a_key_is_noted_in_the_background()
    {
        await using var host = await WebHost.StartAsync();
        using var admin = host.Client();
        await admin.GetAsync("/api/v1/api-keys");
        await host.Services.GetRequiredService<ApiKeyCache>().WriteLastUsedAsync(CancellationToken.None);

        Assert.That(await host.WithDatabaseAsync(db => db.Set<ApiKey>().Select(k => k.LastUsedAt).SingleAsync()), Is.Not.Null);
    }

    [Test]
    public async Task A_key_made_on_another_replica_works_here_at_once()
    {
        await using var database = await TestDatabase.CreateAsync();
        var connectionString = database.ConnectionString;
        await using var here = await WebHost.StartAsync(connectionString: connectionString);
        await using var there = await WebHost.StartAsync(connectionString: connectionString);
        var key = await there.CreateKeyAsync("made there", Scopes.Admin);

        using var client = here.Client(key);
        Assert.That((await client.GetAsync("/api/v1/api-keys")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task An_expired_key_is_refused_although_it_is_still_in_memory()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(Now.ToDateTimeOffset());
        await using var host = await WebHost.StartAsync(app => app.MapGet("/api/test/read", () => "read").RequireAuthorization(Scopes.Read), b => b.Services.AddSingleton<TimeProvider>(clock));
        using var admin = host.Client();
        var created = await admin.PostAsync("/api/v1/api-keys", WebHost.Json(new { name = "short", scopes = new[] { "read" }, expires_at = Now + Duration.FromSeconds(5) }));

        using var client = host.Client((await created.ReadAsync())["key"]!.GetValue<string>());
        Assert.That((await client.GetAsync("/api/test/read")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.That((await client.GetAsync("/api/test/read")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task Where_people_sign_in_pages_lead_there_and_the_api_still_answers_401_and_403()
    {
        await using var host = await WebHost.StartAsync(
            app =>
            {
                app.MapGet("/page", () => "page");
                app.MapGet("/api/test/admin", () => "admin").RequireAuthorization(Scopes.Admin);
                app.MapGet("/sign-in", (HttpContext c) => c.SignInAsync("people", new ClaimsPrincipal(new ClaimsIdentity([new(ApiClaims.Name, "dana"), new(ApiClaims.Scope, Scopes.Read)], "people")))).AllowAnonymous();
            },
            b =>
            {
                b.Services.AddAuthentication().AddCookie("people", o => o.Cookie.SecurePolicy = CookieSecurePolicy.None);
                b.Services.Configure<BrowserSignIn>(o => o.Scheme = "people");
            });
        using var nobody = host.Client(null);
        Assert.That((await nobody.GetAsync("/page")).StatusCode, Is.EqualTo(HttpStatusCode.Found));
        Assert.That((await nobody.GetAsync("/api/test/admin")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));

        using var dana = host.Client(null);
        var cookie = (await dana.GetAsync("/sign-in")).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        dana.DefaultRequestHeaders.Add("Cookie", cookie);
        Assert.That((await dana.GetAsync("/page")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        var answer = await dana.GetAsync("/api/test/admin");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("missing_scope"));
    }

    [TestCase("too short", false)]
    [TestCase("twenty characters ok", true)]
    public async Task A_bootstrap_key_that_is_too_short_stops_the_start_with_words(string key, bool starts)
    {
        var starting = WebHost.StartAsync(configure: b => b.Configuration["Auth:BootstrapKey"] = key);
        if (starts) await (await starting).DisposeAsync();
        else Assert.That(async () => await starting, Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("Auth__BootstrapKey"));
    }

    [Test]
    public async Task Without_a_configured_key_one_is_made_once_even_by_two_replicas_at_once()
    {
        await using var database = await TestDatabase.CreateAsync();
        var connectionString = database.ConnectionString;
        var made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => EnsureAsync(connectionString, null)));

        Assert.That(made.Count(text => text is not null), Is.EqualTo(1));
        Assert.That(await EnsureAsync(connectionString, null), Is.Null);
    }

    [Test]
    public async Task A_revoked_bootstrap_key_stays_revoked()
    {
        await using var host = await WebHost.StartAsync();
        await host.WithDatabaseAsync(db => db.Set<ApiKey>().ExecuteUpdateAsync(s => s.SetProperty(k => k.RevokedAt, Now)));
        await BootstrapKey.EnsureAsync(host.Services.GetRequiredService<Npgsql.NpgsqlDataSource>(), WebHost.AdminKey, Now, CancellationToken.None);

        Assert.That(await host.WithDatabaseAsync(db => db.Set<ApiKey>().CountAsync(k => k.RevokedAt == null)), Is.Zero);
    }

    private static async Task<string?> EnsureAsync(string connectionString, string? configured)
    {
        await using var database = Incidents.Server.Storage.StorageModule.CreateDataSource(connectionString);
        return await BootstrapKey.EnsureAsync(database, configured, Now, CancellationToken.None);
    }
}

[NonParallelizable]
internal sealed class DatabaseOutageTests
{
    [Test]
    public async Task While_the_database_is_away_known_keys_work_unknown_ones_get_503_and_readyz_says_why()
    {
        await using var database = await StoppableDatabase.StartAsync();
        await using var host = await WebHost.StartAsync(app =>
        {
            app.MapGet("/api/test/memory", () => "fine").RequireAuthorization(Scopes.Read);
            app.MapGet("/api/test/database", async (Incidents.Server.Storage.IncidentsDbContext db) => await db.Set<ApiKey>().CountAsync()).RequireAuthorization(Scopes.Read);
        }, connectionString: database.ConnectionString);
        using var known = host.Client();
        using var unknown = host.Client("inc_0123456789_0123456789012345678901234567890123456789012345678901");
        using var anybody = host.Client(null);
        Assert.That((await known.GetAsync("/api/test/database")).StatusCode, Is.EqualTo(HttpStatusCode.OK));

        await database.StopAsync();
        try
        {
            Assert.That((await known.GetAsync("/api/test/memory")).StatusCode, Is.EqualTo(HttpStatusCode.OK));

            var refused = await unknown.GetAsync("/api/test/memory");
            Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(await refused.ProblemCodeAsync(), Is.EqualTo("credentials_unchecked"));

            var unavailable = await known.GetAsync("/api/test/database");
            Assert.That(unavailable.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(unavailable.Headers.RetryAfter?.Delta, Is.GreaterThan(TimeSpan.Zero));
            Assert.That(await unavailable.ProblemCodeAsync(), Is.EqualTo("database_unavailable"));

            Assert.That((await anybody.GetAsync("/healthz")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
            var ready = await anybody.GetAsync("/readyz");
            Assert.That(ready.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(await ready.Content.ReadAsStringAsync(), Does.Contain("unready").And.Contain("PostgreSQL"));
        }
        finally
        {
            await database.StartAgainAsync();
        }

        Assert.That((await known.GetAsync("/api/test/database")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await unknown.GetAsync("/api/test/memory")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }
}
