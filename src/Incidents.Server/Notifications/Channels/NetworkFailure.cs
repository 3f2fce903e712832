using System.Net.Sockets;
using Incidents.Domain.Notifications;

namespace Incidents.Server.Notifications.Channels;

/// <summary>Tells a broken network (an answer) from a bug (an exception), and whether the message may have arrived all the same.</summary>
internal static class NetworkFailure
{
    public static bool IsNetwork(Exception failure) =>
        failure is HttpRequestException or IOException or SocketException || failure is OperationCanceledException { InnerException: TimeoutException };

    public static DeliveryResult Answer(Exception failure)
    {
        for (var inner = failure; inner is not null; inner = inner.InnerException)
        {
            if (inner is TargetNotAllowedException refused) return new DeliveryResult.Misconfigured(refused.Message);
        }

        return new DeliveryResult.RetryLater(Reason(failure), MayHaveArrived: !NeverLeft(failure));
    }

    /// <summary>True when nothing can have been sent: no connection was made.</summary>
    public static bool NeverLeft(Exception failure) => failure switch
    {
        HttpRequestException http => http.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,
        SocketException socket => IsBeforeConnection(socket.SocketErrorCode),
        _ => false,
    };

    /// <summary>In words, without the address: addresses of webhooks carry secrets.</summary>
    public static string Reason(Exception failure) => failure switch
    {
        HttpRequestException { InnerException: SocketException socket } => Words(socket),
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "the host name could not be resolved",
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => "the TLS handshake failed",
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "the connection could not be made",
        SocketException socket => Words(socket),
        OperationCanceledException => "no answer in time",
        _ => "the connection broke before an answer was read",
    };

    private static bool IsBeforeConnection(SocketError error) => error is SocketError.ConnectionRefused or SocketError.HostNotFound
        or SocketError.TryAgain or SocketError.NoData or SocketError.HostUnreachable or SocketError.NetworkUnreachable;

    private static string Words(SocketException socket) => socket.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "the connection was refused",
        SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData => "the host name could not be resolved",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => "the host cannot be reached",
        _ => $"the connection broke ({socket.SocketErrorCode})",
    };
}
