using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using MimeKit;

namespace Incidents.StandIns;

/// <summary>One mail as it was handed over.</summary>
public sealed record ReceivedMail(string Sender, IReadOnlyList<string> Recipients, MimeMessage Message, int Bytes, string At);

/// <summary>A small mail server: takes everything, keeps it parsed, fails when told to.</summary>
public sealed class SmtpStandIn : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly Recorded<ReceivedMail> _mails;
    private readonly (string User, string Password)? _login;
    private readonly Faults _faults;
    private readonly CancellationTokenSource _stop = new();
    private Task _accepting = Task.CompletedTask;
    private long _connections;

    internal SmtpStandIn(int port, int keep, (string User, string Password)? login, Faults faults)
    {
        _listener = new TcpListener(IPAddress.Loopback, port);
        _mails = new Recorded<ReceivedMail>(keep);
        _login = login;
        _faults = faults;
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public IReadOnlyList<ReceivedMail> Mails => _mails.Items;

    public long TotalMails => _mails.Total;

    public long Connections => Interlocked.Read(ref _connections);

    internal void Start()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public void Reset()
    {
        _mails.Clear();
        Interlocked.Exchange(ref _connections, 0);
    }

    public JsonArray State() => new([.. _mails.Items.TakeLast(1000).Select(mail => new JsonObject
    {
        ["at"] = mail.At,
        ["sender"] = mail.Sender,
        ["recipients"] = new JsonArray([.. mail.Recipients.Select(r => JsonValue.Create(r))]),
        ["subject"] = mail.Message.Subject,
        ["message_id"] = mail.Message.MessageId,
        ["in_reply_to"] = mail.Message.InReplyTo,
        ["text"] = mail.Message.TextBody,
    })]);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var sessions = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                sessions.RemoveAll(session => session.IsCompleted);
                sessions.Add(ServeAsync(client));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(sessions);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var owned = client;
        Interlocked.Increment(ref _connections);
        try
        {
            client.NoDelay = true;
            using var reader = new StreamReader(client.GetStream(), Encoding.Latin1, leaveOpen: true);
            await new Session(this, client.GetStream(), reader).RunAsync(_stop.Token);
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client left, or we are told to: a mail server shrugs.
        }
    }

    private sealed class Session(SmtpStandIn server, NetworkStream stream, StreamReader reader)
    {
        private readonly List<string> _recipients = [];
        private string _sender = "";
        private bool _isLoggedIn;

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            if (!await ReplyAsync("connect", "", "220 stand-in ESMTP", cancellationToken)) return;
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                var verb = line.Split(' ', 2)[0].ToUpperInvariant();
                var goesOn = verb switch
                {
                    "EHLO" => await ReplyAsync("ehlo", line, server._login is null ? "250-stand-in\r\n250-8BITMIME\r\n250 SMTPUTF8" : "250-stand-in\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8", cancellationToken),
                    "HELO" => await ReplyAsync("ehlo", line, "250 stand-in", cancellationToken),
                    "AUTH" => await AuthenticateAsync(line, cancellationToken),
                    "MAIL" => await MailAsync(line, cancellationToken),
                    "RCPT" => await RecipientAsync(line, cancellationToken),
                    "DATA" => await DataAsync(line, cancellationToken),
                    "RSET" => await RsetAsync(cancellationToken),
                    "NOOP" => await SayAsync("250 ok", cancellationToken),
                    "QUIT" => await SayAsync("221 bye", cancellationToken) && false,
                    _ => await SayAsync("502 not known here", cancellationToken),
                };
                if (!goesOn) return;
            }
        }

        private async Task<bool> AuthenticateAsync(string line, CancellationToken cancellationToken)
        {
            if (server._login is not { } login) return await SayAsync("502 no AUTH here", cancellationToken);
            var parts = line.Split(' ');
            string user, password;
            if (parts.ElementAtOrDefault(1)?.ToUpperInvariant() == "PLAIN")
            {
                var text = Decode(parts.Length > 2 ? parts[2] : await AskAsync("334 ", cancellationToken)).Split('\0');
                (user, password) = (text.ElementAtOrDefault(1) ?? "", text.ElementAtOrDefault(2) ?? "");
            }
            else
            {
                user = Decode(parts.Length > 2 ? parts[2] : await AskAsync("334 VXNlcm5hbWU6", cancellationToken));
                password = Decode(await AskAsync("334 UGFzc3dvcmQ6", cancellationToken));
            }

            _isLoggedIn = user == login.User && password == login.Password;
            return await ReplyAsync("auth", line, _isLoggedIn ? "235 welcome" : "535 5.7.8 authentication credentials invalid", cancellationToken);
        }

        private async Task<bool> MailAsync(string line, CancellationToken cancellationToken)
        {
            if (server._login is not null && !_isLoggedIn) return await SayAsync("530 5.7.0 authentication required", cancellationToken);
            _sender = Address(line);
            _recipients.Clear();
            return await ReplyAsync("mail", line, "250 ok", cancellationToken);
        }

        private async Task<bool> RecipientAsync(string line, CancellationToken cancellationToken)
        {
            var fault = server._faults.Take("smtp/rcpt", () => line);
            if (fault is null or { Status: 0 or >= 200 and < 300 }) _recipients.Add(Address(line));
            return await ReplyAsync(fault, "250 ok", cancellationToken);
        }

        private async Task<bool> DataAsync(string line, CancellationToken cancellationToken)
        {
            if (_recipients.Count == 0) return await SayAsync("503 no valid recipients", cancellationToken);
            var refusal = server._faults.Take("smtp/data", () => line);
            if (refusal is not null) return await ReplyAsync(refusal, "354 go on", cancellationToken);
            await SayAsync("354 go on", cancellationToken);

            var text = new StringBuilder();
            while (await reader.ReadLineAsync(cancellationToken) is { } content && content != ".")
            {
                // A dot at the start of a line was doubled on the way.
                text.Append(content.StartsWith('.') ? content[1..] : content).Append("\r\n");
            }

            var fault = server._faults.Take("smtp/end-of-data", text.ToString);
            if (fault is null or { Status: 0, Drop: false, Hang: false } or { TakesEffect: true })
            {
                var bytes = Encoding.Latin1.GetBytes(text.ToString());
                using var body = new MemoryStream(bytes);
                var message = await MimeMessage.LoadAsync(body, cancellationToken);
                server._mails.Add(new ReceivedMail(_sender, [.. _recipients], message, bytes.Length, JsonReading.Now()));
            }

            _recipients.Clear();
            return await ReplyAsync(fault, "250 2.0.0 queued", cancellationToken);
        }

        private async Task<bool> RsetAsync(CancellationToken cancellationToken)
        {
            _recipients.Clear();
            return await SayAsync("250 ok", cancellationToken);
        }

        private Task<bool> ReplyAsync(string stage, string line, string usual, CancellationToken cancellationToken) =>
            ReplyAsync(server._faults.Take("smtp/" + stage, () => line), usual, cancellationToken);

        private async Task<bool> ReplyAsync(Fault? fault, string usual, CancellationToken cancellationToken)
        {
            if (fault is { DelayMilliseconds: > 0 }) await Task.Delay(TimeSpan.FromMilliseconds(fault.DelayMilliseconds), TimeProvider.System, cancellationToken);
            if (fault is { Hang: true }) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            if (fault is { Drop: true, Status: 0 }) return false;
            return await SayAsync(fault is { Status: > 0 } ? string.Create(CultureInfo.InvariantCulture, $"{fault.Status} {fault.Body}") : usual, cancellationToken) && fault is not { Drop: true };
        }

        private async Task<string> AskAsync(string prompt, CancellationToken cancellationToken)
        {
            await SayAsync(prompt, cancellationToken);
            return await reader.ReadLineAsync(cancellationToken) ?? "";
        }

        private async Task<bool> SayAsync(string reply, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), cancellationToken);
            return true;
        }

        private static string Address(string line)
        {
            var (open, close) = (line.IndexOf('<', StringComparison.Ordinal), line.LastIndexOf('>'));
            return open >= 0 && close > open ? line[(open + 1)..close] : "";
        }

        private static string Decode(string base64)
        {
            var buffer = new byte[base64.Length];
            return Convert.TryFromBase64String(base64, buffer, out var length) ? Encoding.UTF8.GetString(buffer, 0, length) : "";
        }
    }
}
