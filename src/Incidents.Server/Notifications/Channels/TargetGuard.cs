using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Notifications.Channels;

/// <summary>Where requests to addresses from the configuration may go. Section <c>Webhook</c>.</summary>
internal sealed class WebhookOptions
{
    /// <summary>
    /// Allows targets on loopback and private networks (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7). Default false.
    /// Link-local addresses (169.254/16, fe80::/10), where clouds keep their credentials, are never allowed.
    /// </summary>
    public bool AllowPrivateTargets { get; set; }
}

/// <summary>The name resolved to an address that requests may not go to. Its message says which and what to write.</summary>
internal sealed class TargetNotAllowedException(string message) : IOException(message);

/// <summary>
/// Refuses to connect to addresses inside. Asked with the resolved address at the moment of connecting, because a name checked earlier
/// can resolve to something else a moment later.
/// </summary>
internal sealed class TargetGuard(IOptionsMonitor<WebhookOptions> options)
{
    /// <summary>For <see cref="SocketsHttpHandler.ConnectCallback"/>.</summary>
    public async ValueTask<Stream> ConnectAsync(DnsEndPoint target, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(target.Host, cancellationToken);
        var allowPrivate = options.CurrentValue.AllowPrivateTargets;
        foreach (var address in addresses)
        {
            // One bad address is enough: a name that points both outside and inside is an attack or a mistake.
            if (WhyRefused(address, allowPrivate) is { } why) throw new TargetNotAllowedException($"{target.Host} resolves to {address}, {why}");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, target.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Null when requests may go there.</summary>
    public static string? WhyRefused(IPAddress address, bool allowPrivate)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        var bytes = address.GetAddressBytes();

        // NAT64 (64:ff9b::/96) carries an IPv4 address in its last four bytes.
        if (bytes.Length == 16 && bytes.AsSpan(0, 12).SequenceEqual((ReadOnlySpan<byte>)[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]))
            return WhyRefused(new IPAddress(bytes.AsSpan(12)), allowPrivate);

        if (IsNever(address, bytes)) return "an address that is never allowed (link-local, metadata, multicast or reserved)";
        if (!allowPrivate && IsPrivate(address, bytes)) return "a private or loopback address; to allow those write Webhook__AllowPrivateTargets=true";
        return null;
    }

    private static bool IsNever(IPAddress address, byte[] bytes)
    {
        if (bytes.Length == 4) return bytes[0] is 0 or >= 224 || (bytes[0] == 169 && bytes[1] == 254) || address.Equals(AlibabaMetadata);
        return address.IsIPv6LinkLocal || address.IsIPv6Multicast || address.IsIPv6SiteLocal || address.Equals(IPAddress.IPv6Any) || address.Equals(AwsMetadata);
    }

    private static bool IsPrivate(IPAddress address, byte[] bytes)
    {
        if (IPAddress.IsLoopback(address)) return true;
        if (bytes.Length == 16) return (bytes[0] & 0xFE) == 0xFC;
        return bytes[0] == 10
            || (bytes[0] == 172 && bytes[1] is >= 16 and < 32)
            || (bytes[0] == 192 && bytes[1] == 168)
            || (bytes[0] == 100 && bytes[1] is >= 64 and < 128)
            || (bytes[0] == 198 && bytes[1] is 18 or 19);
    }

    private static readonly IPAddress AwsMetadata = IPAddress.Parse("fd00:ec2::254");
    private static readonly IPAddress AlibabaMetadata = IPAddress.Parse("100.100.100.200");
}
