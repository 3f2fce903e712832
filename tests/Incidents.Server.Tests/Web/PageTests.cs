using System.Net;
using CsCheck;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using NodaTime;

namespace Incidents.Server.Tests.Web;

internal sealed class PageTests
{
    private WebHost _host = null!;
    private HttpClient _client = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _host = await WebHost.StartAsync(app =>
        {
            app.MapGet("/api/test/numbers", IResult ([AsParameters] PageQuery page, HttpContext c) =>
            {
                if (!page.TryRead<Position>("numbers", out var limit, out var after, out var problem)) return problem;
                var rows = Enumerable.Range(1, 125).Where(n => after is null || n > after.Number).Take(limit + 1).ToArray();
                return Results.Ok(Page.Of(c, rows, limit, "numbers", n => new Position(n)));
            });
            app.MapGet("/api/test/thing", (HttpContext c) => ETags.NotModified(c, 7) ?? Results.Ok("thing"));
            app.MapPost("/api/test/thing", (HttpContext c) => ETags.RequireIfMatch(c, 7) ?? Results.Ok("changed"));
            app.MapPost("/api/test/lenient", (HttpContext c) => ETags.CheckIfMatch(c, 7) ?? Results.Ok("changed"));
        });
        _client = _host.Client();
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        _client.Dispose();
        await _host.DisposeAsync();
    }

    [Test]
    public async Task Following_the_link_header_gives_every_item_once_and_then_ends()
    {
        var seen = new List<int>();
        string? next = "/api/test/numbers?limit=50&filter=a%20b";
        while (next is not null)
        {
            var answer = await _client.GetAsync(next);
            var page = await answer.ReadAsync();
            seen.AddRange(page["items"]!.AsArray().Select(n => n!.GetValue<int>()));
            next = answer.Headers.TryGetValues("Link", out var link) ? link.Single().Split('>')[0].TrimStart('<') : null;
            Assert.That(page["has_more"]!.GetValue<bool>(), Is.EqualTo(next is not null));
            Assert.That(page["next_cursor"] is not null, Is.EqualTo(next is not null));
            if (next is not null) Assert.That(next, Does.Contain("limit=50").And.Contain("filter=a"));
        }

        Assert.That(seen, Is.EqualTo(Enumerable.Range(1, 125)));
    }

    [TestCase("limit=0", "?limit")]
    [TestCase("limit=201", "?limit")]
    [TestCase("limit=many", "?limit")]
    [TestCase("cursor=garbage", "?cursor")]
    [TestCase("cursor=!!", "?cursor")]
    public async Task What_is_wrong_with_the_query_is_said(string query, string pointer)
    {
        var answer = await _client.GetAsync("/api/test/numbers?" + query);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That((await answer.ReadAsync())["errors"]![0]!["pointer"]!.GetValue<string>(), Is.EqualTo(pointer));
    }

    [Test]
    public async Task Fifty_items_are_a_page_by_default()
    {
        Assert.That((await (await _client.GetAsync("/api/test/numbers")).ReadAsync())["items"]!.AsArray(), Has.Count.EqualTo(50));
    }

    [Test]
    public void A_cursor_reads_back_as_it_was_written() =>
        Gen.Select(Gen.Long, Gen.String).Sample((id, name) =>
        {
            var position = new Wide(id, name, Instant.FromUnixTimeTicks(id / 1_000_000));
            return PageCursor.Decode<Wide>("list", PageCursor.Encode("list", position)) == position;
        });

    [Test]
    public void A_changed_cursor_is_refused()
    {
        var cursor = PageCursor.Encode("numbers", new Position(12));
        for (var i = 0; i < cursor.Length; i++)
        {
            // 'A' and '_' differ in every bit of the group, so no unused trailing bits hide the change
            var changed = cursor[..i] + (cursor[i] == 'A' ? '_' : 'A') + cursor[(i + 1)..];
            Assert.That(PageCursor.Decode<Position>("numbers", changed), Is.Null, $"position {i}");
        }

        Assert.That(PageCursor.Decode<Position>("numbers", cursor[..^4]), Is.Null);
        Assert.That(PageCursor.Decode<Position>("letters", cursor), Is.Null);
        Assert.That(PageCursor.Decode<Position>("numbers", cursor)!.Number, Is.EqualTo(12));
    }

    [TestCase("\"7\"", 304)]
    [TestCase("W/\"7\"", 304)]
    [TestCase("\"6\", \"7\"", 304)]
    [TestCase("*", 304)]
    [TestCase("\"6\"", 200)]
    [TestCase(null, 200)]
    public async Task A_poller_who_has_it_already_gets_304(string? ifNoneMatch, int status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/test/thing");
        if (ifNoneMatch is not null) request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);
        var answer = await _client.SendAsync(request);
        Assert.That((int)answer.StatusCode, Is.EqualTo(status));
        Assert.That(answer.Headers.ETag?.Tag, Is.EqualTo("\"7\""));
    }

    [TestCase("thing", "\"7\"", 200)]
    [TestCase("thing", "*", 200)]
    [TestCase("thing", "\"6\"", 412)]
    [TestCase("thing", "W/\"7\"", 412)]
    [TestCase("thing", null, 428)]
    [TestCase("lenient", null, 200)]
    [TestCase("lenient", "\"6\"", 412)]
    public async Task A_change_needs_the_revision_it_was_decided_on(string path, string? ifMatch, int status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/test/" + path);
        if (ifMatch is not null) request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        var answer = await _client.SendAsync(request);
        Assert.That((int)answer.StatusCode, Is.EqualTo(status));
        if (status != 200) Assert.That(answer.Headers.ETag?.Tag, Is.EqualTo("\"7\""));
    }

    private sealed record Position(int Number);

    private sealed record Wide(long Id, string Name, Instant At);
}
