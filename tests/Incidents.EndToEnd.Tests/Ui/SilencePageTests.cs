using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Incidents.EndToEnd.Tests.Ui;

public sealed class SilencePageTests
{
    private UiHost _host = null!;

    [SetUp]
    public async Task StartAsync() => _host = await UiHost.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _host.DisposeAsync();

    [TestCase(390, "light")]
    [TestCase(390, "dark")]
    [TestCase(1440, "light")]
    [TestCase(1440, "dark")]
    public async Task An_incident_is_silenced_from_its_page_and_let_go_without_scripts(int width, string theme)
    {
        var number = (await _host.FireAsync("CheckoutErrors", new() { ["severity"] = "critical", ["service"] = "checkout", ["path"] = "C:\\temp \"<b>\"" }, new() { ["summary"] = "Checkout errors" }))!.Value;
        await _host.FireAsync("SearchSlow", new() { ["severity"] = "warning", ["service"] = "search" }, []);
        await using var context = await Browser.NewContextAsync(_host, width, scripts: false, theme: theme);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await page.Locator("summary", new() { HasText = "More" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Silence this" }).ClickAsync();

        var conditions = page.GetByLabel("Alerts with");
        await Expect(conditions).ToHaveValueAsync("alertname=\"CheckoutErrors\"\npath=\"C:\\\\temp \\\"<b>\\\"\"\nservice=\"checkout\"\nseverity=\"critical\"");
        await page.GetByRole(AriaRole.Button, new() { Name = "Show what it would hide" }).ClickAsync();
        await Expect(page.GetByText("It would hide 1 firing alert now, 1 of them paging.")).ToBeVisibleAsync();
        await Expect(page.GetByText("1 open incident would fall quiet.")).ToBeVisibleAsync();
        await Look(page, width, theme, "preview");

        await page.GetByLabel("Why").FillAsync("deploy of <i>checkout</i>");
        await page.GetByRole(AriaRole.Button, new() { Name = "Silence", Exact = true }).ClickAsync();
        await Expect(page.GetByText("hides 1 alert")).ToBeVisibleAsync();
        await Expect(page.GetByText("deploy of <i>checkout</i>")).ToBeVisibleAsync();
        await Eventually.IsAsync(async () => (string?)(await _host.GetAsync($"/api/v1/incidents/{number}"))["hidden_by"], Does.StartWith("silence 1 by Ana until"), "the incident falls quiet");
        await page.ReloadAsync();
        await Expect(page.GetByText("keeps 1 incident quiet")).ToBeVisibleAsync();
        await Look(page, width, theme, "list");
        await page.GotoAsync($"/i/{number}");
        await Expect(page.GetByText("nobody is told until that is over").First).ToBeVisibleAsync();
        await Look(page, width, theme, "incident");

        await page.GetByRole(AriaRole.Link, new() { Name = "Silences" }).First.ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "End now: silence 1" }).ClickAsync();
        await Expect(page.GetByText("Nothing is silenced.")).ToBeVisibleAsync();
        await Eventually.IsAsync(async () => (string?)(await _host.GetAsync($"/api/v1/incidents/{number}"))["hidden_by"], Is.Null, "the incident is loud again");
    }

    [Test]
    public async Task What_nobody_can_mean_is_refused_in_words_and_keeps_what_was_typed()
    {
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: "/silences");
        await page.GetByLabel("Alerts with").FillAsync("env!=\"prod\"");
        await page.GetByLabel("Why").FillAsync("quiet please");
        await page.GetByRole(AriaRole.Button, new() { Name = "Silence", Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("at least one must ask for a value");
        await Expect(page.GetByLabel("Why")).ToHaveValueAsync("quiet please");
        Assert.That((await _host.GetAsync("/api/v1/silences"))["items"]!.AsArray(), Is.Empty);
    }

    /// <summary>Nothing is wider than the screen.</summary>
    private static async Task Look(IPage page, int width, string theme, string name)
    {
        // Kept only when somebody wants to see.
        if (Environment.GetEnvironmentVariable("INCIDENTS_SHOTS") is { } folder) await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"silence-{name}-{theme}-{width}.png"), FullPage = true });
        var widest = await page.Locator("body *").EvaluateAllAsync<double>("all => Math.max(...all.filter(e => !e.closest('.scroll, pre, .skip, .hidden')).map(e => e.getBoundingClientRect().right))");
        Assert.That(widest, Is.LessThanOrEqualTo(width), name);
    }
}
