using Incidents.Domain.Routing;

namespace Incidents.Domain.PostMortems;

/// <summary>
/// Which incidents get a post-mortem. Critical ones must have one (published, or skipped with a reason); for warnings a draft lies ready and nobody is asked for it;
/// the rest gets one only when a person wants it, so that small things make no paperwork.
/// </summary>
public static class PostMortemRule
{
    /// <summary>True when resolving drafts it without being asked.</summary>
    public static bool IsDrafted(string severity, bool aboutEngine) => !aboutEngine && (severity is Severity.Critical or Severity.Warning);

    /// <summary>Why somebody has to publish or skip it; null when it is optional.</summary>
    public static string? WhyRequired(string severity, bool aboutEngine) => severity == Severity.Critical && !aboutEngine ? "The incident was critical." : null;
}
