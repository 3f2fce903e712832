using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>A stretch of time, its start included and its end not.</summary>
internal readonly record struct Span(Instant From, Instant Until)
{
    public bool Contains(Instant at) => at >= From && at < Until;

    /// <summary>Those of ordered spans that lie in a stretch, cut to it; spans that touch or overlap become one.</summary>
    public static List<Span> Unite(List<Span> spans, Instant from, Instant until)
    {
        spans.Sort((a, b) => a.From.CompareTo(b.From));
        var united = new List<Span>(spans.Count);
        foreach (var span in spans)
        {
            var cut = new Span(Instant.Max(span.From, from), Instant.Min(span.Until, until));
            if (cut.From >= cut.Until) continue;
            if (united.Count > 0 && cut.From <= united[^1].Until) united[^1] = united[^1] with { Until = Instant.Max(united[^1].Until, cut.Until) };
            else united.Add(cut);
        }

        return united;
    }

    /// <summary>True when one of ordered, disjoint spans contains the moment.</summary>
    public static bool AnyContains(List<Span> spans, Instant at)
    {
        var (low, high) = (0, spans.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (spans[middle].Until <= at) low = middle + 1;
            else high = middle;
        }

        return low < spans.Count && spans[low].Contains(at);
    }
}
