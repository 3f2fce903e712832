using System.Collections.Concurrent;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Server.Notifications;

/// <summary>
/// How fast each receiver is told things, by what its far side takes: Slack about a message a second for each channel with short bursts, PagerDuty 120 events a minute for each key.
/// Per process; a 429 stops all replicas through <see cref="ReceiverStateRow.BlockedUntil"/>.
/// </summary>
internal sealed class DeliveryPace
{
    /// <summary>A slow receiver must not take every slot from the others.</summary>
    private const int MostUnderWay = 32;

    private readonly ConcurrentDictionary<string, int> _underWay = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (double Tokens, long At)> _buckets = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Instant> _tookAt = new(StringComparer.Ordinal);

    public void Begin(string receiver)
    {
        _underWay.AddOrUpdate(receiver, 1, static (_, count) => count + 1);
        lock (_buckets)
        {
            if (_buckets.TryGetValue(receiver, out var bucket)) _buckets[receiver] = (bucket.Tokens - 1, bucket.At);
        }
    }

    public void End(string receiver) => _underWay.AddOrUpdate(receiver, 0, static (_, count) => Math.Max(0, count - 1));

    /// <summary>A message of ours has arrived there.</summary>
    public void Took(string receiver, Instant at) => _tookAt[receiver] = at;

    /// <summary>True when this process told it something a moment ago: what still waits for it waits for its turn. Of another process nothing is known, which errs on the loud side.</summary>
    public bool TookLately(string receiver, Instant now, Duration within) => _tookAt.TryGetValue(receiver, out var at) && now - at < within;

    /// <summary>How many deliveries each receiver may begin now.</summary>
    public Dictionary<string, int> Budgets(IEnumerable<Receiver> receivers, TimeProvider clock)
    {
        var budgets = new Dictionary<string, int>(StringComparer.Ordinal);
        var timestamp = clock.GetTimestamp();
        lock (_buckets)
        {
            foreach (var receiver in receivers)
            {
                var budget = MostUnderWay - _underWay.GetValueOrDefault(receiver.Name);
                if (RateOf(receiver.Channel) is var (perSecond, burst))
                {
                    var (tokens, at) = _buckets.GetValueOrDefault(receiver.Name, (burst, timestamp));
                    tokens = Math.Min(burst, tokens + (clock.GetElapsedTime(at, timestamp).TotalSeconds * perSecond));
                    _buckets[receiver.Name] = (tokens, timestamp);
                    budget = Math.Min(budget, (int)tokens);
                }

                budgets[receiver.Name] = budget;
            }
        }

        return budgets;
    }

    private static (double PerSecond, double Burst)? RateOf(string channel) => channel switch
    {
        "slack" => (1, 8),
        "pagerduty" => (2, 30),
        "email" => (5, 50),
        _ => null,
    };
}
