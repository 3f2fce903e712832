using System.Text.RegularExpressions;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Incidents.EndToEnd.Tests.Ui;

/// <summary>What a person sees when a page cannot do what was asked: never nothing, and never without what was typed.</summary>
public sealed class RefusalTests
{
    private UiHost _host = null!;

    [SetUp]
    public async Task StartAsync() => _host = await UiHost.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _host.DisposeAsync();

    [Test]
    public async Task Signing_in_again_after_a_button_leads_to_the_page_of_the_button()
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await context.ClearCookiesAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Acknowledge" }).ClickAsync();

        await page.GetByLabel("API key").FillAsync(UiHost.AdminKey);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();

        await Expect(page.Locator("#facts")).ToHaveAttributeAsync("data-state", "triggered");
        Assert.That(new Uri(page.Url).AbsolutePath, Is.EqualTo($"/i/{number}"));
    }

    [TestCase("/i/{0}/resolve", "/i/{0}")]
    [TestCase("/i/{0}/post-mortem/publish", "/i/{0}/post-mortem")]
    [TestCase("/acknowledge", "/")]
    [TestCase("/theme", "/")]
    public async Task The_address_of_a_button_leads_to_its_page(string button, string path)
    {
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context);

        await page.GotoAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, button, number));

        Assert.That(new Uri(page.Url).AbsolutePath, Is.EqualTo(string.Format(System.Globalization.CultureInfo.InvariantCulture, path, number)));
    }

    [TestCase("incidents_session", 401)]
    [TestCase("incidents_form", 400)]
    public async Task What_was_typed_is_shown_back_when_the_session_or_the_form_is_no_longer_good(string lost, int status)
    {
        const string note = "</textarea><b>Restarted db-7";
        var number = await _host.OpenAsync("Checkout errors");
        await using var context = await Browser.NewContextAsync(_host, scripts: false, bypassPolicy: true);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await page.GetByText("More", new() { Exact = true }).ClickAsync();
        await page.GetByLabel("Note").FillAsync(note);
        await context.ClearCookiesAsync(new() { Name = lost });

        var answer = await page.RunAndWaitForResponseAsync(() => page.GetByRole(AriaRole.Button, new() { Name = "Add note" }).ClickAsync(), r => r.Request.Method == "POST");

        Assert.That(answer.Status, Is.EqualTo(status));
        await Expect(page.GetByLabel("What you typed")).ToHaveValueAsync(note);
    }

    [Test]
    public async Task Sections_that_were_touched_are_shown_back_and_no_others()
    {
        var number = await OverAsync();
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}/post-mortem");
        await page.GetByText("Write impact").ClickAsync();
        await page.Locator("#impact-text").FillAsync("12 users");
        await page.GetByText("Write what went well").ClickAsync();
        await page.Locator("#went_well-text").FillAsync("The runbook.");
        await context.ClearCookiesAsync(new() { Name = "incidents_session" });

        await page.Locator("#impact").GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();

        await Expect(page.GetByLabel("Impact")).ToHaveValueAsync("12 users");
        await Expect(page.GetByLabel("What went well")).ToHaveValueAsync("The runbook.");
        await Expect(page.Locator("textarea")).ToHaveCountAsync(2);
    }

    [Test]
    public async Task One_button_saves_all_sections_without_scripts()
    {
        var number = await OverAsync();
        await using var context = await Browser.NewContextAsync(_host, scripts: false);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}/post-mortem");
        await page.GetByText("Write impact").ClickAsync();
        await page.Locator("#impact-text").FillAsync("12 users");
        await page.GetByText("Write what went well").ClickAsync();
        await page.Locator("#went_well-text").FillAsync("The runbook.");

        await page.Locator("#impact").GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();

        await Expect(page.Locator("#impact > div")).ToHaveTextAsync("12 users");
        await Expect(page.Locator("#went_well > div")).ToHaveTextAsync("The runbook.");
        Assert.That(page.Url, Does.EndWith("/post-mortem#impact"));
    }

    [Test]
    public async Task The_markdown_and_every_published_version_are_a_link_away()
    {
        var number = await OverAsync();
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}/post-mortem");
        await page.GetByRole(AriaRole.Button, new() { Name = "Publish version 1" }).ClickAsync();

        var file = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Link, new() { Name = "As a Markdown file" }).ClickAsync());
        using var text = new StreamReader(await file.CreateReadStreamAsync());
        await page.GetByRole(AriaRole.Link, new() { Name = "Version 1 as published" }).ClickAsync();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(file.SuggestedFilename, Is.EqualTo($"INC-{number}.md"));
            Assert.That(await text.ReadToEndAsync(), Does.StartWith($"# INC-{number}: Search was slow"));
        }

        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = $"INC-{number}: Search was slow" })).ToBeVisibleAsync();
    }

    [Test]
    public async Task Scripts_leave_the_timeline_of_a_post_mortem_to_the_second_and_in_UTC()
    {
        var number = await OverAsync();
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}/post-mortem");
        await page.WaitForLoadStateAsync(LoadState.NetworkIdle);

        await Expect(page.Locator(".timeline time").First).ToHaveTextAsync(new Regex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_time_that_is_not_today_says_its_day(bool scripts)
    {
        var number = await _host.OpenAsync("Checkout errors");
        await _host.DoAsync(number, "snooze", new { minutes = 1440 });
        await using var context = await Browser.NewContextAsync(_host, scripts: scripts);
        var page = await Browser.SignInAsync(context, to: $"/i/{number}");
        await page.WaitForLoadStateAsync(LoadState.DOMContentLoaded);

        await Expect(page.GetByText("Quiet until").Locator("time")).ToHaveTextAsync(new Regex("[A-Z][a-z]{2}.*[0-9]{2}:[0-9]{2}"));
        await Expect(page.Locator("#log time").First).ToHaveTextAsync(new Regex("^[0-9]{2}:[0-9]{2}( UTC)?$"));
    }

    [Test]
    public async Task What_is_not_there_is_said_in_words()
    {
        await using var context = await Browser.NewContextAsync(_host);
        var page = await Browser.SignInAsync(context);
        foreach (var path in (string[])["/nothing", "/i/99/post-mortem", "/i/1/nothing"])
        {
            var answer = await page.GotoAsync(path);
            Assert.That(answer!.Status, Is.EqualTo(404).Or.EqualTo(405), path);
            await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync(new Regex("Not found|Not possible"));
            Assert.That((await page.RunAxe()).Violations, Is.Empty, path);
        }
    }

    private async Task<long> OverAsync()
    {
        var number = await _host.OpenAsync("Search was slow");
        await _host.DoAsync(number, "resolve", new { resolution = "Waited for the index." });
        await Eventually.IsAsync(async () => (await _host.GetAsync("/api/v1/post-mortems"))["items"]!.AsArray().Count(p => p!["status"]!.GetValue<string>() == "draft"), Is.EqualTo(1), "the draft is written");
        return number;
    }
}
