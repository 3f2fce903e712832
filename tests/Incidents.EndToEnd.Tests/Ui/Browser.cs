using Microsoft.Playwright;

namespace Incidents.EndToEnd.Tests.Ui;

/// <summary>One Chromium for all tests of pages.</summary>
[SetUpFixture]
public sealed class Browser
{
    private const string Chromium = "/usr/bin/chromium";
    private static IPlaywright? _playwright;
    private static IBrowser? _browser;

    [OneTimeTearDown]
    public async Task Close()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
    }

    /// <summary>A context of its own: cookies, size, with or without scripts.</summary>
    internal static async Task<IBrowserContext> NewContextAsync(UiHost host, int width = 390, bool scripts = true, string theme = "light", bool bypassPolicy = false)
    {
        if (!File.Exists(Chromium)) Assert.Fail($"{Chromium} is missing: apt-get install chromium.");
        _playwright ??= await Playwright.CreateAsync();
        _browser ??= await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Chromium,
            Args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
        var context = await _browser.NewContextAsync(new()
        {
            BaseURL = host.Address,
            JavaScriptEnabled = scripts,
            ViewportSize = new() { Width = width, Height = width < 600 ? 844 : 900 },
            ColorScheme = theme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
            BypassCSP = bypassPolicy,
        });
        context.SetDefaultTimeout(15_000);
        return context;
    }

    internal static async Task<IPage> SignInAsync(IBrowserContext context, string name = "Ana", string key = UiHost.AdminKey, string to = "/")
    {
        var page = await context.NewPageAsync();
        await page.GotoAsync(to);
        await page.GetByLabel("API key").FillAsync(key);
        await page.GetByLabel("Your name").FillAsync(name);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        return page;
    }
}
