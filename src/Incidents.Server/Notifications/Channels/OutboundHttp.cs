using System.Net.Http.Headers;
using System.Text;
using Incidents.Domain.Notifications;
using NodaTime;

namespace Incidents.Server.Notifications.Channels;

/// <summary>What came back from one HTTP request, small enough to keep and show.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Body">At most the bytes asked for, decoded as UTF-8.</param>
/// <param name="RetryAfter">The far side's wish, from seconds or a date; never negative.</param>
internal sealed record HttpAnswer(int Status, string Body, Duration? RetryAfter)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    public bool IsRedirect => Status is >= 300 and < 400;

    /// <summary>Worth another try: 408, 425, 429 and 5xx.</summary>
    public bool IsTransient => Status is 408 or 425 or 429 or >= 500;

    /// <summary>For people: <c>HTTP 400: Event object is invalid</c>, one line, cut at 300 characters.</summary>
    public string InWords
    {
        get
        {
            var said = MessageText.Truncate(MessageText.SingleLine(Body), 300);
            return said.Length == 0 ? $"HTTP {Status}" : $"HTTP {Status}: {said}";
        }
    }
}

internal static class OutboundHttp
{
    private const int MostBytes = 16 * 1024;

    /// <summary>
    /// A named client that follows no redirect (a page must not wander to where a stranger points), keeps no cookies, logs no address
    /// (webhook addresses are secrets) and never retries by itself.
    /// </summary>
    public static void AddOutboundHttp(this IServiceCollection services, string name, bool guarded = false) =>
        services.AddHttpClient(name, client =>
            {
                // The attempt's own limit is shorter; this is for callers without one.
                client.Timeout = TimeSpan.FromSeconds(30);
                client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Incidents", Version));
            })
            .RemoveAllLoggers()
            .ConfigurePrimaryHttpMessageHandler(provider =>
            {
                var handler = new SocketsHttpHandler
                {
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                    PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
                };
                if (guarded)
                {
                    // A proxy would resolve the name itself, behind the guard's back.
                    handler.UseProxy = false;
                    var guard = ActivatorUtilities.CreateInstance<TargetGuard>(provider);
                    handler.ConnectCallback = (context, cancellationToken) => guard.ConnectAsync(context.DnsEndPoint, cancellationToken);
                }

                return handler;
            });

    public static bool IsHttp(Uri? address) => address is { IsAbsoluteUri: true } && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps);

    /// <summary>Sends and reads the answer, but no more than <paramref name="mostBytes"/> of it.</summary>
    public static async Task<HttpAnswer> AskAsync(
        this HttpClient client, HttpRequestMessage request, TimeProvider clock, CancellationToken cancellationToken, int mostBytes = MostBytes)
    {
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        var buffer = new byte[8192];
        while (body.Length < mostBytes)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, mostBytes - body.Length)), cancellationToken);
            if (read == 0) break;
            body.Write(buffer, 0, read);
        }

        return new HttpAnswer((int)response.StatusCode, Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length), Wish(response.Headers.RetryAfter, clock));
    }

    private static string Version { get; } = typeof(OutboundHttp).Assembly.GetName().Version?.ToString(3) ?? "0";

    private static Duration? Wish(RetryConditionHeaderValue? retryAfter, TimeProvider clock)
    {
        var wait = retryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - clock.GetUtcNow(),
            _ => (TimeSpan?)null,
        };
        return wait is { } length ? Duration.FromTimeSpan(length < TimeSpan.Zero ? TimeSpan.Zero : length) : null;
    }
}
