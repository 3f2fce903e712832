using System.Net;
using System.Text.RegularExpressions;

namespace Incidents.Server.Tests.OnCall;

public sealed partial class OnCallPageTests
{
    [Test]
    public async Task The_page_shows_who_has_it_and_its_form_makes_an_override_on_the_schedules_clock()
    {
        await using var engine = await Engine.StartAsync(onCall: OnCallOverridesTests.OnCall.Replace("time_zone: UTC", "time_zone: Europe/Berlin", StringComparison.Ordinal));
        using var handler = new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false };
        using var browser = new HttpClient(handler) { BaseAddress = engine.Http.BaseAddress };

        // The story's clock is not the machine's, by which a container of cookies would drop them as too old.
        var cookies = new Dictionary<string, string>(StringComparer.Ordinal);
        async Task<HttpResponseMessage> Ask(HttpMethod method, string path, HttpContent? content = null)
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            if (cookies.Count > 0) request.Headers.Add("Cookie", string.Join("; ", cookies.Select(c => $"{c.Key}={c.Value}")));
            var answer = await browser.SendAsync(request);
            foreach (var set in answer.Headers.TryGetValues("Set-Cookie", out var all) ? all : []) cookies[set[..set.IndexOf('=', StringComparison.Ordinal)]] = set[(set.IndexOf('=', StringComparison.Ordinal) + 1)..set.IndexOf(';', StringComparison.Ordinal)];
            return answer;
        }

        async Task<string> Read(string path)
        {
            using var answer = await Ask(HttpMethod.Get, path);
            return await answer.Content.ReadAsStringAsync();
        }

        async Task<HttpResponseMessage> Send(string from, string to, params (string Name, string Value)[] fields)
        {
            var token = TokenOf().Match(await Read(from)).Groups[1].Value;
            return await Ask(HttpMethod.Post, to, new FormUrlEncodedContent(fields.Append(("__RequestVerificationToken", token)).Select(f => KeyValuePair.Create(f.Item1, f.Item2))));
        }

        (await Send("/sign-in", "/sign-in", ("key", Engine.AdminKey), ("name", "Ana"), ("to", "/on-call"))).Dispose();
        Assert.That(await Read("/on-call"), Does.Contain(">ana<").And.Contain("until <time datetime=\"2026-03-09T08:00:00Z\">Mon 9 Mar 09:00</time>").And.Contain("Not checked"));

        using var refused = await Send("/on-call", "/on-call/overrides", ("schedule", "primary"), ("person", "bo"), ("from", ""), ("until", "2026-03-01T09:00"), ("replaces", ""), ("reason", "<b>dentist</b>"));
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await refused.Content.ReadAsStringAsync(), Does.Contain("It must end after it begins.").And.Contain("&lt;b&gt;dentist&lt;/b&gt;"), "what was typed is shown back, as text");

        using var taken = await Send("/on-call", "/on-call/overrides", ("schedule", "primary"), ("person", "bo"), ("from", "2026-03-02T20:00"), ("until", "2026-03-03T09:00"), ("replaces", "ana"), ("reason", ""));
        Assert.That((taken.StatusCode, taken.Headers.Location?.ToString()), Is.EqualTo((HttpStatusCode.SeeOther, "/on-call")));
        var made = (await engine.Get("schedules/primary/overrides"))["items"]![0]!;
        Assert.That((made["from"]!.ToString(), made["until"]!.ToString(), made["replaces"]!.ToString()), Is.EqualTo(("2026-03-02T19:00:00Z", "2026-03-03T08:00:00Z", "ana")));
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex TokenOf();
}
