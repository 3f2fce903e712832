using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Access;

/// <summary>Signing in through a provider that speaks OpenID Connect over real HTTP.</summary>
internal sealed class OidcTests
{
    private Provider _provider = null!;
    private Engine _engine = null!;

    [SetUp]
    public async Task Start()
    {
        _provider = await Provider.StartAsync();
        _engine = await StartAsync(Engine.Routing, settings:
        [
            ("Oidc:Authority", _provider.Url), ("Oidc:ClientId", "incidents"), ("Oidc:ClientSecret", "a secret of the client"), ("Oidc:Name", "Example SSO"),
            ("Oidc:Roles:0:Value", "sre"), ("Oidc:Roles:0:Role", "admin"), ("Oidc:Roles:1:Value", "payments"), ("Oidc:Roles:1:Role", "responder"), ("Oidc:Roles:1:Team", "pay"),
        ]);
    }

    [TearDown]
    public async Task Stop()
    {
        await _engine.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Groups_of_the_provider_become_roles_and_are_read_anew_at_every_sign_in(bool toldByUserInfoOnly)
    {
        _provider.TokenLeavesOut = toldByUserInfoOnly ? "groups" : null;
        using var dana = _engine.Visitor();
        Assert.That((await dana.Gets("/sign-in")).Text, Does.Contain("Example SSO"));
        _provider.Claims = new { sub = "u1", name = "Dana Okafor", email = "dana@example.org", email_verified = true, groups = new[] { "payments", "choir" } };
        var landed = await Enters(dana, "/i/7");
        Assert.That((landed.StatusCode, landed.Headers.Location?.OriginalString), Is.EqualTo((HttpStatusCode.Found, "/i/7")));
        var (_, account) = await dana.Gets("/account");
        Assert.That(account, Does.Contain("Dana Okafor").And.Contain("responder of pay"));
        Assert.That((await dana.Gets("/api/v1/users")).Status, Is.EqualTo(HttpStatusCode.Forbidden));

        _provider.Claims = new { sub = "u1", name = "Dana Okafor", email = "new@example.org", email_verified = true, groups = new[] { "sre" } };
        await Enters(dana, "/");
        Assert.That((await dana.Gets("/api/v1/users")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await _engine.Query<long>("select count(*) from users"), Is.EqualTo(1), "known by the provider's name for her");
    }

    [Test]
    public async Task An_email_that_is_not_verified_opens_nobodys_account()
    {
        await _engine.Invited("dana", "admin");
        using var thief = _engine.Visitor();
        _provider.Claims = new { sub = "u2", name = "Dana", email = "dana@example.org", email_verified = false, groups = new[] { "sre" } };
        Assert.That((await Enters(thief, "/")).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That((await thief.Gets("/")).Status, Is.EqualTo(HttpStatusCode.Found));

        _provider.Claims = new { sub = "u1", name = "Dana", email = "dana@example.org", email_verified = true, groups = new[] { "sre" } };
        using var dana = _engine.Visitor();
        await Enters(dana, "/");
        Assert.That((await dana.Gets("/")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await _engine.Query<long>("select count(*) from users"), Is.EqualTo(1));
    }

    [Test]
    public async Task Whoever_has_an_address_with_unusual_characters_comes_in()
    {
        using var visitor = _engine.Visitor();
        _provider.Claims = new { sub = "u3", name = "Josephine O'Brien", email = "josé+o'brien@example.org", email_verified = true, groups = new[] { "sre" } };
        Assert.That((await Enters(visitor, "/")).StatusCode, Is.EqualTo(HttpStatusCode.Found));
        Assert.That((await visitor.Gets("/account")).Text, Does.Contain("O&#x27;Brien"));
    }

    [Test]
    public async Task A_token_signed_by_another_and_an_answer_nobody_asked_for_are_refused()
    {
        using var visitor = _engine.Visitor();
        _provider.Claims = new { sub = "u1", name = "Dana", email = "dana@example.org", email_verified = true, groups = new[] { "sre" } };
        _provider.Signer = RSA.Create(2048);
        Assert.That((await Enters(visitor, "/")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await visitor.Gets("/signin-oidc?code=x&state=y")).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await _engine.Query<long>("select count(*) from users"), Is.Zero);
    }

    /// <summary>The whole way: to the provider, which signs in at once, and back.</summary>
    private async Task<HttpResponseMessage> Enters(Visitor visitor, string to)
    {
        using var begun = await visitor.Http.GetAsync(new Uri("/sign-in/oidc?to=" + Uri.EscapeDataString(to), UriKind.Relative));
        Assert.That(begun.StatusCode, Is.EqualTo(HttpStatusCode.Found), await begun.Content.ReadAsStringAsync());
        return await visitor.Http.GetAsync(_provider.Answer(begun.Headers.Location!));
    }

    private sealed class Provider : IAsyncDisposable
    {
        private readonly RSA _key = RSA.Create(2048);
        private readonly WebApplication _app = WebApplication.CreateSlimBuilder().Build();
        private readonly Dictionary<string, (string Nonce, string Challenge)> _codes = new(StringComparer.Ordinal);

        public object Claims { get; set; } = new { };

        public RSA? Signer { get; set; }

        /// <summary>A claim that only the user-info endpoint tells.</summary>
        public string? TokenLeavesOut { get; set; }

        public string Url => _app.Urls.First();

        public static async Task<Provider> StartAsync()
        {
            var provider = new Provider();
            var app = provider._app;
            app.Urls.Add("http://127.0.0.1:0");
            app.MapGet("/.well-known/openid-configuration", () => Results.Json(new
            {
                issuer = provider.Url, authorization_endpoint = provider.Url + "/authorize", token_endpoint = provider.Url + "/token", jwks_uri = provider.Url + "/keys", userinfo_endpoint = provider.Url + "/userinfo",
            }));
            app.MapGet("/keys", () =>
            {
                var parameters = provider._key.ExportParameters(false);
                return Results.Json(new { keys = new[] { new { kty = "RSA", use = "sig", kid = "k1", alg = "RS256", n = Base64UrlEncoder.Encode(parameters.Modulus), e = Base64UrlEncoder.Encode(parameters.Exponent) } } });
            });
            app.MapPost("/token", async (HttpRequest request) =>
            {
                var form = await request.ReadFormAsync();
                var (nonce, challenge) = provider._codes[form["code"]!];
                if (Base64UrlEncoder.Encode(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(form["code_verifier"]!))) != challenge || form["client_secret"] != "a secret of the client") return Results.BadRequest(new { error = "invalid_grant" });
                return Results.Json(new { access_token = "a", token_type = "Bearer", id_token = provider.Token(nonce) });
            });
            app.MapGet("/userinfo", () => Results.Json(provider.Claims));
            await app.StartAsync();
            return provider;
        }

        /// <summary>What the provider sends the browser back with.</summary>
        public Uri Answer(Uri asked)
        {
            var query = QueryHelpers.ParseQuery(asked.Query);
            var code = Guid.NewGuid().ToString("n");
            _codes[code] = (query["nonce"]!, query["code_challenge"]!);
            return new Uri(QueryHelpers.AddQueryString(query["redirect_uri"]!, new Dictionary<string, string?> { ["code"] = code, ["state"] = query["state"] }));
        }

        public async ValueTask DisposeAsync()
        {
            await _app.DisposeAsync();
            _key.Dispose();
            Signer?.Dispose();
        }

        private string Token(string nonce)
        {
            var claims = JsonSerializer.SerializeToElement(Claims).EnumerateObject().Where(p => p.Name != TokenLeavesOut).ToDictionary(p => p.Name, p => (object)p.Value);
            claims["nonce"] = nonce;
            return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
            {
                Issuer = Url, Audience = "incidents", Claims = claims, Expires = TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(5),
                SigningCredentials = new SigningCredentials(new RsaSecurityKey(Signer ?? _key) { KeyId = "k1" }, SecurityAlgorithms.RsaSha256),
            });
        }
    }
}
