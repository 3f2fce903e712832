using System.Text;
using System.Text.RegularExpressions;
using Incidents.Domain.Alerts;

namespace Incidents.Domain.Routing;

/// <summary>
/// One condition on one label: <c>team="payments"</c>, <c>severity=~"critical|page"</c>. A missing label equals the empty string.
/// Regular expressions are RE2 and must match the whole value.
/// </summary>
public sealed class Matcher : IEquatable<Matcher>
{
    private readonly string[]? _choices;
    private readonly Regex? _regex;

    private Matcher(string name, string @operator, string value, string[]? choices, Regex? regex)
    {
        (Name, Operator, Value) = (name, @operator, value);
        (_choices, _regex) = (choices, regex);
        IsNegative = @operator is "!=" or "!~";
    }

    public string Name { get; }

    /// <summary><c>=</c>, <c>!=</c>, <c>=~</c> or <c>!~</c>.</summary>
    public string Operator { get; }

    /// <summary>The wanted value or the regular expression, unescaped.</summary>
    public string Value { get; }

    public bool IsRegex => Operator is "=~" or "!~";

    /// <summary>True for <c>!=</c> and <c>!~</c>.</summary>
    public bool IsNegative { get; }

    /// <summary>True when no label set can fail it, as <c>team=~".*"</c>.</summary>
    public bool MatchesAnything => Operator == "=~" && (Value is ".*" or "^.*$" or "(.*)");

    /// <summary>Builds a matcher. Null and an error when the operator is a regular expression and the value is not one that RE2 accepts.</summary>
    public static Matcher? TryCreate(string name, string @operator, string value, out Re2.Error? error)
    {
        error = null;
        if (@operator is "=" or "!=") return new Matcher(name, @operator, value, [value], null);
        if (@operator is not ("=~" or "!~")) throw new ArgumentOutOfRangeException(nameof(@operator), @operator, "Use =, !=, =~ or !~.");
        if (Re2.LiteralChoices(value) is { } choices) return new Matcher(name, @operator, value, choices, null);
        return Re2.TryCompile(value, out error) is { } regex ? new Matcher(name, @operator, value, null, regex) : null;
    }

    public bool Matches(Labels labels) => MatchesValue(labels[Name]);

    public bool MatchesValue(string value) => IsNegative != (_choices is not null ? IsChoice(value) : _regex!.IsMatch(value));

    private bool IsChoice(string value)
    {
        foreach (var choice in _choices!)
        {
            if (string.Equals(choice, value, StringComparison.Ordinal)) return true;
        }

        return false;
    }

    public bool Equals(Matcher? other) =>
        other is not null && Name == other.Name && Operator == other.Operator && Value == other.Value;

    public override bool Equals(object? obj) => Equals(obj as Matcher);

    public override int GetHashCode() => HashCode.Combine(Name, Operator, Value);

    /// <summary>Text that both of Alertmanager's syntaxes read back as this matcher, whenever the classic one can express it.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Name.Length + Value.Length + 6);
        if (MatcherSyntax.IsClassicName(Name)) text.Append(Name);
        else MatcherSyntax.AppendQuoted(text, Name);
        text.Append(Operator);
        MatcherSyntax.AppendQuoted(text, Value);
        return text.ToString();
    }
}
