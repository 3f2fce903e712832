namespace Incidents.StandIns;

/// <summary>What goes wrong with the next requests to one endpoint.</summary>
public sealed record Fault
{
    /// <summary>How many requests it meets. Default 1.</summary>
    public int Times { get; init; } = 1;

    /// <summary>HTTP status to answer; 0: the endpoint's own answer. For SMTP the reply code.</summary>
    public int Status { get; init; }

    /// <summary>Body to answer with; for SMTP the text after the code.</summary>
    public string Body { get; init; } = "";

    public string ContentType { get; init; } = "application/json";

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Waits this long before anything else.</summary>
    public int DelayMilliseconds { get; init; }

    /// <summary>Never answers; the connection stays open until the client leaves.</summary>
    public bool Hang { get; init; }

    /// <summary>Closes the connection instead of answering; SMTP with a status: after it.</summary>
    public bool Drop { get; init; }

    /// <summary>The request takes effect all the same, so that only the answer is lost or wrong.</summary>
    public bool TakesEffect { get; init; }

    /// <summary>Only requests whose body (SMTP: command line) contains this; null: all.</summary>
    public string? When { get; init; }
}

/// <summary>
/// Waiting faults by endpoint: <c>pagerduty</c>, <c>slack</c> (any method), <c>slack/chat.postMessage</c>, <c>loki</c>, <c>webhook</c>;
/// <c>smtp/connect</c>, <c>smtp/ehlo</c>, <c>smtp/auth</c>, <c>smtp/mail</c>, <c>smtp/rcpt</c>, <c>smtp/data</c>, <c>smtp/end-of-data</c>.
/// </summary>
public sealed class Faults
{
    private readonly Dictionary<string, List<Fault>> _waiting = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _lock = new();
    private int _count;

    /// <summary>How many have not met a request yet.</summary>
    public int Waiting => Volatile.Read(ref _count);

    public void Add(string endpoint, Fault fault)
    {
        lock (_lock)
        {
            if (!_waiting.TryGetValue(endpoint, out var list)) _waiting[endpoint] = list = [];
            list.Add(fault);
            _count++;
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _waiting.Clear();
            _count = 0;
        }
    }

    internal Fault? Take(string endpoint, Func<string> request)
    {
        if (Volatile.Read(ref _count) == 0) return null;
        lock (_lock)
        {
            return TakeFrom(endpoint) ?? (endpoint.StartsWith("slack/", StringComparison.OrdinalIgnoreCase) ? TakeFrom("slack") : null);
        }

        Fault? TakeFrom(string name)
        {
            if (!_waiting.TryGetValue(name, out var list)) return null;
            var at = list.FindIndex(fault => fault.When is null || request().Contains(fault.When, StringComparison.Ordinal));
            if (at < 0) return null;
            var fault = list[at];
            if (fault.Times > 1) list[at] = fault with { Times = fault.Times - 1 };
            else
            {
                list.RemoveAt(at);
                _count--;
            }

            return fault;
        }
    }
}
