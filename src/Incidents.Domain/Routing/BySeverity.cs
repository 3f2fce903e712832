namespace Incidents.Domain.Routing;

/// <summary>One value for each severity: what <c>{critical: …, warning: …, info: …}</c> becomes.</summary>
public readonly record struct BySeverity<T>(T Critical, T Warning, T Info)
{
    public T this[string severity] => Severity.Rank(severity) switch
    {
        2 => Critical,
        1 => Warning,
        _ => Info,
    };

    public BySeverity<TOther> Select<TOther>(Func<T, TOther> change) => new(change(Critical), change(Warning), change(Info));
}

public static class BySeverity
{
    public static BySeverity<T> All<T>(T value) => new(value, value, value);
}
