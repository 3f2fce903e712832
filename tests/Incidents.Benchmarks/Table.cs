using System.Globalization;
using System.Text;

namespace Incidents.Benchmarks;

/// <summary>The rows of the report. A row holds one figure of ours and one of the yardstick for each round; its ratio is the median of the ratios of the rounds.</summary>
internal sealed class Table
{
    private readonly List<Row> _rows = [];

    /// <param name="goal">Number of the goal, in the order of <c>docs/performance.md</c>.</param>
    /// <param name="what">What is compared.</param>
    /// <param name="unit">Of both figures.</param>
    /// <param name="must">Ratio that must be kept; null for information only.</param>
    /// <param name="stretch">Ratio that we want.</param>
    /// <param name="most">True when small ratios are good.</param>
    public Row Add(int goal, string what, string unit, double? must = null, double? stretch = null, bool most = false)
    {
        var row = new Row(goal, what, unit, must, stretch, most);
        _rows.Add(row);
        return row;
    }

    public override string ToString()
    {
        var text = new StringBuilder("| # | what | ours | yardstick | ratio | must | stretch | verdict |\n|---|---|---|---|---|---|---|---|\n");
        foreach (var row in _rows.Where(r => r.HasRounds).OrderBy(r => r.Goal)) text.Append(row).Append('\n');
        return text.ToString();
    }

    public bool Holds => _rows.All(r => !r.HasRounds || r.KeepsMust);
}

internal sealed class Row(int goal, string what, string unit, double? must, double? stretch, bool most)
{
    private readonly List<(double Ours, double Yardstick)> _rounds = [];

    public int Goal { get; } = goal;

    public bool HasRounds => _rounds.Count > 0;

    public bool KeepsMust => must is not { } limit || (most ? Ratio <= limit : Ratio >= limit);

    private double Ratio => Median(_rounds.Select(r => r.Ours / r.Yardstick));

    public void Round(double ours, double yardstick) => _rounds.Add((ours, yardstick));

    public override string ToString()
    {
        var sign = most ? "≤" : "≥";
        var verdict = must is null ? "information" : stretch is { } wanted && (most ? Ratio <= wanted : Ratio >= wanted) ? "stretch" : KeepsMust ? "must" : "**below must**";
        return $"| {Goal} | {what} | {Figure(_rounds.Select(r => r.Ours))} {unit} | {Figure(_rounds.Select(r => r.Yardstick))} {unit} | **{Number(Ratio)}** | {(must is { } m ? $"{sign} {Number(m)}" : "")} | {(stretch is { } s ? $"{sign} {Number(s)}" : "")} | {verdict} |";
    }

    private static string Figure(IEnumerable<double> values) => Number(Median(values));

    private static string Number(double value) => value.ToString(value >= 100 ? "#,0" : value >= 10 ? "0.0" : "0.##", CultureInfo.InvariantCulture);

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
