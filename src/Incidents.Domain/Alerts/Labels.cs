using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Incidents.Domain.Alerts;

/// <summary>
/// A set of label names and values, sorted by name (ordinal), as Alertmanager sorts them.
/// A label with an empty value is the same as no label, so empty values are dropped.
/// Equality is by content.
/// </summary>
public sealed class Labels : IReadOnlyList<KeyValuePair<string, string>>, IEquatable<Labels>
{
    public static readonly Labels Empty = new([]);

    private readonly KeyValuePair<string, string>[] _pairs;

    private Labels(KeyValuePair<string, string>[] sorted) => _pairs = sorted;

    /// <summary>Builds a set. A name given twice keeps its last value.</summary>
    public static Labels From(IEnumerable<KeyValuePair<string, string>> pairs)
    {
        var sorted = pairs.Where(p => p.Value.Length > 0).ToArray();
        if (sorted.Length == 0) return Empty;

        // Sorted by name and then by position, so that of equal names the last one given stays last.
        var keys = new (string Name, int Position)[sorted.Length];
        for (var i = 0; i < sorted.Length; i++) keys[i] = (sorted[i].Key, i);
        Array.Sort(keys, sorted, ByNameThenPosition.Instance);
        var count = 1;
        for (var i = 1; i < sorted.Length; i++)
        {
            if (string.Equals(sorted[i].Key, sorted[count - 1].Key, StringComparison.Ordinal)) sorted[count - 1] = sorted[i];
            else sorted[count++] = sorted[i];
        }

        return new Labels(count == sorted.Length ? sorted : sorted[..count]);
    }

    /// <summary>For code and tests: <c>Labels.Of(("severity", "critical"), ("job", "api"))</c>.</summary>
    public static Labels Of(params ReadOnlySpan<(string Name, string Value)> pairs)
    {
        var list = new List<KeyValuePair<string, string>>(pairs.Length);
        foreach (var (name, value) in pairs) list.Add(new(name, value));
        return From(list);
    }

    public int Count => _pairs.Length;

    public KeyValuePair<string, string> this[int index] => _pairs[index];

    /// <summary>The label's value, or the empty string when there is no such label.</summary>
    public string this[string name] => TryGet(name, out var value) ? value : "";

    public bool TryGet(string name, [MaybeNullWhen(false)] out string value)
    {
        int low = 0, high = _pairs.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var order = string.CompareOrdinal(_pairs[middle].Key, name);
            if (order == 0)
            {
                value = _pairs[middle].Value;
                return true;
            }

            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }

        value = null;
        return false;
    }

    public bool Equals(Labels? other)
    {
        if (other is null || other._pairs.Length != _pairs.Length) return false;
        for (var i = 0; i < _pairs.Length; i++)
        {
            if (!string.Equals(_pairs[i].Key, other._pairs[i].Key, StringComparison.Ordinal)
                || !string.Equals(_pairs[i].Value, other._pairs[i].Value, StringComparison.Ordinal)) return false;
        }

        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as Labels);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var (name, value) in _pairs)
        {
            hash.Add(name, StringComparer.Ordinal);
            hash.Add(value, StringComparer.Ordinal);
        }

        return hash.ToHashCode();
    }

    /// <summary>As Prometheus writes it: <c>{alertname="DiskFull", job="node"}</c>.</summary>
    public override string ToString() =>
        "{" + string.Join(", ", _pairs.Select(p => $"{p.Key}=\"{p.Value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"")) + "}";

    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, string>>)_pairs).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _pairs.GetEnumerator();

    private sealed class ByNameThenPosition : IComparer<(string Name, int Position)>
    {
        public static readonly ByNameThenPosition Instance = new();

        public int Compare((string Name, int Position) x, (string Name, int Position) y) =>
            string.CompareOrdinal(x.Name, y.Name) is var order and not 0 ? order : x.Position.CompareTo(y.Position);
    }
}
