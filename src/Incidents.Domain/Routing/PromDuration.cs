using System.Globalization;
using System.Text;
using NodaTime;

namespace Incidents.Domain.Routing;

/// <summary>
/// Lengths of time as Prometheus and Alertmanager write them: <c>90s</c>, <c>1h30m</c>, <c>2d</c>. Units y w d h m s ms in this order,
/// each at most once, whole numbers, no sign; <c>0</c> may stand alone. A year has 365 days, a day 24 hours.
/// </summary>
public static class PromDuration
{
    private static readonly (string Unit, long Nanoseconds)[] Units =
    [
        ("y", 365L * 24 * 3600 * 1_000_000_000),
        ("w", 7L * 24 * 3600 * 1_000_000_000),
        ("d", 24L * 3600 * 1_000_000_000),
        ("h", 3600L * 1_000_000_000),
        ("m", 60L * 1_000_000_000),
        ("s", 1_000_000_000L),
        ("ms", 1_000_000L),
    ];

    /// <summary>Reads a length. When it cannot, <paramref name="error"/> says why in words for the operator; otherwise it is null.</summary>
    public static bool TryParse(string text, out Duration duration, out string? error)
    {
        duration = Duration.Zero;
        error = null;
        if (text.Length == 0)
        {
            error = "is empty";
            return false;
        }

        if (text == "0") return true;

        long total = 0;
        var position = 0;
        var nextUnit = 0;
        while (position < text.Length)
        {
            var start = position;
            while (position < text.Length && char.IsAsciiDigit(text[position])) position++;
            var digits = text.AsSpan(start, position - start);
            var unitStart = position;
            while (position < text.Length && !char.IsAsciiDigit(text[position])) position++;
            var unit = text[unitStart..position];
            if (digits.Length == 0)
            {
                error = $"has no number before '{unit}'; numbers are whole and without a sign";
                return false;
            }

            var index = Array.FindIndex(Units, u => u.Unit == unit);
            if (index < 0)
            {
                error = unit.Length == 0 ? $"has no unit after {digits}" : $"has an unknown unit '{unit}'; units are y, w, d, h, m, s, ms";
                return false;
            }

            if (index < nextUnit)
            {
                error = $"has '{unit}' out of order or twice; the order is y, w, d, h, m, s, ms";
                return false;
            }

            nextUnit = index + 1;
            if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                || number > (long.MaxValue - total) / Units[index].Nanoseconds)
            {
                error = "is longer than about 292 years";
                return false;
            }

            total += number * Units[index].Nanoseconds;
        }

        duration = Duration.FromNanoseconds(total);
        return true;
    }

    /// <summary>The shortest text that <see cref="TryParse"/> reads back as this length. Parts below a millisecond are dropped; a negative length is a bug and throws.</summary>
    public static string Format(Duration duration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(duration, Duration.Zero);
        var rest = (long)duration.TotalMilliseconds;
        if (rest == 0) return "0s";

        var text = new StringBuilder();
        foreach (var (unit, nanoseconds) in Units)
        {
            var size = nanoseconds / 1_000_000;

            // Years and weeks only when they are the whole: 8d reads better than 1w1d.
            if (unit is "y" or "w" && rest % size != 0) continue;
            var count = rest / size;
            if (count == 0) continue;
            text.Append(CultureInfo.InvariantCulture, $"{count}{unit}");
            rest -= count * size;
        }

        return text.ToString();
    }
}
