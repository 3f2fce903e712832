using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Incidents.Server.Tests.Access;

/// <summary>
/// Every endpoint of the server against everybody who may call it, over real HTTP. Whoever adds an endpoint adds a line to <c>endpoints.txt</c> beside this file:
/// what it needs, its method and its route.
/// </summary>
internal sealed partial class EndpointAccessTests
{
    /// <summary>What a line may say: nothing; any key or session; a scope; a role in the team of what is acted on, or a lead (for both the door is respond, and the command asks for the team).</summary>
    private static readonly string[] Doors = ["open", "any", "ingest", "read", "respond", "team", "lead", "admin"];

    /// <summary>Behind it only the far side's own signature counts, whatever key comes along; an address with a secret in it is tested where it is made.</summary>
    private const string Signed = "signed";

    private Engine _engine = null!;

    [OneTimeSetUp]
    public async Task Start() => _engine = await Engine.StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    public void Every_endpoint_is_in_the_table_and_the_table_names_no_other()
    {
        var table = Table();
        Assert.That(table.Keys, Is.Unique);
        Assert.That(table.Values.Except([.. Doors, Signed]), Is.Empty);
        var real = Endpoints().Select(e => $"{e.Method} {e.Route}").ToHashSet();
        Assert.Multiple(() =>
        {
            Assert.That(string.Join('\n', Endpoints().Where(e => !table.ContainsKey($"{e.Method} {e.Route}")).Select(e => $"{DoorOf(e.Endpoint)} {e.Method} {e.Route}")), Is.Empty, "add these lines to endpoints.txt, if that is what they should need");
            Assert.That(table.Keys.Where(k => !real.Contains(k)), Is.Empty, "these are in endpoints.txt and not in the server");
        });
    }

    [Test]
    public async Task Everybody_gets_in_where_they_may_and_nowhere_else()
    {
        using var nobody = _engine.Visitor();
        using var ingest = await _engine.WithKey(null, "ingest");
        using var read = await _engine.WithKey(null, "read");
        using var respond = await _engine.WithKey(null, "respond");
        using var limited = await _engine.WithKey("pay", "respond");
        using var admin = _engine.Client(Engine.AdminKey);
        using var newcomer = await _engine.SignedIn("newcomer");
        using var viewer = await _engine.SignedIn("viewer", "viewer");
        using var viewerOfTeam = await _engine.SignedIn("viewer-of-pay", "viewer@pay");
        using var responder = await _engine.SignedIn("responder", "responder");
        using var responderOfTeam = await _engine.SignedIn("responder-of-pay", "responder@pay");
        using var leadOfTeam = await _engine.SignedIn("lead-of-pay", "lead@pay");
        using var leadOfOther = await _engine.SignedIn("lead-of-web", "lead@web");
        using var adminOfTeam = await _engine.SignedIn("admin-of-pay", "admin@pay");
        using var administrator = await _engine.SignedIn("administrator", "admin");
        (string Name, HttpClient Client, string[] Enters)[] callers =
        [
            ("nobody", nobody.Http, ["open"]),
            ("a key to ingest", ingest, ["open", "any", "ingest"]),
            ("a key to read", read, ["open", "any", "read"]),
            ("a key to respond", respond, ["open", "any", "read", "respond"]),
            ("a key of team pay", limited, ["open", "any", "read", "respond"]),
            ("an admin key", admin, Doors),
            ("a user without a role", newcomer.Http, ["open", "any"]),
            ("a viewer", viewer.Http, ["open", "any", "read"]),
            ("a viewer of team pay", viewerOfTeam.Http, ["open", "any", "read"]),
            ("a responder", responder.Http, ["open", "any", "read", "respond"]),
            ("a responder of team pay", responderOfTeam.Http, ["open", "any", "read", "respond"]),
            ("a lead of team pay", leadOfTeam.Http, ["open", "any", "read", "respond", "lead"]),
            ("a lead of another team", leadOfOther.Http, ["open", "any", "read", "respond"]),
            ("an admin of team pay", adminOfTeam.Http, ["open", "any", "read", "respond", "lead"]),
            ("an admin", administrator.Http, Doors),
        ];

        var table = Table();
        var wrong = new List<string>();
        foreach (var (method, route, _) in Endpoints())
        {
            // The page that says that something is not allowed says it with its status.
            if (route == "/not-allowed" || !table.TryGetValue($"{method} {route}", out var door)) continue;
            foreach (var (name, client, enters) in callers)
            {
                var (isIn, status) = await EntersAsync(client, method, Filled(route));
                if (isIn != enters.Contains(door == "team" ? "respond" : door)) wrong.Add($"{name}: {method} {route} ({door}) answered {status}");
            }
        }

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public async Task Every_form_refuses_to_come_from_elsewhere()
    {
        using var boss = await _engine.SignedIn("boss-of-forms", "admin");
        var taken = new List<string>();
        foreach (var (method, route, _) in Endpoints().Where(e => e.Method == "POST" && !e.Route.StartsWith("/api/", StringComparison.Ordinal)))
        {
            // A link in a mail carries its own seal, and the provider's answer its own state.
            if (route is "/mail") continue;
            using var form = new FormUrlEncodedContent([KeyValuePair.Create("name", "x")]);
            using var answer = await boss.Http.PostAsync(new Uri(Filled(route), UriKind.Relative), form);
            if (answer.StatusCode != HttpStatusCode.BadRequest || !(await answer.Content.ReadAsStringAsync()).Contains("This form is no longer valid", StringComparison.Ordinal)) taken.Add($"{route} answered {(int)answer.StatusCode}");
        }

        Assert.That(taken, Is.Empty);
    }

    private static async Task<(bool IsIn, int Status)> EntersAsync(HttpClient client, string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (method is "POST" or "PUT" or "PATCH") request.Content = new StringContent(path.Contains("/members/", StringComparison.Ordinal) ? """{"role":"viewer"}""" : "{}", Encoding.UTF8, "application/json");

        // Streams never end by themselves.
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var to = answer.Headers.Location?.ToString() ?? "";
        var isSentAway = answer.StatusCode is HttpStatusCode.Found && (to.Contains("/sign-in?", StringComparison.Ordinal) || to.Contains("/not-allowed", StringComparison.Ordinal));
        return (answer.StatusCode is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) && !isSentAway, (int)answer.StatusCode);
    }

    /// <summary>A path that the route takes and that leads to nothing real.</summary>
    private static string Filled(string route) => Parameter().Replace(route, match => (match.Groups["name"].Value, match.Groups["rule"].Value) switch
    {
        (_, "long" or "int") => "999999",
        (_, "guid") => "00000000-0000-7000-8000-000000000001",
        (_, var rule) when rule.StartsWith("regex(^(", StringComparison.Ordinal) => rule["regex(^(".Length..].Split('|', ')')[0],
        ("team", _) => "pay",
        ("user", _) => "00000000-0000-7000-8000-000000000001",
        _ => "nothing",
    });

    private IEnumerable<(string Method, string Route, RouteEndpoint Endpoint)> Endpoints() =>
        from endpoint in _engine.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods is { Count: > 0 } methods ? methods : ["GET"]
        orderby endpoint.RoutePattern.RawText, method
        select (method, "/" + endpoint.RoutePattern.RawText!.Trim('/'), endpoint);

    private static string DoorOf(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null ? "open" : endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(a => a.Policy).LastOrDefault(p => p is not null) ?? "any";

    internal static Dictionary<string, string> Table() => File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Access", "endpoints.txt"))
        .Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split(' ', 3)).ToDictionary(p => $"{p[1]} {p[2]}", p => p[0], StringComparer.Ordinal);

    [GeneratedRegex(@"\{\*?(?<name>\w+)(:(?<rule>(regex\(.*\)|[^{}])+?))?\??\}")]
    private static partial Regex Parameter();
}
