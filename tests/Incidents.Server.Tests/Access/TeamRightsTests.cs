using System.Net;
using System.Net.Http.Json;
using Incidents.Domain.Access;
using Incidents.Server.Tests.Notifications.Inbound;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Access;

/// <summary>A role ends at its team: for silences, for who is on call, for people's contacts and in Slack as it does for incidents.</summary>
internal sealed class TeamRightsTests
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
            - name: web
              matchers: ['service="web"']
              team: web
        """;

    private const string OnCall = """
        version: 1
        people:
          - {key: ana, email: ana@example.org, slack_id: U0ANA00001}
          - {key: bo, email: bo@example.org}
          - {key: chi, email: chi@example.org}
        teams:
          - {key: pay, members: [ana, bo]}
          - {key: web, members: [chi]}
        schedules:
          - key: payments
            team: pay
            time_zone: UTC
            layers: [{name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [ana, bo]}]
          - key: site
            team: web
            time_zone: UTC
            layers: [{name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [chi]}]
          - key: everybody
            time_zone: UTC
            layers: [{name: base, turn: weekly, starts_on: 2026-01-05, hand_over_at: "09:00", turns: [chi]}]
        """;

    private Engine _engine = null!;

    [SetUp]
    public async Task Start() => _engine = await StartAsync(Routing, onCall: OnCall, settings: [("Slack:SigningSecret", Elsewhere.SlackSecret)]);

    [TearDown]
    public async Task Stop()
    {
        await _engine.ExpectsAllAccountedFor();
        await _engine.DisposeAsync();
    }

    [Test]
    public async Task A_silence_of_a_responder_of_one_team_hides_no_alert_of_another()
    {
        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");
        var silence = new { matchers = new[] { "env=\"prod\"" }, minutes = 60, reason = "deploy" };
        var (_, preview) = await dana.Sends(HttpMethod.Post, "silences/preview", new { silence.matchers });
        Assert.That(preview["alerts"]!.GetValue<int>(), Is.Zero);
        var (status, made) = await dana.Sends(HttpMethod.Post, "silences", silence);
        Assert.That((status, made["team"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Created, "pay")));
        Assert.That((await dana.Sends(HttpMethod.Post, "silences", new { silence.matchers, silence.minutes, silence.reason, team = "web" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await dana.Sends(HttpMethod.Post, "silences", new { silence.matchers, silence.minutes, silence.reason, team = "pya" })).Status, Is.EqualTo(HttpStatusCode.BadRequest));

        var receipt = await _engine.Receives(Firing("CardsFail").With("service", "pay").With("env", "prod"), Firing("SiteDown").With("service", "web").With("env", "prod"), Firing("DiskFull").With("env", "prod"));
        Assert.That(await _engine.OutcomesOf(receipt), Is.EqualTo("ingested: opened 1, suppressed 2"));
        Assert.That((await _engine.TheIncident())["team"]!.GetValue<string>(), Is.EqualTo("web"));
        Assert.That((await _engine.Get("silences/1"))["hides"]!["alerts"]!.GetValue<int>(), Is.EqualTo(2));
        (_, preview) = await dana.Sends(HttpMethod.Post, "silences/preview", new { silence.matchers });
        Assert.That(preview["alerts"]!.GetValue<int>(), Is.EqualTo(2));
    }

    [Test]
    public async Task An_open_incident_of_another_team_does_not_fall_quiet()
    {
        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");
        await _engine.Receives(Firing("CardsFail").With("service", "pay").With("env", "prod"), Firing("SiteDown").With("service", "web").With("env", "prod"));
        await dana.Sends(HttpMethod.Post, "silences", new { matchers = new[] { "env=\"prod\"" }, minutes = 60, reason = "deploy" });
        await _engine.Passes(Seconds(2));
        Assert.That(await _engine.Query<string>("select string_agg(team || ' ' || coalesce(quiet_rule, '-'), ', ' order by team) from incidents"), Is.EqualTo("pay silence/1, web -"));
    }

    [Test]
    public async Task Only_who_responds_in_the_team_of_a_silence_edits_and_ends_it_by_the_api_and_by_buttons_alike()
    {
        var silence = new { matchers = new[] { "env=\"prod\"" }, minutes = 60, reason = "deploy" };
        await _engine.Post("silences", new { silence.matchers, silence.minutes, silence.reason, team = "web" });
        await _engine.Post("silences", silence);
        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");
        using var lee = await _engine.SignedIn("lee", "responder");
        using var both = await _engine.SignedIn("both", "responder@pay", "lead@web");

        foreach (var id in new[] { 1, 2 })
        {
            Assert.That((await dana.Sends(HttpMethod.Delete, $"silences/{id}")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
            using var pressed = await dana.Submits("/silences", $"/silences/{id}/end", ("kind", "silence"));
            Assert.That(pressed.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        }

        Assert.That((await dana.Gets("/silences")).Text, Does.Not.Contain("/end\""));
        var (_, page) = await both.Gets("/silences");
        Assert.That(page, Does.Contain("/silences/1/end\"").And.Not.Contain("/silences/2/end\""), "the second is of every team");
        Assert.That((await both.Sends(HttpMethod.Post, "silences", silence)).Body["detail"]!.GetValue<string>(), Is.EqualTo("Name one of your teams: pay, web."));
        using var chosen = await both.Submits("/silences", "/silences", ("kind", "silence"), ("matchers", "env=\"prod\""), ("minutes", "60"), ("reason", "deploy"), ("team", "web"));
        Assert.That(chosen.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        Assert.That((await both.Sends(HttpMethod.Delete, "silences/1")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await lee.Sends(HttpMethod.Delete, "silences/2")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await _engine.Query<string>("select string_agg(coalesce(team, 'all') || ' ' || coalesce(ended_by, '-'), ', ' order by id) from silences"), Is.EqualTo("web both, all lee, web -"));
    }

    [Test]
    public async Task Overrides_are_made_and_cancelled_by_responders_of_the_schedules_team()
    {
        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");
        var wanted = new { until = "2026-03-03T09:00:00Z", people = new[] { "bo" } };
        Assert.That((await dana.Sends(HttpMethod.Post, "schedules/payments/overrides", wanted)).Status, Is.EqualTo(HttpStatusCode.Created));
        Assert.That((await dana.Sends(HttpMethod.Post, "schedules/everybody/overrides", wanted)).Status, Is.EqualTo(HttpStatusCode.Created));
        var (status, refused) = await dana.Sends(HttpMethod.Post, "schedules/site/overrides", wanted);
        Assert.That((status, refused["code"]!.GetValue<string>(), refused["detail"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Forbidden, "not_allowed", "This belongs to team web, in which you are not responder.")));

        var (_, theirs) = await _engine.Post("schedules/site/overrides", wanted);
        Assert.That((await dana.Sends(HttpMethod.Delete, $"schedules/site/overrides/{theirs["id"]}")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await dana.Sends(HttpMethod.Post, "schedules/site/calendar-url/renew")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await dana.Sends(HttpMethod.Post, "schedules/payments/calendar-url/renew")).Status, Is.EqualTo(HttpStatusCode.NoContent));

        var (_, page) = await dana.Gets("/on-call");
        Assert.That(page, Does.Contain("<option value=\"payments\"").And.Not.Contain("<option value=\"site\""));
        using var pressed = await dana.Submits("/on-call", "/on-call/overrides", ("schedule", "site"), ("person", "bo"), ("until", "2026-03-03T09:00"));
        Assert.That(pressed.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await _engine.Get("schedules/site"))["team"]!.GetValue<string>(), Is.EqualTo("web"));
    }

    [Test]
    public async Task Nobody_takes_a_shift_in_the_name_of_another_but_who_manages_the_team()
    {
        using var ana = await _engine.SignedIn("ana", "responder@pay");
        using var bo = await _engine.SignedIn("bo", "responder@pay");
        using var lead = await _engine.SignedIn("lee", "lead@pay");
        using var key = await _engine.WithKey("pay", "respond");
        var wanted = new { from = "2026-03-04T09:00:00Z", until = "2026-03-05T09:00:00Z", offered_to = "bo" };
        var (status, swap) = await ana.Sends(HttpMethod.Post, "schedules/payments/swaps", wanted);
        Assert.That((status, swap["person"]!.GetValue<string>()), Is.EqualTo((HttpStatusCode.Created, "ana")));
        var path = $"schedules/payments/swaps/{swap["id"]}";

        var (_, refused) = await ana.Sends(HttpMethod.Post, path + "/accept", new { by = "bo" });
        Assert.That(refused["detail"]!.GetValue<string>(), Is.EqualTo("You are ana, not bo. This needs the role lead."));
        using var byKey = await key.PostAsJsonAsync(new Uri($"/api/v1/{path}/accept", UriKind.Relative), new { by = "bo" });
        using var byNobody = await key.PostAsync(new Uri($"/api/v1/{path}/accept", UriKind.Relative), null);
        Assert.That((byKey.StatusCode, byNobody.StatusCode), Is.EqualTo((HttpStatusCode.Forbidden, HttpStatusCode.BadRequest)));
        Assert.That((await bo.Sends(HttpMethod.Post, path + "/withdraw", new { by = "ana" })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await bo.Sends(HttpMethod.Post, "schedules/payments/swaps", new { person = "ana", wanted.from, wanted.until })).Status, Is.EqualTo(HttpStatusCode.Forbidden));

        Assert.That((await bo.Sends(HttpMethod.Post, path + "/accept")).Body["taken_by"]!.GetValue<string>(), Is.EqualTo("bo"));
        var (_, second) = await lead.Sends(HttpMethod.Post, "schedules/payments/swaps", new { person = "bo", from = "2026-03-11T09:00:00Z", until = "2026-03-12T09:00:00Z" });
        Assert.That((await lead.Sends(HttpMethod.Post, $"schedules/payments/swaps/{second["id"]}/accept", new { by = "ana" })).Body["state"]!.GetValue<string>(), Is.EqualTo("taken"));
        Assert.That((await lead.Sends(HttpMethod.Post, "schedules/site/swaps", new { person = "chi", wanted.from, wanted.until })).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        var entry = (await _engine.Get("audit?subject=schedule/payments"))["items"]![0]!;
        Assert.That((entry["actor"]!.GetValue<string>(), entry["actor_id"]!.GetValue<string>(), entry["detail"]!["by"]!.GetValue<string>()), Is.EqualTo(("lee", $"user/{lead.UserId}", "ana")));
    }

    [Test]
    public async Task Test_pages_go_to_oneself_or_to_the_people_one_leads_and_once_a_minute()
    {
        using var ana = await _engine.SignedIn("ana", "responder@pay");
        using var lead = await _engine.SignedIn("lee", "lead@web");
        using var key = await _engine.WithKey(null, "respond");
        Assert.That((await ana.Sends(HttpMethod.Post, "people/bo/test-page")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await lead.Sends(HttpMethod.Post, "people/ana/test-page")).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        using var program = await key.PostAsync(new Uri("/api/v1/people/ana/test-page", UriKind.Relative), null);
        Assert.That(program.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await ana.Sends(HttpMethod.Post, "people/bo/calendar-url/renew")).Status, Is.EqualTo(HttpStatusCode.Forbidden));

        Assert.That((await lead.Sends(HttpMethod.Post, "people/chi/test-page")).Status, Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That((await ana.Sends(HttpMethod.Post, "people/ana/test-page")).Status, Is.EqualTo(HttpStatusCode.Accepted));
        _engine.Clock.Advance(TimeSpan.FromSeconds(40));
        using var again = await _engine.Http.PostAsync(new Uri("/api/v1/people/ana/test-page", UriKind.Relative), null);
        Assert.That((again.StatusCode, again.Headers.RetryAfter!.Delta), Is.EqualTo((HttpStatusCode.TooManyRequests, TimeSpan.FromSeconds(20))));
        _engine.Clock.Advance(TimeSpan.FromSeconds(21));
        Assert.That((await ana.Sends(HttpMethod.Post, "people/ana/test-page")).Status, Is.EqualTo(HttpStatusCode.Accepted));
        await _engine.Passes(Minutes(11));
    }

    [Test]
    public async Task What_a_user_may_do_counts_in_slack_too_as_long_as_they_may()
    {
        await _engine.Receives(Firing("SiteDown").With("service", "web"));
        using var dana = await _engine.SignedIn("dana", "responder@pay");
        await _engine.PressesAsync("incident_ack");
        var link = new Uri(_engine.LastAnswer().Split('<', '|')[1]).PathAndQuery;
        using var linked = await dana.Submits(link, link);
        Assert.That(linked.StatusCode, Is.EqualTo(HttpStatusCode.OK));

        await _engine.PressesAsync("incident_ack");
        Assert.That((await _engine.State(), _engine.LastAnswer()), Is.EqualTo(("triggered", "<https://incidents.example.org/i/1|INC-1>: not done. This belongs to team web, in which you are not responder.")));
        await _engine.Post($"users/{dana.UserId}/memberships", new { memberships = new[] { new { role = "responder", team = "web" } } });
        await _engine.PressesAsync("incident_ack");
        Assert.That((await _engine.TheIncident())["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("dana"));
        Assert.That((await _engine.Get("audit?actor=dana"))["items"]![0]!["actor_id"]!.GetValue<string>(), Is.EqualTo($"slack/{Elsewhere.Carol}"));

        await _engine.Post($"users/{dana.UserId}/memberships", new { memberships = new[] { new { role = "viewer" } } });
        await _engine.PressesAsync("incident_resolve");
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
        Assert.That(await _engine.TypesAsync("list"), Does.Contain("INC-1"));
        Assert.That(await _engine.TypesAsync("open a new one"), Is.EqualTo("Not done: This needs the role responder."));
        await _engine.Post($"users/{dana.UserId}/disable");
        Assert.That(await _engine.TypesAsync("list"), Does.StartWith("Not done:"));
    }

    [Test]
    public async Task Somebody_git_names_acts_in_slack_as_the_user_they_are_and_as_a_responder_without_one()
    {
        await _engine.Receives(Firing("SiteDown").With("service", "web"));
        await _engine.PressesAsync("incident_ack", user: "U0ANA00001");
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
        using var ana = await _engine.SignedIn("ana", "responder@pay");
        await _engine.PressesAsync("incident_unack", user: "U0ANA00001");
        Assert.That(await _engine.State(), Is.EqualTo("acknowledged"));
    }

    [Test]
    public async Task A_link_made_with_a_key_of_one_team_ends_at_that_team()
    {
        await _engine.Receives(Firing("SiteDown").With("service", "web"));
        var (_, key) = await _engine.Post("api-keys", new { name = "pay team", scopes = new[] { "respond" }, team = "pay" });
        await _engine.PressesAsync("incident_ack");
        var link = new Uri(_engine.LastAnswer().Split('<', '|')[1]).PathAndQuery;
        using var visitor = _engine.Visitor();
        using var entered = await visitor.Submits("/sign-in", "/sign-in", ("key", key["key"]!.GetValue<string>()), ("name", "Carol"), ("to", "/"));
        using var linked = await visitor.Submits(link, link);
        await _engine.PressesAsync("incident_ack");
        Assert.That((await _engine.State(), _engine.LastAnswer()), Is.EqualTo(("triggered", "<https://incidents.example.org/i/1|INC-1>: not done. This belongs to team web, in which you are not responder.")));
    }

    [Test]
    public async Task An_administrator_says_which_user_an_account_is()
    {
        await _engine.Receives(Firing("SiteDown").With("service", "web"));
        using var dana = await _engine.SignedIn("dana", "responder@pay");
        using var missing = await _engine.Http.PutAsJsonAsync(new Uri($"/api/v1/account-links/slack/{Elsewhere.Carol}", UriKind.Relative), new { name = "dana", user = Guid.NewGuid() });
        using var made = await _engine.Http.PutAsJsonAsync(new Uri($"/api/v1/account-links/slack/{Elsewhere.Carol}", UriKind.Relative), new { name = "dana", user = dana.UserId });
        Assert.That((missing.StatusCode, made.StatusCode), Is.EqualTo((HttpStatusCode.NotFound, HttpStatusCode.NoContent)));
        await _engine.PressesAsync("incident_ack");
        Assert.That(await _engine.State(), Is.EqualTo("triggered"));
    }

    [Test]
    public async Task The_audit_log_tells_a_user_from_somebody_who_types_a_name()
    {
        using var dana = await _engine.SignedIn("dana", "responder");
        using var typed = _engine.Visitor();
        using var taken = await typed.Submits("/sign-in", "/sign-in", ("key", AdminKey), ("name", "Dana"), ("to", "/"));
        Assert.That(taken.StatusCode, Is.EqualTo(HttpStatusCode.Conflict), await taken.Content.ReadAsStringAsync());
        using var entered = await typed.Submits("/sign-in", "/sign-in", ("key", AdminKey), ("name", "Eve"), ("to", "/"));
        Assert.That(entered.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        await _engine.Receives(Firing("SiteDown"));
        await typed.Sends(HttpMethod.Post, "incidents/1/acknowledge");
        await dana.Sends(HttpMethod.Post, "incidents/1/unacknowledge");
        var bootstrap = await _engine.Query<Guid>("select id from api_keys where name = 'bootstrap'");
        var entries = (await _engine.Get("audit?subject=INC-1"))["items"]!.AsArray().Select(e => $"{e!["actor"]} {e["actor_kind"]} {e["actor_id"]}");
        Assert.That(entries, Is.EqualTo(new[] { $"dana user user/{dana.UserId}", $"Eve key_session api_key/{bootstrap}" }));
        Assert.That((await _engine.Get("incidents/1/timeline"))["items"]!.AsArray().Single(e => e!["kind"]!.GetValue<string>() == "acknowledged")!["actor"]!["kind"]!.GetValue<string>(), Is.EqualTo("user"));
    }

    [Test]
    public async Task Every_endpoint_that_acts_on_what_belongs_to_a_team_refuses_who_is_of_another()
    {
        // The door "team" of endpoints.txt: each against a real thing of team web.
        await _engine.Receives(Firing("SiteDown").With("service", "web"));
        await _engine.Receives(Firing("SiteSlow").With("service", "web"));
        await _engine.Does(2, "resolve");
        var (_, written) = await _engine.Post("incidents/2/post-mortem");
        Assert.That(written["id"], Is.Not.Null, written.ToJsonString());
        var quiet = new { matchers = new[] { "env=\"none\"" }, minutes = 60, reason = "deploy", team = "web" };
        var (_, silence) = await _engine.Post("silences", quiet);
        var (_, window) = await _engine.Post("maintenance-windows", quiet);
        var (_, taken) = await _engine.Post("schedules/site/overrides", new { until = "2026-03-03T09:00:00Z", people = new[] { "bo" } });
        var (_, swap) = await _engine.Post("schedules/site/swaps", new { person = "chi", from = "2026-03-04T09:00:00Z", until = "2026-03-05T09:00:00Z" });
        string Filled(string route) => (route.StartsWith("/api/v1/silences", StringComparison.Ordinal) || route.StartsWith("/silences", StringComparison.Ordinal) ? route.Replace("{id:long}", $"{silence["id"]}", StringComparison.Ordinal)
            : route.StartsWith("/api/v1/maintenance", StringComparison.Ordinal) ? route.Replace("{id:long}", $"{window["id"]}", StringComparison.Ordinal)
            : route.Replace("{id:long}", $"{written["id"]}", StringComparison.Ordinal))
            .Replace("{key}", route.Contains("/people/", StringComparison.Ordinal) ? "chi" : "site", StringComparison.Ordinal)
            .Replace("{id:guid}", route.Contains("/swaps/", StringComparison.Ordinal) ? $"{swap["id"]}" : $"{taken["id"]}", StringComparison.Ordinal)
            .Replace("{number:long}", route.Contains("post-mortem", StringComparison.Ordinal) ? "2" : "1", StringComparison.Ordinal)
            .Replace("{verb}", "acknowledge", StringComparison.Ordinal);
        object Body(string route) => route switch
        {
            "/api/v1/silences" or "/api/v1/maintenance-windows" => quiet,
            _ when route.EndsWith("/overrides", StringComparison.Ordinal) => new { until = "2026-03-03T09:00:00Z", people = new[] { "bo" } },
            _ when route.EndsWith("/swaps", StringComparison.Ordinal) => new { person = "chi", from = "2026-03-04T09:00:00Z", until = "2026-03-05T09:00:00Z" },
            _ when route.Contains("/swaps/", StringComparison.Ordinal) => new { by = "chi" },
            _ when route.EndsWith("/post-mortems/{id:long}", StringComparison.Ordinal) => new { sections = new { summary = "x" } },
            _ => new { text = "x", assignee = "x", minutes = 5, severity = "critical", into = 2, reason = "x" },
        };
        (string, string)[] Form(string route) => route switch
        {
            "/silences" => [("kind", "silence"), ("matchers", "env=\"none\""), ("minutes", "60"), ("reason", "x"), ("team", "web")],
            "/on-call/overrides" => [("schedule", "site"), ("person", "bo"), ("until", "2026-03-03T09:00")],
            _ => [("kind", "silence"), ("reason", "x"), ("text.summary", "typed by a stranger"), ("revision", "1")],
        };

        using var dana = await _engine.SignedIn("dana", "responder@pay", "viewer");
        using var lou = await _engine.SignedIn("lou", "lead@web");
        dana.Http.DefaultRequestHeaders.TryAddWithoutValidation("If-Match", "\"1\"");
        var wrong = new List<string>();
        foreach (var (who, mayAct) in new[] { (dana, false), (lou, true) })
        {
            foreach (var (endpoint, _) in EndpointAccessTests.Table().Where(l => l.Value == "team"))
            {
                var (method, route) = (endpoint.Split(' ', 2)[0], endpoint.Split(' ', 2)[1]);
                HttpStatusCode status;
                if (route.StartsWith("/api/", StringComparison.Ordinal))
                {
                    status = (await who.Sends(new HttpMethod(method), Filled(route)["/api/v1/".Length..], method == "DELETE" ? null : Body(route))).Status;
                }
                else
                {
                    using var answer = await who.Submits("/silences", Filled(route), Form(route));
                    status = answer.StatusCode;
                }

                if (status == HttpStatusCode.Forbidden == mayAct || status is HttpStatusCode.NotFound || (int)status >= 500) wrong.Add($"{endpoint} answered {(int)status} to {(mayAct ? "a lead of the team" : "a responder of another")}");
            }
        }

        Assert.That(wrong, Is.Empty);
        await _engine.RunsDueWork();
    }

    [Test]
    public async Task A_request_in_which_nobody_signed_in_may_nothing()
    {
        await using var scope = _engine.Services.CreateAsyncScope();
        var access = scope.ServiceProvider.GetRequiredService<IAccess>();
        Assert.That(access.WhyNot(Permission.Respond, "pay"), Is.Null, "the engine itself");

        var accessor = scope.ServiceProvider.GetRequiredService<IHttpContextAccessor>();
        accessor.HttpContext = new DefaultHttpContext();
        try
        {
            Assert.That((access.WhyNot(Permission.See, null), access.WhyNotForAll(Permission.Respond)), Is.EqualTo(("This needs the role viewer.", "This needs the role responder.")));
            scope.ServiceProvider.GetRequiredService<IActor>().Is("ana", ActorKind.Email);
            Assert.That(access.WhyNot(Permission.Respond, "pay"), Is.Null, "the link in the mail is what was allowed");
        }
        finally
        {
            accessor.HttpContext = null;
        }
    }
}
