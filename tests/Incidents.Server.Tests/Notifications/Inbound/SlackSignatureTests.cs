using System.Text;
using Incidents.Server.Notifications.Inbound;
using NodaTime;

namespace Incidents.Server.Tests.Notifications.Inbound;

public class SlackSignatureTests
{
    /// <summary>Slack's own example (docs.slack.dev, "Verifying requests from Slack").</summary>
    internal const string Body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    internal const string Signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    internal const long Timestamp = 1531420618;

    private static SignatureCheck Check(string? timestamp = "1531420618", string? signature = Signature, string body = Body, long after = 0, string secret = Elsewhere.SlackSecret) =>
        SlackSignature.Check(secret, timestamp, signature, Encoding.UTF8.GetBytes(body), Instant.FromUnixTimeSeconds(Timestamp + after));

    [Test]
    public void Slacks_example_is_valid() => Assert.That(Check(), Is.EqualTo(SignatureCheck.Valid));

    [Test]
    public void One_changed_byte_anywhere_is_a_forgery()
    {
        Assert.That(Check(body: Body + " "), Is.EqualTo(SignatureCheck.Forged));
        Assert.That(Check(body: Body.Replace("roadrunner", "roadrunnes", StringComparison.Ordinal)), Is.EqualTo(SignatureCheck.Forged));
        Assert.That(Check(signature: Signature[..^1] + "4"), Is.EqualTo(SignatureCheck.Forged));
        Assert.That(Check(timestamp: "1531420619"), Is.EqualTo(SignatureCheck.Forged));
        Assert.That(Check(secret: Elsewhere.SlackSecret + "a"), Is.EqualTo(SignatureCheck.Forged));
    }

    [TestCase(300, SignatureCheck.Valid)]
    [TestCase(301, SignatureCheck.Late)]
    [TestCase(-300, SignatureCheck.Valid)]
    [TestCase(-301, SignatureCheck.Late)]
    public void Five_minutes_are_the_limit_in_both_directions(long after, object expected) => Assert.That(Check(after: after), Is.EqualTo((SignatureCheck)expected));

    [TestCase(null, Signature)]
    [TestCase("", Signature)]
    [TestCase("soon", Signature)]
    [TestCase("-5", Signature)]
    [TestCase("99999999999999999999", Signature)]
    [TestCase("999999999999999", Signature)]
    [TestCase("1531420618", null)]
    [TestCase("1531420618", "")]
    [TestCase("1531420618", "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")]
    [TestCase("1531420618", "v0=")]
    public void What_is_no_signature_is_none(string? timestamp, string? signature) => Assert.That(Check(timestamp, signature), Is.EqualTo(SignatureCheck.Missing));

    [Test]
    public void Hexadecimal_that_is_none_is_a_forgery() => Assert.That(Check(signature: "v0=" + new string('z', 64)), Is.EqualTo(SignatureCheck.Forged));
}
