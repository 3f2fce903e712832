using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Incidents.EndToEnd.Tests.Ui;

public sealed class PageTests
{
    private UiHost _host = null!;

    [SetUp]
    public async Task StartAsync() => _host = await UiHost.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _host.DisposeAsync();

    [Test]
    public async Task One_tap_acknowledges_on_a_phone_without_scripts()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");

        var button = page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge" });
        var box = (await button.BoundingBoxAsync())!;
        await button.ClickAsync();

        await Expect(page.GetByText("It is yours.")).ToBeVisibleAsync();
        var incident = await _host.GetAsync($"/api/v1/incidents/{number}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(box.Height, Is.GreaterThanOrEqualTo(56));
            Assert.That(box.Y + box.Height, Is.LessThanOrEqualTo(844));
            Assert.That(incident["acknowledged_by"]!.GetValue<string>(), Is.EqualTo("Ana"));
        }
    }

    [Test]
    public async Task Undo_gives_the_incident_back()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge" }).ClickAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Undo" }).ClickAsync();

        await Expect(page.Locator("#facts")).ToHaveAttributeAsync("data-state", "triggered");
    }

    [Test]
    public async Task Acknowledging_second_says_who_was_first_and_adds_nothing()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await _host.DoAsync(number, "acknowledge");

        await page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge" }).ClickAsync();

        await Expect(page.GetByText(new Regex("Already acknowledged by"))).ToBeVisibleAsync();
        await Expect(page.Locator(".timeline li[data-kind=acknowledged]")).ToHaveCountAsync(1);
    }

    [Test]
    public async Task Selected_incidents_are_acknowledged_with_one_request()
    {
        var (first, second, third) = (await _host.OpenAsync("One"), await _host.OpenAsync("Two"), await _host.OpenAsync("Three"));
        await using var context = await Browser.NewContextAsync(_host, width: 1440);
        var page = await Browser.SignInAsync(context);
        await page.GetByLabel($"Select INC-{first}", new() { Exact = true }).CheckAsync();
        await page.GetByLabel($"Select INC-{third}", new() { Exact = true }).CheckAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge selected" }).ClickAsync();

        await Expect(page.GetByText("2 acknowledged.")).ToBeVisibleAsync();
        Assert.That((await _host.GetAsync($"/api/v1/incidents/{second}"))["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        await page.GotoAsync("/?acknowledged=99");
        await Expect(page.GetByText("acknowledged.")).ToHaveCountAsync(0);
        await page.GetByLabel($"Select INC-{second}", new() { Exact = true }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge selected" }).ClickAsync();
        await Expect(page.GetByText("1 acknowledged.")).ToBeVisibleAsync();
        var audit = (await _host.GetAsync("/api/v1/audit?action=incident.acknowledge"))["items"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(audit.Count(a => a!["action"]!.GetValue<string>() == "incident.acknowledge"), Is.EqualTo(3));
        }
    }

    [Test]
    public async Task What_came_onto_a_quiet_list_is_acknowledged_like_the_rest()
    {
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context);
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        var button = page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge all shown" });
        await Expect(button).ToBeHiddenAsync();

        var (first, second) = (await _host.OpenAsync("One"), await _host.OpenAsync("Two"));
        await Expect(page.GetByLabel($"Select INC-{first}", new() { Exact = true })).ToBeVisibleAsync();
        await Expect(page.GetByLabel($"Select INC-{second}", new() { Exact = true })).ToBeVisibleAsync();
        await button.ClickAsync();

        await Expect(page.GetByText("2 acknowledged.")).ToBeVisibleAsync();
    }

    [Test]
    public async Task An_open_page_follows_its_incident_and_keeps_a_half_typed_note()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        await page.GetByText("More", new() { Exact = true }).ClickAsync();
        var note = page.GetByLabel("Note");
        await note.FillAsync("half a tho");
        await page.EvaluateAsync("window.scrollTo(0, 200); window.same = true");
        var scroll = await page.EvaluateAsync<double>("window.scrollY");

        await _host.DoAsync(number, "acknowledge");

        await Expect(page.Locator("#facts")).ToHaveAttributeAsync("data-state", "acknowledged");
        await Expect(page.Locator(".timeline li[data-kind=acknowledged]")).ToHaveCountAsync(1);
        await Expect(note).ToHaveValueAsync("half a tho");
        await Expect(note).ToBeFocusedAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(await page.EvaluateAsync<bool>("window.same === true"), Is.True, "the page was loaded again");
            Assert.That(await page.EvaluateAsync<double>("window.scrollY"), Is.EqualTo(scroll));
        }
    }

    [Test]
    public async Task What_somebody_opened_stays_open_when_more_happens()
    {
        var number = (await _host.FireAsync("CheckoutErrors", new() { ["severity"] = "critical", ["service"] = "checkout" }, new() { ["summary"] = "Checkout errors 12 %" }))!.Value;
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        var details = page.Locator("#log details[id^=a-]");
        await details.Locator("summary").ClickAsync();
        await Expect(details).ToHaveAttributeAsync("open", "");

        await _host.DoAsync(number, "notes", new { text = "something else" });

        await Expect(page.Locator(".timeline li[data-kind=note]")).ToHaveCountAsync(1);
        await Expect(details).ToHaveAttributeAsync("open", "");
    }

    [Test]
    public async Task An_open_page_catches_up_after_the_server_was_away()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        await page.EvaluateAsync("window.same = true");

        await _host.StopAsync();
        await Expect(page.Locator("#live")).ToContainTextAsync("Not live since");
        await _host.StartAgainAsync();
        await _host.DoAsync(number, "notes", new { text = "written while the page was away" });

        await Expect(page.Locator("#live")).ToHaveTextAsync("Live", new() { Timeout = 30_000 });
        await Expect(page.GetByText("written while the page was away")).ToHaveCountAsync(1);
        Assert.That(await page.EvaluateAsync<bool>("window.same === true"), Is.True, "the page was loaded again");
    }

    [Test]
    public async Task A_page_is_live_once_it_was_told_something_and_not_because_a_connection_opened()
    {
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context);
        await page.Clock.InstallAsync();
        await page.AddInitScriptAsync("window.EventSource = class { constructor() { window.stream = this; this.on = {}; } addEventListener(name, heard) { this.on[name] = heard; } close() { } }");
        await page.GotoAsync("/");
        var live = page.Locator("#live");

        await page.EvaluateAsync("window.stream.onopen?.()");
        await Expect(live).ToHaveTextAsync("Connecting…");
        await page.Clock.FastForwardAsync(41_000);
        await Expect(live).ToContainTextAsync("Not live since");

        await page.EvaluateAsync("window.stream.on.beat()");
        await Expect(live).ToHaveTextAsync("Live");
        await page.EvaluateAsync("""
            Object.defineProperty(document, 'hidden', { value: true, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
            Object.defineProperty(document, 'hidden', { value: false, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
            """);
        await Expect(live).ToHaveTextAsync("Connecting…");
        await page.EvaluateAsync("window.stream.onmessage({ data: '' })");
        await Expect(live).ToHaveTextAsync("Live");
    }

    [Test]
    public async Task A_list_shows_what_ended_and_what_began_while_it_was_away()
    {
        var (ended, open) = (await _host.OpenAsync("Ends unseen"), await _host.OpenAsync("Stays open"));
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context);
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");

        await page.RouteAsync("**/api/v1/events**", route => route.AbortAsync());
        await _host.StopAsync();
        await Expect(page.Locator("#live")).ToContainTextAsync("Not live since");
        await _host.StartAgainAsync();
        await _host.DoAsync(ended, "resolve");
        var began = await _host.OpenAsync("Began unseen");
        await page.UnrouteAllAsync();

        await Expect(page.Locator("#live")).ToHaveTextAsync("Live", new() { Timeout = 30_000 });
        await Expect(page.Locator($"#inc-{ended}")).ToHaveAttributeAsync("data-state", "resolved");
        await Expect(page.Locator($"#inc-{open}")).ToHaveAttributeAsync("data-state", "triggered");
        await Expect(page.Locator("#incidents li").First).ToContainTextAsync($"INC-{began}");
    }

    [Test]
    public async Task A_new_incident_appears_on_top_of_the_open_list()
    {
        await _host.OpenAsync("Old");
        await using var context = await Browser.NewContextAsync(_host, width: 1440);
        var page = await Browser.SignInAsync(context);
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");

        await _host.OpenAsync("Brand new");

        await Expect(page.Locator("#incidents li").First).ToContainTextAsync("Brand new");
        await Expect(page).ToHaveTitleAsync("(2) Incidents");
    }

    [Test]
    public async Task A_revoked_key_ends_the_session_and_stops_the_requests()
    {
        await _host.OpenAsync("Checkout errors");
        var (id, key) = await _host.CreateKeyAsync("phone", "respond");
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, key: key);
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        await _host.Api.DeleteAsync($"/api/v1/api-keys/{id}");
        await _host.StopAsync();
        await Expect(page.Locator("#live")).ToContainTextAsync("Not live since");
        await _host.StartAgainAsync();

        await Expect(page.Locator("#live")).ToContainTextAsync("Session expired", new() { Timeout = 30_000 });
        var requests = 0;
        page.Request += (_, _) => requests++;
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "sign in" })).ToBeVisibleAsync();
        Assert.That(requests, Is.Zero);
    }

    [Test]
    public async Task Hostile_labels_annotations_and_notes_stay_text()
    {
        const string evil = "<script>window.pwned=1</script><img src=x onerror=\"window.pwned=1\">";
        var number = await _host.FireAsync("Evil", new() { ["severity"] = "critical", ["service"] = evil }, new() { ["summary"] = evil, ["runbook_url"] = "javascript:window.pwned=1" });
        await _host.DoAsync(number!.Value, "notes", new { text = evil });
        await using var context = await Browser.NewContextAsync(_host, bypassPolicy: true);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
        await _host.DoAsync(number.Value, "notes", new { text = evil + " again" });

        await Expect(page.Locator(".timeline li[data-kind=note]")).ToHaveCountAsync(2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(await page.EvaluateAsync<bool>("'pwned' in window"), Is.False);
            Assert.That(await page.Locator("a[href^='javascript:']").CountAsync(), Is.Zero);
            Assert.That(await page.Locator("main img, main script").CountAsync(), Is.Zero);
        }
    }

    [Test]
    public async Task An_incident_page_is_small_and_its_policy_is_never_violated()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host);
        await (await Browser.SignInAsync(context, to: $"/i/{number}")).CloseAsync();
        var page = await context.NewPageAsync();
        var session = await context.NewCDPSessionAsync(page);
        await session.SendAsync("Network.enable");
        await session.SendAsync("Network.setCacheDisabled", new Dictionary<string, object> { ["cacheDisabled"] = true });
        var (requests, problems) = (new List<string>(), new List<string>());
        double bytes = 0;
        page.Request += (_, request) => requests.Add(request.Url);
        page.Console += (_, message) => { if (message.Type == "error") problems.Add(message.Text); };
        session.Event("Network.loadingFinished").OnEvent += (_, e) => bytes += e!.Value.GetProperty("encodedDataLength").GetDouble();

        await page.GotoAsync($"/i/{number}");
        await Expect(page.Locator("#live")).ToHaveTextAsync("Live");

        TestContext.Out.WriteLine($"{bytes} bytes, {requests.Count} requests");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(bytes, Is.GreaterThan(10_000).And.LessThanOrEqualTo(30 * 1024));
            Assert.That(requests.Count(r => !r.Contains("/events", StringComparison.Ordinal) && !r.EndsWith(".svg", StringComparison.Ordinal)), Is.LessThanOrEqualTo(5));
            Assert.That(problems, Is.Empty);
        }
    }

    [Test]
    public async Task Nobody_finds_serious_barriers_on_any_page()
    {
        var number = await _host.FireAsync("CheckoutErrors", new() { ["severity"] = "critical", ["service"] = "checkout", ["env"] = "prod" }, new() { ["summary"] = "Checkout errors 12 %", ["value"] = "12 % (limit 1 %)", ["runbook_url"] = "https://runbooks.example/checkout" });
        await _host.FireAsync("DiskFull", new() { ["severity"] = "warning", ["instance"] = "db-1", ["service"] = "orders" }, new() { ["summary"] = "Disk of db-1 is 91 % full" });
        await _host.FireAsync("DeployDone", new() { ["severity"] = "info", ["service"] = "web" }, [], opens: false);
        await _host.OpenAsync("Payments feel slow, says support", "warning");
        var over = await _host.OpenAsync("Search was slow");
        await _host.DoAsync(over, "acknowledge");
        await _host.DoAsync(over, "notes", new { text = "The index was being rebuilt." });
        await _host.DoAsync(over, "resolve", new { resolution = "Waited for the index." });
        await Eventually.IsAsync(async () => (await _host.GetAsync("/api/v1/post-mortems"))["items"]!.AsArray().Count(p => p!["status"]!.GetValue<string>() == "draft"), Is.EqualTo(1), "the draft is written");
        var alert = (await _host.GetAsync("/api/v1/alerts"))["items"]![0]!["id"]!.GetValue<long>();
        using var silenced = await _host.Api.PostAsJsonAsync("/api/v1/silences", new { matchers = new[] { "service=\"orders\"" }, minutes = 60, reason = "The disk is being replaced." });
        silenced.EnsureSuccessStatusCode();
        await using var empty = await UiHost.StartAsync();
        var shots = Environment.GetEnvironmentVariable("INCIDENTS_SHOTS");

        foreach (var theme in new[] { "light", "dark" })
        {
            foreach (var width in new[] { 390, 1440 })
            {
                await using var context = await Browser.NewContextAsync(_host, width, theme: theme);
                var page = await context.NewPageAsync();
                await CheckAsync(page, "/sign-in", $"sign-in-{theme}-{width}");
                await page.CloseAsync();
                page = await Browser.SignInAsync(context);
                await CheckAsync(page, "/", $"list-{theme}-{width}");
                await CheckAsync(page, $"/i/{number}", $"incident-{theme}-{width}");
                await CheckAsync(page, $"/alerts/{alert}", $"alert-{theme}-{width}");
                await CheckAsync(page, "/silences", $"silences-{theme}-{width}");
                await CheckAsync(page, $"/i/{over}/post-mortem", $"post-mortem-{theme}-{width}");

                await using var none = await Browser.NewContextAsync(empty, width, theme: theme);
                page = await Browser.SignInAsync(none);
                await CheckAsync(page, "/", $"empty-{theme}-{width}");
            }
        }

        async Task CheckAsync(IPage page, string path, string name)
        {
            await page.GotoAsync(path);
            if (await page.Locator("#live").CountAsync() > 0) await Expect(page.Locator("#live")).ToHaveTextAsync("Live");
            if (shots is not null) await page.ScreenshotAsync(new() { Path = Path.Combine(shots, name + ".png"), FullPage = true });
            var result = await page.RunAxe();
            var serious = result.Violations.Where(v => v.Impact is "serious" or "critical").Select(v => $"{v.Id}: {v.Help} {string.Join(" ", v.Nodes.Select(n => n.Html))}");
            Assert.That(serious, Is.Empty, name);
        }
    }

    [Test]
    public async Task Ten_wrong_keys_are_enough_for_a_minute()
    {
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, key: "wrong");
        for (var i = 0; i < 10; i++)
        {
            await page.GetByLabel("API key").FillAsync("wrong");
            await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        }

        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Too many attempts");
    }

    [Test]
    public async Task A_form_without_its_token_does_nothing()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");

        var form = await page.APIRequest.PostAsync($"/i/{number}/acknowledge");
        var api = await page.APIRequest.PostAsync($"/api/v1/incidents/{number}/acknowledge", new() { Headers = new Dictionary<string, string> { ["Sec-Fetch-Site"] = "same-site" } });

        using (Assert.EnterMultipleScope())
        {
            Assert.That(form.Status, Is.EqualTo((int)HttpStatusCode.BadRequest));
            Assert.That(api.Status, Is.EqualTo((int)HttpStatusCode.Unauthorized));
            Assert.That((await _host.GetAsync($"/api/v1/incidents/{number}"))["state"]!.GetValue<string>(), Is.EqualTo("triggered"));
        }
    }

    [Test]
    public void Htmx_is_the_pinned_file()
    {
        using var file = typeof(Incidents.Server.Ui.SiteFiles).Assembly.GetManifestResourceStream("wwwroot/htmx-4.0.1.min.js")!;

        Assert.That(Convert.ToHexStringLower(SHA256.HashData(file)), Is.EqualTo("a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"));
    }
}
