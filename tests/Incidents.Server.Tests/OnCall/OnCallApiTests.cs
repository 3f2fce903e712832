using System.Net;

namespace Incidents.Server.Tests.OnCall;

/// <summary>The story begins on Monday 2026-03-02 at 09:00 UTC, when Ana's ninth week begins.</summary>
public sealed class OnCallApiTests
{
    private Engine _engine = null!;

    [SetUp]
    public async Task Begin() => _engine = await Engine.StartAsync(onCall: OnCallOverridesTests.OnCall);

    [TearDown]
    public async Task End() => await _engine.DisposeAsync();

    [Test]
    public async Task Who_is_on_call_says_why_until_when_and_who_is_next()
    {
        var now = (await _engine.Get("on-call"))["items"]![0]!;
        var later = (await _engine.Get("on-call?at=2026-03-10T00:00:00Z"))["items"]![0]!;

        Assert.That(now["people"]![0]!.ToJsonString(), Is.EqualTo("""{"person":"ana","name":"ana","because":"layer \u0022base\u0022"}"""));
        Assert.That((now["until"]!.ToString(), now["next"]!["people"]![0]!["person"]!.ToString()), Is.EqualTo(("2026-03-09T09:00:00Z", "bo")));
        Assert.That(later["people"]![0]!["person"]!.ToString(), Is.EqualTo("bo"));
        Assert.That((await Status("on-call?at=soon"), await Status("schedules/nope/shifts"), await Status("schedules/primary/shifts?to=2030-01-01T00:00:00Z")), Is.EqualTo((HttpStatusCode.BadRequest, HttpStatusCode.NotFound, HttpStatusCode.BadRequest)));
    }

    [Test]
    public async Task An_override_counts_from_now_until_it_is_cancelled_and_is_audited()
    {
        var (status, made) = await _engine.Post("schedules/primary/overrides", new { from = "2026-03-01T00:00:00Z", until = "2026-03-03T09:00:00Z", people = new[] { "bo" }, reason = "Ana is ill" });
        Assert.That((status, made["from"]!.ToString()), Is.EqualTo((HttpStatusCode.Created, "2026-03-02T09:00:00Z")), "the past stays as it was");
        Assert.That(await OnCall(), Is.EqualTo("bo"));
        Assert.That((await _engine.Get("schedules/primary/shifts?to=2026-03-10T09:00:00Z"))["items"]!.AsArray().Select(s => $"{s!["from"]} {s["people"]![0]!["person"]}"),
            Is.EqualTo(new[] { "2026-03-02T09:00:00Z bo", "2026-03-03T09:00:00Z ana", "2026-03-09T09:00:00Z bo" }));
        Assert.That(await _engine.Http.GetStringAsync(new Uri("/api/v1/on-call/export", UriKind.Relative)), Does.Contain("reason: Ana is ill"));

        _engine.Clock.Advance(TimeSpan.FromHours(1));
        for (var i = 0; i < 2; i++)
        {
            using var cancelled = await _engine.Http.DeleteAsync(new Uri($"/api/v1/schedules/primary/overrides/{made["id"]}", UriKind.Relative));
            Assert.That(cancelled.StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        }

        Assert.That(await OnCall(), Is.EqualTo("ana"));
        Assert.That(await OnCall("?at=2026-03-02T09:30:00Z"), Is.EqualTo("bo"), "who was on call stays answerable");
        Assert.That((await _engine.Get("audit?subject=schedule/primary"))["items"]!.AsArray().Select(e => e!["action"]!.ToString()), Is.EqualTo(new[] { "override.cancel", "override.create" }));
    }

    [Test]
    public async Task An_override_that_makes_no_sense_is_refused_at_its_field()
    {
        async Task<string> Refused(object body)
        {
            var (status, problem) = await _engine.Post("schedules/primary/overrides", body);
            Assert.That(status, Is.EqualTo(HttpStatusCode.BadRequest), problem.ToJsonString());
            return problem["errors"]![0]!["pointer"]!.ToString();
        }

        Assert.That(await Refused(new { until = "2026-03-03T00:00:00Z", people = Array.Empty<string>() }), Is.EqualTo("/people"));
        Assert.That(await Refused(new { until = "2026-03-03T00:00:00Z", people = new string?[] { null } }), Is.EqualTo("/people/0"));
        Assert.That(await Refused(new { until = "2026-03-03T00:00:00Z", people = new[] { "dan" } }), Is.EqualTo("/people/0"));
        Assert.That(await Refused(new { until = "2026-03-01T00:00:00Z", people = new[] { "bo" } }), Is.EqualTo("/until"));
    }

    [Test]
    public async Task A_swap_is_taken_by_one_and_counts_from_then_on()
    {
        var (status, swap) = await _engine.Post("schedules/primary/swaps", new { person = "ana", from = "2026-03-04T09:00:00Z", until = "2026-03-05T09:00:00Z", return_from = "2026-03-11T09:00:00Z", return_until = "2026-03-12T09:00:00Z" });
        Assert.That((status, swap["state"]!.ToString(), await OnCall("?at=2026-03-04T10:00:00Z")), Is.EqualTo((HttpStatusCode.Created, "requested", "ana")));
        var path = $"schedules/primary/swaps/{swap["id"]}";

        Assert.That((await _engine.Post(path + "/accept", new { by = "ana" })).Status, Is.EqualTo(HttpStatusCode.Conflict), "her own");
        Assert.That((await _engine.Post(path + "/accept", new { by = "bo" }, ("If-Match", "\"9\""))).Status, Is.EqualTo(HttpStatusCode.PreconditionFailed));
        Assert.That((await _engine.Post(path + "/accept", new { by = "bo" })).Body["state"]!.ToString(), Is.EqualTo("taken"));
        Assert.That((await _engine.Post(path + "/accept", new { by = "bo" })).Status, Is.EqualTo(HttpStatusCode.OK), "safe to repeat");
        Assert.That((await _engine.Post(path + "/withdraw", new { by = "ana" })).Status, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That((await OnCall("?at=2026-03-04T10:00:00Z"), await OnCall("?at=2026-03-11T10:00:00Z")), Is.EqualTo(("bo", "ana")));
    }

    [Test]
    public async Task An_offer_to_one_person_can_be_declined_and_is_over_then()
    {
        var (_, swap) = await _engine.Post("schedules/primary/swaps", new { person = "ana", from = "2026-03-04T09:00:00Z", until = "2026-03-05T09:00:00Z", offered_to = "bo" });
        var path = $"schedules/primary/swaps/{swap["id"]}";

        Assert.That((await _engine.Post(path + "/decline", new { by = "bo" })).Body["state"]!.ToString(), Is.EqualTo("declined"));
        Assert.That((await _engine.Post(path + "/accept", new { by = "bo" })).Body["detail"]!.ToString(), Is.EqualTo("bo has declined it."));
    }

    [Test]
    public async Task A_calendar_opens_by_key_or_by_its_secret_address_until_that_is_renewed()
    {
        using var stranger = _engine.Client(null);
        async Task<HttpStatusCode> Open(string url)
        {
            using var answer = await stranger.GetAsync(new Uri(new Uri(url).PathAndQuery, UriKind.Relative));
            return answer.StatusCode;
        }

        var url = (await _engine.Get("schedules/primary/calendar-url"))["url"]!.ToString();
        var text = await stranger.GetStringAsync(new Uri(new Uri(url).PathAndQuery, UriKind.Relative));

        Assert.That(url, Does.StartWith("https://incidents.example.org/api/v1/schedules/primary/calendar.ics?token="));
        Assert.That(text, Does.StartWith("BEGIN:VCALENDAR").And.Contain("SUMMARY:ana on call: primary"));
        Assert.That(await _engine.Http.GetStringAsync(new Uri("/api/v1/people/bo/calendar.ics", UriKind.Relative)), Does.Contain("bo on call").And.Not.Contain("ana on call"));
        Assert.That(await Open("http://x/api/v1/schedules/primary/calendar.ics"), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await Open(url.Replace("schedules/primary", "people/ana", StringComparison.Ordinal)), Is.EqualTo(HttpStatusCode.Forbidden), "one address opens one calendar");
        Assert.That(await Open(url[..^3] + "xyz"), Is.EqualTo(HttpStatusCode.Forbidden));

        await _engine.Post("schedules/primary/calendar-url/renew");
        Assert.That(await Open(url), Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await Open((await _engine.Get("schedules/primary/calendar-url"))["url"]!.ToString()), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task People_and_policies_are_shown_without_secrets()
    {
        var ana = await _engine.Get("people/ana");
        Assert.That(ana["contacts"]!.ToJsonString(), Is.EqualTo("""[{"channel":"email","wait":"PT0S","works":true}]"""));
        Assert.That((await _engine.Get("schedules"))["items"]![0]!["layers"]![0]!["turn"]!.ToString(), Is.EqualTo("P7D"));
        Assert.That((await _engine.Get("escalation-policies"))["items"]!.AsArray(), Is.Empty);
    }

    private async Task<string> OnCall(string query = "") => (await _engine.Get("on-call" + query))["items"]![0]!["people"]![0]!["person"]!.ToString();

    private async Task<HttpStatusCode> Status(string path)
    {
        using var answer = await _engine.Http.GetAsync(new Uri("/api/v1/" + path, UriKind.Relative));
        return answer.StatusCode;
    }
}
