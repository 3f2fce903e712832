using System.Collections.Frozen;
using System.Collections.Immutable;
using Incidents.Domain.Alerts;

namespace Incidents.Domain.Routing;

/// <summary>
/// How the words that alerts carry (<c>page</c>, <c>P1</c>, <c>sev-2</c>, <c>CRIT</c>) become critical, warning or info.
/// Words are compared without case, spaces, hyphens and underscores.
/// </summary>
public sealed class SeverityMapping
{
    private readonly FrozenDictionary<string, string> _words;

    /// <param name="labelNames">Labels that may carry the word, the most telling first.</param>
    /// <param name="words">Word (in any spelling) and its severity. The three severities always mean themselves.</param>
    /// <param name="defaultSeverity">Taken when no label carries a known word.</param>
    public SeverityMapping(ImmutableArray<string> labelNames, IEnumerable<KeyValuePair<string, string>> words, string defaultSeverity)
    {
        Severity.Rank(defaultSeverity);
        var table = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (word, severity) in words)
        {
            Severity.Rank(severity);
            table[Normalize(word)] = severity;
        }

        foreach (var severity in Severity.All) table[severity] = severity;
        LabelNames = labelNames;
        DefaultSeverity = defaultSeverity;
        _words = table.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>
    /// The words seen in the wild. Bare numbers are not among them: 1 is the worst at some and the least at others,
    /// so they fall to the default until a site says what it means.
    /// </summary>
    public static readonly BySeverity<ImmutableArray<string>> CommonWords = new(
        Critical: ["critical", "crit", "page", "fatal", "emergency", "emerg", "disaster", "alert", "high", "major", "error", "err", "p0", "p1", "sev0", "sev1"],
        Warning: ["warning", "warn", "average", "medium", "moderate", "minor", "p2", "p3", "sev2", "sev3"],
        Info: ["info", "information", "informational", "notice", "none", "ticket", "low", "debug", "ok", "p4", "p5", "sev4", "sev5"]);

    public static readonly ImmutableArray<string> CommonLabelNames = ["severity", "priority", "level"];

    public static readonly SeverityMapping Default = new(
        CommonLabelNames, Severity.All.SelectMany(s => CommonWords[s].Select(word => KeyValuePair.Create(word, s))), Severity.Warning);

    public ImmutableArray<string> LabelNames { get; }

    public string DefaultSeverity { get; }

    /// <summary>Normalised words and their severities.</summary>
    public IReadOnlyDictionary<string, string> Words => _words;

    /// <summary>
    /// The severity of an alert and the word it came from. The first label with a known word decides; when no word is known the default is taken
    /// and the first word met is kept; the word is null when no label is there at all.
    /// </summary>
    public (string Severity, string? Word) Read(Labels labels)
    {
        string? unknown = null;
        foreach (var name in LabelNames)
        {
            if (!labels.TryGet(name, out var word)) continue;
            if (Find(word) is { } severity) return (severity, word);
            unknown ??= word;
        }

        return (DefaultSeverity, unknown);
    }

    /// <summary>The severity a word means, or null.</summary>
    public string? Find(string word) => _words.TryGetValue(word, out var exact) || _words.TryGetValue(Normalize(word), out exact) ? exact : null;

    /// <summary><c>" SEV-2 "</c> → <c>sev2</c>.</summary>
    public static string Normalize(string word)
    {
        Span<char> kept = word.Length <= 64 ? stackalloc char[word.Length] : new char[word.Length];
        var count = 0;
        foreach (var c in word)
        {
            if (c is not ('-' or '_') && !char.IsWhiteSpace(c)) kept[count++] = char.ToLowerInvariant(c);
        }

        return new string(kept[..count]);
    }
}
