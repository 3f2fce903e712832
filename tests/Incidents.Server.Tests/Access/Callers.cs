using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Incidents.Server.Web;

namespace Incidents.Server.Tests.Access;

/// <summary>Programs with keys and people in browsers, each as the engine sees them.</summary>
internal static partial class Callers
{
    public const string Password = "correct horse battery";

    public static async Task<HttpClient> WithKey(this Engine engine, string? team, params string[] scopes)
    {
        var (status, made) = await engine.Post("api-keys", new { name = $"{string.Join('-', scopes)}{team}", scopes, team });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), made.ToJsonString());
        var client = engine.Client(made["key"]!.GetValue<string>());
        return client;
    }

    /// <summary>Somebody invited by an administrator, who has chosen a password and is signed in. Memberships as <c>responder@pay</c>.</summary>
    public static async Task<Visitor> SignedIn(this Engine engine, string name, params string[] memberships)
    {
        var made = await engine.Invited(name, memberships);
        var visitor = engine.Visitor();
        await visitor.AcceptsInvitation(made.Invitation);
        return visitor with { UserId = made.Id };
    }

    public static async Task<(Guid Id, string Invitation)> Invited(this Engine engine, string name, params string[] memberships)
    {
        var given = memberships.Select(m => m.Split('@')).Select(p => new { role = p[0], team = p.Length > 1 ? p[1] : null });
        var (status, made) = await engine.Post("users", new { name, email = $"{name}@example.org", memberships = given });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), made.ToJsonString());
        return (made["user"]!["id"]!.GetValue<Guid>(), new Uri(made["invitation_url"]!.GetValue<string>()).PathAndQuery);
    }

    public static Visitor Visitor(this Engine engine)
    {
        var client = new HttpClient(new CookieJar()) { BaseAddress = engine.Http.BaseAddress };
        client.DefaultRequestHeaders.Add("Sec-Fetch-Site", "same-origin");
        return new Visitor(client, Guid.Empty);
    }

    [GeneratedRegex("""name="(?<field>__RequestVerificationToken)" value="(?<token>[^"]+)"|name="token" value="(?<link>[^"]+)"|name="user" value="(?<user>[^"]+)""" + "\"")]
    internal static partial Regex Hidden();
}

/// <summary>A browser.</summary>
internal sealed record Visitor(HttpClient Http, Guid UserId) : IDisposable
{
    public async Task AcceptsInvitation(string link, string password = Callers.Password)
    {
        var answer = await Submits(link, "/invitation", ("password", password));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther), await answer.Content.ReadAsStringAsync());
    }

    public Task<HttpResponseMessage> SignsIn(string name, string password = Callers.Password) => Submits("/sign-in", "/sign-in", ("email", $"{name}@example.org"), ("password", password), ("to", "/"));

    /// <summary>Opens a page and sends one of its forms with what the page hid in it.</summary>
    public async Task<HttpResponseMessage> Submits(string page, string action, params (string Name, string Value)[] fields)
    {
        var text = await Http.GetStringAsync(new Uri(page, UriKind.Relative));
        var form = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match hidden in Callers.Hidden().Matches(text))
        {
            if (hidden.Groups["token"].Success) form[hidden.Groups["field"].Value] = WebUtility.HtmlDecode(hidden.Groups["token"].Value);
            if (hidden.Groups["link"].Success) form["token"] = WebUtility.HtmlDecode(hidden.Groups["link"].Value);
            if (hidden.Groups["user"].Success) form["user"] = hidden.Groups["user"].Value;
        }

        foreach (var (name, value) in fields) form[name] = value;
        using var content = new FormUrlEncodedContent(form);
        return await Http.PostAsync(new Uri(action, UriKind.Relative), content);
    }

    public async Task<(HttpStatusCode Status, string Text)> Gets(string path)
    {
        using var answer = await Http.GetAsync(new Uri(path, UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public async Task<(HttpStatusCode Status, JsonObject Body)> Sends(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, "/api/v1/" + path) { Content = body is null ? null : JsonContent.Create(body, options: ApiJson.Options) };
        using var answer = await Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return (answer.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject());
    }

    public void Dispose() => Http.Dispose();
}

/// <summary>Keeps cookies by name alone: the engine's clock, by which they expire, is not this machine's.</summary>
internal sealed class CookieJar() : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
{
    private readonly Dictionary<string, string> _cookies = new(StringComparer.Ordinal);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (_cookies.Count > 0) request.Headers.Add("Cookie", string.Join("; ", _cookies.Select(c => $"{c.Key}={c.Value}")));
        var answer = await base.SendAsync(request, cancellationToken);
        foreach (var set in answer.Headers.TryGetValues("Set-Cookie", out var values) ? values : [])
        {
            var pair = set.Split(';')[0].Split('=', 2);
            if (pair[1].Length == 0) _cookies.Remove(pair[0]);
            else _cookies[pair[0]] = pair[1];
        }

        return answer;
    }
}
