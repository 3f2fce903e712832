using System.Net;
using Incidents.Server.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;

namespace Incidents.Server.Tests.Web;

internal sealed class IdempotencyTests
{
    private WebHost _host = null!;
    private HttpClient _client = null!;
    private int _runs;
    private TaskCompletionSource _begun = null!;
    private TaskCompletionSource _mayEnd = null!;

    [SetUp]
    public void Reset() => (_runs, _begun, _mayEnd) = (0, new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously));

    [OneTimeSetUp]
    public async Task Start()
    {
        _host = await WebHost.StartAsync(app =>
        {
            app.MapPost("/api/test/make", (Thing thing) => TypedResults.Created($"/things/{Interlocked.Increment(ref _runs)}", new { thing.Name, run = _runs })).WithIdempotency();
            app.MapPost("/api/test/refuse", IResult () => ApiProblem.Unprocessable("refused", $"run {Interlocked.Increment(ref _runs)}")).WithIdempotency();
            app.MapPost("/api/test/conflict", IResult () => ApiProblem.Conflict("refused", $"run {Interlocked.Increment(ref _runs)}")).WithIdempotency();
            app.MapPost("/api/test/fail-once", () => Interlocked.Increment(ref _runs) == 1 ? throw new InvalidOperationException("first time") : Results.Ok(_runs)).WithIdempotency();
            app.MapPost("/api/test/slow", async () =>
            {
                Interlocked.Increment(ref _runs);
                _begun.TrySetResult();
                await _mayEnd.Task;
                return Results.Ok(_runs);
            }).WithIdempotency();
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
    public async Task A_repeat_gets_the_first_answer_and_nothing_runs_twice()
    {
        var first = await PostAsync("make", "k1", new { name = "a" });
        var second = await PostAsync("make", "k1", new { name = "a" });

        Assert.That(_runs, Is.EqualTo(1));
        Assert.That(first.Headers.Contains("Idempotent-Replayed"), Is.False);
        Assert.That(second.Headers.GetValues("Idempotent-Replayed"), Is.EqualTo(new[] { "true" }));
        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.Created));
        Assert.That(second.Headers.Location, Is.EqualTo(first.Headers.Location));
        Assert.That(second.Content.Headers.ContentType, Is.EqualTo(first.Content.Headers.ContentType));
        Assert.That(await second.Content.ReadAsStringAsync(), Is.EqualTo(await first.Content.ReadAsStringAsync()).And.Contains("\"a\""));
    }

    [Test]
    public async Task A_refusal_is_an_answer_too()
    {
        var first = await PostAsync("refuse", "k2", new { });
        var second = await PostAsync("refuse", "k2", new { });
        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.UnprocessableEntity));
        Assert.That(await second.Content.ReadAsStringAsync(), Is.EqualTo(await first.Content.ReadAsStringAsync()));
    }

    [Test]
    public async Task A_conflict_is_not_kept_because_the_next_try_may_go_otherwise()
    {
        await PostAsync("conflict", "k9", new { });
        var second = await PostAsync("conflict", "k9", new { });
        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(_runs, Is.EqualTo(2));
    }

    [Test]
    public async Task Without_a_key_everything_runs()
    {
        await PostAsync("make", null, new { name = "a" });
        await PostAsync("make", null, new { name = "a" });
        Assert.That(_runs, Is.EqualTo(2));
    }

    [Test]
    public async Task The_same_key_with_another_body_is_422()
    {
        await PostAsync("make", "k3", new { name = "a" });
        var other = await PostAsync("make", "k3", new { name = "b" });
        Assert.That((int)other.StatusCode, Is.EqualTo(422));
        Assert.That(await other.ProblemCodeAsync(), Is.EqualTo("idempotency_key_reused"));
    }

    [Test]
    public async Task Two_callers_may_use_the_same_key()
    {
        await PostAsync("make", "k4", new { name = "a" });
        using var other = _host.Client(await _host.CreateKeyAsync("another", Scopes.Admin));
        var answer = await PostAsync("make", "k4", new { name = "b" }, other);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Created));
    }

    [Test]
    public async Task A_failure_of_ours_is_not_kept()
    {
        Assert.That((await PostAsync("fail-once", "k5", new { })).StatusCode, Is.EqualTo(HttpStatusCode.InternalServerError));
        Assert.That((await PostAsync("fail-once", "k5", new { })).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task While_the_first_is_at_work_a_repeat_is_told_to_wait()
    {
        var first = PostAsync("slow", "k6", new { });
        await _begun.Task;
        var second = await PostAsync("slow", "k6", new { });
        _mayEnd.SetResult();

        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await second.ProblemCodeAsync(), Is.EqualTo("idempotency_in_progress"));
        Assert.That(second.Headers.RetryAfter?.Delta, Is.GreaterThan(TimeSpan.Zero));
        Assert.That((await first).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task After_a_crash_the_key_is_free_within_a_minute_and_a_late_finisher_overwrites_nothing()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero));
        var store = new IdempotencyStore(_host.Services.GetRequiredService<IServiceScopeFactory>(), clock);
        byte[] hash = [1];
        var crashed = (IdempotencyClaim.Granted)await store.ClaimAsync("c", "POST /x", "k7", hash, default);

        clock.Advance(TimeSpan.FromSeconds(59));
        Assert.That(await store.ClaimAsync("c", "POST /x", "k7", hash, default), Is.EqualTo(new IdempotencyClaim.InProgress(Duration.FromSeconds(1))));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.That(await store.ClaimAsync("c", "POST /x", "k7", [2], default), Is.InstanceOf<IdempotencyClaim.UsedForAnotherRequest>());
        var second = (IdempotencyClaim.Granted)await store.ClaimAsync("c", "POST /x", "k7", hash, default);

        await store.CompleteAsync("c", "POST /x", "k7", second.Holder, 201, "{}", [42], default);
        await store.CompleteAsync("c", "POST /x", "k7", crashed.Holder, 500, "{}", [13], default);
        await store.AbandonAsync("c", "POST /x", "k7", crashed.Holder, default);
        Assert.That(await store.ClaimAsync("c", "POST /x", "k7", hash, default), Is.InstanceOf<IdempotencyClaim.Answered>().With.Property("Status").EqualTo(201));

        clock.Advance(TimeSpan.FromHours(24));
        Assert.That(await store.ClaimAsync("c", "POST /x", "k7", [3], default), Is.InstanceOf<IdempotencyClaim.Granted>());
        clock.Advance(TimeSpan.FromHours(24));
        await store.PurgeAsync(default);
        Assert.That(await _host.WithDatabaseAsync(db => db.Set<IdempotencyRecord>().CountAsync(r => r.Key == "k7")), Is.Zero);
    }

    [Test]
    public async Task Of_many_at_once_one_runs()
    {
        _mayEnd.SetResult();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => PostAsync("slow", "k8", new { })));
        Assert.That(_runs, Is.EqualTo(1));
        Assert.That(answers.Select(a => (int)a.StatusCode), Is.All.AnyOf(200, 409));
    }

    [Test]
    public async Task A_key_that_is_none_is_400()
    {
        var answer = await PostAsync("make", new string('k', 256), new { name = "a" });
        Assert.That(await answer.ProblemCodeAsync(), Is.EqualTo("invalid_idempotency_key"));
    }

    private async Task<HttpResponseMessage> PostAsync(string path, string? key, object body, HttpClient? client = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/test/" + path) { Content = WebHost.Json(body) };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        return await (client ?? _client).SendAsync(request);
    }

    internal sealed record Thing(string Name);
}
