namespace Incidents.StandIns;

/// <summary>The newest things of one kind, and how many there ever were. Bounded, so that a load test does not fill the memory.</summary>
public sealed class Recorded<T>(int keep)
{
    private readonly Queue<T> _items = new();
    private readonly Lock _lock = new();
    private long _total;

    public long Total => Interlocked.Read(ref _total);

    public IReadOnlyList<T> Items
    {
        get { lock (_lock) return [.. _items]; }
    }

    public void Add(T item)
    {
        lock (_lock)
        {
            _total++;
            _items.Enqueue(item);
            if (_items.Count > keep) _items.Dequeue();
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _items.Clear();
            _total = 0;
        }
    }
}
