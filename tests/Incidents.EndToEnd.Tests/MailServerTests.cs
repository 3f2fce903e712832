using System.Globalization;
using System.Net;
using Incidents.StandIns;

namespace Incidents.EndToEnd.Tests;

/// <summary>Mail handed to a mail server that we did not write.</summary>
public sealed class MailServerTests
{
    [Test]
    public async Task A_critical_alert_is_taken_once_by_a_real_mail_server()
    {
        var port = ChildProcess.FreePort();
        await using var mail = ChildProcess.Start("/usr/bin/python3", ["-u", "-m", "aiosmtpd", "-n", "-l", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}")], Path.GetTempPath());
        await using var standIns = await StandInServer.StartAsync();
        await using var engine = new EngineProcess(standIns, settings: new Dictionary<string, string> { ["Smtp__Port"] = port.ToString(CultureInfo.InvariantCulture) });
        await engine.StartAsync();

        var (status, _) = await engine.SendAsync(Webhook.Of("DiskFull", "orders-db", "critical", firing: true, TimeProvider.System.GetUtcNow()));

        Assert.That(status, Is.EqualTo(HttpStatusCode.Accepted));
        await Eventually.IsAsync(() => engine.QueryAsync<long>("select count(*) from deliveries where receiver = 'email-on-call' and state = 'delivered'"), Is.EqualTo(1), "the mail is recorded as delivered");
        await Eventually.IsAsync(() => mail.Printed.Split("Subject: ").Length - 1, Is.EqualTo(1), "the mail server printed one mail");
        Assert.That(mail.Printed, Does.Contain("Subject: [CRITICAL] INC-1").And.Contain("on-call@example.com"));
    }
}
