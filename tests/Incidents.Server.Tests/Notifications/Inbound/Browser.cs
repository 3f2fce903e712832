using System.Net;
using System.Text.RegularExpressions;

namespace Incidents.Server.Tests.Notifications.Inbound;

/// <summary>A browser without scripts: cookies (which never expire: the story has a clock of its own), forms and redirects.</summary>
internal sealed partial class Browser : IDisposable
{
    private readonly Dictionary<string, string> _cookies = new(StringComparer.Ordinal);
    private readonly HttpClient _client;

    public Browser(Engine engine)
    {
        using var anybody = engine.Client(null);
        _client = new HttpClient(new HttpClientHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = anybody.BaseAddress };
    }

    public int Cookies => _cookies.Count;

    public Task<WebAnswer> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

    public async Task<HttpStatusCode> HeadAsync(string path) => (await SendAsync(HttpMethod.Head, path, null)).Status;

    /// <summary>Sends the form of a page that was shown, with its hidden fields.</summary>
    public Task<WebAnswer> PostAsync(string path, string page, params (string Name, string Value)[] fields)
    {
        var form = fields.Select(f => KeyValuePair.Create(f.Name, f.Value)).ToList();
        form.AddRange(Hidden().Matches(page).Select(m => KeyValuePair.Create(m.Groups["name"].Value, m.Groups["value"].Value)));
        return SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(form.DistinctBy(f => f.Key)));
    }

    public async Task SignInAsync(string name, string key = Engine.AdminKey)
    {
        var (_, page) = await GetAsync("/sign-in");
        var (status, body) = await PostAsync("/sign-in", page, ("key", key), ("name", name), ("to", "/"));
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK), body);
    }

    public void Dispose() => _client.Dispose();

    private async Task<WebAnswer> SendAsync(HttpMethod method, string path, HttpContent? content)
    {
        for (var hops = 0; hops < 5; hops++)
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            if (_cookies.Count > 0) request.Headers.Add("Cookie", string.Join("; ", _cookies.Select(c => $"{c.Key}={c.Value}")));
            using var answer = await _client.SendAsync(request);
            if (answer.Headers.TryGetValues("Set-Cookie", out var set))
            {
                foreach (var cookie in set.Select(c => c.Split(';')[0].Split('=', 2))) _cookies[cookie[0]] = cookie[1];
            }

            if (answer.Headers.Location is not { } next) return new WebAnswer(answer.StatusCode, WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync()));
            (method, path, content) = (HttpMethod.Get, next.IsAbsoluteUri ? next.PathAndQuery : next.ToString(), null);
        }

        throw new InvalidOperationException("Too many redirects.");
    }

    [GeneratedRegex("""<input type="hidden" name="(?<name>[^"]+)" value="(?<value>[^"]*)" ?/?>""")]
    private static partial Regex Hidden();
}
