using System.Globalization;
using System.Text;

namespace Incidents.Server.Configuration;

/// <summary>Problems as a terminal shows them: place, code, message, fix, and the line with the spot underlined.</summary>
internal static class ProblemText
{
    public static string Format(ConfigurationProblem problem)
    {
        var text = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"{problem.File}:{problem.Line}:{problem.Column}: {(problem.IsWarning ? "warning" : "error")} {problem.Code}: {problem.Message}");
        if (problem.Fix.Length > 0) text.Append(' ').Append(problem.Fix);
        if (problem.Source is null) return text.Append('\n').ToString();

        var number = problem.Line.ToString(CultureInfo.InvariantCulture).PadLeft(5);

        // A tab would shift the carets; one column each keeps them in place.
        var source = problem.Source.Replace('\t', ' ').TrimEnd();
        return text
            .Append(CultureInfo.InvariantCulture, $"\n{number} | {source}\n      | ")
            .Append(' ', problem.Column - 1)
            .Append('^', Math.Max(1, Math.Min(problem.Length, Math.Max(1, source.Length - problem.Column + 1))))
            .Append('\n')
            .ToString();
    }

    public static string Format(IReadOnlyList<ConfigurationProblem> problems)
    {
        var errors = problems.Count(p => !p.IsWarning);
        var warnings = problems.Count - errors;
        return string.Concat(problems.Select(Format))
            + $"{Count(errors, "error")}{(warnings > 0 ? ", " + Count(warnings, "warning") : "")}. Each code is explained in docs/configuration-errors.md.\n";
    }

    /// <summary>By file and place; the order in which an operator mends them.</summary>
    public static IEnumerable<ConfigurationProblem> InOrder(IEnumerable<ConfigurationProblem> problems) =>
        problems.Distinct().OrderBy(p => p.File, StringComparer.Ordinal).ThenBy(p => p.Line).ThenBy(p => p.Column).ThenBy(p => p.Code, StringComparer.Ordinal);

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";
}
