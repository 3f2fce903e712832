using System.Net;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Incidents.Server.Tests.Web;

internal sealed class AuditTests
{
    [Test]
    public async Task Every_write_names_who_what_and_from_where()
    {
        await using var host = await WebHost.StartAsync();
        await host.CreateKeyAsync("audited", Scopes.Read);
        using var admin = host.Client();
        var entry = (await (await admin.GetAsync("/api/v1/audit")).ReadAsync())["items"]![0]!;

        Assert.That(entry["actor"]!.GetValue<string>(), Is.EqualTo("bootstrap"));
        Assert.That(entry["actor_kind"]!.GetValue<string>(), Is.EqualTo("api_key"));
        Assert.That(entry["action"]!.GetValue<string>(), Is.EqualTo("api_key.created"));
        Assert.That(entry["subject"]!.GetValue<string>(), Does.StartWith("api_key/"));
        Assert.That(entry["remote_address"]!.GetValue<string>(), Is.EqualTo("127.0.0.1"));
        Assert.That(entry["detail"]!["name"]!.GetValue<string>(), Is.EqualTo("audited"));
    }

    [Test]
    public async Task The_log_comes_in_pages_and_can_be_asked_about_one_subject()
    {
        await using var host = await WebHost.StartAsync();
        for (var i = 0; i < 5; i++) await host.CreateKeyAsync($"key {i}", Scopes.Read);
        using var admin = host.Client();
        var first = await (await admin.GetAsync("/api/v1/audit?limit=3")).ReadAsync();
        var second = await (await admin.GetAsync($"/api/v1/audit?limit=3&cursor={first["next_cursor"]}")).ReadAsync();

        Assert.That(first["items"]!.AsArray().Concat(second["items"]!.AsArray()).Select(e => e!["detail"]!["name"]!.GetValue<string>()), Is.EqualTo(new[] { "key 4", "key 3", "key 2", "key 1", "key 0" }));
        var subject = first["items"]![1]!["subject"]!.GetValue<string>();
        Assert.That((await (await admin.GetAsync($"/api/v1/audit?subject={subject}")).ReadAsync())["items"]!.AsArray(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task The_log_is_for_administrators()
    {
        await using var host = await WebHost.StartAsync();
        using var reader = host.Client(await host.CreateKeyAsync("reader", Scopes.Respond));
        Assert.That((await reader.GetAsync("/api/v1/audit")).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    [Test]
    public async Task An_entry_is_saved_with_its_change_or_not_at_all()
    {
        await using var host = await WebHost.StartAsync();
        await using (var scope = host.Services.CreateAsyncScope()) scope.ServiceProvider.GetRequiredService<IAuditLog>().Add("thing.changed", "thing/1");

        Assert.That(await host.WithDatabaseAsync(db => db.Set<AuditEntry>().CountAsync()), Is.Zero);
    }

    [Test]
    public async Task Outside_of_a_request_the_engine_itself_acts_unless_told_otherwise()
    {
        await using var host = await WebHost.StartAsync();
        await using var scope = host.Services.CreateAsyncScope();
        var actor = scope.ServiceProvider.GetRequiredService<IActor>();
        Assert.That((actor.Name, actor.Kind, actor.Remote), Is.EqualTo(("incidents", ActorKind.System, (IPAddress?)null)));

        actor.Is("dana", ActorKind.Slack);
        Assert.That((actor.Name, actor.Kind), Is.EqualTo(("dana", ActorKind.Slack)));
    }
}
