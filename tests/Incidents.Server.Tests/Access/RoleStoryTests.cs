using System.Net;
using System.Text.Json.Nodes;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Access;

/// <summary>People sign in, and act where they may: by the API and by buttons alike.</summary>
internal sealed class RoleStoryTests
{
    private const string Routing = """
        version: 1
        receivers:
          - name: alerts
            slack:
              channel: "#alerts"
        route:
          group_by: [alertname]
          receivers: [alerts]
          routes:
            - name: payments
              matchers: ['service="pay"']
              team: pay
              routes:
                - name: card
                  matchers: ['card="yes"']
                - name: shared
                  matchers: ['shared="yes"']
                  team: none
            - name: web
              matchers: ['service="web"']
              team: web
        """;

    private Engine _engine = null!;

    [SetUp]
    public async Task Start()
    {
        _engine = await StartAsync(Routing);
        await _engine.Receives(Firing("CardsFail").With("service", "pay").With("card", "yes"), Firing("SiteDown").With("service", "web"), Firing("DiskFull"), Firing("DnsSlow").With("service", "pay").With("shared", "yes"));
    }

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [Test]
    public async Task An_incident_belongs_to_the_team_of_its_route_which_routes_below_inherit() =>
        Assert.That((await _engine.Incidents()).ToDictionary(i => i["title"]!.GetValue<string>().Split(' ')[0], i => i["team"]?.GetValue<string>()), Is.EquivalentTo(new Dictionary<string, string?> { ["CardsFail"] = "pay", ["SiteDown"] = "web", ["DiskFull"] = null, ["DnsSlow"] = null }));

    [Test]
    public async Task A_responder_of_a_team_acts_on_its_incidents_and_on_nobodys_by_the_api_and_by_buttons_alike()
    {
        var (pay, web, none) = (await Number("CardsFail"), await Number("SiteDown"), await Number("DiskFull"));
        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");

        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{pay}/acknowledge")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{none}/notes", new { text = "seen" })).Status, Is.EqualTo(HttpStatusCode.OK));
        var (status, refused) = await dana.Sends(HttpMethod.Post, $"incidents/{web}/acknowledge");
        Assert.That((status, refused["code"]!.GetValue<string>(), refused["detail"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Forbidden, "not_allowed", "This belongs to team web, in which you are not responder.")));
        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{pay}/merge", new { into = web })).Status, Is.EqualTo(HttpStatusCode.Forbidden), "both must be hers");
        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{web}/post-mortem")).Status, Is.AnyOf(HttpStatusCode.Forbidden, HttpStatusCode.NotFound));

        var (_, own) = await dana.Gets($"/i/{pay}");
        Assert.That(own, Does.Contain($"/i/{pay}/resolve"));
        var (_, other) = await dana.Gets($"/i/{web}");
        Assert.That(other, Does.Not.Contain($"/i/{web}/resolve").And.Contain("This belongs to team web"));
        using var pressed = await dana.Submits($"/i/{pay}", $"/i/{web}/acknowledge");
        Assert.That(pressed.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        using var many = await dana.Submits("/", "/acknowledge", ("which", "all"), ("shown", $"{web},{none}"), ("to", "/"));
        Assert.That((await State(web), await State(none), await State(pay)), Is.EqualTo(("triggered", "acknowledged", "acknowledged")));
        Assert.That((await _engine.Get($"incidents/{pay}"))["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("dana"));
    }

    [Test]
    public async Task A_key_limited_to_a_team_acts_as_its_responder()
    {
        using var key = await _engine.WithKey("web", "respond");
        using var own = await key.PostAsync(new Uri($"/api/v1/incidents/{await Number("SiteDown")}/acknowledge", UriKind.Relative), null);
        using var other = await key.PostAsync(new Uri($"/api/v1/incidents/{await Number("CardsFail")}/acknowledge", UriKind.Relative), null);
        Assert.That((own.StatusCode, other.StatusCode), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.Forbidden)));
        Assert.That((await _engine.Post("api-keys", new { name = "x", scopes = new[] { "admin" }, team = "web" })).Status, Is.EqualTo(HttpStatusCode.BadRequest));

        // A browser that signed in with it is limited as it is.
        using var visitor = _engine.Visitor();
        using var entered = await visitor.Submits("/sign-in", "/sign-in", ("key", key.DefaultRequestHeaders.Authorization!.Parameter!), ("name", "Web team"), ("to", "/"));
        Assert.That((await visitor.Sends(HttpMethod.Post, $"incidents/{await Number("CardsFail")}/acknowledge")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    [Test]
    public async Task A_lead_decides_who_belongs_to_the_team_and_no_further()
    {
        using var lead = await _engine.SignedIn("lee", "lead@pay");
        using var dana = await _engine.SignedIn("dana");
        using var boss = await _engine.SignedIn("boss", "admin@pay");
        var path = $"teams/pay/members/{dana.UserId}";
        Assert.That((await dana.Sends(HttpMethod.Get, "incidents")).Status, Is.EqualTo(HttpStatusCode.Forbidden), "nobody yet");

        Assert.That((await lead.Sends(HttpMethod.Post, path, new { role = "responder" })).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{await Number("CardsFail")}/acknowledge")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await lead.Sends(HttpMethod.Post, path, new { role = "admin" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await lead.Sends(HttpMethod.Post, $"teams/web/members/{dana.UserId}", new { role = "viewer" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await lead.Sends(HttpMethod.Delete, $"teams/pay/members/{boss.UserId}")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await lead.Sends(HttpMethod.Delete, path)).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await dana.Sends(HttpMethod.Get, "incidents")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    [Test]
    public async Task A_session_that_was_ended_ends_at_once_here_and_within_ten_seconds_on_another_replica()
    {
        await using var other = await StartAsync(Routing, beside: _engine);
        using var dana = await _engine.SignedIn("dana", "responder");
        using var elsewhere = other.Visitor();
        using var entered = await elsewhere.SignsIn("dana");
        Assert.That((await elsewhere.Gets("/account")).Status, Is.EqualTo(HttpStatusCode.OK));

        using var ended = await _engine.Http.DeleteAsync(new Uri($"/api/v1/users/{dana.UserId}/sessions", UriKind.Relative));
        Assert.That((await dana.Gets("/account")).Status, Is.EqualTo(HttpStatusCode.Found));
        _engine.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.That((await elsewhere.Gets("/account")).Status, Is.EqualTo(HttpStatusCode.Found));
    }

    [Test]
    public async Task Another_role_counts_at_once_here_and_within_ten_seconds_on_another_replica()
    {
        await using var other = await StartAsync(Routing, beside: _engine);
        using var dana = await _engine.SignedIn("dana", "responder@pay");
        using var elsewhere = other.Visitor();
        using var entered = await elsewhere.SignsIn("dana");
        var web = await Number("SiteDown");
        Assert.That((await elsewhere.Sends(HttpMethod.Post, $"incidents/{web}/notes", new { text = "x" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));

        await _engine.Post($"users/{dana.UserId}/memberships", new { memberships = new[] { new { role = "responder", team = "web" } } });
        Assert.That((await dana.Sends(HttpMethod.Post, $"incidents/{web}/notes", new { text = "here" })).Status, Is.EqualTo(HttpStatusCode.OK));
        _engine.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.That((await elsewhere.Sends(HttpMethod.Post, $"incidents/{web}/notes", new { text = "there" })).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Who_guesses_passwords_locks_out_strangers_and_not_the_browser_of_the_owner()
    {
        using var dana = await _engine.SignedIn("dana", "responder");
        using var left = await dana.Submits("/account", "/sign-out");
        using var thief = _engine.Visitor();
        for (var i = 0; i < 5; i++)
        {
            using var wrong = await thief.SignsIn("dana", "something else entirely");
        }

        using var stranger = await thief.SignsIn("dana");
        Assert.That(stranger.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        using var known = await dana.SignsIn("dana");
        Assert.That(known.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));

        using var again = await dana.Submits("/account", "/sign-out");
        _engine.Clock.Advance(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 5; i++)
        {
            using var wrong = await thief.SignsIn("dana", "something else entirely");
        }

        using var slip = await dana.SignsIn("dana", "not it at all, sorry");
        using var after = await dana.SignsIn("dana");
        Assert.That((slip.StatusCode, after.StatusCode), Is.EqualTo((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized)), "one wrong guess makes it a stranger, too");
    }

    [Test]
    public async Task A_passkey_is_added_only_by_somebody_who_has_just_shown_who_they_are()
    {
        using var dana = await _engine.SignedIn("dana", "responder");
        using var fresh = await dana.Submits("/account", "/account/passkeys/options");
        Assert.That(fresh.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        _engine.Clock.Advance(TimeSpan.FromMinutes(16));
        using var late = await dana.Submits("/account", "/account/passkeys/options");
        using var added = await dana.Submits("/account", "/account/passkeys", ("credential", "{}"));
        Assert.That((late.StatusCode, added.StatusCode, await late.Content.ReadAsStringAsync()), Is.EqualTo((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, """{"detail":"Sign out and in again first: a passkey is added within a quarter of an hour of signing in."}""")));
    }

    [Test]
    public async Task A_new_invitation_ends_the_one_before_and_passkeys_end_with_a_new_password()
    {
        var (id, first) = await _engine.Invited("dana", "responder");
        var (_, again) = await _engine.Post($"users/{id}/invitation");
        using var dana = _engine.Visitor();
        Assert.That((await dana.Gets(first)).Status, Is.EqualTo(HttpStatusCode.Gone));
        await _engine.Query<int>($$"""with made as (insert into user_passkeys (credential_id, user_id, data) values ('\x01', '{{id}}', '{"Name": "thief", "CreatedAt": "2026-01-01T00:00:00+00:00", "SignCount": 0, "IsBackedUp": false, "IsBackupEligible": false, "IsUserVerified": true, "PublicKey": "AQ==", "ClientDataJson": "AQ==", "AttestationObject": "AQ==", "Transports": null}') returning 1) select count(*)::int from made""");
        var link = new Uri(again["invitation_url"]!.GetValue<string>()).PathAndQuery;
        Assert.That((await dana.Gets(link)).Text, Does.Contain("Your passkey will be removed with it"));
        await dana.AcceptsInvitation(link);
        Assert.That(await _engine.Query<long>("select count(*) from user_passkeys"), Is.Zero);
    }

    [Test]
    public async Task A_lead_finds_people_and_sets_roles_on_the_account_page_without_javascript()
    {
        using var lead = await _engine.SignedIn("lee", "lead@pay");
        using var dana = await _engine.SignedIn("dana");
        Assert.That((await dana.Gets("/account")).Text, Does.Not.Contain("/account/teams/"));
        Assert.That((await lead.Gets("/account")).Text, Does.Contain("/account/teams/pay/members").And.Contain("dana (dana@example.org)"));
        using var added = await lead.Submits("/account", "/account/teams/pay/members", ("user", dana.UserId.ToString()), ("role", "responder"));
        Assert.That(await added.Content.ReadAsStringAsync(), Does.Contain("dana is changed."));
        var members = (await lead.Sends(HttpMethod.Get, "teams/pay/members")).Body["items"]!.AsArray().Select(m => $"{m!["name"]} {m["role"]}");
        Assert.That(members, Is.EqualTo(new[] { "dana responder", "lee lead" }));
        using var elsewhere = await lead.Submits("/account", "/account/teams/web/members", ("user", dana.UserId.ToString()), ("role", "responder"));
        Assert.That(await elsewhere.Content.ReadAsStringAsync(), Does.Contain("This belongs to team web, in which you are not lead."));
        Assert.That((await lead.Sends(HttpMethod.Get, "teams/web/members")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    [Test]
    public async Task A_team_that_nothing_is_called_by_is_taken_with_a_warning()
    {
        var (_, slip) = await _engine.Post("users", new { name = "dana", email = "dana@example.org", memberships = new[] { new { role = "responder", team = "paymnets" } } });
        Assert.That(slip["warning"]!.GetValue<string>(), Does.StartWith("No route and no schedule belongs to paymnets"));
        var (_, key) = await _engine.Post("api-keys", new { name = "ci", scopes = new[] { "respond" }, team = "paymnets" });
        Assert.That(key["warning"]!.GetValue<string>(), Does.StartWith("No route and no schedule belongs to paymnets"));
        var (_, right) = await _engine.Post("api-keys", new { name = "ci", scopes = new[] { "respond" }, team = "pay" });
        Assert.That(right["warning"], Is.Null);
    }

    [Test]
    public async Task Ordinary_addresses_can_be_invited_and_nulls_are_said_to_be_wrong()
    {
        Assert.That((await _engine.Post("users", new { name = "O'Brien", email = "o'brien@example.org" })).Status, Is.EqualTo(HttpStatusCode.Created));
        Assert.That((await _engine.Post("users", new { name = "José", email = "josé@example.org" })).Status, Is.EqualTo(HttpStatusCode.Created));
        Assert.That((await _engine.Post("users", new { name = "x", email = "x@example.org", memberships = new object?[] { null } })).Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That((await _engine.Post("incidents", new { title = "x", severity = "critical", labels = new Dictionary<string, string?> { ["a"] = null } })).Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That((await _engine.Post("silences", new { matchers = new[] { "a=\"b\"" }, reason = "x", ends_at = "9999-12-31T23:59:59-18:00" })).Status, Is.EqualTo(HttpStatusCode.BadRequest));
        using var late = await _engine.Http.GetAsync(new Uri("/api/v1/on-call?at=9999-12-31T23:59:59-18:00", UriKind.Relative));
        using var asked = await _engine.Http.GetAsync(new Uri("/api/v1/incidents?since=9999-12-31T23:59:59-18:00", UriKind.Relative));
        Assert.That((late.StatusCode, asked.StatusCode), Is.EqualTo((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest)));
    }

    [Test]
    public async Task A_refusal_for_a_missing_role_is_not_repeated_once_the_role_is_there()
    {
        using var dana = await _engine.SignedIn("dana", "responder@pay");
        dana.Http.DefaultRequestHeaders.Add("Idempotency-Key", "once");
        var path = $"incidents/{await Number("SiteDown")}/notes";
        Assert.That((await dana.Sends(HttpMethod.Post, path, new { text = "x" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        await _engine.Post($"users/{dana.UserId}/memberships", new { memberships = new[] { new { role = "responder" } } });
        Assert.That((await dana.Sends(HttpMethod.Post, path, new { text = "x" })).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Of_the_last_two_administrators_keys_only_one_can_be_revoked_at_once()
    {
        var (_, second) = await _engine.Post("api-keys", new { name = "second", scopes = new[] { "admin" } });
        var bootstrap = await _engine.Query<Guid>("select id from api_keys where name = 'bootstrap'");
        using var other = _engine.Client(second["key"]!.GetValue<string>());
        var answers = await Task.WhenAll(_engine.Http.DeleteAsync(new Uri($"/api/v1/api-keys/{second["id"]}", UriKind.Relative)), other.DeleteAsync(new Uri($"/api/v1/api-keys/{bootstrap}", UriKind.Relative)));
        Assert.That(await _engine.Query<long>("select count(*) from api_keys where revoked_at is null and 'admin' = any(scopes)"), Is.EqualTo(1), string.Join(' ', answers.Select(a => a.StatusCode)));
        if (await _engine.Query<string>("select name from api_keys where revoked_at is null and 'admin' = any(scopes)") == "second") _engine.Http.DefaultRequestHeaders.Authorization = other.DefaultRequestHeaders.Authorization;
        foreach (var answer in answers) answer.Dispose();
    }

    [Test]
    public async Task An_invitation_works_once_and_a_wrong_password_five_times_locks()
    {
        var (_, link) = await _engine.Invited("dana", "responder");
        using var dana = _engine.Visitor();
        using var weak = await dana.Submits(link, "/invitation", ("password", "short"));
        Assert.That(weak.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        await dana.AcceptsInvitation(link);
        Assert.That((await dana.Gets("/")).Status, Is.EqualTo(HttpStatusCode.OK));
        using var thief = _engine.Visitor();
        Assert.That((await thief.Gets(link)).Status, Is.EqualTo(HttpStatusCode.Gone));
        Assert.That((await thief.Gets(link[..^3])).Status, Is.EqualTo(HttpStatusCode.Gone));

        for (var i = 0; i < 5; i++)
        {
            using var wrong = await thief.SignsIn("dana", "something else entirely");
            Assert.That(wrong.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        }

        using var locked = await thief.SignsIn("dana");
        Assert.That(locked.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), "the right one, too, for a while");
        Assert.That((await dana.Gets("/")).Status, Is.EqualTo(HttpStatusCode.OK), "who is in stays in");
    }

    [Test]
    public async Task One_signs_out_other_browsers_changes_the_password_and_signs_out()
    {
        using var dana = await _engine.SignedIn("dana", "responder");
        using var phone = _engine.Visitor();
        using var entered = await phone.SignsIn("dana");
        Assert.That(entered.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        using var wrong = await dana.Submits("/account", "/account/password", ("current", "not this one at all"), ("password", "another long password"));
        Assert.That(wrong.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        using var changed = await dana.Submits("/account", "/account/password", ("current", Callers.Password), ("password", "another long password"));
        Assert.That(changed.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await phone.Gets("/")).Status, Is.EqualTo(HttpStatusCode.Found), "elsewhere it is over");
        using var again = await phone.SignsIn("dana", "another long password");
        Assert.That(again.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));

        var cookie = phone.Http;
        using var left = await phone.Submits("/account", "/sign-out");
        Assert.That((await phone.Gets("/")).Status, Is.EqualTo(HttpStatusCode.Found));
        Assert.That(await _engine.Query<long>("select count(*) from sessions where revoked_at is null"), Is.EqualTo(1));
    }

    [Test]
    public async Task Somebody_shut_out_is_out_everywhere_and_every_step_is_in_the_audit_log()
    {
        using var dana = await _engine.SignedIn("dana", "responder");
        Assert.That((await _engine.Post($"users/{dana.UserId}/disable")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await dana.Gets("/")).Status, Is.EqualTo(HttpStatusCode.Found));
        using var again = await dana.SignsIn("dana");
        Assert.That(again.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        var actions = (await _engine.Get($"audit?subject=user/{dana.UserId}"))["items"]!.AsArray().Select(e => e!["action"]!.GetValue<string>());
        Assert.That(actions, Is.SupersetOf((string[])["user.created", "user.password_set", "user.signed_in", "user.disabled", "session.revoked"]));
        Assert.That(await _engine.Query<bool>("select bool_and(detail is null or (detail::text not like '%horse%' and detail::text not like '%token=%')) from audit_entries"), Is.True);
    }

    [Test]
    public async Task A_rotated_key_has_a_grace_and_the_newest_secret_stays()
    {
        var (_, made) = await _engine.Post("api-keys", new { name = "prometheus", scopes = new[] { "read" } });
        using var old = _engine.Client(made["key"]!.GetValue<string>());
        var (_, rotated) = await _engine.Post($"api-keys/{made["id"]}/rotate", new { grace_minutes = 60 });
        using var fresh = _engine.Client(rotated["key"]!.GetValue<string>());
        Assert.That((await Status(old), await Status(fresh)), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.OK)));

        _engine.Clock.Advance(TimeSpan.FromMinutes(61));
        Assert.That((await Status(old), await Status(fresh)), Is.EqualTo((HttpStatusCode.Unauthorized, HttpStatusCode.OK)));
        await _engine.Services.GetRequiredService<ApiKeyCache>().RefreshAsync();
        Assert.That((await Status(old), await Status(fresh)), Is.EqualTo((HttpStatusCode.Unauthorized, HttpStatusCode.OK)));

        var (_, ended) = await _engine.Post($"api-keys/{made["id"]}/rotate", new { grace_minutes = 0 });
        Assert.That(await Status(fresh), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await _engine.Post($"api-keys/{Guid.NewGuid()}/rotate")).Status, Is.EqualTo(HttpStatusCode.NotFound));

        static async Task<HttpStatusCode> Status(HttpClient client)
        {
            using var answer = await client.GetAsync(new Uri("/api/v1/session", UriKind.Relative));
            return answer.StatusCode;
        }
    }

    [Test]
    public async Task The_bootstrap_key_does_not_come_back_after_its_rotation()
    {
        var id = await _engine.Query<Guid>("select id from api_keys where name = 'bootstrap'");
        var (_, rotated) = await _engine.Post($"api-keys/{id}/rotate", new { grace_minutes = 0 });
        using var fresh = _engine.Client(rotated["key"]!.GetValue<string>());
        await BootstrapKey.EnsureAsync(_engine.Sql, AdminKey, _engine.Now, CancellationToken.None);
        await _engine.Services.GetRequiredService<ApiKeyCache>().RefreshAsync();
        using var old = await _engine.Http.GetAsync(new Uri("/api/v1/session", UriKind.Relative));
        using var present = await fresh.GetAsync(new Uri("/api/v1/session", UriKind.Relative));
        Assert.That((old.StatusCode, present.StatusCode), Is.EqualTo((HttpStatusCode.Unauthorized, HttpStatusCode.OK)));
        _engine.Http.DefaultRequestHeaders.Authorization = fresh.DefaultRequestHeaders.Authorization;
    }

    [Test]
    public async Task An_administrator_invites_and_makes_keys_on_the_account_page_without_javascript()
    {
        using var boss = await _engine.SignedIn("boss", "admin");
        using var invited = await boss.Submits("/account", "/account/users", ("name", "Dana"), ("email", "dana@example.org"), ("role", "responder"), ("team", "pay"));
        Assert.That(await invited.Content.ReadAsStringAsync(), Does.Contain("/invitation?user="));
        using var made = await boss.Submits("/account", "/account/keys", ("name", "ci"), ("scope", "ingest"), ("team", ""), ("days", "30"));
        Assert.That(await made.Content.ReadAsStringAsync(), Does.Contain("inc_"));
        foreach (var days in new[] { "30d", "0", "40000" })
        {
            using var slip = await boss.Submits("/account", "/account/keys", ("name", "slip"), ("scope", "ingest"), ("team", ""), ("days", days));
            Assert.That((slip.StatusCode, await _engine.Query<long>("select count(*) from api_keys where name = 'slip'")), Is.EqualTo((HttpStatusCode.BadRequest, 0)));
        }

        using var twice = await boss.Submits("/account", "/account/users", ("name", "Dana"), ("email", "DANA@example.org"), ("role", "responder"), ("team", ""));
        Assert.That(await twice.Content.ReadAsStringAsync(), Does.Contain("There is a user with this email."));
        Assert.That(await _engine.Query<long>("select count(*) from memberships where team = 'pay' and role = 'responder'"), Is.EqualTo(1));
        using var dana = await _engine.SignedIn("lee", "responder");
        Assert.That((await dana.Gets("/account")).Text, Does.Not.Contain("/account/keys"));
    }

    private async Task<long> Number(string title) => (await _engine.Incidents()).Single(i => i["title"]!.GetValue<string>().StartsWith(title, StringComparison.Ordinal))["number"]!.GetValue<long>();

    private async Task<string> State(long number) => (await _engine.Get($"incidents/{number}"))["state"]!.GetValue<string>();
}
