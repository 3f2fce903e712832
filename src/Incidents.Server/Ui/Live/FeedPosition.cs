using System.Globalization;

namespace Incidents.Server.Ui.Live;

/// <summary>
/// Which timeline entries were told: all up to <see cref="Low"/>, and those in <see cref="Above"/>. Ids are given before the commit, so a smaller id may turn up later:
/// a number alone could not say what was missed. As text it is the event id, and any replica can go on from it.
/// </summary>
internal sealed class FeedPosition(long low, IEnumerable<long> above)
{
    // More than this is not worth an address line; a client that comes back then hears some entries twice.
    private const int MostNamed = 60;

    public long Low { get; private set; } = low;

    public SortedSet<long> Above { get; } = [.. above];

    public bool Has(long id) => id <= Low || Above.Contains(id);

    public void Add(long id)
    {
        if (id <= Low) return;
        Above.Add(id);
        Absorb();
    }

    /// <summary>No entry at or below <paramref name="id"/> can turn up any more.</summary>
    public void Settle(long id)
    {
        if (id <= Low) return;
        Low = id;
        Above.RemoveWhere(a => a <= id);
        Absorb();
    }

    public FeedPosition Copy() => new(Low, Above);

    public override string ToString() => Above.Count is 0 or > MostNamed
        ? Low.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Low}+{string.Join(',', Above)}");

    /// <summary>Null for text that is no position.</summary>
    public static FeedPosition? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text) || text.Length > 2000) return null;
        var plus = text.IndexOf('+', StringComparison.Ordinal);
        if (!long.TryParse(plus < 0 ? text : text[..plus], NumberStyles.None, CultureInfo.InvariantCulture, out var low)) return null;
        var above = new List<long>();
        foreach (var part in plus < 0 ? [] : text[(plus + 1)..].Split(','))
        {
            if (!long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return null;
            above.Add(id);
        }

        return new FeedPosition(low, above);
    }

    private void Absorb()
    {
        while (Above.Count > 0 && Above.Min == Low + 1)
        {
            Low++;
            Above.Remove(Low);
        }
    }
}
