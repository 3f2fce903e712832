using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;

namespace Incidents.EndToEnd.Tests.Ui;

/// <summary>A passkey of a real browser, whose device is Chromium's virtual authenticator.</summary>
internal sealed class PasskeyTests
{
    [Test]
    public async Task Somebody_invited_adds_a_passkey_and_signs_in_with_it()
    {
        await using var host = await UiHost.StartAsync();
        var made = await (await host.Api.PostAsJsonAsync("/api/v1/users", new { name = "Dana", email = "dana@example.org", memberships = new[] { new { role = "responder" } } })).Content.ReadFromJsonAsync<JsonObject>();
        await using var context = await Browser.NewContextAsync(host);

        // Passkeys belong to a name, never to a number.
        var origin = $"http://localhost:{new Uri(host.Address).Port}";
        var page = await context.NewPageAsync();
        var device = await context.NewCDPSessionAsync(page);
        await device.SendAsync("WebAuthn.enable");
        await device.SendAsync("WebAuthn.addVirtualAuthenticator", new()
        {
            ["options"] = new { protocol = "ctap2", transport = "internal", hasResidentKey = true, hasUserVerification = true, isUserVerified = true, automaticPresenceSimulation = true },
        });

        await page.GotoAsync(origin + new Uri(made!["invitation_url"]!.GetValue<string>()).PathAndQuery);
        await page.GetByLabel("Password").FillAsync("correct horse battery");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in with it" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/");

        await page.GotoAsync(origin + "/account");
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("This laptop");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add a passkey" }).ClickAsync();
        await page.GetByText("This laptop").WaitForAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        await page.WaitForURLAsync(origin + "/sign-in");
        await page.GetByRole(AriaRole.Button, new() { Name = "Use a passkey" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/");
        Assert.That(await page.Locator("a.me").TextContentAsync(), Is.EqualTo("Dana"));

        // Removed, it opens nothing.
        await page.GotoAsync(origin + "/account");
        await page.GetByRole(AriaRole.Button, new() { Name = "Remove" }).ClickAsync();
        await page.GetByText("None yet.").WaitForAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Use a passkey" }).ClickAsync();
        await page.GetByText("This passkey is not known here.").WaitForAsync();
    }
}
